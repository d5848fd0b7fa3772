"""The signatures extension of OpenShift's and Red Hat's registries: ``/extensions/v2/NAME/signatures/DIGEST``.

Only hosts that are configured so have it. What is put is kept as an artifact that refers to the image, so that it goes
wherever the image goes.
"""

from __future__ import annotations

import msgspec

from fake_registry.core import errors
from fake_registry.core.bodies import read_manifest_body
from fake_registry.core.call import Call, look_for, read_all
from fake_registry.core.errors import API_VERSION
from fake_registry.core.messages import JSON, Response
from fake_registry.fixtures import Snapshot, Tree
from fake_registry.oci import OCI_MANIFEST, Descriptor
from fake_registry.simple_signing import (
    Signature,
    SignatureArtifact,
    SignatureList,
    decode_signature,
    kept,
    kept_signature,
)


async def listing(call: Call) -> Response:
    """All signatures of an image, by name; an image without any has an empty list."""
    snapshot = call.snapshot()
    await _image(call, snapshot)
    found = SignatureList(await _signatures(snapshot, call.target.argument))
    return Response(200, [("Content-Type", JSON), API_VERSION], msgspec.json.encode(found))


async def put(call: Call) -> Response:
    """Adds a signature to an image."""
    name, digest = call.written_name(), call.target.argument
    snapshot = call.snapshot()
    subject = await _image(call, snapshot)
    try:
        signature = decode_signature(await read_manifest_body(call))
    except ValueError as error:
        raise errors.signature_invalid(str(error)) from None
    wrong = signature.problem(digest)
    if wrong:
        raise errors.signature_invalid(wrong)
    if any(known.name == signature.name for known in await _signatures(snapshot, digest)):
        raise errors.signature_exists(signature.name)
    artifact = kept(signature, subject)
    host, tree = call.host.name, call.content.tree
    await call.content.write(host, name, _keep, tree, host, name, artifact)
    return Response(201, [API_VERSION])


async def _image(call: Call, snapshot: Snapshot) -> Descriptor:
    """The image that the path names, with its size (raises `RegistryError` if the repository has none such)."""
    digest = call.digest()
    await look_for(snapshot, digest)
    descriptor = snapshot.manifest(digest)
    data = None if descriptor is None else snapshot.read_manifest(descriptor)
    if descriptor is None or data is None:
        raise errors.manifest_unknown(digest)
    return msgspec.structs.replace(descriptor, size=len(data))


async def _signatures(snapshot: Snapshot, digest: str) -> list[Signature]:
    await read_all(snapshot)
    found = []
    for referrer in snapshot.referrers(digest):
        known = kept_signature(referrer.links)
        content = None if known is None else snapshot.read_blob(known.layer)
        if known is not None and isinstance(content, bytes):
            found.append(Signature(name=known.name, content=content))
    return sorted(found, key=lambda signature: signature.name)


def _keep(tree: Tree, host: str, name: str, artifact: SignatureArtifact) -> None:
    for digest, data in artifact.blobs.items():
        tree.put_blob(data, digest)
    tree.put_manifest(host, name, artifact.manifest, OCI_MANIFEST)
