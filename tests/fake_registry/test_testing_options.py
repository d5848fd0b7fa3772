"""What tests say: pull specs, hosts, fault rules."""

from __future__ import annotations

from typing import Any

import pytest

from fake_registry import FakeRegistry, Fault, FaultAction, FaultMatch, Host, UsageError
from fake_registry.testing.names import ImageName, image_name
from fake_registry.testing.options import fault_of, hosts_of

DIGEST = "sha256:" + "0" * 64
EXPECTED = "expected HOST/REPOSITORY[:TAG][@DIGEST], such as quay.io/team/app:1.0"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("quay.io/app", ImageName("quay.io", "app", None, None)),
        ("Quay.IO/a/b:1.0", ImageName("quay.io", "a/b", "1.0", None)),
        ("localhost/app", ImageName("localhost", "app", None, None)),
        ("localhost:5000/app", ImageName("localhost:5000", "app", None, None)),
        ("127.0.0.1:5000/a/b:x", ImageName("127.0.0.1:5000", "a/b", "x", None)),
        (f"quay.io/app@{DIGEST}", ImageName("quay.io", "app", None, DIGEST)),
        (f"quay.io/app:1.0@{DIGEST}", ImageName("quay.io", "app", "1.0", DIGEST)),
        ("docker.io/nginx", ImageName("docker.io", "library/nginx", None, None)),
        ("index.docker.io/team/app:1", ImageName("docker.io", "team/app", "1", None)),
    ],
)
def test_pull_specs(text: str, name: ImageName) -> None:
    assert image_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app",
        "team/app",
        "quay.io",
        "quay.io/",
        "quay.io/App",
        "quay.io/app:",
        "quay.io/app:a b",
        "quay.io/app@",
        "quay.io/app@x",
        "quay.io/../app",
        "-.io/app",
        "quay.io/a/blobs",
    ],
)
def test_what_is_no_pull_spec(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        image_name(text)
    assert str(caught.value) == f"image {text!r}: {EXPECTED}"


def test_hosts_are_structs_or_dictionaries() -> None:
    hosts = hosts_of({"a.example.com": Host(scheme="http"), "b.example.com": {"auth": {"type": "basic"}, "page": 2}})
    assert hosts["a.example.com"].scheme == "http"
    assert hosts["b.example.com"].page == 2
    assert hosts["b.example.com"].auth is not None
    assert hosts_of(None) == {}


NESTED = Fault(
    name="n", match=FaultMatch(kind="manifest", user_agent="skopeo*"), action=FaultAction(status=503), times=2
)


@pytest.mark.parametrize(
    ("option", "host"),
    [
        (NESTED, "*"),
        (
            {
                "host": "quay.io",
                "name": "n",
                "match": {"kind": "manifest", "userAgent": "skopeo*"},
                "action": {"status": 503},
                "times": 2,
            },
            "quay.io",
        ),
        ({"name": "n", "kind": "manifest", "user_agent": "skopeo*", "status": 503, "times": 2}, "*"),
        ({"name": "n", "kind": "manifest", "userAgent": "skopeo*", "status": 503, "times": 2, "host": "a"}, "a"),
    ],
)
def test_fault_rules_are_structs_or_dictionaries(option: Any, host: str) -> None:
    assert fault_of(option) == (host, NESTED)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: FakeRegistry(hosts={"quay.io": {"schema": "http"}}),
            "hosts['quay.io']: Object contains unknown field `schema`",
        ),
        (
            lambda: FakeRegistry(faults=[{"kind": "manifest", "state": 503}]),
            "fault {'kind': 'manifest', 'state': 503}: there is no field 'state'",
        ),
        (
            lambda: FakeRegistry(faults=[{"kind": "manifest"}]),
            (
                "fault {'kind': 'manifest'}: Expected something that goes wrong, such as `status`, `latency` or `reset`"
                " - at `$.action`"
            ),
        ),
        (
            lambda: FakeRegistry(faults=[{"host": 1, "status": 503}]),
            "fault {'host': 1, 'status': 503}: host has to be the name of one, or '*'",
        ),
        (
            lambda: FakeRegistry().url("quay.io"),
            "a FakeRegistry has to be entered first: with FakeRegistry() as registry, or async with",
        ),
        (
            lambda: FakeRegistry().faults,
            "a FakeRegistry has no faults before it is entered: with FakeRegistry() as registry",
        ),
    ],
)
def test_what_cannot_be_is_said(make: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == message
