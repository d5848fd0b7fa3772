"""Fault rules: which requests they are for, in what order, how often, what they do to answers, and their account."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.registry import ask, body, error, header

from fake_registry.config import Auth, Fault, Host, Route, Spread, seconds
from fake_registry.core.faults import drawn
from fake_registry.core.messages import Delivery, Response
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.oci import compute_digest

LAYER = compute_digest(b"layer")
MANIFEST = "/v2/team/app/manifests/v1"
BLOB = f"/v2/team/app/blobs/{LAYER}"


def fault(**fields: Any) -> Fault:
    """A rule from what people write."""
    return msgspec.convert(fields, Fault)


def core_of(tree: Tree, *faults: Fault | dict[str, Any], **fields: Any) -> RegistryCore:
    rules = [rule if isinstance(rule, Fault) else fault(**rule) for rule in faults]
    return RegistryCore(tree, {"quay.io": Host(faults=rules, **fields)}, clock=lambda: 1_700_000_000.0)


def basic(user: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'{user}:x'.encode()).decode()}"}


TEAPOT = {"status": 418}

FITTING: list[tuple[dict[str, Any], str, str, dict[str, str], bool]] = [
    ({}, "GET", "/v2/", {}, True),
    ({}, "GET", "/anything", {}, True),
    ({"method": "GET"}, "GET", MANIFEST, {}, True),
    ({"method": "get"}, "GET", MANIFEST, {}, True),
    ({"method": "GET"}, "HEAD", MANIFEST, {}, False),
    ({"method": ["PUT", "HEAD"]}, "HEAD", MANIFEST, {}, True),
    ({"method": "*"}, "DELETE", MANIFEST, {}, True),
    ({"kind": "ping"}, "GET", "/v2/", {}, True),
    ({"kind": "ping"}, "GET", MANIFEST, {}, False),
    ({"kind": "token"}, "GET", "/token?service=x", {}, True),
    ({"kind": "manifest"}, "GET", "/v2/team%2Fapp/manifests/v1", {}, True),
    ({"kind": "blob"}, "HEAD", BLOB, {}, True),
    ({"kind": "tags"}, "GET", "/v2/team/app/tags/list?n=1", {}, True),
    ({"kind": "upload"}, "POST", "/v2/team/app/blobs/uploads/", {}, True),
    ({"kind": "upload"}, "PATCH", "/v2/team/app/blobs/uploads/1", {}, True),
    ({"kind": "referrers"}, "GET", f"/v2/team/app/referrers/{LAYER}", {}, True),
    ({"kind": "catalog"}, "GET", "/v2/_catalog", {}, True),
    ({"kind": "other"}, "GET", "/v2/nothing", {}, True),
    ({"kind": ["tags", "manifest"]}, "GET", MANIFEST, {}, True),
    ({"repository": "team/app"}, "GET", MANIFEST, {}, True),
    ({"repository": "team/*"}, "GET", MANIFEST, {}, True),
    ({"repository": "*"}, "GET", MANIFEST, {}, True),
    ({"repository": "*app"}, "GET", MANIFEST, {}, True),
    ({"repository": "team"}, "GET", MANIFEST, {}, False),
    ({"repository": "Team/*"}, "GET", MANIFEST, {}, False),
    ({"reference": "v?"}, "GET", MANIFEST, {}, True),
    ({"reference": "v[2-9]"}, "GET", MANIFEST, {}, False),
    ({"reference": "sha256:*"}, "GET", BLOB, {}, True),
    ({"digest": "sha256:*"}, "GET", BLOB, {}, True),
    ({"digest": "*"}, "GET", MANIFEST, {}, True),
    ({"digest": "sha*"}, "GET", MANIFEST, {}, False),
    ({"digest": LAYER}, "PUT", f"/v2/team/app/blobs/uploads/1?digest={LAYER.replace(':', '%3A')}", {}, True),
    ({"digest": LAYER}, "POST", f"/v2/team/app/blobs/uploads/?digest={LAYER}", {}, True),
    ({"digest": LAYER}, "POST", f"/v2/team/app/blobs/uploads/?mount={LAYER}&from=other", {}, True),
    ({"digest": "*:*"}, "POST", "/v2/team/app/blobs/uploads/?digest-algorithm=sha512", {}, False),
    ({"user": "me"}, "GET", "/v2/", basic("me"), True),
    ({"user": "m*"}, "GET", "/v2/", basic("me"), True),
    ({"user": "me"}, "GET", "/v2/", basic("you"), False),
    ({"user": "me"}, "GET", "/v2/", {}, False),
    ({"user": ""}, "GET", "/v2/", {}, True),
    ({"user": ""}, "GET", "/v2/", basic("me"), False),
    ({"userAgent": "skopeo/*"}, "GET", "/v2/", {"user-agent": "skopeo/1.9"}, True),
    ({"userAgent": "skopeo/*"}, "GET", "/v2/", {}, False),
    ({"method": "GET", "kind": "manifest", "repository": "team/*", "reference": "v1"}, "GET", MANIFEST, {}, True),
    ({"method": "GET", "kind": "manifest", "repository": "team/*", "reference": "v2"}, "GET", MANIFEST, {}, False),
]


@pytest.mark.parametrize(("match", "method", "path", "headers", "fits"), FITTING)
async def test_which_requests(
    tree: Tree, match: dict[str, Any], method: str, path: str, headers: dict[str, str], fits: bool
) -> None:
    core = core_of(tree, {"match": match, "action": TEAPOT})
    response = await ask(core, path, method, headers=headers)
    assert (response.status == 418) is fits
    (account,) = core.faults
    assert (account.seen, account.fired) == (int(fits), int(fits))


COUNTING: list[tuple[dict[str, Any], int, str]] = [
    ({}, -1, "xxxxxxxxx"),
    ({}, 2, "xx......."),
    ({}, 0, "........."),
    ({"nth": 3}, -1, "..x......"),
    ({"nth": [1, 4, 5]}, -1, "x..xx...."),
    ({"nth": [1, 4, 5]}, 2, "x..x....."),
    ({"every": 3}, -1, "..x..x..x"),
    ({"every": 2}, 3, ".x.x.x..."),
    ({"after": 4}, -1, "....xxxxx"),
    ({"after": 4}, 1, "....x...."),
    ({"after": 2, "every": 2}, -1, "...x.x.x."),
    ({"after": 2, "nth": 1}, -1, "..x......"),
    ({"every": 2, "nth": [2, 3, 4]}, -1, ".x.x....."),
]


@pytest.mark.parametrize(("match", "times", "expected"), COUNTING)
async def test_how_often(tree: Tree, match: dict[str, Any], times: int, expected: str) -> None:
    core = core_of(tree, {"match": match, "action": TEAPOT, "times": times})
    for _ in range(2):  # and again after a reset
        answers = [(await ask(core, "/v2/")).status for _ in expected]
        assert "".join("x" if status == 418 else "." for status in answers) == expected
        (account,) = core.faults
        assert (account.seen, account.fired) == (9, expected.count("x"))
        core.reset()


async def test_the_first_rule_that_is_due(tree: Tree) -> None:
    """Rules are used up one after the other; those that come too late count the request all the same."""
    core = core_of(
        tree,
        {"action": {"status": 500}, "times": 1},
        {"action": {"status": 501}, "times": 1},
        {"match": {"nth": 4}, "action": {"status": 502}},
        {"match": {"kind": "tags"}, "action": {"status": 503}},
    )
    assert [(await ask(core, "/v2/")).status for _ in range(5)] == [500, 501, 200, 502, 200]
    assert [(account.seen, account.fired) for account in core.faults] == [(5, 1), (5, 1), (5, 1), (0, 0)]


async def test_order_of_what_answers(tree: Tree) -> None:
    """Routes, then faults, then authentication, then content."""
    core = core_of(
        tree,
        {"match": {"kind": "ping"}, "action": TEAPOT},
        routes=[Route(path="/v2/", status=299, times=1)],
        auth=Auth(type="basic", username="me", password="x"),
    )
    assert [(await ask(core, "/v2/")).status for _ in range(2)] == [299, 418]
    assert (await ask(core, MANIFEST)).status == 401
    assert [(account.seen, account.fired) for account in core.faults] == [(1, 1)]


async def test_hosts_have_rules_of_their_own(tree: Tree) -> None:
    core = core_of(tree, {"action": TEAPOT})
    assert (await ask(core, "/v2/", host="docker.io")).status == 200
    assert (await ask(core, "/v2/", host="QUAY.io:443")).status == 418
    assert (await ask(core, "/v2/?ns=quay.io", host="localhost")).status == 418


class TestAccount:
    async def test_what_it_says(self, tree: Tree) -> None:
        core = core_of(tree, {"name": "busy", "match": {"kind": "ping", "nth": 2}, "action": TEAPOT, "times": 1})
        await ask(core, "/v2/")
        (account,) = core.faults
        assert str(account) == "fault 1 (busy) of quay.io: 1 requests matched, 0 met it"
        assert (account.host, account.configured, account.met) == ("quay.io", True, False)
        assert core.faults.unmet() == [account]
        await ask(core, "/v2/")
        assert core.faults.unmet() == []
        assert [(entry.status, entry.fault, entry.kind) for entry in core.journal] == [
            (200, "", "ping"),
            (418, "1", "ping"),
        ]

    @pytest.mark.parametrize(("times", "asked", "met"), [(-1, 0, False), (-1, 1, True), (3, 2, False), (3, 3, True)])
    async def test_met(self, tree: Tree, times: int, asked: int, met: bool) -> None:
        core = core_of(tree, {"action": TEAPOT, "times": times})
        for _ in range(asked):
            await ask(core, "/v2/")
        assert [account.met for account in core.faults] == [met]

    async def test_a_rule_that_never_fires_is_met(self, tree: Tree) -> None:
        assert core_of(tree, {"action": TEAPOT, "times": 0}).faults.unmet() == []


class TestAtRunTime:
    async def test_adding_and_removing(self, tree: Tree) -> None:
        core = core_of(tree)
        assert not core.faults
        account = core.faults.add("Quay.IO", fault(action=TEAPOT))
        assert (account.id, account.host, account.configured) == ("1", "quay.io", False)
        assert (await ask(core, "/v2/")).status == 418
        assert (await ask(core, "/v2/", host="docker.io")).status == 200
        assert core.faults.get("1") == next(iter(core.faults))
        assert core.faults.remove("1")
        assert not core.faults.remove("1")
        assert core.faults.get("1") is None
        assert (await ask(core, "/v2/")).status == 200
        assert core.faults.add("quay.io", fault(action=TEAPOT)).id == "2"

    async def test_rules_of_all_hosts(self, tree: Tree) -> None:
        core = core_of(tree, {"match": {"kind": "ping"}, "action": {"status": 500}})
        core.faults.add("*", fault(action=TEAPOT))
        assert [(await ask(core, "/v2/", host=host)).status for host in ("quay.io", "docker.io", "x")] == [
            500,
            418,
            418,
        ]
        assert [(account.seen, account.fired) for account in core.faults] == [(1, 1), (3, 2)]

    async def test_clearing(self, tree: Tree) -> None:
        core = core_of(tree, {"action": {"status": 500}})
        core.faults.add("*", fault(action=TEAPOT))
        core.faults.clear()
        assert [account.fault.action.status for account in core.faults] == [500]


ERRORS = [
    ({"status": 503}, MANIFEST, 503, "UNAVAILABLE", "service unavailable"),
    ({"status": 500}, MANIFEST, 500, "UNKNOWN", "unknown error"),
    ({"status": 404}, MANIFEST, 404, "MANIFEST_UNKNOWN", "manifest unknown"),
    ({"status": 404}, BLOB, 404, "BLOB_UNKNOWN", "blob unknown to registry"),
    ({"status": 404}, "/v2/team/app/tags/list", 404, "NAME_UNKNOWN", "repository name not known to registry"),
    ({"status": 403}, "/v2/", 403, "DENIED", "requested access to the resource is denied"),
    ({"status": 400}, MANIFEST, 400, "MANIFEST_INVALID", "manifest invalid"),
    ({"status": 418, "code": "TEAPOT", "message": "short"}, "/v2/", 418, "TEAPOT", "short"),
    ({"status": 500, "code": "DENIED"}, "/v2/", 500, "DENIED", "requested access to the resource is denied"),
    ({"tooManyRequests": {}, "message": "slow down"}, "/v2/", 429, "TOOMANYREQUESTS", "slow down"),
]


class TestActions:
    @pytest.mark.parametrize(("action", "path", "status", "code", "message"), ERRORS)
    async def test_errors(
        self, tree: Tree, action: dict[str, Any], path: str, status: int, code: str, message: str
    ) -> None:
        response = await ask(core_of(tree, {"action": action}), path)
        assert response.status == status
        assert header(response, "Docker-Distribution-Api-Version") == "registry/2.0"
        assert error(response) == {"code": code, "message": message}

    async def test_too_many_requests(self, tree: Tree) -> None:
        limit = {"retryAfter": 7, "limit": 200, "remaining": 1, "window": 60, "source": "192.0.2.1"}
        response = await ask(core_of(tree, {"action": {"tooManyRequests": limit}}), MANIFEST)
        assert dict(response.headers) == {
            "Content-Type": "application/json",
            "Docker-Distribution-Api-Version": "registry/2.0",
            "ratelimit-limit": "200;w=60",
            "ratelimit-remaining": "1;w=60",
            "docker-ratelimit-source": "192.0.2.1",
            "Retry-After": "7",
        }
        assert error(response)["message"].startswith("You have reached your pull rate limit.")
        response = await ask(core_of(tree, {"action": {"tooManyRequests": {"retryAfter": None}}}), MANIFEST)
        assert header(response, "Retry-After") is None
        assert header(response, "ratelimit-limit") == "100;w=21600"

    async def test_statuses_that_are_no_errors(self, tree: Tree) -> None:
        response = await ask(core_of(tree, {"action": {"status": 302, "headers": {"Location": "/x"}}}), MANIFEST)
        assert (response.status, body(response), header(response, "Location")) == (302, b"", "/x")

    async def test_other_bodies(self, tree: Tree) -> None:
        response = await ask(core_of(tree, {"action": {"status": 502, "body": "<html>"}}), MANIFEST)
        assert (response.status, body(response)) == (502, b"<html>")
        assert header(response, "Content-Type") == "text/plain; charset=utf-8"
        core = core_of(tree, {"action": {"body": "other"}})
        for method, content in (("GET", b"other"), ("HEAD", b"")):
            response = await ask(core, BLOB, method)
            assert (response.status, body(response)) == (200, content)
            assert header(response, "Docker-Content-Digest") == LAYER
        assert header(response, "Content-Length") == "5"

    async def test_other_headers(self, tree: Tree) -> None:
        action = {"headers": {"etag": "", "X-Odd": "1"}, "contentType": "text/html"}
        response = await ask(core_of(tree, {"action": action}), BLOB)
        assert body(response) == b"layer"
        assert header(response, "Content-Type") == "text/html"
        assert header(response, "X-Odd") == "1"
        assert header(response, "ETag") is None
        response = await ask(core_of(tree, {"action": {"contentType": ""}}), BLOB)
        assert header(response, "Content-Type") is None

    async def test_other_lengths(self, tree: Tree) -> None:
        core = core_of(tree, {"action": {"contentLength": 99}})
        for method in ("GET", "HEAD"):
            response = await ask(core, BLOB, method)
            assert [value for name, value in response.headers if name == "Content-Length"] == ["99"]

    async def test_answers_that_are_kept_stay_as_they_are(self, tree: Tree) -> None:
        core = core_of(tree, {"match": {"nth": 2}, "action": {"headers": {"ETag": ""}, "contentLength": 1}})
        first, _, third = [await ask(core, BLOB) for _ in range(3)]
        assert first == third

    @pytest.mark.parametrize(
        ("action", "delivery"),
        [
            ({"latency": "1m30s"}, Delivery(delay=90.0)),
            ({"cut": 3}, Delivery(end="cut", after=3)),
            ({"cut": "before"}, Delivery(end="cut")),
            ({"reset": "before", "latency": 1}, Delivery(delay=1.0, end="reset")),
            ({"reset": 0}, Delivery(end="reset", after=0)),
            ({"stall": 4}, Delivery(end="stall", after=4)),
            ({"corrupt": 0}, Delivery(corrupt=0)),
            ({"corrupt": -1}, Delivery(corrupt=4)),
            ({"corrupt": 70}, Delivery(corrupt=4)),
            ({"corrupt": -70}, Delivery(corrupt=0)),
        ],
    )
    async def test_delivery(self, tree: Tree, action: dict[str, Any], delivery: Delivery) -> None:
        core = core_of(tree, {"action": action})
        response = await ask(core, BLOB)
        assert response.delivery == delivery
        assert [entry.status for entry in core.journal] == [200 if delivery.has_answer else 0]

    async def test_no_bytes_to_be_wrong(self, tree: Tree) -> None:
        core = core_of(tree, {"action": {"corrupt": 0}})
        assert (await ask(core, BLOB, "HEAD")).delivery is None

    async def test_what_is_not_answered_is_not_done(self, tree: Tree) -> None:
        core = core_of(tree, {"match": {"method": "DELETE"}, "action": {"reset": "before"}, "times": 1})
        await ask(core, MANIFEST, "DELETE")
        assert (await ask(core, MANIFEST)).status == 200
        await ask(core, MANIFEST, "DELETE")
        assert (await ask(core, MANIFEST)).status == 404


class TestTokens:
    QUERY = "/token?scope=repository:team/app:pull&service=quay.io"

    def core(self, tree: Tree, flaw: str, kind: str, auth: str | None = "bearer") -> RegistryCore:
        rule = {"match": {"kind": kind}, "action": {"token": flaw}, "times": 1}
        found = None if auth is None else Auth(type=auth, username="me", password="x", anonymous=True)  # type: ignore[arg-type]
        return core_of(tree, rule, auth=found)

    async def token(self, core: RegistryCore) -> Response:
        return await ask(core, self.QUERY, headers=basic("me"))

    async def test_refused(self, tree: Tree) -> None:
        core = self.core(tree, "refused", "token")
        response = await self.token(core)
        assert (response.status, error(response)["code"]) == (401, "UNAUTHORIZED")
        assert (await self.token(core)).status == 200

    @pytest.mark.parametrize(
        ("flaw", "issued"), [("expired", "2023-11-14T22:03:20Z"), ("wrongScope", "2023-11-14T22:13:20Z")]
    )
    async def test_good_for_nothing(self, tree: Tree, flaw: str, issued: str) -> None:
        core = self.core(tree, flaw, "token")
        for status in (401, 200):  # the next one is good
            document = json.loads(body(await self.token(core)))
            if status == 401:
                assert document["issued_at"] == issued
            headers = {"authorization": f"Bearer {document['token']}"}
            assert (await ask(core, MANIFEST, headers=headers)).status == status

    @pytest.mark.parametrize(
        ("flaw", "reason"),
        [("refused", "invalid_token"), ("expired", "invalid_token"), ("wrongScope", "insufficient_scope")],
    )
    async def test_good_ones_that_are_refused(self, tree: Tree, flaw: str, reason: str) -> None:
        core = self.core(tree, flaw, "manifest")
        headers = {"authorization": f"Bearer {json.loads(body(await self.token(core)))['token']}"}
        response = await ask(core, MANIFEST, headers=headers)
        assert response.status == 401
        assert header(response, "WWW-Authenticate") == (
            'Bearer realm="https://quay.io/token",service="quay.io",scope="repository:team/app:pull",error="'
            + reason
            + '"'
        )
        assert (await ask(core, MANIFEST, headers=headers)).status == 200

    async def test_other_hosts(self, tree: Tree) -> None:
        response = await ask(self.core(tree, "expired", "manifest", "basic"), MANIFEST, headers=basic("me"))
        assert (response.status, header(response, "WWW-Authenticate")) == (401, 'Basic realm="ismirror"')
        response = await ask(self.core(tree, "expired", "manifest", None), MANIFEST)
        assert (response.status, header(response, "WWW-Authenticate")) == (401, None)

    async def test_users_are_known_by_their_tokens(self, tree: Tree) -> None:
        core = self.core(tree, "refused", "catalog")
        core.faults.add("quay.io", fault(match={"user": "me", "kind": "manifest"}, action=TEAPOT))
        headers = {"authorization": f"Bearer {json.loads(body(await self.token(core)))['token']}"}
        assert (await ask(core, MANIFEST, headers=headers)).status == 418
        assert (await ask(core, MANIFEST, headers={"authorization": "Bearer me"})).status == 401


class TestHandshakes:
    def test_counting(self, tree: Tree) -> None:
        core = core_of(tree, {"match": {"nth": 2}, "action": {"tls": "alert"}})
        assert [core.handshake("Quay.IO") for _ in range(3)] == [None, "alert", None]
        assert core.handshake("docker.io") is None
        assert [(account.seen, account.fired) for account in core.faults] == [(3, 1)]

    async def test_requests_do_not_meet_them(self, tree: Tree) -> None:
        core = core_of(tree, {"action": {"tls": "reset"}})
        assert (await ask(core, "/v2/")).status == 200
        assert [account.seen for account in core.faults] == [0]

    def test_names_have_no_ports_there(self, tree: Tree) -> None:
        rule = fault(action={"tls": "close"})
        core = RegistryCore(tree, {"a.example.com:5000": Host(faults=[rule]), "[::1]:5000": Host(faults=[rule])})
        for name in ("a.example.com", "a.example.com:5000", "::1", "[::1]:5000"):
            assert core.handshake(name) == "close"


class TestLatencies:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [(0, 0), (2, 2), (0.25, 0.25), ("20s", 20), ("250ms", 0.25), ("1m30s", 90), ("1.5h", 5400)],
    )
    def test_durations(self, text: Any, expected: float) -> None:
        assert seconds(text) == expected

    @pytest.mark.parametrize("text", ["", "s", "5", "1 s", "-1s", "1d", "1s1m", -1, "1000000h", float("nan")])
    def test_what_is_no_duration(self, text: Any) -> None:
        with pytest.raises(ValueError, match=r"duration|between"):
            seconds(text)

    @given(st.integers(min_value=-(1 << 60), max_value=1 << 60), st.integers(min_value=1, max_value=1 << 40))
    def test_distributions(self, seed: int, number: int) -> None:
        uniform = Spread(uniform=("100ms", 2), seed=seed)
        assert 0.1 <= drawn(uniform, number) <= 2
        assert drawn(uniform, number) == drawn(Spread(uniform=("100ms", 2), seed=seed), number)
        assert drawn(Spread(normal=(1, "10s"), seed=seed), number) >= 0
        assert drawn(Spread(exponential=1, seed=seed), number) >= 0

    @pytest.mark.parametrize("spread", [{"uniform": ["100ms", 2]}, {"normal": ["5s", 1]}, {"exponential": "500ms"}])
    async def test_the_same_requests_wait_equally_long(self, tree: Tree, spread: dict[str, Any]) -> None:
        async def delays(core: RegistryCore) -> list[float]:
            responses = [await ask(core, path) for path in (MANIFEST, "/v2/", MANIFEST, BLOB, MANIFEST)]
            return [0.0 if response.delivery is None else response.delivery.delay for response in responses]

        def of(seed: int) -> RegistryCore:
            match = {"kind": ["manifest", "blob"]}
            return core_of(tree, {"match": match, "action": {"latency": spread | {"seed": seed}}})

        core = of(7)
        first = await delays(core)
        assert first[1] == 0
        assert len(set(first)) == 5
        assert await delays(core) != first  # it goes on
        core.reset()
        assert await delays(core) == first == await delays(of(7))
        assert await delays(of(8)) != first

    def test_means(self) -> None:
        for spread in (Spread(uniform=(0, 2)), Spread(normal=(1, 0.1)), Spread(exponential=1)):
            values = [drawn(spread, number) for number in range(4000)]
            assert 0.95 < sum(values) / len(values) < 1.05
            assert len(set(values)) > 3900


WRONG = [
    ({}, "Object missing required field `action`"),
    ({"action": {}}, "Expected something that goes wrong, such as `status`, `latency` or `reset`"),
    ({"action": {"status": 99}}, "Expected `int` >= 200"),
    ({"action": {"stauts": 500}}, "Object contains unknown field `stauts`"),
    ({"action": {"cut": 1, "reset": 1}}, "Expected at most one of `cut`, `reset`, `stall`"),
    ({"action": {"cut": "after"}}, "Invalid enum value 'after'"),
    ({"action": {"cut": -1}}, "Expected `int` >= 0"),
    (
        {"action": {"status": 500, "token": "expired"}},
        "Expected at most one of `status`, `tooManyRequests`, `token`, `tls`",
    ),
    ({"action": {"body": "", "corrupt": 1}}, "Expected at most one of `body`, `corrupt`"),
    ({"action": {"tls": "alert", "latency": 1}}, "Expected nothing beside `tls`"),
    ({"action": {"code": "DENIED"}}, "Expected `status` with `code` or `message`"),
    ({"action": {"latency": "soon"}}, "'soon' is no duration"),
    ({"action": {"latency": {"seed": 1}}}, "Expected one of `uniform`, `normal`, `exponential`"),
    ({"action": {"latency": {"uniform": [2, 1]}}}, "Expected `uniform` to be the least and the most"),
    ({"action": {"latency": {"normal": [2, "x"]}}}, "'x' is no duration"),
    ({"action": {"tls": "alert"}, "match": {"kind": "ping"}}, "Expected `match` of a `tls` fault"),
    ({"action": TEAPOT, "match": {"nth": 0}}, "Expected `int` >= 1"),
    ({"action": TEAPOT, "match": {"kind": "images"}}, "Invalid enum value 'images'"),
    ({"action": TEAPOT, "times": -2}, "Expected `int` >= -1"),
]


@pytest.mark.parametrize(("document", "problem"), WRONG)
def test_what_is_no_rule(document: dict[str, Any], problem: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(document, Fault)
    assert problem in str(caught.value)


@given(st.data())
def test_rules_survive_being_written_down(data: st.DataObject) -> None:
    action = data.draw(
        st.sampled_from([{"status": 503}, {"latency": {"uniform": [0, "1s"]}}, {"reset": "before"}, {"stall": 3}])
    )
    match = data.draw(st.sampled_from([{}, {"kind": ["ping", "blob"], "nth": [1, 2]}, {"userAgent": "x*", "user": ""}]))
    rule = fault(match=match, action=action, times=data.draw(st.integers(-1, 5)))
    assert msgspec.json.decode(msgspec.json.encode(rule), type=Fault) == rule


class TestOtherConfigurations:
    async def test_rules_that_stay_go_on_counting(self, tree: Tree) -> None:
        kept, dropped, new = fault(action=TEAPOT, times=2), fault(action={"status": 500}), fault(action={"status": 501})
        core = RegistryCore(tree, {"quay.io": Host(faults=[kept, dropped])})
        core.faults.add("quay.io", fault(action={"status": 502}))
        assert [(await ask(core, "/v2/")).status for _ in range(3)] == [418, 418, 500]
        core.configure({"quay.io": Host(faults=[new, kept])})
        assert [(account.id, account.seen, account.fired) for account in core.faults] == [
            ("4", 0, 0),
            ("1", 3, 2),
            ("3", 3, 0),
        ]
        assert (await ask(core, "/v2/")).status == 501

    async def test_hosts_and_routes_are_those_of_the_new_one(self, tree: Tree) -> None:
        route = Route(path="/v2/", status=299, times=1)
        core = RegistryCore(tree, {"quay.io": Host(routes=[route])})
        for _ in range(2):
            assert [(await ask(core, "/v2/")).status for _ in range(2)] == [299, 200]
            core.configure({"quay.io": Host(routes=[route])})
        core.configure({"quay.io": Host(auth=Auth(type="bearer", anonymous=True))})
        assert (await ask(core, "/v2/")).status == 401
        core.configure(None)
        assert (await ask(core, "/v2/")).status == 200

    async def test_tokens_stay_good(self, tree: Tree) -> None:
        hosts = {"quay.io": Host(auth=Auth(type="bearer", anonymous=True))}
        core = RegistryCore(tree, hosts)
        response = await ask(core, "/token?scope=repository:team/app:pull&service=quay.io")
        core.configure(dict(hosts))
        headers = {"authorization": f"Bearer {json.loads(body(response))['token']}"}
        assert (await ask(core, MANIFEST, headers=headers)).status == 200

    async def test_docker_hub_has_one_set_of_rules(self, tree: Tree) -> None:
        hosts = {
            "index.docker.io": Host(faults=[fault(action={"status": 500})]),
            "docker.io": Host(faults=[fault(action=TEAPOT)]),
        }
        core = RegistryCore(tree, hosts)
        assert [account.host for account in core.faults] == ["docker.io"]
        assert (await ask(core, "/v2/", host="registry-1.docker.io")).status == 418
