"""The resource ``imagestreamimports``: it can only be created."""

from __future__ import annotations

from mirror.api import failures
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.importing import ImportFlow
from mirror.api.managed_fields import FieldManager
from mirror.api.messages import User
from mirror.api.routing import Call, Reply
from mirror.api.updates import new_object, warned
from mirror.api.validation import allowed_errors, import_errors
from mirror.v1.imagestreamimport import ImageStreamImport, ImageStreamImportStatus

KIND = "ImageStreamImport"


class ImportResource:
    """Creates imports."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kind = cluster.kinds.imports
        self._fields = FieldManager(self._kind, cluster.now)

    async def create(self, call: Call) -> Reply:
        """Runs an import. Once it is accepted the answer is 201, whatever happened to each image.

        Like the real server it does not honour ``dryRun``: a dry run is an import with ``spec.import: false``.

        Raises:
            ApiFailure: the body cannot be used.
            WarnedFailure: the import is refused.
        """
        new = new_object(call, self._kind, self._fields)
        with warned(new.warnings):
            return Reply(await self._run(new.item, call.request.user), 201, tuple(new.warnings))

    async def _run(self, isi: ImageStreamImport, user: User) -> ImageStreamImport:
        cluster = self._cluster
        meta = isi.metadata
        if meta.generateName and not meta.name:
            raise failures.internal_error("metadata.name was not generated")
        meta.uid = cluster.uids.uid("imagestreamimports", meta.namespace, meta.name)
        meta.creationTimestamp = cluster.now()
        isi.kind, isi.apiVersion = KIND, API_VERSION
        isi.status = ImageStreamImportStatus()
        self._validate(isi, user)
        return await self._flow().create(isi)

    def _validate(self, isi: ImageStreamImport, user: User) -> None:
        errors = import_errors(isi)
        if not errors and not self._cluster.may_create_images(user):
            errors = allowed_errors(isi, self._cluster.allowed)
        if errors:
            raise failures.invalid(KIND, isi.metadata.name, errors)

    def _flow(self) -> ImportFlow:
        cluster = self._cluster
        return ImportFlow(
            cluster.streams,
            cluster.images,
            cluster.strategy,
            cluster.run_import,
            cluster.uids.uid,
            cluster.now,
            mode=cluster.mode,
        )
