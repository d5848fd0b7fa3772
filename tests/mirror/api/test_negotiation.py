"""The ``Accept`` header: which clause is taken, and what is said when there is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api import GROUP, ask, new_cluster, request

from mirror.api.app import ApiCore
from mirror.api.failures import ApiFailure
from mirror.api.negotiation import (
    Conversion,
    Representation,
    metadata_only,
    negotiate,
    negotiate_stream,
    no_conversion,
    tables,
)

META = {"group": "meta.k8s.io", "version": "v1"}
TABLE = Conversion("Table", **META)
JSON, YAML = "application/json", "application/yaml"


@pytest.mark.parametrize(
    ("accept", "media", "convert"),
    [
        ("", JSON, None),
        ("*/*", JSON, None),
        ("*", JSON, None),
        ("application/*", JSON, None),
        ("application/json, */*", JSON, None),
        ("application/yaml", YAML, None),
        ("application/yaml, application/json", YAML, None),
        ("application/json;q=0.5, application/yaml", YAML, None),
        ("application/json;q=0.5, application/yaml;q=0.4", JSON, None),
        ("*/*, application/yaml", YAML, None),
        ("text/html, application/json", JSON, None),
        ("application/vnd.kubernetes.protobuf,application/json", JSON, None),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io, */*", JSON, None),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", JSON, TABLE),
        ("application/json; as=Table; g=meta.k8s.io; v=v1", JSON, TABLE),
        ("application/yaml;as=Table;v=v1;g=meta.k8s.io", YAML, TABLE),
        ("application/json;as=Table,application/json", JSON, None),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/yaml", YAML, None),
        (
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            JSON,
            Conversion("PartialObjectMetadata", **META),
        ),
        ("application/json;sv=v1,application/yaml", YAML, None),
        ("application/json;export=1;unknown=2", JSON, None),
        ("application/json;stream=watch", JSON, None),
        ("application/yaml;stream=watch,application/json", JSON, None),
        (",".join(["text/html"] * 20 + ["*/*;q=0.1", "application/yaml"]), YAML, None),
    ],
)
def test_chosen(accept: str, media: str, convert: Conversion | None) -> None:
    found = negotiate(request("GET", "/", accept=accept), tables)
    assert (found.media, found.convert) == (media, convert)


@pytest.mark.parametrize(
    ("accept", "allows"),
    [
        ("application/json;as=Table;v=v1;g=meta.k8s.io", metadata_only),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", no_conversion),
        ("application/json;as=Foo;v=v1;g=meta.k8s.io", tables),
        ("application/vnd.kubernetes.protobuf", tables),
        ("text/html", tables),
    ],
)
def test_nothing_fits(accept: str, allows: object) -> None:
    with pytest.raises(ApiFailure) as caught:
        negotiate(request("GET", "/", accept=accept), allows)  # type: ignore[arg-type]
    status = caught.value.status
    assert (status.code, status.details) == (406, None)
    assert status.message == (
        "only the following media types are accepted: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


def test_watches_are_json() -> None:
    assert negotiate_stream(request("GET", "/", accept="application/json;stream=watch")).media == JSON
    with pytest.raises(ApiFailure, match="application/json;stream=watch, application/vnd"):
        negotiate_stream(request("GET", "/", accept="application/yaml"))


@pytest.mark.parametrize(
    ("query", "agent", "pretty"),
    [
        ("", "", False),
        ("", "curl/8.5.0", True),
        ("", "Wget/1.21", True),
        ("", "Mozilla/5.0 (X11)", True),
        ("", "Mozilla/4.0", False),
        ("pretty=true", "oc/4", True),
        ("pretty=1", "oc/4", True),
        ("pretty=T", "oc/4", True),
        ("pretty=yes", "curl/8", False),
        ("pretty=false", "curl/8", False),
        ("pretty=", "curl/8", True),
    ],
)
def test_pretty(query: str, agent: str, pretty: bool) -> None:
    assert negotiate(request("GET", f"/?{query}", user_agent=agent)).pretty is pretty


def test_pretty_by_accept() -> None:
    assert negotiate(request("GET", "/", accept="application/json;pretty=1")) == Representation(JSON, pretty=True)


@given(st.text(st.sampled_from("a*/;,=q.01 jsonapplication+"), max_size=60))
def test_any_header_is_read(accept: str) -> None:
    try:
        negotiate(request("GET", "/", accept=accept), tables)
    except ApiFailure as failure:
        code = failure.status.code
    else:
        code = 406
    assert code == 406


STREAMS = f"{GROUP}/namespaces/demo/imagestreams"


@pytest.mark.parametrize(
    ("path", "accept", "message", "details"),
    [
        (
            f"{STREAMS}/x",
            "application/xml",
            (
                "406: Not Acceptable\n\nAvailable representations: "
                "application/json, application/yaml, application/vnd.kubernetes.protobuf"
            ),
            {},
        ),
        (
            STREAMS,
            "text/html",
            (
                "406: Not Acceptable\n\nAvailable representations: "
                "application/json, application/yaml, application/vnd.kubernetes.protobuf, "
                "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
            ),
            {},
        ),
        (
            f"{STREAMS}/x",
            "application/json;as=Foo",
            (
                "only the following media types are accepted: "
                "application/json, application/yaml, application/vnd.kubernetes.protobuf"
            ),
            None,
        ),
    ],
)
async def test_refusals(path: str, accept: str, message: str, details: object) -> None:
    response = await ask(ApiCore(new_cluster()), "GET", path, accept=accept)
    status = json.loads(response.body)
    assert response.status == 406
    assert response.header_lines("content-type") == [JSON]
    assert (status["message"], status["reason"], status.get("details")) == (message, "NotAcceptable", details)
    assert response.body.startswith(b'{\n  "kind"'), "what nobody accepts is indented"


async def test_refusals_have_the_form_that_is_accepted() -> None:
    api = ApiCore(new_cluster())
    response = await ask(api, "GET", f"{STREAMS}/x", accept="application/yaml")
    assert response.status == 404
    assert response.header_lines("content-type") == [YAML]
    assert response.body.startswith(b"apiVersion: v1\ncode: 404\n")
    assert (await ask(api, "GET", f"{STREAMS}/x", user_agent="curl/8")).body.startswith(b'{\n  "kind": "Status",\n')
    assert (await ask(api, "GET", f"{STREAMS}/x")).body.startswith(b'{"kind":"Status",')


async def test_patches_of_unknown_types_are_refused() -> None:
    response = await ask(ApiCore(new_cluster()), "PATCH", f"{STREAMS}/x", {}, content_type="text/plain")
    status = json.loads(response.body)
    assert response.status in (405, 415)
    if response.status == 415:
        assert (status["message"], status["details"]) == ("415: Unsupported Media Type", {})
