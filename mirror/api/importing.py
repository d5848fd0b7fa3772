"""``POST imagestreamimports``: the whole flow around the engine.

Source: openshift-apiserver ``registry/imagestreamimport/rest.go``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from mirror.api import failures, history
from mirror.api.defaults import default_stream
from mirror.api.fields import FieldError
from mirror.api.image_validation import image_errors
from mirror.api.limits import is_limit_exceeded
from mirror.api.objects import Objects
from mirror.api.strategy import InternalStrategy, StreamStrategy
from mirror.reference import Reference
from mirror.v1.image import Image
from mirror.v1.imagestream import (
    ImageStream,
    TagEvent,
    TagEventCondition,
    TagImportPolicy,
    TagReference,
    TagReferencePolicy,
)
from mirror.v1.imagestreamimport import (
    ImageImportSpec,
    ImageImportStatus,
    ImageStreamImport,
    ImageStreamImportStatus,
    RepositoryImportSpec,
)
from mirror.v1.meta import ObjectMeta, ObjectReference

CHECK_ANNOTATION: Final = "openshift.io/image.dockerRepositoryCheck"
PREFER_ARCH: Final = "importer.image.openshift.io/prefer-arch"
PREFER_OS: Final = "importer.image.openshift.io/prefer-os"

RunImport = Callable[[ImageStreamImport, ImageStream | None], Awaitable[ImageStreamImportStatus]]
"""Runs the engine for a spec and the stream as it is stored, if it is."""


def preferences_of(stream: ImageStream | None) -> dict[str, tuple[str, str]]:
    """Preferred architecture and OS by tag, as the annotations of a stream's spec tags say."""
    found = {}
    for tag in (stream.spec.tags if stream is not None else None) or ():
        annotations = tag.annotations or {}
        if PREFER_ARCH in annotations or PREFER_OS in annotations:
            found[tag.name] = (annotations.get(PREFER_ARCH, ""), annotations.get(PREFER_OS, ""))
    return found


class ImportFlow:
    """One import request after its validation: looks the stream up, runs the engine, writes what came of it.

    `resource` is what messages of the store call the resource; `uid` gives uids for objects of that resource and name.
    """

    def __init__(
        self,
        streams: Objects[ImageStream],
        images: Objects[Image],
        strategy: StreamStrategy,
        run: RunImport,
        uid: Callable[..., str],
        now: Callable[[], str],
        *,
        mode: str,
        resource: str = "imagestreamimports",
    ) -> None:
        self._streams = streams
        self._images = images
        self._strategy = strategy
        self._internal = InternalStrategy(strategy)
        self._run = run
        self._uid = uid
        self._now = now
        self._mode = mode
        self._resource = resource

    async def create(self, isi: ImageStreamImport, *, wanted_uid: str = "") -> ImageStreamImport:
        """Does what the import asks for and fills in its status.

        `wanted_uid` is a precondition on the stream's uid; over HTTP it never arrives here.

        Raises:
            ApiFailure: a precondition does not hold, or something that has to be stored is refused.
        """
        stored = await self._find_stream(isi.metadata, wanted_uid)
        isi.status = await self._run(isi, stored)
        if not isi.spec.import_:
            clear_manifests(isi)
            return isi
        stream = _copy(stored) if stored is not None else _new_stream(isi.metadata)
        await self._apply(isi, stream)
        clear_manifests(isi)
        default_stream(stream, self._mode)
        isi.status.import_ = self._strategy.decorate(await self._write(stream, stored))
        return isi

    async def _find_stream(self, meta: ObjectMeta, wanted_uid: str) -> ImageStream | None:
        stream = await self._streams.find(meta.namespace, meta.name)
        if stream is None:
            if meta.resourceVersion or wanted_uid:
                raise failures.not_found(self._resource, meta.name)
            return None
        current = stream.metadata.resourceVersion
        if meta.resourceVersion and meta.resourceVersion != current:
            problem = f'the image stream was updated from "{meta.resourceVersion}" to "{current}"'
            raise failures.conflict("imagestream", meta.name, problem)
        if wanted_uid and wanted_uid != stream.metadata.uid:
            raise failures.not_found("imagestream", meta.name)
        return stream

    # Results into tags

    async def _apply(self, isi: ImageStreamImport, stream: ImageStream) -> None:
        outcome = Outcome(self, stream, self._now(), (stream.metadata.generation or 0) + 1)
        spec = isi.spec
        if spec.repository is not None and isi.status.repository is not None:
            repository = Reference.parse(spec.repository.from_.name)
            for result in isi.status.repository.images or ():
                source = repository.replace(tag=result.tag, id="").exact()
                await outcome.repository_tag(spec.repository, result, source)
        for image, result in zip(spec.images or (), isi.status.images or (), strict=True):
            if image.to is not None:
                await outcome.image(image, result, image.to.name)

    async def store_image(self, image: Image) -> Image:
        """Stores an image object, which is not an error when there is one of that name already.

        The answer shows the local object all the same: with a fresh uid, and without a resource version if it was not
        written.

        Raises:
            ApiFailure: 422, the image is not valid.
        """
        stored = msgspec.structs.replace(
            image,
            metadata=msgspec.structs.replace(
                image.metadata,
                uid=self._uid("images", "", image.metadata.name),
                creationTimestamp=self._now(),
            ),
            signatures=None,
            dockerImageManifest="",
            dockerImageConfig="",
        )
        errors = image_errors(stored)
        if errors:
            raise failures.invalid("Image", stored.metadata.name, errors)
        try:
            return await self._images.create(stored)
        except failures.ApiFailure as failure:
            if failure.status.reason != "AlreadyExists":
                raise
            return stored

    # The stream

    async def _write(self, stream: ImageStream, stored: ImageStream | None) -> ImageStream:
        meta = stream.metadata
        if stored is None:
            meta.annotations = {**(meta.annotations or {}), CHECK_ANNOTATION: self._now()}
            meta.uid = self._uid("imagestreams", meta.namespace, meta.name)
            meta.creationTimestamp = self._now()
            _check(meta.name, await self._internal.create(stream))
            return await self._streams.create(stream, called=self._resource)
        unchanged = _copy(stored)
        default_stream(unchanged, self._mode)
        if CHECK_ANNOTATION in (meta.annotations or {}) and stream == unchanged:
            return stored
        meta.annotations = {**(meta.annotations or {}), CHECK_ANNOTATION: self._now()}
        try:
            _check(meta.name, await self._internal.update(stream, stored))
        except failures.ApiFailure as failure:
            if is_limit_exceeded(failure.status.message):
                await self._note_limit(stream, stored, failure)
            raise
        return await self._streams.update(stream, stored.metadata.resourceVersion, called=self._resource)

    async def _note_limit(self, refused: ImageStream, stored: ImageStream, failure: failures.ApiFailure) -> None:
        """Writes into the stream as it was why the tags that are new have not come. Where that is refused, too, it is
        left at that."""
        noted = _copy(stored)
        for tag in refused.status.tags or ():
            if history.status_tag(stored, tag.tag) is None:
                condition = TagEventCondition(
                    type=history.IMPORT_SUCCESS,
                    status="False",
                    lastTransitionTime=self._now(),
                    reason=failure.status.reason,
                    message=failure.status.message,
                    generation=(stored.metadata.generation or 0) + 1,
                )
                history.put_condition(noted, tag.tag, condition)
        if noted != stored and not await self._internal.update(noted, stored):
            with contextlib.suppress(failures.ApiFailure):
                await self._streams.update(noted, stored.metadata.resourceVersion, called=self._resource)


class Outcome:
    """Puts the results of one import into a stream. All of it happens at one time and in one generation."""

    def __init__(self, flow: ImportFlow, stream: ImageStream, now: str, generation: int) -> None:
        self._flow = flow
        self._stream = stream
        self._now = now
        self._generation = generation
        self._created: dict[str, Image] = {}

    async def repository_tag(self, spec: RepositoryImportSpec, result: ImageImportStatus, source: str) -> None:
        """A tag of the repository: a failed one gets a condition, but no spec tag."""
        if _failed(result):
            self._fail(result.tag, result)
        else:
            await self._succeed(result, result.tag, source, spec.importPolicy, spec.referencePolicy)

    async def image(self, spec: ImageImportSpec, result: ImageImportStatus, tag: str) -> None:
        """A single image: a failed one gets a condition, and a spec tag if there is none."""
        if not _failed(result):
            await self._succeed(result, tag, spec.from_.name, spec.importPolicy, spec.referencePolicy)
            return
        self._fail(tag, result)
        if history.spec_tag(self._stream, tag) is None:
            self._put_spec_tag(tag, spec.from_.name, spec.importPolicy, spec.referencePolicy)

    def _fail(self, tag: str, result: ImageImportStatus) -> None:
        condition = TagEventCondition(
            type=history.IMPORT_SUCCESS,
            status="False",
            lastTransitionTime=self._now,
            reason=result.status.reason,
            message=result.status.message or "unknown error prevented import",
            generation=self._generation,
        )
        history.set_failure(self._stream, tag, condition)

    async def _succeed(
        self,
        result: ImageImportStatus,
        tag: str,
        source: str,
        importing: TagImportPolicy,
        referring: TagReferencePolicy,
    ) -> None:
        image = result.image
        assert image is not None
        pull_spec = Reference.parse(image.dockerImageReference).replace(id=image.metadata.name).most_specific().exact()
        event = TagEvent(
            created=self._now,
            dockerImageReference=pull_spec,
            image=image.metadata.name,
            generation=self._generation,
        )
        if history.has_tag_changed(self._stream, tag, event):
            self._put_spec_tag(tag, source, importing, referring)
            history.add_event(self._stream, tag, event)
        spec = history.spec_tag(self._stream, tag)
        assert spec is not None
        spec.importPolicy = msgspec.structs.replace(importing)
        history.clear_conditions(self._stream, tag)
        if result.manifests is not None:
            result.manifests = [await self._create(one) for one in result.manifests]
        result.image = await self._create(image)

    def _put_spec_tag(self, name: str, source: str, importing: TagImportPolicy, referring: TagReferencePolicy) -> None:
        """Sets where a tag comes from. What it has besides stays: annotations, reference, and a reference policy."""
        tag = history.spec_tag(self._stream, name) or TagReference(name=name)
        tag.from_ = ObjectReference(kind="DockerImage", name=source)
        tag.generation = 0
        tag.importPolicy = msgspec.structs.replace(importing)
        if not tag.referencePolicy.type:
            tag.referencePolicy = msgspec.structs.replace(referring)
        history.put_spec_tag(self._stream, tag)

    async def _create(self, image: Image) -> Image:
        """Each image is created once in a request; later uses get the first object."""
        name = image.metadata.name
        if name not in self._created:
            self._created[name] = await self._flow.store_image(image)
        return self._created[name]


def _failed(result: ImageImportStatus) -> bool:
    return result.image is None or result.status.status != "Success"


def _check(name: str, errors: list[FieldError]) -> None:
    if errors:
        raise failures.invalid("ImageStream", name, errors)


def _copy(stream: ImageStream) -> ImageStream:
    return msgspec.json.decode(msgspec.json.encode(stream), type=ImageStream)


def _new_stream(meta: ObjectMeta) -> ImageStream:
    return ImageStream(metadata=ObjectMeta(name=meta.name, namespace=meta.namespace))


def clear_manifests(isi: ImageStreamImport) -> None:
    """Takes manifests and configs out of the answer where they were not asked for. Sub-manifests keep theirs."""
    for spec, result in zip(isi.spec.images or (), isi.status.images or (), strict=True):
        if not spec.includeManifest:
            _clear(result)
    repository = isi.spec.repository
    if repository is not None and not repository.includeManifest and isi.status.repository is not None:
        for result in isi.status.repository.images or ():
            _clear(result)


def _clear(result: ImageImportStatus) -> None:
    if result.image is not None:
        result.image.dockerImageManifest = ""
        result.image.dockerImageConfig = ""


def merge_retry(first: ImageStreamImportStatus, second: ImageStreamImportStatus) -> ImageStreamImportStatus:
    """The results of the try without credentials, with the first statuses of what is unauthorized now."""
    for before, after in zip(first.images or (), second.images or (), strict=True):
        if after.status.reason == "Unauthorized":
            after.status = before.status
    return second


def asks_for_retry(status: ImageStreamImportStatus) -> bool:
    """Whether a wrong password calls for a try without credentials; only single images do."""
    return any(
        result.status.reason == "Unauthorized" and "username or password" in result.status.message.lower()
        for result in status.images or ()
    )
