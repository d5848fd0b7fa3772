"""Files of ImageStreamImports: read, run in order against one cluster, summed up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from urllib.parse import quote

import msgspec

from mirror import gojson
from mirror.api.app import GROUP_PATH, ApiCore
from mirror.api.messages import JSON, ApiRequest
from mirror.documents import contents, documents, name_of_input
from mirror.errors import InputError
from mirror.gotext import go_text
from mirror.kubejson import peek_type_meta
from mirror.reference import InvalidReference, Reference

API_VERSION: Final = "image.openshift.io/v1"
KIND: Final = "ImageStreamImport"
_NAME: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Spec:
    """One ImageStreamImport as it is sent: where it was read, the namespace it goes to, its JSON."""

    source: str
    namespace: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said: the object or the refusal as ready JSON, and the warnings about its fields."""

    spec: Spec
    status: int
    body: bytes
    warnings: list[str]

    @property
    def document(self) -> dict[str, Any]:
        """The answer as plain data."""
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded


def read_specs(paths: Iterable[str], stdin: BinaryIO, namespace: str) -> list[Spec]:
    """The ImageStreamImports of files and directories, ``-`` being standard input; documents may be Lists.

    `namespace` is for objects that name none.

    Raises:
        InputError: a file cannot be read or holds something else; names file, document and what is wrong.
    """
    specs = []
    for path in paths:
        found = [spec for one in contents(path, stdin) for spec in _specs(one.data, one.name, namespace)]
        if not found:
            raise InputError(f"{name_of_input(path)}: no {KIND} in it")
        specs += found
    return specs


def _specs(content: bytes, name: str, namespace: str) -> Iterator[Spec]:
    for where, document in documents(content, name):
        yield from _from_document(document, where, namespace)


def _from_document(data: bytes, where: str, namespace: str) -> Iterator[Spec]:
    found = _KINDS.get(data.lstrip()[:1])
    if found is not None:
        raise InputError(f"{where}: found {found}; expected an object of kind {KIND}")
    try:
        api_version, kind = peek_type_meta(data)
    except ValueError as error:
        raise InputError(f"{where}: {error}; expected an object of kind {KIND}") from None
    if kind in ("List", f"{KIND}List"):
        for index, item in enumerate(_items(data, where)):
            yield from _from_document(bytes(item), f"{where}, items[{index}]", namespace)
        return
    if not kind and not api_version and not _is_spec(data):
        raise InputError(f"{where}: found neither kind nor spec; expected an object of kind {KIND}")
    if kind not in ("", KIND):
        raise InputError(f"{where}: kind: {kind} is not {KIND}")
    if api_version not in ("", API_VERSION):
        raise InputError(f"{where}: apiVersion: {api_version} is not {API_VERSION}")
    yield Spec(where, _namespace(data) or namespace, data)


_KINDS: Final = {b"[": "a list", b'"': "a text", b"t": "true", b"f": "false", b"n": "nothing"} | {
    digit.encode(): "a number" for digit in "-0123456789"
}
"""What a JSON text is that is no object, by its first character."""


_PARTS: Final = gojson.Struct("struct { Metadata, Spec }", [("metadata", gojson.Raw), ("spec", gojson.Raw)])
"""As much of an object as tells that it is one, whatever it holds, and however deep that is."""


def _is_spec(data: bytes) -> bool:
    """Whether what has no kind may be an import all the same, which a cluster would fill in."""
    try:
        return bool(gojson.decode(data, _PARTS))
    except gojson.GoJSONError:
        return True  # the cluster says what is wrong with it


class _List(msgspec.Struct):
    items: list[msgspec.Raw] = []


class _Meta(msgspec.Struct):
    namespace: str | None = None


class _Object(msgspec.Struct):
    metadata: _Meta | None = None


def _items(data: bytes, where: str) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(data, type=_List).items
    except (msgspec.ValidationError, RecursionError):
        raise InputError(f"{where}: items: expected a list of objects of kind {KIND}") from None


def _namespace(data: bytes) -> str:
    try:
        meta = msgspec.json.decode(data, type=_Object).metadata
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""  # what is wrong with it is for the API to say
    return (meta.namespace or "") if meta is not None else ""


def spec_of_image(image: str, namespace: str, *, everything: bool, insecure: bool, mode: str) -> Spec:
    """An import of one image, or of all tags of its repository, into a stream that is named after the repository.

    Raises:
        InputError: the image is not a pull spec.
    """
    try:
        reference = Reference.parse(image)
    except InvalidReference as error:
        raise InputError(f"--from: {image!r}: {error}") from None
    if not reference.name:
        raise InputError(f"--from: {image!r} names a registry but no repository, such as {reference.registry}/app")
    policy: dict[str, Any] = {"importPolicy": {"insecure": insecure, "importMode": mode}}
    source = {"kind": "DockerImage", "name": image}
    spec: dict[str, Any] = {"import": True}
    if everything:
        spec["repository"] = {"from": source, **policy}
    else:
        spec["images"] = [{"from": source, "to": {"name": reference.tag or "latest"}, **policy}]
    name = _NAME.sub("-", reference.name.rpartition("/")[2])
    document = {"kind": KIND, "apiVersion": API_VERSION, "metadata": {"name": name}, "spec": spec}
    return Spec("--from", namespace, msgspec.json.encode(document))


async def run_specs(api: ApiCore, specs: Iterable[Spec]) -> list[Answer]:
    """Sends all specs to one API server, in order."""
    answers = []
    for spec in specs:
        path = f"{GROUP_PATH}/namespaces/{quote(spec.namespace, safe='')}/imagestreamimports"
        response = await api.handle(ApiRequest("POST", path, "", {"content-type": JSON, "accept": JSON}, spec.body))
        warnings = [_warning(line) for line in response.header_lines("warning")]
        answers.append(Answer(spec, response.status, response.body, warnings))
    return answers


def _warning(line: str) -> str:
    """The text of a Warning header: ``299 - "…"``."""
    return line.partition('"')[2].removesuffix('"').replace('\\"', '"').replace("\\\\", "\\")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one tag, for people: ``problem`` is empty where it was imported."""

    stream: str
    tag: str
    digest: str
    size: int | None
    platform: str
    problem: str


def rows_of(answers: Sequence[Answer]) -> Iterator[Row]:
    """One row for each image of each answer; one for a refusal or a repository that could not be listed."""
    for answer in answers:
        document = answer.document
        meta = document.get("metadata", {})
        stream = f"{answer.spec.namespace}/{meta.get('name', '') if document.get('kind') == KIND else ''}"
        if document.get("kind") != KIND:
            stream = answer.spec.namespace + "/" + _name(answer.spec.body)
            yield Row(stream, "", "", None, "", _problem(document))
            continue
        yield from _repository_rows(stream, document)
        images = document["spec"].get("images", [])
        for spec, result in zip(images, document["status"].get("images", []), strict=True):
            name = spec.get("to", {}).get("name", "") or spec["from"].get("name", "")
            yield _row(stream, name, result)


def _repository_rows(stream: str, document: dict[str, Any]) -> Iterator[Row]:
    repository = document["status"].get("repository")
    if repository is None:
        return
    images = repository.get("images", [])
    for result in images:
        yield _row(stream, result.get("tag", ""), result)
    if not images and repository["status"].get("status") != "Success":
        yield Row(stream, document["spec"]["repository"]["from"]["name"], "", None, "", _problem(repository["status"]))


def additional_tags(answers: Sequence[Answer]) -> Iterator[tuple[str, list[str]]]:
    """Streams with the tags of their repository that were over the limit."""
    for answer in answers:
        document = answer.document
        tags = document.get("status", {}).get("repository", {}).get("additionalTags") if document.get("spec") else None
        if tags:
            yield f"{answer.spec.namespace}/{document['metadata']['name']}", tags


def _row(stream: str, tag: str, result: dict[str, Any]) -> Row:
    image = result.get("image")
    if result["status"].get("status") != "Success" or image is None:
        return Row(stream, tag, "", None, "", _problem(result["status"]))
    metadata = image["dockerImageMetadata"]
    manifests = image.get("dockerImageManifests", [])
    platforms = [
        "/".join(part for part in (one["os"], one["architecture"], one.get("variant", "")) if part) for one in manifests
    ]
    platform = ",".join(platforms) or metadata.get("Architecture", "")
    return Row(stream, tag, image["metadata"]["name"], metadata.get("Size"), platform, "")


def _problem(status: dict[str, Any]) -> str:
    reason, message = status.get("reason", ""), status.get("message", "")
    return f"{reason}: {message}" if reason and message else reason or message or "not imported"


def _name(body: bytes) -> str:
    match = re.search(rb'"name"[ \t\r\n]*:[ \t\r\n]*"([^"\\]{0,100})"', body)
    return go_text(match[1]) if match else ""
