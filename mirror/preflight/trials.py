"""One image stream as an import, and what the cluster answers to it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import msgspec

from mirror.api import failures
from mirror.api.app import GROUP_PATH, ApiCore
from mirror.api.controllers.decisions import import_of
from mirror.api.defaults import default_stream
from mirror.api.importing import CHECK_ANNOTATION
from mirror.api.messages import JSON, ApiRequest
from mirror.api.strategy import StreamStrategy
from mirror.api.validation import is_insecure, stream_errors
from mirror.importer.tracing import Trace
from mirror.preflight.cluster import TrialCluster
from mirror.reference import InvalidReference, Reference
from mirror.streams import Found, FoundImport, FoundStream, name_of
from mirror.v1.imagestream import ImageStream, ImageStreamStatus, TagReference
from mirror.v1.imagestreamimport import ImageStreamImport, ImageStreamImportSpec
from mirror.v1.meta import ObjectMeta, Status

_HEADERS: Final = {"content-type": JSON, "accept": JSON}


@dataclass(frozen=True, slots=True)
class Trial:
    """What is asked of the cluster for one stream. Without a `body` there is nothing to import."""

    source: str
    namespace: str
    name: str
    body: bytes | None
    isi: ImageStreamImport | None
    stream: ImageStream | None


@dataclass(slots=True)
class TagTrial:
    """What became of one tag. Without a status the cluster says nothing of it: it is only listed."""

    tag: str
    from_: str
    insecure: bool
    mode: str
    status: Status | None
    digest: str | None = None
    pull_spec: str = ""
    trace: Trace | None = None
    scheduled: bool = False
    architecture: str = ""
    place: str = ""
    """Where it is listed only: the limit's repository."""


@dataclass(slots=True)
class TrialAnswer:
    """The tags of a stream that follow images.

    `refusal` is the Status of an import that was refused as a whole, `invalid` that of a stream which cannot even be
    created: the refusal, if nothing else keeps the import out.
    """

    trial: Trial
    tags: list[TagTrial] = field(default_factory=list)
    refusal: Status | None = None
    invalid: Status | None = None


def trial_of(found: Found) -> Trial:
    """The import that the cluster's controller would send for a stream that it has never looked at."""
    namespace, name = name_of(found)
    if isinstance(found, FoundImport):
        return Trial(found.source, namespace, name, found.body, found.isi, None)
    isi = import_of(_as_new(found.stream))
    body = None if isi is None else msgspec.json.encode(isi)
    return Trial(found.source, namespace, name, body, isi, found.stream)


def _as_new(stream: ImageStream) -> ImageStream:
    """The stream as if nothing of it had ever been imported."""
    meta = stream.metadata
    annotations = {key: value for key, value in (meta.annotations or {}).items() if key != CHECK_ANNOTATION}
    tags = [msgspec.structs.replace(tag, generation=1) for tag in unique_tags(stream)]
    return msgspec.structs.replace(
        stream,
        metadata=msgspec.structs.replace(meta, uid="", resourceVersion="", annotations=annotations or None),
        spec=msgspec.structs.replace(stream.spec, tags=tags or None),
        status=ImageStreamStatus(),
    )


def unique_tags(stream: ImageStream) -> list[TagReference]:
    """The tags of a stream as the API server keeps them: by name, of equal names the last."""
    tags = {tag.name: tag for tag in stream.spec.tags or ()}
    return [tags[name] for name in sorted(tags)]


def asked_again(found: Iterable[Found]) -> set[tuple[str, str]] | None:
    """The repositories, as they are written, with the tags and digests that more than one tag follows.

    None where whole repositories are imported, of which nobody knows the tags.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for one in found:
        if isinstance(one, FoundStream):
            if one.stream.spec.dockerImageRepository:
                return None
            sources = [tag.from_ for tag in one.stream.spec.tags or ()]
        else:
            if one.isi.spec.repository is not None:
                return None
            sources = [image.from_ for image in one.isi.spec.images or ()]
        for source in sources:
            if source is not None and source.kind == "DockerImage":
                counted[_place(source.name)] += 1
    return {place for place, count in counted.items() if count > 1}


def _place(pull_spec: str) -> tuple[str, str]:
    try:
        reference = Reference.parse(pull_spec)
    except InvalidReference:
        return pull_spec, ""
    return reference.as_repository().exact(), reference.id or reference.tag or "latest"


def remainder(found: Found) -> Found:
    """What is still needed of a stream whose import has been tried: its name, and the tags that follow no image."""
    if isinstance(found, FoundImport):
        isi = msgspec.structs.replace(found.isi, spec=ImageStreamImportSpec())
        return FoundImport(found.source, isi, b"")
    spec = found.stream.spec
    kept = [tag for tag in spec.tags or () if tag.from_ is None or tag.from_.kind != "DockerImage" or tag.reference]
    if len(kept) == len(spec.tags or ()):
        return found
    spec = msgspec.structs.replace(spec, tags=kept or None)
    return FoundStream(found.source, msgspec.structs.replace(found.stream, spec=spec))


class _Named(msgspec.Struct):
    name: str = ""


class _Policy(msgspec.Struct, rename="camel"):
    insecure: bool = False
    import_mode: str = ""
    scheduled: bool = False


class _Source(msgspec.Struct, rename={"from_": "from", "policy": "importPolicy"}):
    from_: _Named
    to: _Named | None = None
    policy: _Policy = msgspec.field(default_factory=_Policy)


class _Spec(msgspec.Struct):
    images: list[_Source] = []
    repository: _Source | None = None


class _Metadata(msgspec.Struct, rename="pascal"):
    architecture: str = ""


class _Image(msgspec.Struct, rename="camel"):
    metadata: _Named
    docker_image_metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    docker_image_reference: str = ""


class _Result(msgspec.Struct):
    status: Status
    image: _Image | None = None
    tag: str = ""


class _Repository(msgspec.Struct, rename="camel"):
    status: Status
    images: list[_Result] = []
    additional_tags: list[str] = []


class _Status(msgspec.Struct):
    images: list[_Result] = []
    repository: _Repository | None = None


class _Uid(msgspec.Struct):
    uid: str = ""


class _Answer(msgspec.Struct):
    metadata: _Uid
    spec: _Spec
    status: _Status


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_REFUSAL: Final = msgspec.json.Decoder(Status)
SUCCESS: Final = Status(status="Success")
_NOT_IMPORTED: Final = Status(status="Failure", message="unknown error prevented import")


async def answer_to(trial: Trial, api: ApiCore, cluster: TrialCluster) -> TrialAnswer:
    """Sends the import of a stream, and says what came of each of its tags."""
    if trial.stream is None:
        return await _imported(trial, api, cluster)
    with cluster.expecting(trial.stream):
        answer = await _imported(trial, api, cluster)
    answer.invalid = await _invalid(trial.stream, cluster)
    if answer.refusal is not None and answer.invalid is None and is_insecure(trial.stream):
        return await _imported_into(trial.stream, trial, api, cluster)
    if answer.invalid is None or answer.refusal is not None:
        return answer
    return TrialAnswer(trial, list(_tags_of(trial.stream, answer.invalid)), answer.invalid, answer.invalid)


async def _imported_into(stream: ImageStream, trial: Trial, api: ApiCore, cluster: TrialCluster) -> TrialAnswer:
    """The import into a stream that is there: its annotation may allow registries that are not allowed without it."""
    with cluster.expecting(stream), cluster.keeping(stream):
        path = f"{GROUP_PATH}/namespaces/{quote(trial.namespace, safe='')}/imagestreams"
        await api.answer(ApiRequest("POST", path, "", _HEADERS, msgspec.json.encode(_as_new(stream))))
        return await _imported(trial, api, cluster)


async def _imported(trial: Trial, api: ApiCore, cluster: TrialCluster) -> TrialAnswer:
    if trial.body is None:
        return TrialAnswer(trial)
    path = f"{GROUP_PATH}/namespaces/{quote(trial.namespace, safe='')}/imagestreamimports"
    response = await api.answer(ApiRequest("POST", path, "", _HEADERS, trial.body))
    if response.status >= 400:
        refusal = _REFUSAL.decode(response.body)
        return TrialAnswer(trial, list(_refused(trial, refusal)), refusal)
    answer = _ANSWER.decode(response.body)
    traces = cluster.traces_of(answer.metadata.uid)
    assert traces is not None
    tags = []
    for place, (spec, result) in enumerate(zip(answer.spec.images, answer.status.images, strict=True)):
        name = spec.to.name if spec.to is not None else ""
        tags.append(_tag(spec, result, name, sys.intern(spec.from_.name), traces.images.get(place)))
    tags += _repository_tags(answer, traces.tags, Trace(traces.listing_failure), taken={one.tag for one in tags})
    return TrialAnswer(trial, tags)


async def _invalid(stream: ImageStream, cluster: TrialCluster) -> Status | None:
    """The Status of a stream that cannot be created, among others for the registries of tags that are not imported, or
    for their number.

    That another stream, which a tag follows, is not there yet is no reason: it may come before.
    """
    new = _as_new(stream)
    default_stream(new, cluster.mode)
    allowed, limits = cluster.settings.allowed, cluster.settings.limits
    if not stream_errors(new, allowed) and not limits.problem(new):
        return None
    # To the word, with what is wrong about the history that the tags of a new stream have at once.
    config = cluster.config
    strategy = StreamStrategy(
        _any_stream, allowed, config.internalRegistryHostname, config.externalRegistryHostnames, cluster.now, limits
    )
    errors = await strategy.create(new)
    return failures.invalid("ImageStream", new.metadata.name, errors).status


async def _any_stream(namespace: str, name: str) -> ImageStream:
    """A stream without images."""
    return ImageStream(metadata=ObjectMeta(name=name, namespace=namespace))


def _tags_of(stream: ImageStream, status: Status) -> Iterator[TagTrial]:
    """The tags of a stream that is refused, but for those that follow other tags."""
    for tag in unique_tags(stream):
        if tag.from_ is not None and tag.from_.kind not in ("ImageStreamTag", "ImageStreamImage") and not tag.reference:
            policy = tag.importPolicy
            yield TagTrial(tag.name, tag.from_.name, policy.insecure, policy.importMode, status)
    if stream.spec.dockerImageRepository:
        yield TagTrial("", stream.spec.dockerImageRepository, insecure=False, mode="", status=status)


def reference_tags(stream: ImageStream) -> Iterator[TagTrial]:
    """The tags of a stream that name an image, and are not imported."""
    for tag in unique_tags(stream):
        if tag.from_ is not None and tag.from_.kind == "DockerImage" and tag.reference:
            yield TagTrial(tag.name, tag.from_.name, tag.importPolicy.insecure, tag.importPolicy.importMode, None)


def _tag(spec: _Source, result: _Result, name: str, from_: str, trace: Trace | None) -> TagTrial:
    policy = spec.policy
    status, image = _kept(result.status), result.image
    if image is None and status.status == "Success":
        status = _NOT_IMPORTED
    found = TagTrial(name, from_, policy.insecure, policy.import_mode, status, trace=trace, scheduled=policy.scheduled)
    if image is not None and status.status == "Success":
        found.digest, found.pull_spec = image.metadata.name, image.docker_image_reference
        found.architecture = image.docker_image_metadata.architecture
    return found


def _kept(status: Status) -> Status:
    """A Status that shares with others what it has in common with them: reports keep a hundred thousand."""
    if status == SUCCESS:
        return SUCCESS
    status.metadata = SUCCESS.metadata
    for cause in (status.details.causes if status.details is not None else None) or ():
        cause.message = sys.intern(cause.message)
    return status


def _repository_tags(
    answer: _Answer, traces: Mapping[str, Trace], listing: Trace, taken: set[str]
) -> Iterator[TagTrial]:
    spec, repository = answer.spec.repository, answer.status.repository
    if spec is None or repository is None:
        return
    name = spec.from_.name
    if not repository.images and not repository.additional_tags and repository.status.status != "Success":
        policy = spec.policy
        yield TagTrial("", name, policy.insecure, policy.import_mode, repository.status, trace=listing)
    for result in repository.images:
        if result.tag not in taken:  # an image of that tag comes after the repository, and wins
            yield _tag(spec, result, result.tag, f"{name}:{result.tag}", traces.get(result.tag))
    policy = spec.policy
    for tag in repository.additional_tags:
        if tag not in taken:
            yield TagTrial(tag, f"{name}:{tag}", policy.insecure, policy.import_mode, None, place=name)


def _refused(trial: Trial, refusal: Status) -> Iterator[TagTrial]:
    """All tags of an import that was refused."""
    assert trial.isi is not None
    for image in trial.isi.spec.images or ():
        policy = image.importPolicy
        name = image.to.name if image.to is not None else tag_in(image.from_.name)
        yield TagTrial(name, image.from_.name, policy.insecure, policy.importMode, refusal, scheduled=policy.scheduled)
    repository = trial.isi.spec.repository
    if repository is not None:
        policy = repository.importPolicy
        yield TagTrial("", repository.from_.name, policy.insecure, policy.importMode, refusal)


def tag_in(pull_spec: str) -> str:
    """The tag of a pull spec; empty where it has none, or is none."""
    try:
        return Reference.parse(pull_spec).tag
    except InvalidReference:
        return ""
