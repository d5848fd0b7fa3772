"""The distribution specification 1.1 and what its next version adds, requirement by requirement.

Each is a list of requests with the answers that they have to get, asked of a core as it is and over sockets.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.pushing import Client, CoreClient, SocketClient, with_query
from support.registry import describe, image, index, signed_schema1

from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree, verify
from fake_registry.oci import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1_SIGNED,
    OCI_INDEX,
    OCI_MANIFEST,
    compute_digest,
    manifest_digest,
)
from fake_registry.server import RegistryServer

ANY = re.compile(".+")
NONE = re.compile("(?!)")
"""For headers that must not be there."""

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
JSON = "application/json"


@dataclass
class Ask:
    """A request and its answer.

    In `target` and `sent`, ``{here}`` is the Location of the answer before; what begins with ``?`` is added to it.
    `status` is what has to be answered (a refusal: also the error code), with these `headers` (whole values, or
    patterns for them) and `answer` as body.
    """

    method: str
    target: str
    status: int
    code: str = ""
    body: bytes | list[bytes] | None = None
    sent: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str | re.Pattern[str]] = field(default_factory=dict)
    answer: bytes | dict[str, Any] | None = None


class Requirement(NamedTuple):
    """What is required, and requests that show it, asked in order of an empty registry."""

    category: str
    what: str
    asks: list[Ask]


LAYER, CONFIG = b"layer " * 1000, b'{"architecture":"amd64"}'
LAYER_DIGEST, CONFIG_DIGEST = compute_digest(LAYER), compute_digest(CONFIG)
LAYER_512 = compute_digest(LAYER, "sha512")
IMAGE = image(CONFIG, [LAYER])
IMAGE_DIGEST = compute_digest(IMAGE)
INDEX = index(IMAGE)
INDEX_DIGEST = compute_digest(INDEX)
SUBJECT = describe(IMAGE, OCI_MANIFEST)
SBOM = image(b"{}", [b"sbom"], subject=SUBJECT, artifact_type="application/sbom", annotations={"a": "b"})
SIGNATURE = image(b"{}", [b"signature"], subject=SUBJECT)
SBOMS = [image(b"{}", [layer], subject=SUBJECT, artifact_type="application/sbom") for layer in (b"one", b"two")]
SORTED_SBOMS = sorted((SBOM, *SBOMS), key=compute_digest)
QUOTED_SBOM = compute_digest(SORTED_SBOMS[1]).replace(":", "%3A")
ABSENT = "sha256:" + "0" * 64
REFERRERS = f"/v2/team/app/referrers/{IMAGE_DIGEST}"
UPLOADS = "/v2/team/app/blobs/uploads/"


def put(data: bytes, reference: str, media_type: str = OCI_MANIFEST, name: str = "team/app", **answer: Any) -> Ask:
    answer.setdefault("status", 201)
    return Ask("PUT", f"/v2/{name}/manifests/{reference}", body=data, sent={"Content-Type": media_type}, **answer)


def pushed(*blobs: bytes, name: str = "team/app") -> list[Ask]:
    return [Ask("POST", f"/v2/{name}/blobs/uploads/?digest={compute_digest(blob)}", 201, body=blob) for blob in blobs]


def refused(method: str, target: str, status: int, code: str, **more: Any) -> Ask:
    return Ask(method, target, status, code, **more)


def got(data: bytes, kind: str, reference: str, media_type: str, digest: str = "", name: str = "team/app") -> list[Ask]:
    """GET and HEAD of content."""
    headers = {
        "Content-Type": media_type,
        "Content-Length": str(len(data)),
        "Docker-Content-Digest": digest or reference,
    }
    target = f"/v2/{name}/{kind}/{reference}"
    return [
        Ask("GET", target, 200, headers=headers, answer=data),
        Ask("HEAD", target, 200, headers=headers, answer=b""),
    ]


def blob_got(data: bytes, algorithm: str = "sha256", name: str = "team/app") -> list[Ask]:
    digest = compute_digest(data, algorithm)
    return got(data, "blobs", digest, "application/octet-stream", name=name)


def tags_listed(*tags: str, query: str = "", **more: Any) -> Ask:
    return Ask("GET", f"/v2/team/app/tags/list{query}", 200, answer={"name": "team/app", "tags": list(tags)}, **more)


def created(digest: str, name: str = "team/app") -> dict[str, str]:
    return {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest, "Content-Length": "0"}


WHOLE = [*pushed(CONFIG, LAYER), put(IMAGE, "v1")]
UNDER_WAY = {"Location": re.compile(f"{UPLOADS}{UUID}"), "Docker-Upload-UUID": re.compile(UUID)}
BEGIN = Ask("POST", UPLOADS, 202, headers={**UNDER_WAY, "Range": "0-0", "OCI-Chunk-Min-Length": NONE})


def where(end: int) -> dict[str, str | re.Pattern[str]]:
    return {**UNDER_WAY, "Range": f"0-{end}"}


def chunk(first: int, last: int, status: int = 202, code: str = "", method: str = "PATCH", **more: Any) -> Ask:
    """A part of the layer."""
    sent = {"Content-Range": f"{first}-{last}", "Content-Type": "application/octet-stream"}
    return Ask(method, "{here}", status, code, body=LAYER[first : last + 1], sent=sent, **more)


FINISH = Ask("PUT", "?digest=" + LAYER_DIGEST, 201, headers=created(LAYER_DIGEST))


def listed(*manifests: bytes, **filters: str) -> dict[str, Any]:
    """The referrers that these manifests are."""
    descriptors = []
    for data in manifests:
        document = json.loads(data)
        described = {
            "mediaType": document["mediaType"],
            "digest": compute_digest(data),
            "size": len(data),
            "annotations": document.get("annotations"),
            "artifactType": document.get("artifactType") or document.get("config", {}).get("mediaType"),
        }
        descriptors.append({key: value for key, value in described.items() if value})
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}


def referring(data: bytes, media_type: str = OCI_MANIFEST) -> Ask:
    return put(data, compute_digest(data), media_type, headers={"OCI-Subject": IMAGE_DIGEST})


PULL = [
    ("a registry answers /v2/", [Ask("GET", "/v2/", 200, headers={"Content-Type": JSON}, answer={})]),
    (
        "a manifest by tag and by digest, as it was pushed",
        [
            *WHOLE,
            *got(IMAGE, "manifests", "v1", OCI_MANIFEST, IMAGE_DIGEST),
            *got(IMAGE, "manifests", IMAGE_DIGEST, OCI_MANIFEST),
        ],
    ),
    ("a blob", [*WHOLE, *blob_got(LAYER), *blob_got(CONFIG)]),
    (
        "what is not there is not found",
        [
            refused("GET", "/v2/no/where/manifests/v1", 404, "NAME_UNKNOWN"),
            refused("GET", f"/v2/no/where/blobs/{ABSENT}", 404, "NAME_UNKNOWN"),
            *WHOLE,
            refused("GET", "/v2/team/app/manifests/v2", 404, "MANIFEST_UNKNOWN"),
            refused("GET", f"/v2/team/app/manifests/{ABSENT}", 404, "MANIFEST_UNKNOWN"),
            refused("GET", f"/v2/team/app/blobs/{ABSENT}", 404, "BLOB_UNKNOWN"),
            Ask("HEAD", "/v2/team/app/manifests/v2", 404, answer=b""),
            Ask("HEAD", f"/v2/team/app/blobs/{ABSENT}", 404, answer=b""),
        ],
    ),
    (
        "neither tags nor digests",
        [
            *WHOLE,
            refused("GET", "/v2/team/app/manifests/sha256:baddigest", 400, "DIGEST_INVALID"),
            refused("GET", "/v2/team/app/blobs/sha256:baddigest", 400, "DIGEST_INVALID"),
        ],
    ),
    (
        "ranges of a blob",
        [
            *WHOLE,
            *(
                Ask(
                    "GET",
                    f"/v2/team/app/blobs/{LAYER_DIGEST}",
                    206,
                    sent={"Range": f"bytes={asked}"},
                    headers={"Content-Range": f"bytes {first}-{last}/6000", "Content-Length": str(last - first + 1)},
                    answer=LAYER[first : last + 1],
                )
                for asked, first, last in (
                    ("0-0", 0, 0),
                    ("500-1499", 500, 1499),
                    ("500-", 500, 5999),
                    ("-500", 5500, 5999),
                    ("5000-9999", 5000, 5999),
                )
            ),
            *(
                refused("GET", f"/v2/team/app/blobs/{LAYER_DIGEST}", 416, "RANGE_INVALID", sent={"Range": asked})
                for asked in ("bytes=500-0", "bytes=6000-7000", "bytes=-0", "bytes=6000-,7000-7001")
            ),
            Ask(
                "GET",
                f"/v2/team/app/blobs/{LAYER_DIGEST}",
                206,
                sent={"Range": "bytes=0-9,100-109", "If-Range": f'"{LAYER_DIGEST}"'},
                headers={
                    "Content-Range": NONE,
                    "Content-Type": re.compile(r"multipart/byteranges; boundary=[0-9a-f]{64}"),
                    "ETag": f'"{LAYER_DIGEST}"',
                },
            ),
            Ask(
                "GET",
                f"/v2/team/app/blobs/{LAYER_DIGEST}",
                200,
                sent={"Range": "bytes=0-9,100-109", "If-Range": f'"{ABSENT}"'},
                answer=LAYER,
            ),
        ],
    ),
]

PUSH = [
    (
        "POST then PUT",
        [
            BEGIN,
            Ask("PUT", "?digest=" + LAYER_DIGEST, 201, body=LAYER, headers=created(LAYER_DIGEST)),
            Ask("GET", "{here}", 200, answer=LAYER),
            *blob_got(LAYER),
        ],
    ),
    (
        "a single POST",
        [
            Ask("POST", f"{UPLOADS}?digest={LAYER_DIGEST}", 201, body=LAYER, headers=created(LAYER_DIGEST)),
            Ask("GET", "{here}", 200, answer=LAYER),
        ],
    ),
    (
        "a blob that is there already",
        [*pushed(LAYER), *pushed(LAYER), BEGIN, Ask("PUT", "?digest=" + LAYER_DIGEST, 201, body=LAYER)],
    ),
    (
        "chunks in order",
        [
            BEGIN,
            chunk(0, 1999, headers=where(1999)),
            chunk(2000, 3999, headers=where(3999)),
            chunk(4000, 5999, headers=where(5999)),
            FINISH,
            *blob_got(LAYER),
        ],
    ),
    (
        "the last chunk with the closing PUT",
        [
            BEGIN,
            chunk(0, 3999),
            Ask(
                "PUT",
                "?digest=" + LAYER_DIGEST,
                201,
                body=LAYER[4000:],
                sent={"Content-Range": "4000-5999"},
                headers=created(LAYER_DIGEST),
            ),
            *blob_got(LAYER),
        ],
    ),
    (
        "chunks out of order, and where to go on",
        [
            BEGIN,
            chunk(2000, 3999, 416, "BLOB_UPLOAD_INVALID", headers=where(0)),
            Ask("GET", "{here}", 204, headers=where(0)),
            chunk(0, 1999),
            chunk(0, 1999, 416, "BLOB_UPLOAD_INVALID", headers=where(1999)),
            chunk(4000, 5999, 416, "BLOB_UPLOAD_INVALID", headers=where(1999)),
            Ask(
                "PUT",
                "?digest=" + LAYER_DIGEST,
                416,
                "BLOB_UPLOAD_INVALID",
                body=LAYER[4000:],
                sent={"Content-Range": "4000-5999"},
                headers=where(1999),
            ),
            Ask("GET", "{here}", 204, headers=where(1999)),
            chunk(2000, 5999),
            FINISH,
            *blob_got(LAYER),
        ],
    ),
    (
        "chunks that are none",
        [
            BEGIN,
            *(
                refused("PATCH", "{here}", 400, "BLOB_UPLOAD_INVALID", body=b"x", sent={"Content-Range": text})
                for text in ("x", "bytes 0-0/1", "0-0/1", "1-0", "-1-0", "0-", "0" * 20 + "-0", "٣-٤")
            ),
            refused("PATCH", "{here}", 400, "SIZE_INVALID", body=b"xyz", sent={"Content-Range": "0-1"}),
            refused("PATCH", "{here}", 400, "SIZE_INVALID", body=[b"xy", b"z"], sent={"Content-Range": "0-1"}),
            refused("PATCH", "{here}", 400, "SIZE_INVALID", body=[b"x"], sent={"Content-Range": "0-1"}),
            Ask("GET", "{here}", 204, headers=where(0)),
            Ask("PATCH", "{here}", 202, body=[LAYER]),
            FINISH,
        ],
    ),
    (
        "a stream, in one PATCH without a range",
        [
            BEGIN,
            Ask("PATCH", "{here}", 202, body=[LAYER[:10], LAYER[10:5000], LAYER[5000:]], headers=where(5999)),
            FINISH,
            *blob_got(LAYER),
        ],
    ),
    (
        "a stream with the closing PUT",
        [BEGIN, Ask("PUT", "?digest=" + LAYER_DIGEST, 201, body=[LAYER[:10], LAYER[10:]]), *blob_got(LAYER)],
    ),
    (
        "an upload can be cancelled",
        [
            BEGIN,
            chunk(0, 1999),
            Ask("DELETE", "{here}", 204),
            refused("GET", "{here}", 404, "BLOB_UPLOAD_UNKNOWN"),
            refused("DELETE", "{here}", 404, "BLOB_UPLOAD_UNKNOWN"),
            chunk(2000, 5999, 404, "BLOB_UPLOAD_UNKNOWN"),
            refused("PUT", "?digest=" + LAYER_DIGEST, 404, "BLOB_UPLOAD_UNKNOWN"),
        ],
    ),
    (
        "an upload ends with its blob",
        [BEGIN, chunk(0, 5999), FINISH, BEGIN, Ask("GET", "{here}", 204), chunk(0, 0)],
    ),
    (
        "an upload belongs to its repository",
        [refused(method, f"{UPLOADS}123", 404, "BLOB_UPLOAD_UNKNOWN") for method in ("GET", "PATCH", "DELETE")],
    ),
    (
        "another digest",
        [
            refused("POST", f"{UPLOADS}?digest={ABSENT}", 400, "DIGEST_INVALID", body=LAYER),
            BEGIN,
            refused("PUT", "?digest=" + ABSENT, 400, "DIGEST_INVALID", body=LAYER),
            refused("GET", "{here}", 404, "BLOB_UPLOAD_UNKNOWN"),
            BEGIN,
            chunk(0, 5999),
            refused("PUT", "?digest=" + ABSENT, 400, "DIGEST_INVALID"),
            refused("GET", f"/v2/team/app/blobs/{ABSENT}", 404, "NAME_UNKNOWN"),
        ],
    ),
    (
        "what is no digest, or of an algorithm that is unknown",
        [
            *(
                refused("POST", f"{UPLOADS}?{query}", 400, "DIGEST_INVALID", body=LAYER)
                for query in (
                    "digest=",
                    "digest=sha256:abc",
                    "digest=md5:" + "0" * 32,
                    "digest=" + "0" * 64,
                    "mount=sha256:abc&from=other",
                    "digest-algorithm=md5",
                )
            ),
            BEGIN,
            *(
                refused("PUT", target, 400, "DIGEST_INVALID", body=LAYER)
                for target in ("{here}", "?digest=", "?digest=sha256:abc", "?digest=sha256:" + "A" * 64)
            ),
            Ask("PUT", "?digest=" + LAYER_DIGEST, 201, body=LAYER),
        ],
    ),
    (
        "sha512, at once, in chunks and announced",
        [
            Ask("POST", f"{UPLOADS}?digest={LAYER_512}", 201, body=LAYER, headers=created(LAYER_512)),
            *blob_got(LAYER, "sha512"),
            Ask("DELETE", f"/v2/team/app/blobs/{LAYER_512}", 202),
            *(
                ask
                for query in ("", "?digest-algorithm=sha512", "?digest-algorithm=sha384")
                for ask in (
                    Ask("POST", UPLOADS + query, 202),
                    chunk(0, 2999),
                    chunk(3000, 5999),
                    Ask("PUT", "?digest=" + LAYER_512, 201, headers=created(LAYER_512)),
                )
            ),
            *blob_got(LAYER, "sha512"),
            refused("GET", f"/v2/team/app/blobs/{LAYER_DIGEST}", 404, "BLOB_UNKNOWN"),
        ],
    ),
    (
        "a blob of no bytes",
        [
            Ask("POST", f"{UPLOADS}?digest={compute_digest(b'')}", 201, body=b""),
            *blob_got(b""),
            Ask("DELETE", f"/v2/team/app/blobs/{compute_digest(b'')}", 202),
            BEGIN,
            Ask("PUT", "?digest=" + compute_digest(b""), 201),
            *blob_got(b""),
        ],
    ),
    (
        "a mount from another repository",
        [
            *pushed(LAYER, name="other"),
            Ask("POST", f"{UPLOADS}?mount={LAYER_DIGEST}&from=other", 201, headers=created(LAYER_DIGEST)),
            *blob_got(LAYER),
            Ask("DELETE", f"/v2/other/blobs/{LAYER_DIGEST}", 202),
            *blob_got(LAYER),
        ],
    ),
    (
        "a mount without a source",
        [
            *pushed(LAYER, name="other"),
            Ask("POST", f"{UPLOADS}?mount={LAYER_DIGEST}", 201, headers=created(LAYER_DIGEST)),
            *blob_got(LAYER),
        ],
    ),
    (
        "a mount of what is not there begins an upload",
        [
            *pushed(CONFIG, name="other"),
            *(
                ask
                for query in ("&from=other", "&from=no/where", "&from=../../blobs", "&from=", "")
                for ask in (
                    Ask("POST", f"{UPLOADS}?mount={LAYER_DIGEST}{query}", 202, headers=where(0)),
                    Ask("PUT", "?digest=" + LAYER_DIGEST, 201, body=LAYER),
                    Ask("DELETE", "{here}", 202),
                )
            ),
        ],
    ),
    (
        "a manifest by tag",
        [
            *pushed(CONFIG, LAYER),
            put(
                IMAGE,
                "v1",
                headers={
                    "Location": f"/v2/team/app/manifests/{IMAGE_DIGEST}",
                    "Docker-Content-Digest": IMAGE_DIGEST,
                    "OCI-Subject": NONE,
                    "OCI-Tag": NONE,
                    "Warning": NONE,
                },
            ),
            Ask("GET", "{here}", 200, answer=IMAGE, headers={"Content-Type": OCI_MANIFEST}),
            *got(IMAGE, "manifests", "v1", OCI_MANIFEST, IMAGE_DIGEST),
        ],
    ),
    (
        "a manifest by digest, without any tag",
        [
            *pushed(CONFIG, LAYER),
            put(IMAGE, IMAGE_DIGEST, headers={"Docker-Content-Digest": IMAGE_DIGEST}),
            *got(IMAGE, "manifests", IMAGE_DIGEST, OCI_MANIFEST),
            tags_listed(),
        ],
    ),
    (
        "a manifest by digest with tags",
        [
            *pushed(CONFIG, LAYER),
            put(
                IMAGE,
                f"{IMAGE_DIGEST}?tag=1.2.3&tag=1.2&tag=1&tag=latest&tag=1",
                headers={"OCI-Tag": "1.2.3,1.2,1,latest"},
            ),
            *got(IMAGE, "manifests", "1.2", OCI_MANIFEST, IMAGE_DIGEST),
            Ask(
                "GET",
                "/v2/team/app/tags/list",
                200,
                answer={"name": "team/app", "tags": ["1", "1.2", "1.2.3", "latest"]},
            ),
            put(IMAGE, f"{IMAGE_DIGEST}?tag=..", status=400, code="TAG_INVALID"),
        ],
    ),
    (
        "a manifest by its sha512",
        [
            *pushed(CONFIG, LAYER),
            put(IMAGE, compute_digest(IMAGE, "sha512") + "?tag=v1"),
            *got(IMAGE, "manifests", compute_digest(IMAGE, "sha512"), OCI_MANIFEST),
            *got(IMAGE, "manifests", "v1", OCI_MANIFEST, compute_digest(IMAGE, "sha512")),
        ],
    ),
    (
        "a manifest with another digest than it has",
        [
            put(IMAGE, ABSENT, status=400, code="DIGEST_INVALID"),
            put(IMAGE, "sha256:baddigest", status=400, code="DIGEST_INVALID"),
            put(IMAGE, "md5:" + "0" * 32, status=400, code="DIGEST_INVALID"),
            refused("GET", f"/v2/team/app/manifests/{IMAGE_DIGEST}", 404, "NAME_UNKNOWN"),
        ],
    ),
    (
        "a tag moves, and the manifest that it left stays",
        [
            *WHOLE,
            put(INDEX, "v1", OCI_INDEX),
            *got(INDEX, "manifests", "v1", OCI_INDEX, INDEX_DIGEST),
            *got(IMAGE, "manifests", IMAGE_DIGEST, OCI_MANIFEST),
        ],
    ),
    (
        "an index, and one of indexes",
        [
            *pushed(CONFIG, LAYER),
            put(IMAGE, IMAGE_DIGEST),
            put(INDEX, INDEX_DIGEST, OCI_INDEX),
            put(index(INDEX), "nested", OCI_INDEX),
            *got(INDEX, "manifests", INDEX_DIGEST, OCI_INDEX),
            *got(IMAGE, "manifests", IMAGE_DIGEST, OCI_MANIFEST),
        ],
    ),
    (
        "indexes and manifests of Docker's own types",
        [
            put(IMAGE.replace(OCI_MANIFEST.encode(), DOCKER_MANIFEST.encode()), "image", DOCKER_MANIFEST),
            put(INDEX.replace(OCI_INDEX.encode(), DOCKER_LIST.encode()), "list", DOCKER_LIST),
            Ask("GET", "/v2/team/app/manifests/list", 200, headers={"Content-Type": DOCKER_LIST}),
        ],
    ),
    (
        "a signed manifest of schema 1 is named by its payload",
        [
            *pushed(LAYER),
            put(
                signed_schema1([LAYER_DIGEST]),
                "old",
                DOCKER_SCHEMA1_SIGNED,
                headers={
                    "Docker-Content-Digest": manifest_digest(signed_schema1([LAYER_DIGEST]), DOCKER_SCHEMA1_SIGNED)
                },
            ),
            Ask("GET", "{here}", 200, answer=signed_schema1([LAYER_DIGEST])),
            *blob_got(LAYER),
        ],
    ),
    (
        "artifacts: custom types, no layers, fields that nobody knows",
        [
            *pushed(b"{}"),
            put(image(b"{}", [], artifact_type="application/vnd.example"), "none"),
            put(image(b"{}", [])[:-1] + b',"org.example":{"a":[1.5e300,null]}}', "custom"),
            put(
                json.dumps({"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": []}).encode(),
                "old",
                "application/vnd.oci.artifact.manifest.v1+json",
            ),
            put(b'{"schemaVersion":2,"manifests":[]}', "empty", OCI_INDEX),
        ],
    ),
    (
        "the media type is what the client says, or else the manifest",
        [
            put(IMAGE, "a", f"{OCI_MANIFEST}; charset=utf-8"),
            *got(IMAGE, "manifests", "a", OCI_MANIFEST, IMAGE_DIGEST),
            put(IMAGE, "b", "application/json"),
            *got(IMAGE, "manifests", "b", OCI_MANIFEST, IMAGE_DIGEST),
            Ask("PUT", "/v2/team/app/manifests/c", 201, body=INDEX),
            *got(INDEX, "manifests", "c", OCI_INDEX, INDEX_DIGEST),
            put(IMAGE, "d", OCI_INDEX, status=400, code="MANIFEST_INVALID"),
        ],
    ),
    (
        "a manifest may come before what it names, and says so",
        [
            put(IMAGE, "v1", headers={"Warning": re.compile(rf'299 - ".*{CONFIG_DIGEST}.*"')}),
            *got(IMAGE, "manifests", "v1", OCI_MANIFEST, IMAGE_DIGEST),
            refused("GET", f"/v2/team/app/blobs/{LAYER_DIGEST}", 404, "BLOB_UNKNOWN"),
            Ask("HEAD", f"/v2/team/app/blobs/{LAYER_DIGEST}", 404),
            *pushed(CONFIG, LAYER),
            *blob_got(LAYER),
            put(IMAGE, "v1", headers={"Warning": NONE}),
            put(
                image(CONFIG, [b"1", b"2", b"3", b"4"]),
                "v2",
                headers={
                    "Warning": re.compile(r'299 - "[^"]* does not have (sha256:[0-9a-f]{64}(, )?){3} and 1 more"')
                },
            ),
        ],
    ),
    (
        "manifests of 4 MiB are taken, and no larger ones",
        [
            put(IMAGE + b" " * ((4 << 20) - len(IMAGE)), "large"),
            put(IMAGE + b" " * ((4 << 20) + 1 - len(IMAGE)), "larger", status=413, code="SIZE_INVALID"),
            tags_listed("large"),
        ],
    ),
    (
        "what is no manifest",
        [
            *(
                put(data, "v1", status=400, code="MANIFEST_INVALID")
                for data in (
                    b"",
                    b"{",
                    b"[]",
                    b"null",
                    b'"text"',
                    b"\xff\xfe",
                    b"{}",
                    b'{"schemaVersion":2}',
                    b'{"schemaVersion":1,"config":null,"layers":[]}',
                    IMAGE.replace(b'"schemaVersion":2', b'"schemaVersion":3'),
                    IMAGE.replace(b'"schemaVersion":2', b'"schemaVersion":"2"'),
                    IMAGE.replace(LAYER_DIGEST.encode(), b"sha256:abc"),
                    IMAGE.replace(LAYER_DIGEST.encode(), b"../../etc/passwd"),
                    IMAGE.replace(b'"size":6000', b'"size":-1'),
                    IMAGE.replace(b'"size":6000', b'"size":6e3'),
                    IMAGE[:-1] + b',"manifests":[]}',
                    IMAGE[:-1] + b',"annotations":{"a":1}}',
                    IMAGE[:-1] + b',"subject":"x"}',
                )
            ),
            *(put(data, "v1", OCI_INDEX, status=400, code="MANIFEST_INVALID") for data in (b"{}", IMAGE)),
            put(b'{"schemaVersion":1}', "v1", DOCKER_SCHEMA1_SIGNED, status=400, code="MANIFEST_INVALID"),
            put(IMAGE, "v1", "no media type", status=400, code="MANIFEST_INVALID"),
            refused("GET", "/v2/team/app/tags/list", 404, "NAME_UNKNOWN"),
        ],
    ),
    (
        "names that are none",
        [
            ask
            for name in ("UPPER", "a//b", "a/../b", "-a", "blobs", "a/blobs/b", "index.json", "a/oci-layout", "a" * 256)
            for ask in (
                refused("POST", f"/v2/{name}/blobs/uploads/", 400, "NAME_INVALID"),
                refused("POST", f"/v2/{name}/blobs/uploads/?digest={LAYER_DIGEST}", 400, "NAME_INVALID", body=LAYER),
                put(IMAGE, "v1", name=name, status=400, code="NAME_INVALID"),
            )
        ],
    ),
    (
        "names and tags as long as they may be, and longer",
        [
            put(IMAGE, "t" * 128, name="a" * 255),
            *got(IMAGE, "manifests", "t" * 128, OCI_MANIFEST, IMAGE_DIGEST, name="a" * 255),
            *(put(IMAGE, tag, status=400, code="TAG_INVALID") for tag in ("t" * 129, ".a", "-a", "a%20b", "%C3%A9")),
        ],
    ),
]

DISCOVERY = [
    (
        "tags in order, and parts of the list",
        [
            *(put(IMAGE, tag) for tag in ("b", "a", "C", "10", "9")),
            *(
                Ask(
                    "GET",
                    f"/v2/team/app/tags/list{query}",
                    200,
                    answer={"name": "team/app", "tags": tags},
                    headers={"Link": link},
                )
                for query, tags, link in (
                    ("", ["10", "9", "C", "a", "b"], NONE),
                    ("?n=2", ["10", "9"], '</v2/team/app/tags/list?last=9&n=2>; rel="next"'),
                    ("?last=9&n=2", ["C", "a"], '</v2/team/app/tags/list?last=a&n=2>; rel="next"'),
                    ("?last=a&n=2", ["b"], NONE),
                    ("?n=5", ["10", "9", "C", "a", "b"], NONE),
                    ("?last=9", ["C", "a", "b"], NONE),
                    ("?last=B", ["C", "a", "b"], NONE),
                    ("?n=0", [], NONE),
                    ("?last=z", [], NONE),
                )
            ),
            *(
                refused("GET", f"{path}?n={count}", 400, "PAGINATION_NUMBER_INVALID")
                for path in ("/v2/team/app/tags/list", "/v2/_catalog", f"/v2/team/app/referrers/{ABSENT}")
                for count in ("-1", "x", "1.5", "9223372036854775808", "9" * 30)
            ),
            refused("GET", "/v2/no/where/tags/list", 404, "NAME_UNKNOWN"),
        ],
    ),
    (
        "repositories that were pushed to are in the catalog",
        [
            BEGIN,
            *pushed(LAYER, name="b"),
            put(IMAGE, "v1", name="a"),
            Ask("GET", "/v2/_catalog", 200, answer={"repositories": ["a", "b"]}, headers={"Link": NONE}),
            Ask(
                "GET",
                "/v2/_catalog?n=1",
                200,
                answer={"repositories": ["a"]},
                headers={"Link": '</v2/_catalog?last=a&n=1>; rel="next"'},
            ),
            Ask("GET", "/v2/_catalog?last=a&n=1", 200, answer={"repositories": ["b"]}, headers={"Link": NONE}),
            Ask("GET", "/v2/_catalog?n=0", 200, answer={"repositories": []}, headers={"Link": NONE}),
        ],
    ),
    (
        "the host that a client of a mirror asks for is looked up and named, also in errors",
        [
            put(IMAGE, "v1", headers={"OCI-Namespace": NONE}),
            refused(
                "GET",
                "/v2/team/app/manifests/v1?ns=mirrored.example.com",
                404,
                "NAME_UNKNOWN",
                headers={"OCI-Namespace": "mirrored.example.com"},
            ),
            put(INDEX, "v1?ns=mirrored.example.com", OCI_INDEX, headers={"OCI-Namespace": "mirrored.example.com"}),
            Ask("GET", "{here}", 200, answer=INDEX, headers={"OCI-Namespace": "mirrored.example.com"}),
            Ask("GET", "/v2/team/app/manifests/v1", 200, answer=IMAGE, headers={"OCI-Namespace": NONE}),
        ],
    ),
    (
        "nothing refers to what nobody knows",
        [
            Ask("GET", f"/v2/team/app/referrers/{ABSENT}", 200, answer=listed(), headers={"Content-Type": OCI_INDEX}),
            *WHOLE,
            Ask("GET", f"/v2/team/app/referrers/{IMAGE_DIGEST}", 200, answer=listed()),
            refused("GET", "/v2/team/app/referrers/sha256:abc", 400, "DIGEST_INVALID"),
        ],
    ),
    (
        "manifests with a subject, pushed before or after it",
        [
            referring(SBOM),
            *WHOLE,
            referring(SIGNATURE),
            Ask(
                "GET",
                f"/v2/team/app/referrers/{IMAGE_DIGEST}",
                200,
                answer=listed(*sorted((SBOM, SIGNATURE), key=compute_digest)),
                headers={"Content-Type": OCI_INDEX, "OCI-Filters-Applied": NONE, "Link": NONE},
            ),
            Ask("GET", f"/v2/other/referrers/{IMAGE_DIGEST}", 200, answer=listed()),
        ],
    ),
    (
        "indexes with a subject",
        [
            referring(
                json.dumps(
                    {
                        "schemaVersion": 2,
                        "mediaType": OCI_INDEX,
                        "manifests": [],
                        "subject": json.loads(SBOM)["subject"],
                        "annotations": {"c": "d"},
                    }
                ).encode(),
                OCI_INDEX,
            ),
            Ask(
                "GET",
                f"/v2/team/app/referrers/{IMAGE_DIGEST}",
                200,
                answer=listed(
                    json.dumps(
                        {
                            "schemaVersion": 2,
                            "mediaType": OCI_INDEX,
                            "manifests": [],
                            "subject": json.loads(SBOM)["subject"],
                            "annotations": {"c": "d"},
                        }
                    ).encode()
                ),
            ),
        ],
    ),
    (
        "referrers of one artifact type",
        [
            referring(SBOM),
            referring(SIGNATURE),
            *(
                Ask(
                    "GET",
                    f"/v2/team/app/referrers/{IMAGE_DIGEST}?artifactType={wanted}",
                    200,
                    answer=listed(*found),
                    headers={"OCI-Filters-Applied": "artifactType"},
                )
                for wanted, found in (
                    ("application/sbom", [SBOM]),
                    ("application/vnd.oci.image.config.v1%2Bjson", [SIGNATURE]),
                    ("other", []),
                )
            ),
        ],
    ),
    (
        "referrers in pages",
        [
            referring(SBOM),
            referring(SIGNATURE),
            Ask(
                "GET",
                f"/v2/team/app/referrers/{IMAGE_DIGEST}?n=1",
                200,
                answer=listed(min(SBOM, SIGNATURE, key=compute_digest)),
                headers={
                    "Link": f"</v2/team/app/referrers/{IMAGE_DIGEST}?last="
                    f'{min(map(compute_digest, (SBOM, SIGNATURE))).replace(":", "%3A")}&n=1>; rel="next"'
                },
            ),
            Ask(
                "GET",
                f"/v2/team/app/referrers/{IMAGE_DIGEST}?n=1&last={min(map(compute_digest, (SBOM, SIGNATURE)))}",
                200,
                answer=listed(max(SBOM, SIGNATURE, key=compute_digest)),
                headers={"Link": NONE},
            ),
            Ask("GET", f"/v2/team/app/referrers/{IMAGE_DIGEST}?n=0", 200, answer=listed(), headers={"Link": NONE}),
        ],
    ),
    (
        "referrers of one artifact type in pages, all of which say that they are filtered",
        [
            *map(referring, (SBOM, SIGNATURE, *SBOMS)),
            *(
                Ask(
                    "GET",
                    f"/v2/team/app/referrers/{IMAGE_DIGEST}?artifactType=application%2Fsbom&n=2{after}",
                    200,
                    answer=listed(*found),
                    headers={"OCI-Filters-Applied": "artifactType", "Link": link},
                )
                for after, found, link in (
                    (
                        "",
                        SORTED_SBOMS[:2],
                        f'<{REFERRERS}?last={QUOTED_SBOM}&n=2&artifactType=application%2Fsbom>; rel="next"',
                    ),
                    (f"&last={compute_digest(SORTED_SBOMS[1])}", SORTED_SBOMS[2:], NONE),
                )
            ),
        ],
    ),
    (
        "referrers that older clients list under a tag of the digest",
        [
            referring(SBOM),
            put(index(SBOM), IMAGE_DIGEST.replace(":", "-"), OCI_INDEX),
            Ask("DELETE", f"/v2/team/app/manifests/{compute_digest(index(SBOM))}", 202),
            put(index(SBOM), IMAGE_DIGEST.replace(":", "-"), OCI_INDEX),
            Ask("GET", f"/v2/team/app/referrers/{IMAGE_DIGEST}", 200, answer=listed(SBOM)),
        ],
    ),
    (
        "a referrer that is deleted refers no more",
        [
            referring(SBOM),
            Ask("DELETE", f"/v2/team/app/manifests/{compute_digest(SBOM)}", 202),
            Ask("GET", f"/v2/team/app/referrers/{IMAGE_DIGEST}", 200, answer=listed()),
        ],
    ),
]

MANAGEMENT = [
    (
        "a tag goes, its manifest stays",
        [
            *WHOLE,
            put(IMAGE, "v2"),
            Ask("DELETE", "/v2/team/app/manifests/v1", 202, headers={"Content-Length": "0"}),
            refused("GET", "/v2/team/app/manifests/v1", 404, "MANIFEST_UNKNOWN"),
            refused("DELETE", "/v2/team/app/manifests/v1", 404, "MANIFEST_UNKNOWN"),
            Ask("DELETE", "/v2/team/app/manifests/v2", 202),
            *got(IMAGE, "manifests", IMAGE_DIGEST, OCI_MANIFEST),
            tags_listed(),
        ],
    ),
    (
        "a manifest goes with all its tags",
        [
            *WHOLE,
            put(IMAGE, "v2"),
            put(INDEX, "list", OCI_INDEX),
            Ask("DELETE", f"/v2/team/app/manifests/{IMAGE_DIGEST}", 202, headers={"Content-Length": "0"}),
            refused("GET", "/v2/team/app/manifests/v1", 404, "MANIFEST_UNKNOWN"),
            refused("GET", "/v2/team/app/manifests/v2", 404, "MANIFEST_UNKNOWN"),
            refused("GET", f"/v2/team/app/manifests/{IMAGE_DIGEST}", 404, "MANIFEST_UNKNOWN"),
            refused("DELETE", f"/v2/team/app/manifests/{IMAGE_DIGEST}", 404, "MANIFEST_UNKNOWN"),
            tags_listed("list"),
            put(IMAGE, "v1"),
            *got(IMAGE, "manifests", IMAGE_DIGEST, OCI_MANIFEST),
        ],
    ),
    (
        "a blob goes, and comes again",
        [
            *WHOLE,
            Ask("DELETE", f"/v2/team/app/blobs/{LAYER_DIGEST}", 202, headers={"Content-Length": "0"}),
            refused("GET", f"/v2/team/app/blobs/{LAYER_DIGEST}", 404, "BLOB_UNKNOWN"),
            Ask("HEAD", f"/v2/team/app/blobs/{LAYER_DIGEST}", 404),
            refused("DELETE", f"/v2/team/app/blobs/{LAYER_DIGEST}", 404, "BLOB_UNKNOWN"),
            *pushed(LAYER),
            *blob_got(LAYER),
        ],
    ),
    (
        "what is not there cannot be deleted",
        [
            refused("DELETE", "/v2/no/where/manifests/v1", 404, "NAME_UNKNOWN"),
            refused("DELETE", f"/v2/no/where/manifests/{ABSENT}", 404, "NAME_UNKNOWN"),
            refused("DELETE", f"/v2/no/where/blobs/{ABSENT}", 404, "NAME_UNKNOWN"),
            *WHOLE,
            refused("DELETE", "/v2/team/app/manifests/v2", 404, "MANIFEST_UNKNOWN"),
            refused("DELETE", f"/v2/team/app/manifests/{ABSENT}", 404, "MANIFEST_UNKNOWN"),
            refused("DELETE", f"/v2/team/app/blobs/{ABSENT}", 404, "BLOB_UNKNOWN"),
            refused("DELETE", "/v2/team/app/blobs/sha256:abc", 400, "DIGEST_INVALID"),
            refused("DELETE", "/v2/team/app/manifests/sha256:abc", 400, "DIGEST_INVALID"),
            refused("DELETE", "/v2/UPPER/manifests/v1", 400, "NAME_INVALID"),
            refused("DELETE", f"/v2/UPPER/blobs/{ABSENT}", 400, "NAME_INVALID"),
        ],
    ),
    (
        "deleting in one repository leaves the others alone",
        [
            *WHOLE,
            *pushed(CONFIG, LAYER, name="other"),
            put(IMAGE, "v1", name="other"),
            Ask("DELETE", f"/v2/team/app/blobs/{LAYER_DIGEST}", 202),
            Ask("DELETE", f"/v2/team/app/manifests/{IMAGE_DIGEST}", 202),
            *got(IMAGE, "manifests", "v1", OCI_MANIFEST, IMAGE_DIGEST, name="other"),
            *blob_got(LAYER, name="other"),
        ],
    ),
]

REQUIREMENTS = [
    Requirement(category, what, asks)
    for category, requirements in (
        ("pull", PULL),
        ("push", PUSH),
        ("discovery", DISCOVERY),
        ("management", MANAGEMENT),
    )
    for what, asks in requirements
]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path / "tree")


@pytest.fixture(params=["core", "sockets"])
async def client(request: pytest.FixtureRequest, tree: Tree) -> AsyncIterator[Client]:
    core = RegistryCore(tree)
    if request.param == "core":
        yield CoreClient(core)
        return
    async with RegistryServer(core) as server:
        yield SocketClient(await server.start())


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=[f"{one.category}: {one.what}" for one in REQUIREMENTS])
async def test_requirements(client: Client, tree: Tree, requirement: Requirement) -> None:
    await play(client, requirement.asks)
    assert list(verify(tree)) == []


async def play(client: Client, asks: Iterable[Ask]) -> None:
    here = ""
    for ask in asks:
        target = with_query(here, ask.target[1:]) if ask.target.startswith("?") else ask.target.replace("{here}", here)
        reply = await client.ask(ask.method, target, ask.body, ask.sent)
        said = f"{ask.method} {target}: {reply.status} {reply.headers} {reply.body[:500]!r}"
        assert reply.status == ask.status, said
        assert ("docker-distribution-api-version", "registry/2.0") in reply.headers
        for name, value in ask.headers.items():
            found = ",".join(reply.values(name))
            if isinstance(value, str):
                assert found == value, said
            else:
                assert bool(found) == (value is not NONE), said
                assert value is NONE or value.fullmatch(found), said
        if ask.code:
            assert reply.header("Content-Type") == JSON
            assert [error["code"] for error in json.loads(reply.body)["errors"]] == [ask.code], said
        elif isinstance(ask.answer, dict):
            assert json.loads(reply.body) == ask.answer, said
        elif ask.answer is not None:
            assert reply.body == ask.answer, said
        elif ask.status in {201, 202, 204}:
            assert reply.body == b"", said
        here = (reply.values("Location") or [here])[0]
