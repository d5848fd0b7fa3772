"""Validation of imports and image streams (openshift-apiserver ``apis/image/validation``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mirror.api.fields import FieldError, forbidden, invalid, required
from mirror.api.metadata import metadata_errors
from mirror.importer.allowed import AllowedRegistries
from mirror.reference import InvalidReference, Reference
from mirror.v1.imagestream import LEGACY, LOCAL, PRESERVE_ORIGINAL, SOURCE, ImageStream, TagReference
from mirror.v1.imagestreamimport import ImageImportSpec, ImageStreamImport, RepositoryImportSpec
from mirror.v1.meta import ApiObject

INSECURE_ANNOTATION: Final = "openshift.io/image.insecureRepository"
_MODES: Final = frozenset({"", LEGACY, PRESERVE_ORIGINAL})
_MODE_TEXT: Final = "invalid import mode, valid modes are '', 'Legacy', 'PreserveOriginal'"


def parse_problem(name: str) -> str:
    """What is wrong with a pull spec; empty if nothing is."""
    try:
        Reference.parse(name)
    except InvalidReference as error:
        return str(error)
    return ""


# ImageStreamImport


def import_errors(isi: ImageStreamImport) -> list[FieldError]:
    """Images in order, the repository, emptiness, metadata."""
    errors: list[FieldError] = []
    for index, image in enumerate(isi.spec.images or ()):
        errors += _image_spec_errors(image, f"spec.images[{index}]")
    if isi.spec.repository is not None:
        errors += _repository_spec_errors(isi.spec.repository, "spec.repository")
    elif not isi.spec.images:
        errors.append(invalid("spec.images", None, "you must specify at least one image or a repository import"))
    errors += metadata_errors(isi.metadata, stream_name=True)
    return errors


def _image_spec_errors(spec: ImageImportSpec, field: str) -> Iterator[FieldError]:
    if spec.from_.kind != "DockerImage":
        yield invalid(f"{field}.from.kind", spec.from_.kind, "only DockerImage is supported")
    else:
        if spec.to is not None and not spec.to.name:
            yield invalid(f"{field}.to.name", "", "the name of the target tag must be specified")
        name = spec.from_.name
        if not name:
            yield required(f"{field}.from.name")
        elif name == "*":
            return
        elif problem := parse_problem(name):
            yield invalid(f"{field}.from.name", name, problem)
    yield from _mode_errors(spec.importPolicy.importMode, field)


def _repository_spec_errors(spec: RepositoryImportSpec, field: str) -> Iterator[FieldError]:
    if spec.from_.kind != "DockerImage":
        yield invalid(f"{field}.from.kind", spec.from_.kind, "only DockerImage is supported")
    elif not (name := spec.from_.name):
        yield required(f"{field}.from.name", "container image references require a name")
    elif problem := parse_problem(name):
        yield invalid(f"{field}.from.name", name, problem)
    else:
        reference = Reference.parse(name)
        if reference.tag or reference.id:
            yield invalid(f"{field}.from.name", name, "you must specify an image repository, not a tag or ID")
    yield from _mode_errors(spec.importPolicy.importMode, field)


def _mode_errors(mode: str, field: str) -> Iterator[FieldError]:
    if mode not in _MODES:
        yield invalid(f"{field}.importPolicy.importMode", mode, _MODE_TEXT)


def allowed_errors(isi: ImageStreamImport, allowed: AllowedRegistries) -> list[FieldError]:
    """What the list of allowed registries refuses of an import: the repository first."""
    errors: list[FieldError] = []
    if isi.spec.repository is not None:
        errors += _refused(isi.spec.repository, "spec.repository", allowed)
    for index, image in enumerate(isi.spec.images or ()):
        errors += _refused(image, f"spec.images[{index}]", allowed)
    return errors


def _refused(
    spec: ImageImportSpec | RepositoryImportSpec, field: str, allowed: AllowedRegistries
) -> Iterator[FieldError]:
    problem = allowed.check_import(spec.from_.name, spec.importPolicy.insecure)
    if problem is not None:
        yield forbidden(f"{field}.from.name", problem)


# ImageStream


def stream_errors(stream: ImageStream, allowed: AllowedRegistries) -> list[FieldError]:
    """All errors of a stream's metadata, spec and status; tags by name."""
    meta = stream.metadata
    errors = metadata_errors(meta, stream_name=True)
    if len(f"{meta.namespace}/{meta.name}".encode()) > 255:
        text = "'namespace/name' cannot be longer than 255 characters"
        errors.append(invalid("metadata.name", meta.name, text))
    insecure = is_insecure(stream)
    if stream.spec.dockerImageRepository:
        errors += _repository_errors(stream.spec.dockerImageRepository, allowed, insecure=insecure)
    for tag in stream.spec.tags or ():
        errors += tag_errors(tag, f"spec.tags[{tag.name}]", allowed, insecure=insecure)
    errors += history_errors(stream, allowed, insecure=insecure)
    return errors


def _repository_errors(name: str, allowed: AllowedRegistries, *, insecure: bool) -> Iterator[FieldError]:
    field = "spec.dockerImageRepository"
    if problem := parse_problem(name):
        yield invalid(field, name, problem)
        return
    reference = Reference.parse(name)
    if reference.tag:
        yield invalid(field, name, "the repository name may not contain a tag")
    if reference.id:
        yield invalid(field, name, "the repository name may not contain an ID")
    refused = allowed.check_pull_spec(name, insecure)
    if refused is not None:
        yield forbidden(field, refused)


def tag_errors(
    tag: TagReference, field: str, allowed: AllowedRegistries, *, insecure: bool = False
) -> Iterator[FieldError]:
    """What is wrong with one tag; `insecure` is what the stream's annotation says."""
    source = tag.from_
    if source is not None:
        if not source.name:
            yield required(f"{field}.from.name")
        match source.kind:
            case "DockerImage":
                yield from _docker_image_errors(tag, field, allowed, insecure=insecure)
            case "ImageStreamImage" | "ImageStreamTag":
                if tag.importPolicy.scheduled:
                    text = "only tags pointing to Docker repositories may be scheduled for background import"
                    yield invalid(f"{field}.importPolicy.scheduled", True, text)
            case _:
                text = "valid values are 'DockerImage', 'ImageStreamImage', 'ImageStreamTag'"
                yield required(f"{field}.from.kind", text)
    if tag.referencePolicy.type not in (SOURCE, LOCAL):
        text = f'valid values are "{SOURCE}", "{LOCAL}"'
        yield invalid(f"{field}.referencePolicy.type", tag.referencePolicy.type, text)
    yield from _mode_errors(tag.importPolicy.importMode, field)


def _docker_image_errors(
    tag: TagReference, field: str, allowed: AllowedRegistries, *, insecure: bool
) -> Iterator[FieldError]:
    assert tag.from_ is not None
    name = tag.from_.name
    if not name:
        return
    if problem := parse_problem(name):
        yield invalid(f"{field}.from.name", name, problem)
        return
    refused = allowed.check_pull_spec(name, insecure or tag.importPolicy.insecure)
    if refused is not None:
        yield forbidden(f"{field}.from.name", refused)


def history_errors(stream: ImageStream, allowed: AllowedRegistries, *, insecure: bool) -> Iterator[FieldError]:
    """What is wrong with the pull specs of a stream's history."""
    policies = {tag.name: tag.importPolicy.insecure for tag in stream.spec.tags or ()}
    for tag in stream.status.tags or ():
        for index, event in enumerate(tag.items or ()):
            field = f"status.tags[{tag.tag}].items[{index}].dockerImageReference"
            if not event.dockerImageReference:
                yield required(field)
            else:
                error = _pull_spec_error(
                    event.dockerImageReference, field, allowed, insecure=insecure or policies.get(tag.tag, False)
                )
                if error is not None:
                    yield error


def _pull_spec_error(name: str, field: str, allowed: AllowedRegistries, *, insecure: bool) -> FieldError | None:
    if problem := parse_problem(name):
        return invalid(field, name, problem)
    refused = allowed.check_pull_spec(name, insecure)
    return None if refused is None else forbidden(field, refused)


def status_update_errors(stream: ImageStream, old: ImageStream, allowed: AllowedRegistries) -> list[FieldError]:
    """What is wrong with the pull specs that are new in a stream's history.

    One that is there several times is looked at once, leniently if one of its tags is insecure.
    """
    known = {event.dockerImageReference for tag in old.status.tags or () for event in tag.items or ()}
    insecure = is_insecure(stream)
    policies = {tag.name: tag.importPolicy.insecure for tag in stream.spec.tags or ()}
    fields: dict[str, list[str]] = {}
    lenient: set[str] = set()
    for tag in stream.status.tags or ():
        for index, event in enumerate(tag.items or ()):
            reference = event.dockerImageReference
            if reference not in known:
                fields.setdefault(reference, []).append(f"status.tags[{tag.tag}].items[{index}].dockerImageReference")
                lenient |= {reference} if insecure or policies.get(tag.tag, False) else set()
    errors = []
    for reference, places in fields.items():
        for field in places:
            error = _pull_spec_error(reference, field, allowed, insecure=reference in lenient)
            errors += [] if error is None else [error]
    return errors


def is_insecure(stream: ApiObject) -> bool:
    """Whether an annotation says that the registry of an object may be insecure."""
    return (stream.metadata.annotations or {}).get(INSECURE_ANNOTATION) == "true"


def pull_specs(stream: ImageStream) -> Iterable[str]:
    """Every pull spec that a stream refers to, in its spec and its history."""
    if stream.spec.dockerImageRepository:
        yield stream.spec.dockerImageRepository
    for tag in stream.spec.tags or ():
        if tag.from_ is not None and tag.from_.kind == "DockerImage":
            yield tag.from_.name
    for events in stream.status.tags or ():
        for event in events.items or ():
            yield event.dockerImageReference
