"""The single requests of tests/vectors/observed: in which order they were made, and the registries that answered then.

A recording has statuses and headers of the registries' answers, not their bodies. Those that are found again are here:
by their digests in the trees of the vectors, or because what they were made of can be told from the answers. Of most
the digest proves it. The config of the images of fake.example.com was not found; there is one of the same length that
gives the same metadata, and its digest, and those of all that names it, are put into the recordings in place of the
recorded ones.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fake_registry.core.reasons import status_text
from mirror.importer.transport import Answer, TransportError
from support.vectors import VECTORS

_OBSERVED: Final = VECTORS / "observed"
_OCI: Final = "application/vnd.oci.image.manifest.v1+json"
_OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_SCHEMA2: Final = "application/vnd.docker.distribution.manifest.v2+json"
_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

# Groups that were recorded one after the other on the same API server, and where a new one began.
SESSIONS: Final = (
    ("basic", "names", "repo", "registry-errors", "registry-tags", "ping", "auth"),
    ("manifests",),
    ("api", "seq", "policy", "mirrors", "slow"),
    ("manifests", "registry-tags", "extra", "mirrors", "policy"),
)
_LAST_SESSION: Final = "2026-11-23T07:37"

_CONFIG: Final = "sha256:f152401e66aa03a45bc21b3b5d052da72712213d89d9faf51bba49354576be32"
_LAYER: Final = "sha256:e59909535cb9ade99371c092e0c86665f468fbc134d9fb173647d46686b7db77"
_ABSENT_CONFIG: Final = "sha256:35f17ff571fdae4be18f4d90d8b3d0fd60356c0b7a356b2ba08d4bda016f3a43"
_ABSENT_MANIFEST: Final = "sha256:db2d4925f3ef4b3d9df4dd8a1c78250f97140c32e75c74e6ddb669092b2a53f5"
_WRONG_BLOB: Final = "sha256:03d20584dde0e6abdcbf3b9ae6af0680800c56dd413c4c1a9d9e1887fd7451b5"
_SCHEMA1_PAYLOAD: Final = "sha256:9b64a9d339e56cb33d8794db0abfd8d3e9c45b5f77932227697baf32026145e5"
_SCHEMA1_SIGNED: Final = "sha256:6c0f7b02b3ff7ada3f5f3c630b6bd76cf5643a409ee662f7ea414c85e6f9ffe8"
_SCHEMA1_UNSIGNED: Final = "sha256:8060cb9a29b0b00dfd10039a503c48d42c2d1eb99462f824fc9f436ca6073b68"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _compact(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _descriptor(media_type: str, size: int, digest: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "size": size, "digest": digest, **more}


def _manifest(media_type: str, config: dict[str, Any], layer: dict[str, Any], **more: Any) -> bytes:
    document = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer], **more}
    return _compact({key: value for key, value in document.items() if value})


class Contents:
    """Manifests and blobs by digest; ``renamed`` are the digests that stand for recorded ones."""

    def __init__(self) -> None:
        self.by_digest: dict[str, bytes] = {}
        self.renamed: dict[str, str] = {}
        for tree in ("tree", "oc-tree"):
            for path in (VECTORS / tree / "blobs" / "sha256").iterdir():
                self.by_digest[f"sha256:{path.name}"] = path.read_bytes()
        self._config()
        for content in self._recorded():
            self._add(content)
        self._schema1()
        self._rename(_WRONG_BLOB, WRONG_CONTENT)

    def _add(self, content: bytes) -> None:
        """Content as it was; what it names has other names now."""
        renamed = self.renaming(content.decode()).encode()
        self.by_digest[digest_of(renamed)] = renamed
        if renamed != content:
            self.renamed[digest_of(content)] = digest_of(renamed)

    def _rename(self, recorded: str, content: bytes) -> None:
        self.by_digest[digest_of(content)] = content
        self.renamed[recorded] = digest_of(content)

    def renaming(self, text: str) -> str:
        """A text with the digests that are used here."""
        return re.sub(r"sha256:[0-9a-f]{64}", lambda found: self.renamed.get(found[0], found[0]), text)

    def _config(self) -> None:
        config: dict[str, Any] = {
            "architecture": "amd64",
            "os": "linux",
            "created": "2024-02-03T04:05:06Z",
            "author": "me",
            "docker_version": "20.10",
            "config": {"Env": ["A=b"], "Labels": {"x": "y"}, "Volumes": {"/data": {}}, "OnBuild": []},
            "history": [{"created_by": ""}],
        }
        config["history"][0]["created_by"] = "x" * (430 - len(_compact(config)))
        self._rename(_CONFIG, _compact(config))

    def _recorded(self) -> Iterator[bytes]:
        """What fake.example.com served, what is named before what names it. Their digests are the recorded ones."""
        config = _descriptor(_OCI_CONFIG, 430, _CONFIG)
        layer = _descriptor(_OCI_LAYER, 110, _LAYER)
        oci = _manifest(_OCI, config, layer)
        schema2 = _manifest(
            _SCHEMA2,
            _descriptor("application/vnd.docker.container.image.v1+json", 430, _CONFIG),
            _descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", 110, _LAYER),
        )
        yield from (oci, schema2, _manifest("", config, layer))
        yield oci.replace(b'"schemaVersion":2', b'"schemaVersion":3')
        yield from (b"", b"{}", b"not json", b"not json at all", b"<html>hi</html>")
        empty = _descriptor("application/vnd.oci.empty.v1+json", 2, digest_of(b"{}"))
        yield _manifest(_OCI, empty, layer, artifactType="application/vnd.example")
        yield _manifest(_OCI, _descriptor(_OCI_CONFIG, 8, digest_of(b"not json")), layer)
        yield _manifest(_OCI, _descriptor(_OCI_CONFIG, 19, _ABSENT_CONFIG), layer)
        chart = b'{"name":"c","version":"1"}'
        yield chart
        yield _manifest(
            _OCI,
            _descriptor("application/vnd.cncf.helm.config.v1+json", len(chart), digest_of(chart)),
            _descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", 110, _LAYER),
        )
        yield from self._lists(oci, schema2)

    def _lists(self, oci: bytes, schema2: bytes) -> Iterator[bytes]:
        def index(*entries: dict[str, Any], media_type: str = _INDEX) -> bytes:
            return _compact({"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)})

        def entry(content: bytes, media_type: str, architecture: str, **more: str) -> dict[str, Any]:
            platform = {"architecture": architecture, "os": "linux", **more}
            return _descriptor(media_type, len(content), digest_of(content), platform=platform)

        linux = {"architecture": "amd64", "os": "linux"}
        absent = _descriptor(_OCI, 11, _ABSENT_MANIFEST)
        two = index(entry(oci, _OCI, "arm64"), entry(schema2, _SCHEMA2, "amd64"))
        yield from (two, index())
        yield index({**absent, "platform": linux})
        yield index(entry(oci, _OCI, "amd64"), {**absent, "platform": {"architecture": "arm64", "os": "linux"}})
        yield index(entry(two, _INDEX, "amd64"))
        yield index(_descriptor(_OCI, len(oci), digest_of(oci)))
        yield index(entry(oci, _OCI, "s390x"), entry(schema2, _SCHEMA2, "ppc64le"))
        windows = {"os": "windows", "os.version": "10.0"}
        yield index(entry(oci, _OCI, "arm", variant="v7"), entry(schema2, _SCHEMA2, "amd64", **windows))
        yield index(entry(schema2, _SCHEMA2, "amd64"), media_type=_LIST)
        config = b'{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
        yield config
        attestation = _manifest(
            _OCI,
            _descriptor(_OCI_CONFIG, len(config), digest_of(config)),
            _descriptor("application/vnd.in-toto+json", 110, _LAYER),
        )
        yield attestation
        attested = entry(attestation, _OCI, "unknown", os="unknown")
        attested["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
        yield index(entry(oci, _OCI, "amd64"), attested)

    def _schema1(self) -> None:
        """Schema 1 manifests, signed and not. Their bytes were not found: the signature made them new each time."""
        newest = {
            "id": "b" * 64,
            "parent": "a" * 64,
            "created": "2020-01-02T00:00:00Z",
            "container_config": {"Cmd": ["y"]},
            "docker_version": "1.9",
            "config": {"Env": ["A=1"], "Cmd": ["x"]},
            "architecture": "amd64",
        }
        document = {
            "schemaVersion": 1,
            "fsLayers": [{"blobSum": _LAYER}, {"blobSum": _LAYER}],
            "history": [{"v1Compatibility": json.dumps(one)} for one in (newest, {"id": "a" * 64})],
        }
        payload = _compact(document)
        protected = _compact({"formatLength": len(payload) - 1, "formatTail": base64.urlsafe_b64encode(b"}").decode()})
        signature = {"protected": base64.urlsafe_b64encode(protected).decode(), "signature": "x"}
        self._rename(_SCHEMA1_UNSIGNED, payload)
        self._rename(_SCHEMA1_PAYLOAD, payload)
        self._rename(_SCHEMA1_SIGNED, payload[:-1] + b',"signatures":' + _compact([signature]) + b"}")


WRONG_CONTENT: Final = b"wrong"


@functools.cache
def contents() -> Contents:
    return Contents()


@dataclass
class Recording:
    """One request, its answer, and what the registries were asked for it."""

    name: str
    request: dict[str, Any]
    response: dict[str, Any]
    asked: list[dict[str, Any]]
    order: float = 0.0

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]

    @property
    def when(self) -> str | None:
        """The time on the API server's clock, where the answer has it."""
        body = self.response["body"]
        return body["metadata"].get("creationTimestamp") if isinstance(body, dict) and "metadata" in body else None

    @property
    def version(self) -> str | None:
        """The resource version of the stream in the answer."""
        body = self.response["body"]
        if not isinstance(body, dict):
            return None
        stream = body if body.get("kind") == "ImageStream" else _part(body, "status", "import")
        version: str | None = _part(stream, "metadata").get("resourceVersion")
        return version


def _part(document: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


@functools.cache
def sessions() -> list[list[Recording]]:
    """The recordings of each session, in order: as the resource versions say, and by name between them."""
    found: list[list[Recording]] = [[] for _ in SESSIONS]
    for number, groups in enumerate(SESSIONS):
        for group in groups:
            last = -1.0
            for path in sorted((_OBSERVED / group).glob("*.json")):
                text = contents().renaming(path.read_text())
                document = json.loads(text)
                if isinstance(document, list):
                    continue
                recording = Recording(f"{group}/{path.stem}", document["request"], document["response"], [])
                recording.asked = document["registryRequests"] or []
                late = group == "extra" or (recording.when or "").startswith(_LAST_SESSION)
                if late != (number == len(SESSIONS) - 1):
                    continue
                version = recording.version
                last = last if version is None else float(version)
                recording.order = last
                found[number].append(recording)
    for number, groups in enumerate(SESSIONS):
        found[number].sort(key=lambda one, groups=groups: (one.order, groups.index(one.group), one.name))  # type: ignore[misc]
    return found


def _errors(*pairs: tuple[str, str], **detail: Any) -> bytes:
    return _compact({"errors": [{"code": code, "message": message, **detail} for code, message in pairs]})


_NAME_UNKNOWN: Final = ("NAME_UNKNOWN", "repository name not known to registry")
_MANIFEST_UNKNOWN: Final = ("MANIFEST_UNKNOWN", "manifest unknown")
_UNAUTHORIZED: Final = ("UNAUTHORIZED", "authentication required")
_DENIED: Final = ("DENIED", "requested access to the resource is denied")

# The bodies of errors by the first part of the repository's name, told from the words that they became.
_BODIES: Final = {
    "e400": _errors(("NAME_INVALID", "invalid repository name")),
    "e401empty": b"",
    "e403empty": b"",
    "e404empty": b"",
    "e404html": b"<html>404</html>",
    "e404man": _errors(_MANIFEST_UNKNOWN, detail={"Tag": "x"}),
    "e404name": _errors(_NAME_UNKNOWN, detail={"name": "x"}),
    "e404nf": _errors(("NOT_FOUND", "not found")),
    "e404text": b"404 page not found\n",
    "e405": _errors(("UNSUPPORTED", "The operation is unsupported.")),
    "e429": _errors(("TOOMANYREQUESTS", "You have reached your pull rate limit.")),
    "e429empty": b"",
    "edetails": b'{"details":"no"}',
    "enoerrors": b'{"errors":[]}',
    "etwo": _errors(_NAME_UNKNOWN, _MANIFEST_UNKNOWN),
}
_TAGS: Final = {
    "tblank": b'{"name":"tblank/app","tags":["","oci"]}',
    "tjunk": b"junk",
    "tnull": b'{"name":"tnull/app","tags":null}',
}
_CUT_OFF: Final = "net/http: request canceled"
_NO_TLS: Final = "tls: first record does not look like a TLS handshake"
_HANGS: Final = "context deadline exceeded"


@dataclass
class RecordedRegistries:
    """The transport to the registries of one recording: it answers what was asked then, and nothing else."""

    recording: Recording
    concurrency: int = 1
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = list(self.recording.asked)

    async def send(
        self,
        method: str,
        scheme: str,
        host: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        *,
        insecure: bool,
        timeout: float | None = None,
    ) -> Answer:
        url = f"{scheme}://{host}{target}"
        asked = (method, url, "insecure" if insecure else "secure")
        found = next((one for one in self.left if (one["method"], one["url"], one["transport"]) == asked), None)
        if found is None:
            self.problems.append(f"asked for {asked}, as nobody did then")
            raise TransportError("not recorded")
        place = self.left.index(found)
        if any(_repository(one["url"]) == _repository(url) for one in self.left[:place]):
            self.problems.append(f"asked for {url} too early")
        self.left.remove(found)
        self._compare(found, url, headers)
        if "error" in found:
            raise _transport_error(found["error"], timeout)
        lines = [(name.lower(), value) for name, value in (found.get("responseHeaders") or {}).items()]
        if host == "ping500h.example.com":  # a header that the recordings left out
            lines.append(("docker-distribution-api-version", "registry/2.0"))
        if method == "HEAD":  # of a layer, the only blob that is asked for that way
            lines.append(("content-length", "110"))
        body = b"" if method == "HEAD" else self._body(found, url)
        return Answer(found["status"], status_text(found["status"]), lines, body)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _compare(self, found: dict[str, Any], url: str, headers: Sequence[tuple[str, str]]) -> None:
        recorded = found.get("headers") or {}
        sent = dict(headers)
        if sent.get("authorization") != recorded.get("Authorization"):
            self.problems.append(f"{url}: sent {sent.get('authorization')}, then {recorded.get('Authorization')}")
        accepts = sorted(value for name, value in headers if name == "accept")
        if accepts != sorted(filter(None, recorded.get("Accept", "").split(", "))):
            self.problems.append(f"{url}: accepts {accepts}")

    def _body(self, found: dict[str, Any], url: str) -> bytes:
        path = url.split("/", 3)[3]
        first = path.split("/")[1] if path.startswith("v2/") else ""
        if path == "v2/" or found["status"] >= 500:
            return b"{}"
        if found["status"] >= 400:
            return _BODIES[first] if first in _BODIES else _refusal(found["status"], path)
        if path.startswith("token?"):
            return _compact({"token": "tok-good" if "account=good" in path else "tok-anon"})
        if "/tags/list" in path:
            return _TAGS[first] if first in _TAGS else self._tags(path)
        if first == "wrongblob" and "/blobs/" in path:
            return WRONG_CONTENT
        return self._content(found, url)

    def _tags(self, path: str) -> bytes:
        repository = _part(self.recording.response["body"], "status", "repository")
        tags = [image["tag"] for image in repository.get("images") or ()]
        tags += repository.get("additionalTags") or []
        if self.recording.response["code"] == 422:  # the answer has none of them
            tags = ["artifact", "badcfg", "empty", "helm", "html"]
        if path.startswith("v2/tpage/"):
            tags = tags[1:] if "page=2" in path else tags[:1]
        return _compact({"name": "x", "tags": tags})

    def _content(self, found: dict[str, Any], url: str) -> bytes:
        pool = contents()
        digest = (found.get("responseHeaders") or {}).get("Docker-Content-Digest", "")
        if not digest.strip("sha256:0"):  # missing or wrong on purpose
            named = re.search("sha256:[0-9a-f]{64}", url)
            digest = named[0] if named else digest_of(pool.by_digest[pool.renamed[_OCI_IMAGE]])
        if digest not in pool.by_digest:
            self.problems.append(f"{url}: the body was not recorded")
        return pool.by_digest.get(digest, b"")


_OCI_IMAGE: Final = "sha256:829221b84d9a0d3722c6c175c6d74820ac91ddb126e367a19e9ffa726cd04e7f"


def _refusal(status: int, path: str) -> bytes:
    if path.startswith("token?"):
        return _errors(("UNAUTHORIZED", "incorrect username or password"))
    if status in (401, 403):
        return _errors(_UNAUTHORIZED if status == 401 else _DENIED)
    if "/blobs/" in path:
        return _errors(("BLOB_UNKNOWN", "blob unknown to registry"))
    return _errors(_NAME_UNKNOWN if "/tags/list" in path else _MANIFEST_UNKNOWN)


def _transport_error(text: str, timeout: float | None) -> TransportError:
    if text == _NO_TLS:  # what net/http makes of that where it finds HTTP in the record
        return TransportError("http: server gave HTTP response to HTTPS client")
    if text == _HANGS:
        return TransportError(text, timeout=True, took=timeout or 0.0)
    if text == _CUT_OFF:  # by the limit of the whole request
        return TransportError(text, took=3600.0)
    return TransportError(text)


def _repository(url: str) -> str:
    return re.sub(r"/(manifests|blobs|tags)/.*", "", url)
