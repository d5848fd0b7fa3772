"""The virtual resource ``imagesignatures``: signatures are kept in their images (``registry/imagesignature``)."""

from __future__ import annotations

from typing import Final

from mirror.api import failures
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.deletion import delete_options
from mirror.api.image_strategy import ImageStrategy
from mirror.api.image_validation import signature_errors, split_signature_name
from mirror.api.managed_fields import FieldManager
from mirror.api.metadata import common_errors
from mirror.api.routing import Call, Reply
from mirror.api.updates import Written, new_object, warned
from mirror.v1.image import Image, ImageSignature

_CALLED: Final = "imageSignatures"


class SignatureResource:
    """Creates and deletes signatures."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kind = cluster.kinds.signatures
        self._fields = FieldManager(self._kind, cluster.now)
        self._strategy = ImageStrategy(cluster.now)

    async def create(self, call: Call) -> Reply:
        """A new signature of an image that is there. Like the real server it does not honour ``dryRun``."""
        new = new_object(call, self._kind, self._fields)
        with warned(new.warnings):
            signature = new.item
            self._prepare(signature)
            names = split_signature_name(signature.metadata.name)
            assert names is not None
            image = await self._cluster.images.get("", names[0])
            for other in image.signatures or ():
                same = (other.type, other.content) == (signature.type, signature.content)
                if same or other.metadata.name == signature.metadata.name:
                    raise failures.already_exists(_CALLED, signature.metadata.name)
            image.signatures = [*(image.signatures or ()), signature]
            stored = await self._store(image)
            return Reply(self._shown(stored, signature.metadata.name), 201, tuple(new.warnings))

    def _prepare(self, signature: ImageSignature) -> None:
        """Forgets what only the server finds out, and checks the rest.

        Raises:
            ApiFailure: 422 or 500.
        """
        meta = signature.metadata
        if meta.generateName and not meta.name:
            meta.name = meta.generateName
        meta.uid = self._cluster.uids.uid(self._kind.resource, "", meta.name)
        meta.creationTimestamp = self._cluster.now()
        signature.conditions = signature.signedClaims = None
        signature.created = signature.issuedBy = signature.issuedTo = None
        signature.imageIdentity = ""
        errors = signature_errors(signature) or common_errors(meta, namespaced=False)
        if errors:
            raise failures.invalid(self._kind.kind, meta.name, errors)

    async def _store(self, image: Image) -> Image:
        update = Written(image, dry_run=False)
        stored, _ = await self._cluster.image_registry.update("", image.metadata.name, update, self._strategy)
        return stored

    def _shown(self, image: Image, name: str) -> ImageSignature:
        signature = next(one for one in image.signatures or () if one.metadata.name == name)
        signature.kind, signature.apiVersion = self._kind.kind, API_VERSION
        return signature

    async def delete(self, call: Call) -> Reply:
        """Takes a signature out of its image."""
        delete_options(call.request)
        names = split_signature_name(call.name)
        if names is None:
            raise failures.bad_request("ImageSignatures must be accessed with <imageName>@<signatureName>")
        image = await self._cluster.images.get("", names[0])
        left = [one for one in image.signatures or () if one.metadata.name != call.name]
        if len(left) == len(image.signatures or ()):
            raise failures.not_found(_CALLED, call.name)
        image.signatures = left or None
        await self._store(image)
        return Reply(failures.success())
