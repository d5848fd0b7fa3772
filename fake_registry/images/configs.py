"""Image configurations, in the field order of the Go types that write them (OCI image-spec, ``config.md``)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from fake_registry.images.layers import seed, shared_layers
from fake_registry.images.specs import ImageSpec, RunConfig
from fake_registry.oci import Platform


class _History(msgspec.Struct, frozen=True, omit_defaults=True):
    created: str
    created_by: str
    empty_layer: bool = False


class _RootFS(msgspec.Struct, frozen=True):
    type: str
    diff_ids: list[str]


class _Config(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    created: str
    author: str = ""
    docker_version: str = ""
    architecture: str
    variant: str = ""
    os: str
    config: RunConfig
    rootfs: _RootFS
    history: list[_History]


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def config_of(spec: ImageSpec, platform: Platform, diff_ids: list[str]) -> bytes:
    """The image configuration, as it is stored."""
    run = msgspec.structs.replace(spec.config, labels=_labels(spec, platform))
    return msgspec.json.encode(
        _Config(
            created=_rfc3339(spec.created),
            docker_version="24.0.9" if spec.kind == "docker" else "",
            architecture=platform.architecture,
            variant=platform.variant,
            os=platform.os,
            config=run,
            rootfs=_RootFS("layers", diff_ids),
            history=list(_history(spec, run)),
        ),
        order="deterministic",  # as Go writes maps
    )


def _labels(spec: ImageSpec, platform: Platform) -> dict[str, str]:
    """The labels that image builders set, under those that the spec gives."""
    name = spec.name.rsplit("/", 1)[-1]
    labels = {
        "architecture": {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.architecture, platform.architecture),
        "build-date": _rfc3339(spec.created),
        "io.k8s.display-name": f"{name} {spec.version}",
        "name": spec.name.partition("/")[2] or spec.name,
        "vcs-ref": seed("commit", spec.name, spec.version)[:40],
        "version": spec.version,
        **spec.config.labels,
    }
    if spec.config.exposed_ports and "io.openshift.expose-services" not in labels:
        ports = (port.partition("/")[0] for port in spec.config.exposed_ports)
        labels["io.openshift.expose-services"] = ",".join(f"{port}:http" for port in ports)
    return labels


def _history(spec: ImageSpec, run: RunConfig) -> Iterator[_History]:
    created = _rfc3339(spec.created)
    for number in range(spec.layers):
        source = f"{spec.base} in /" if number < shared_layers(spec) else f"layer-{number} in /usr/share"
        yield _History(created, f"/bin/sh -c #(nop) ADD {source}")
    for _ in spec.contents:
        yield _History(created, "/bin/sh -c #(nop) COPY files in /")
    for variable in run.env:
        yield _History(created, f"/bin/sh -c #(nop) ENV {variable}", empty_layer=True)
    for word, value in (("ENTRYPOINT", run.entrypoint), ("CMD", run.cmd)):
        if value:
            json = msgspec.json.encode(value).decode()
            yield _History(created, f"/bin/sh -c #(nop) {word} {json}", empty_layer=True)
