from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_registry.errors import ImageError
from fake_registry.images import (
    MULTI_ARCH,
    BuiltImage,
    BuiltIndex,
    ImageSpec,
    Kind,
    RunConfig,
    build,
    build_image,
    build_index,
)
from fake_registry.oci import compute_digest, manifest_links

WEB = ImageSpec(
    name="quay.io/example/web",
    version="1.0",
    config=RunConfig(exposed_ports={"8080/tcp": {}}, env=["A=b"], cmd=["web"], labels={"version": "one"}),
)
AS_DOCKER = msgspec.structs.replace(WEB, kind="docker", platforms=MULTI_ARCH)


def image(spec: ImageSpec) -> BuiltImage:
    return build_image(spec, spec.platforms[0])


# Digests are what users write down: these hold for every machine and every release, or a release says so.
@pytest.mark.parametrize(
    ("spec", "digest"),
    [
        (WEB, "sha256:d7622f879a8054302d308ad55153e059da83630c128f713193a24a8858799f0b"),
        (
            msgspec.structs.replace(WEB, real_layers=True),
            "sha256:61097e6162ea8723d84d80fe29e62b3a77fa067fc1064269aa2785b3a5ed3fba",
        ),
        (AS_DOCKER, "sha256:e23781feddf7986bfd3714c2c6621baece386120bf4305c5e1de7e06a677a064"),
    ],
    ids=["oci", "real-layers", "docker-list"],
)
def test_digests_never_change(spec: ImageSpec, digest: str) -> None:
    assert build(spec).digest == digest


def test_digests_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "from fake_registry.images import *;"
        "print(build(ImageSpec(name='a/b', version='1', platforms=MULTI_ARCH, "
        "config=RunConfig(labels={'b': '', 'a': ''}, exposed_ports={'2/tcp': {}, '1/tcp': {}}))).digest)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1


@given(
    kind=st.sampled_from(["oci", "docker"]),
    layers=st.integers(0, 12),
    real=st.booleans(),
    platforms=st.lists(st.sampled_from([*MULTI_ARCH, "linux/arm/v7"]), min_size=1, unique=True),
    labels=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3),
)
def test_everything_that_is_named_is_there(
    kind: Kind, layers: int, real: bool, platforms: list[str], labels: dict[str, str]
) -> None:
    spec = ImageSpec(
        name="quay.io/a/b",
        version="2",
        kind=kind,
        layers=layers,
        real_layers=real,
        platforms=tuple(platforms),
        config=RunConfig(labels=labels),
    )
    built = build_index(spec)
    assert compute_digest(built.manifest) == built.digest
    children = manifest_links(built.manifest).children
    assert [(child.digest, child.size) for child in children] == [
        (one.digest, len(one.manifest)) for one in built.images
    ]
    for one, platform in zip(built.images, platforms, strict=True):
        check_image(one, platform, layers, real)
        assert json.loads(one.config)["config"]["Labels"].items() >= labels.items()


def check_image(one: BuiltImage, platform: str, layers: int, real: bool) -> None:
    assert one.platform == platform
    assert compute_digest(one.manifest) == one.digest
    links = manifest_links(one.manifest)
    assert links.config is not None
    assert (links.config.digest, links.config.size) == (one.config_digest, len(one.config))
    assert compute_digest(one.config) == one.config_digest
    assert [(layer.digest, layer.size) for layer in links.layers] == [
        (layer.digest, layer.size) for layer in one.layers
    ]
    config = json.loads(one.config)
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in one.layers]
    assert sum(not entry.get("empty_layer", False) for entry in config["history"]) == layers == len(one.layers)
    assert "/".join(filter(None, (config["os"], config["architecture"], config.get("variant")))) == platform
    for layer in one.layers:
        assert (layer.content is not None) == real
        if layer.content is not None:
            assert (compute_digest(layer.content), len(layer.content)) == (layer.digest, layer.size)
            tar = gzip.decompress(layer.content)
            assert compute_digest(tar) == layer.diff_id
            with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
                assert len(archive.getmembers()) == 1


def test_images_of_one_base_share_its_layers() -> None:
    other = msgspec.structs.replace(WEB, name="quay.io/example/other")
    digests = [[layer.digest for layer in image(spec).layers] for spec in (WEB, other)]
    assert [one == two for one, two in zip(*digests, strict=True)] == [True, True, False]
    assert image(WEB).layers[0] != image(msgspec.structs.replace(WEB, base="debian12")).layers[0]


def test_layer_sizes_are_around_their_mean() -> None:
    sizes = [layer.size for layer in image(msgspec.structs.replace(WEB, layers=100, layer_size=1000)).layers]
    assert 500 <= min(sizes) < 800
    assert 1200 < max(sizes) <= 1500


def test_one_platform_is_an_image_unless_an_index_is_asked_for() -> None:
    assert isinstance(build(WEB), BuiltImage)
    assert isinstance(build(msgspec.structs.replace(WEB, index=True)), BuiltIndex)


def test_a_config_says_what_builders_say() -> None:
    config = json.loads(image(WEB).config)
    assert config["config"]["Labels"] == {
        "architecture": "x86_64",
        "build-date": "2024-01-01T00:00:00Z",
        "io.k8s.display-name": "web 1.0",
        "io.openshift.expose-services": "8080:http",
        "name": "example/web",
        "vcs-ref": config["config"]["Labels"]["vcs-ref"],
        "version": "one",
    }
    assert [entry["created_by"] for entry in config["history"]] == [
        "/bin/sh -c #(nop) ADD ubi9 in /",
        "/bin/sh -c #(nop) ADD ubi9 in /",
        "/bin/sh -c #(nop) ADD layer-2 in /usr/share",
        "/bin/sh -c #(nop) ENV A=b",
        '/bin/sh -c #(nop) CMD ["web"]',
    ]


def test_times_are_written_in_utc() -> None:
    created = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert json.loads(image(msgspec.structs.replace(WEB, created=created)).config)["created"] == "2025-12-31T23:00:00Z"
    assert msgspec.structs.replace(WEB, created=created).created == created.astimezone(UTC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"platforms": ()}, "platforms of quay.io/example/web: [] has to name at least one, and none twice"),
        (
            {"platforms": ("linux/amd64", "linux/amd64")},
            "platforms of quay.io/example/web: ['linux/amd64', 'linux/amd64'] has to name at least one, and none twice",
        ),
        ({"platforms": ("amd64",)}, "platform 'amd64': has to be os/architecture or os/architecture/variant"),
        ({"platforms": ("a/b/c/d",)}, "platform 'a/b/c/d': has to be os/architecture or os/architecture/variant"),
        (
            {"kind": "docker", "annotations": {"a": "b"}},
            "annotations of quay.io/example/web: Docker manifests have none; use labels, or kind: oci",
        ),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ImageError) as caught:
        build(msgspec.structs.replace(WEB, **change))
    assert str(caught.value) == message


def test_layers_may_be_given() -> None:
    packed = gzip.compress(b"a tar, for all we know")
    spec = msgspec.structs.replace(WEB, layers=1, contents=({"etc/motd": b"hello", "bin/true": b""}, packed, b"raw"))
    built = image(spec)
    config = json.loads(built.config)
    assert [layer.size for layer in built.layers[2:]] == [len(packed), 3]
    assert config["rootfs"]["diff_ids"][2:] == [compute_digest(b"a tar, for all we know"), compute_digest(b"raw")]
    assert [entry["created_by"] for entry in config["history"]][:4] == [
        "/bin/sh -c #(nop) ADD ubi9 in /",
        *["/bin/sh -c #(nop) COPY files in /"] * 3,
    ]
    content = built.layers[1].content
    assert content is not None
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert [(one.name, one.size) for one in archive] == [("etc/motd", 5), ("bin/true", 0)]


def test_a_layer_that_only_begins_as_gzip_is_refused() -> None:
    with pytest.raises(ImageError, match=r"layer sha256:[0-9a-f]{64}: begins as gzip does, but "):
        build(msgspec.structs.replace(WEB, contents=(b"\x1f\x8b not gzip",)))


def test_a_path_that_no_archive_can_have_is_refused() -> None:
    with pytest.raises(ImageError, match=r"file 'x+' of a layer: name is too long"):
        build(msgspec.structs.replace(WEB, contents=({"x" * 300: b""},)))
