"""The resource ``imagestreamimports``: it can only be created."""

from __future__ import annotations

from mirror.api import failures
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION, decode_body
from mirror.api.defaults import default_import
from mirror.api.failures import ApiFailure
from mirror.api.importing import ImportFlow
from mirror.api.routing import Call, Reply, WarnedFailure
from mirror.api.validation import allowed_errors, import_errors
from mirror.v1.imagestreamimport import ImageStreamImport, ImageStreamImportStatus
from mirror.v1.meta import ObjectMeta

KIND = "ImageStreamImport"


def own_namespace(meta: ObjectMeta, namespace: str) -> None:
    """Takes the namespace of the path where the object has none.

    Raises:
        ApiFailure: 400, the object has another one.
    """
    if meta.namespace not in ("", namespace):
        raise failures.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    meta.namespace = namespace


class ImportResource:
    """Creates imports."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def create(self, call: Call) -> Reply:
        """Runs an import. Once it is accepted the answer is 201, whatever happened to each image.

        Raises:
            ApiFailure: the body cannot be used.
            WarnedFailure: the import is refused.
        """
        body = decode_body(call.request, KIND, ImageStreamImport)
        try:
            created = await self.run(body.value, call.namespace)
        except ApiFailure as failure:
            raise WarnedFailure(failure, body.warnings) from None
        return Reply(created, 201, tuple(body.warnings))

    async def run(self, isi: ImageStreamImport, namespace: str) -> ImageStreamImport:
        """Checks an import and does it.

        Raises:
            ApiFailure: it is refused.
        """
        cluster = self._cluster
        meta = isi.metadata
        default_import(isi, cluster.mode)
        own_namespace(meta, namespace)
        if meta.generateName and not meta.name:
            raise failures.internal_error("metadata.name was not generated")
        reset_metadata(meta)
        meta.uid = cluster.uids.uid("imagestreamimports", namespace, meta.name)
        meta.creationTimestamp = cluster.now()
        isi.kind, isi.apiVersion = KIND, API_VERSION
        isi.status = ImageStreamImportStatus()
        self._validate(isi)
        return await self._flow().create(isi)

    def _validate(self, isi: ImageStreamImport) -> None:
        errors = import_errors(isi)
        if not errors and self._cluster.config.denyCreateImages:
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


def reset_metadata(meta: ObjectMeta) -> None:
    """Drops what only the server sets."""
    meta.selfLink = ""
    meta.generation = 0
    meta.deletionTimestamp = None
    meta.deletionGracePeriodSeconds = None
    meta.managedFields = None
    meta.labels = meta.labels or None
    meta.annotations = meta.annotations or None
    meta.ownerReferences = meta.ownerReferences or None
    meta.finalizers = meta.finalizers or None
