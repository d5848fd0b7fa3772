"""Image configs, and the ``dockerImageMetadata`` that is made of them.

A config is decoded twice by the real importer, into two shapes: the first ("pre-0.12") knows the fields that are
kept, the second also some that are dropped, whose types count all the same. Source: imageutil ``helpers.go``,
docker10 and dockerpre012 types.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final, get_type_hints

import msgspec

from mirror import gojson
from mirror.gotext import ZERO_TEXT
from mirror.importer.failures import ClientFailure


class _Empty(msgspec.Struct, frozen=True):
    """``struct{}``"""


_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class DockerConfig(msgspec.Struct, omit_defaults=True):
    """DockerConfig as ``dockerImageMetadata`` shows it: fields in the order of its keys, left out when empty (lists and
    maps: None)."""

    Hostname: str = ""
    Domainname: str = ""
    User: str = ""
    Memory: _Int64 = 0
    MemorySwap: _Int64 = 0
    CpuShares: _Int64 = 0
    Cpuset: str = ""
    AttachStdin: bool = False
    AttachStdout: bool = False
    AttachStderr: bool = False
    PortSpecs: list[str] | None = None
    ExposedPorts: dict[str, _Empty] | None = None
    Tty: bool = False
    OpenStdin: bool = False
    StdinOnce: bool = False
    Env: list[str] | None = None
    Cmd: list[str] | None = None
    Dns: list[str] | None = None
    Image: str = ""
    Volumes: dict[str, _Empty] | None = None
    VolumesFrom: str = ""
    WorkingDir: str = ""
    Entrypoint: list[str] | None = None
    NetworkDisabled: bool = False
    SecurityOpts: list[str] | None = None
    OnBuild: list[str] | None = None
    Labels: dict[str, str] | None = None


_STRINGS: Final = gojson.List(gojson.String, go="[]string")
_SHAPES: Final[dict[Any, gojson.Shape]] = {
    str: gojson.String,
    _Int64: gojson.Int64,
    bool: gojson.Bool,
    list[str] | None: _STRINGS,
    dict[str, str] | None: gojson.Map(gojson.String, go="map[string]string"),
    dict[str, _Empty] | None: gojson.Map(gojson.Struct(go="struct {}", fields=[]), go="map[string]struct {}"),
}

CONTAINER_FIELDS: Final = [
    (name, _SHAPES[kind]) for name, kind in get_type_hints(DockerConfig, include_extras=True).items()
]
"""The same with Go's types."""


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


_DROPPED: Final = msgspec.Raw()

# The fast path: these have every field that Go looks at, in its type, and what today's configs have besides. What they
# refuse goes to Go's rules: other types, other fields, keys in another case.


class _Container(DockerConfig, forbid_unknown_fields=True):
    Healthcheck: msgspec.Raw = _DROPPED
    StopSignal: msgspec.Raw = _DROPPED
    Shell: msgspec.Raw = _DROPPED
    ArgsEscaped: msgspec.Raw = _DROPPED
    StopTimeout: msgspec.Raw = _DROPPED


class _History(msgspec.Struct, forbid_unknown_fields=True):
    created: datetime | None = None
    author: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _RootFS(msgspec.Struct, forbid_unknown_fields=True):
    type: str | None = None
    diff_ids: list[str | None] | None = None


class _Config(msgspec.Struct, forbid_unknown_fields=True):
    id: str = ""
    parent: str = ""
    comment: str = ""
    created: str | None = None
    container: str = ""
    container_config: _Container | None = None
    docker_version: str = ""
    author: str = ""
    config: _Container | None = None
    architecture: str = ""
    rootfs: _RootFS | None = None
    history: list[_History | None] | None = None
    os: str = ""
    os_version: str | None = msgspec.field(name="os.version", default=None)
    os_features: list[str | None] | None = msgspec.field(name="os.features", default=None)
    variant: msgspec.Raw = _DROPPED


_CONFIG: Final = msgspec.json.Decoder(_Config)
_NOT_SHOWN: Final = _Container.__struct_fields__[len(DockerConfig.__struct_fields__) :]
_COLLECTIONS: Final = tuple(name for name, shape in CONTAINER_FIELDS if isinstance(shape, gojson.List | gojson.Map))
_MAPS: Final = tuple((name, f'"{name}"'.encode()) for name in ("Labels", "Volumes", "ExposedPorts"))
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[4-7]")
_INSTANT: Final = re.compile(
    rb'"created"[ \t\r\n]*:[ \t\r\n]*"'
    rb'(?!\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")'
)
_UTC_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")


class ImageConfig(msgspec.Struct, frozen=True):
    """What is kept of a config (or of a schema 1 history entry).

    ``created`` is normalised RFC 3339 or None; ``config`` is None where the key was missing or null.
    """

    id: str
    parent: str
    comment: str
    created: str | None
    container: str
    container_config: DockerConfig
    docker_version: str
    author: str
    config: DockerConfig | None
    architecture: str


def decode_config(content: bytes) -> ImageConfig:
    """Decodes a config blob in both passes.

    Raises:
        ClientFailure: with Go's text; a `SecondPassFailure` where only the second pass fails.
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
        None if created == ZERO_TEXT else created,
        fields.get("container", ""),
        container_of(fields.get("container_config") or {}),
        fields.get("docker_version", ""),
        fields.get("author", ""),
        None if config is None else container_of(config),
        fields.get("architecture", ""),
    )


def _decode_fast(content: bytes) -> ImageConfig | None:
    """Decodes what msgspec and Go read the same way; None where Go's rules are needed."""
    try:
        config = _CONFIG.decode(content)
        dated = config.history or b'"history"' in content
        if content.count(b'"created"') > 1 + len(config.history or ()):
            return None  # Go would read every one of them
        if _repeats(content, config) or (dated and _INSTANT.search(content) is not None):
            return None
        created = None if config.created is None else _utc_instant(config.created)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return ImageConfig(
        config.id,
        config.parent,
        config.comment,
        created,
        config.container,
        DockerConfig() if config.container_config is None else _kept(config.container_config),
        config.docker_version,
        config.author,
        None if config.config is None else _kept(config.config),
        config.architecture,
    )


def _repeats(content: bytes, config: _Config) -> bool:
    """Whether an object that is kept might be there twice, which Go would merge."""
    if b"\\u00" in content and _ESCAPED_LETTER.search(content) is not None:
        return True  # a letter of a key may be escaped
    if content.count(b'"config"') > 1 or content.count(b'"container_config"') > 1:
        return True
    containers = [one for one in (config.config, config.container_config) if one is not None]
    for name, key in _MAPS:
        held = [one for one in containers if getattr(one, name) is not None]
        if held and content.count(key) > len(held):
            return True
    return False


def _kept(container: _Container) -> DockerConfig:
    """The container with nothing but what is shown."""
    for name in _NOT_SHOWN:
        setattr(container, name, _DROPPED)
    return _without_empty(container)


def container_of(fields: dict[str, Any]) -> DockerConfig:
    """The container that these fields make, decoded by Go's rules."""
    return _without_empty(DockerConfig(**fields))


def _without_empty(container: DockerConfig) -> DockerConfig:
    for name in _COLLECTIONS:
        value = getattr(container, name)
        if value is not None and not value:
            setattr(container, name, None)
    return container


def _utc_instant(text: str) -> str | None:
    """An RFC 3339 text that is in UTC already, in whole seconds; the zero time is no time.

    Raises:
        ValueError: it is not, or is no instant.
    """
    match = _UTC_INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    datetime.fromisoformat(match[1])
    return None if match[1] == ZERO_TEXT[:-1] else f"{match[1]}Z"


class _DockerImage(msgspec.Struct, omit_defaults=True, kw_only=True, rename={"version": "apiVersion"}):
    """``dockerImageMetadata``: fields in the order of its keys, those without a default always shown."""

    kind: str
    version: str
    Id: str
    Parent: str = ""
    Comment: str = ""
    Created: str | None
    Container: str = ""
    ContainerConfig: DockerConfig
    DockerVersion: str = ""
    Author: str = ""
    Config: DockerConfig | None = None
    Architecture: str = ""
    Size: int = 0


_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def docker_image_metadata(config: ImageConfig, image_id: str, size: int) -> msgspec.Raw:
    """The JSON of ``dockerImageMetadata`` for an image of that id; `size` in bytes, left out when 0."""
    image = _DockerImage(
        kind="DockerImage",
        version="image.openshift.io/1.0",
        Id=image_id,
        Parent=config.parent,
        Comment=config.comment,
        Created=config.created,
        Container=config.container,
        ContainerConfig=config.container_config,
        DockerVersion=config.docker_version,
        Author=config.author,
        Config=config.config,
        Architecture=config.architecture,
        Size=size,
    )
    return msgspec.Raw(_ENCODER.encode(image))
