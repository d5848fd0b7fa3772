"""Image configs, and the ``dockerImageMetadata`` that is made of them.

A config is decoded twice by the real importer, into two shapes: the first ("pre-0.12") knows the fields that are
kept, the second also some that are dropped, whose types count all the same. Source: imageutil ``helpers.go``,
docker10 and dockerpre012 types.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

import msgspec

from mirror import gojson
from mirror.importer.failures import ClientFailure

# Fields of DockerConfig in their order, with their Go types. All are left out when empty.
_STRINGS: Final = gojson.List(gojson.String, go="[]string")
_EMPTY: Final = gojson.Struct(go="struct {}", fields=[])
_SET: Final = gojson.Map(_EMPTY, go="map[string]struct {}")
_LABELS: Final = gojson.Map(gojson.String, go="map[string]string")

CONTAINER_FIELDS: Final[list[tuple[str, gojson.Shape]]] = [
    ("Hostname", gojson.String),
    ("Domainname", gojson.String),
    ("User", gojson.String),
    ("Memory", gojson.Int64),
    ("MemorySwap", gojson.Int64),
    ("CpuShares", gojson.Int64),
    ("Cpuset", gojson.String),
    ("AttachStdin", gojson.Bool),
    ("AttachStdout", gojson.Bool),
    ("AttachStderr", gojson.Bool),
    ("PortSpecs", _STRINGS),
    ("ExposedPorts", _SET),
    ("Tty", gojson.Bool),
    ("OpenStdin", gojson.Bool),
    ("StdinOnce", gojson.Bool),
    ("Env", _STRINGS),
    ("Cmd", _STRINGS),
    ("Dns", _STRINGS),
    ("Image", gojson.String),
    ("Volumes", _SET),
    ("VolumesFrom", gojson.String),
    ("WorkingDir", gojson.String),
    ("Entrypoint", _STRINGS),
    ("NetworkDisabled", gojson.Bool),
    ("SecurityOpts", _STRINGS),
    ("OnBuild", _STRINGS),
    ("Labels", _LABELS),
]


def _image_fields(package: str, time: gojson.Shape) -> list[tuple[str, gojson.Shape]]:
    """The fields that both passes know; they differ in the packages of their types and in that of the time."""
    container = gojson.Struct(go=f"{package}.DockerConfig", fields=CONTAINER_FIELDS)
    return [
        ("id", gojson.String),
        ("parent", gojson.String),
        ("comment", gojson.String),
        ("created", time),
        ("container", gojson.String),
        ("container_config", container),
        ("docker_version", gojson.String),
        ("author", gojson.String),
        ("config", gojson.Pointer(container)),
        ("architecture", gojson.String),
        ("size", gojson.Int64),
    ]


_FIRST_PASS: Final = gojson.Struct(
    go="dockerpre012.DockerImage",
    fields=[
        gojson.Field("kind", gojson.String, via=("TypeMeta",)),
        gojson.Field("apiVersion", gojson.String, via=("TypeMeta",)),
        *_image_fields("dockerpre012", gojson.MetaTime),
    ],
)
_HISTORY: Final = gojson.Struct(
    go="docker10.DockerConfigHistory",
    fields=[
        ("created", gojson.Time),
        ("author", gojson.String),
        ("created_by", gojson.String),
        ("comment", gojson.String),
        ("empty_layer", gojson.Bool),
    ],
)
_ROOTFS: Final = gojson.Struct(
    go="docker10.DockerConfigRootFS", fields=[("type", gojson.String), ("diff_ids", _STRINGS)]
)
_SECOND_PASS: Final = gojson.Struct(
    go="docker10.DockerImageConfig",
    fields=[
        *_image_fields("docker10", gojson.Time),
        ("rootfs", gojson.Pointer(_ROOTFS)),
        ("history", gojson.List(_HISTORY, go="[]docker10.DockerConfigHistory")),
        ("os", gojson.String),
        ("os.version", gojson.String),
        ("os.features", _STRINGS),
    ],
)


class _Empty(msgspec.Struct, frozen=True):
    """``struct{}``"""


class _Container(msgspec.Struct):
    """The fast path of DockerConfig; its field order is the key order of the answer."""

    Hostname: str | None = None
    Domainname: str | None = None
    User: str | None = None
    Memory: int | None = None
    MemorySwap: int | None = None
    CpuShares: int | None = None
    Cpuset: str | None = None
    AttachStdin: bool | None = None
    AttachStdout: bool | None = None
    AttachStderr: bool | None = None
    PortSpecs: list[str] | None = None
    ExposedPorts: dict[str, _Empty] | None = None
    Tty: bool | None = None
    OpenStdin: bool | None = None
    StdinOnce: bool | None = None
    Env: list[str] | None = None
    Cmd: list[str] | None = None
    Dns: list[str] | None = None
    Image: str | None = None
    Volumes: dict[str, _Empty] | None = None
    VolumesFrom: str | None = None
    WorkingDir: str | None = None
    Entrypoint: list[str] | None = None
    NetworkDisabled: bool | None = None
    SecurityOpts: list[str] | None = None
    OnBuild: list[str] | None = None
    Labels: dict[str, str] | None = None


class _History(msgspec.Struct):
    created: datetime | None = None
    author: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _RootFS(msgspec.Struct):
    type: str | None = None
    diff_ids: list[str | None] | None = None


class _Config(msgspec.Struct, rename={"os_version": "os.version", "os_features": "os.features"}):
    """The fast path of both passes."""

    id: str | None = None
    parent: str | None = None
    comment: str | None = None
    created: str | None = None
    container: str | None = None
    container_config: _Container | None = None
    docker_version: str | None = None
    author: str | None = None
    config: _Container | None = None
    architecture: str | None = None
    rootfs: _RootFS | None = None
    history: list[_History | None] | None = None
    os: str | None = None
    os_version: str | None = None
    os_features: list[str | None] | None = None


_CONFIG: Final = msgspec.json.Decoder(_Config)
_KEYS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUMBERS: Final = ("Memory", "MemorySwap", "CpuShares")

_TOP_NAMES: Final = frozenset(name for name, _ in _SECOND_PASS.fields)
_CONTAINER_NAMES: Final = frozenset(name for name, _ in CONTAINER_FIELDS)
_FOLDED: Final = frozenset(name.lower() for name in _TOP_NAMES | _CONTAINER_NAMES)
# Keys of today's configs that are known to be dropped: looked up before anything is folded.
_DROPPED: Final = frozenset({"variant", "Healthcheck", "StopSignal", "Shell", "ArgsEscaped", "StopTimeout"})
_INSTANT: Final = re.compile(
    rb'"created"[ \t\r\n]*:[ \t\r\n]*"'
    rb'(?!\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")'
)
_UTC_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")
_ZERO_TIME: Final = "0001-01-01T00:00:00Z"


class ImageConfig(msgspec.Struct, frozen=True):
    """What is kept of a config (or of a schema 1 history entry).

    ``created`` is normalised RFC 3339 or None; the containers are dictionaries in key order, without empty values;
    ``config`` is None where the key was missing or null.
    """

    id: str
    parent: str
    comment: str
    created: str | None
    container: str
    container_config: dict[str, Any]
    docker_version: str
    author: str
    config: dict[str, Any] | None
    architecture: str


def decode_config(content: bytes) -> ImageConfig:
    """Decodes a config blob in both passes.

    Raises:
        ClientFailure: with Go's text. A failure of the second pass only has `SECOND_PASS` before it and
            is a `SecondPassFailure`.
    """
    fast = _decode_fast(content)
    if fast is not None:
        return fast
    first = decode_compatibility(content)
    try:
        gojson.decode(content, _SECOND_PASS)
    except gojson.GoJSONError as error:
        raise SecondPassFailure(f"failed to parse dockerImageConfig: {error}", first) from None
    return first


class SecondPassFailure(ClientFailure):
    """The second look at a config failed: the image of the first one is left, half filled."""

    def __init__(self, text: str, first: ImageConfig) -> None:
        super().__init__(text)
        self.first = first


def decode_compatibility(content: bytes) -> ImageConfig:
    """Decodes in the first pass only: a schema 1 ``v1Compatibility``, or a config by Go's own rules.

    Raises:
        ClientFailure: with Go's text.
    """
    try:
        fields = gojson.decode(content, _FIRST_PASS) or {}
    except gojson.GoJSONError as error:
        raise ClientFailure(str(error)) from None
    created = fields.get("created")
    config = fields.get("config")
    return ImageConfig(
        fields.get("id", ""),
        fields.get("parent", ""),
        fields.get("comment", ""),
        None if created == _ZERO_TIME else created,
        fields.get("container", ""),
        kept_fields(fields.get("container_config") or {}),
        fields.get("docker_version", ""),
        fields.get("author", ""),
        None if config is None else kept_fields(config),
        fields.get("architecture", ""),
    )


def _decode_fast(content: bytes) -> ImageConfig | None:
    """Decodes what msgspec and Go read the same way; None where Go's rules are needed."""
    try:
        keys = _KEYS.decode(content)
        if not _plain(keys, _TOP_NAMES) or not all(_plain_container(keys.get(name)) for name in _CONTAINERS):
            return None
        if _INSTANT.search(content) is not None or _repeats(content):
            return None
        config = _CONFIG.decode(content)
        created = None if config.created is None else _utc_instant(config.created)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return ImageConfig(
        config.id or "",
        config.parent or "",
        config.comment or "",
        created,
        config.container or "",
        {} if config.container_config is None else kept_fields(msgspec.structs.asdict(config.container_config)),
        config.docker_version or "",
        config.author or "",
        None if config.config is None else kept_fields(msgspec.structs.asdict(config.config)),
        config.architecture or "",
    )


_CONTAINERS: Final = ("config", "container_config")


def _plain(keys: dict[str, msgspec.Raw], names: frozenset[str]) -> bool:
    """Whether no key is a known one in another case."""
    for key in keys.keys() - names - _DROPPED:
        if not key.isascii() or key.lower() in _FOLDED:
            return False
    return "size" not in keys


def _plain_container(raw: msgspec.Raw | None) -> bool:
    content = b"null" if raw is None else bytes(raw)
    if not content.startswith(b"{"):
        return True
    keys = _KEYS.decode(content)
    return _plain(keys, _CONTAINER_NAMES) and not any(name in keys for name in _NUMBERS)


def _repeats(content: bytes) -> bool:
    """Whether an object might be there twice, which Go would merge."""
    return content.count(b'"config"') > 1 or content.count(b'"container_config"') > 1 or content.count(b'"Labels"') > 2


def kept_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """A container's fields in key order without the empty ones, maps sorted."""
    kept: dict[str, Any] = {}
    for name in _CONTAINER_ORDER:
        value = fields.get(name)
        if value:
            if type(value) is dict:
                value = (
                    {key: value[key] for key in sorted(value)}
                    if name == "Labels"
                    else dict.fromkeys(sorted(value), _NONE)
                )
            kept[name] = value
    return kept


_CONTAINER_ORDER: Final = tuple(name for name, _ in CONTAINER_FIELDS)
_NONE: Final = _Empty()


def _utc_instant(text: str) -> str | None:
    """An RFC 3339 text that is in UTC already, in whole seconds; the zero time is no time.

    Raises:
        ValueError: it is not, or is no instant.
    """
    match = _UTC_INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    datetime.fromisoformat(match[1])
    return None if match[1] == _ZERO_TIME[:-1] else f"{match[1]}Z"


def docker_image_metadata(config: ImageConfig, image_id: str, size: int) -> msgspec.Raw:
    """The JSON of ``dockerImageMetadata`` for an image of that id; `size` in bytes, left out when 0."""
    document: dict[str, Any] = {"kind": "DockerImage", "apiVersion": "image.openshift.io/1.0", "Id": image_id}
    if config.parent:
        document["Parent"] = config.parent
    if config.comment:
        document["Comment"] = config.comment
    document["Created"] = config.created
    if config.container:
        document["Container"] = config.container
    document["ContainerConfig"] = config.container_config
    if config.docker_version:
        document["DockerVersion"] = config.docker_version
    if config.author:
        document["Author"] = config.author
    if config.config is not None:
        document["Config"] = config.config
    if config.architecture:
        document["Architecture"] = config.architecture
    if size:
        document["Size"] = size
    return msgspec.Raw(msgspec.json.encode(document))
