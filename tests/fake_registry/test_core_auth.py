"""Challenges, credentials and tokens."""

from __future__ import annotations

import base64
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.registry import NOW, Clock, ask, body, error, header

from fake_registry.config import Auth, Host
from fake_registry.core.auth import granted
from fake_registry.core.messages import Response
from fake_registry.core.proofs import User
from fake_registry.core.registry import RegistryCore
from fake_registry.core.tokens import Access, Tokens
from fake_registry.fixtures import Tree
from fake_registry.oci import compute_digest

REALM = 'Bearer realm="https://quay.io/token",service="quay.io"'
PULL = f'{REALM},scope="repository:team/app:pull"'
REQUIRED = {"code": "UNAUTHORIZED", "message": "authentication required"}
WRONG = {"code": "UNAUTHORIZED", "message": "incorrect username or password"}
DIGEST = compute_digest(b"layer")


def of_the_key(**claims: object) -> str:
    """A token of somebody else who has the key."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    signed = f"{Tokens(b'key', lambda: NOW).issue('', User(''), [])[0].partition('.')[0]}.{payload}"
    signature = hmac.digest(b"key", signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def make(tree: Tree, clock: Clock, auth: Auth, **fields: object) -> RegistryCore:
    return RegistryCore(tree, {"quay.io": Host(auth=auth)}, clock=clock, token_key=b"key")


@pytest.fixture
def bearer(tree: Tree, clock: Clock) -> RegistryCore:
    return make(tree, clock, Auth(type="bearer", username="me", password="päss:word"))


@pytest.fixture
def anonymous(tree: Tree, clock: Clock) -> RegistryCore:
    return make(tree, clock, Auth(type="bearer", username="me", password="päss:word", anonymous=True))


@pytest.fixture
def basic(tree: Tree, clock: Clock) -> RegistryCore:
    return make(tree, clock, Auth(type="basic", username="me", password="päss:word"))


def credentials(user: str = "me", password: str = "päss:word", scheme: str = "Basic") -> dict[str, str]:
    return {"authorization": f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def with_token(response: Response) -> dict[str, str]:
    return {"authorization": f"Bearer {json.loads(body(response))['token']}"}


BAD_CREDENTIALS = [
    credentials("you"),
    credentials(password="wrong"),
    credentials(password=""),
    credentials("", ""),
    {"authorization": "Basic"},
    {"authorization": "Basic !!!"},
    {"authorization": "Basic é"},
    {"authorization": "Basic " + base64.b64encode(b"me").decode()},
    {"authorization": "Digest x"},
    {"authorization": "Bearer x"},
]

GUARDED = [
    ("/v2/team/app/manifests/v1", PULL),
    (f"/v2/team/app/manifests/{DIGEST}", PULL),
    (f"/v2/team/app/blobs/{DIGEST}", PULL),
    ("/v2/team/app/tags/list", PULL),
    (f"/v2/team/app/referrers/{DIGEST}", PULL),
    ("/v2/no/where/tags/list", f'{REALM},scope="repository:no/where:pull"'),
    ("/v2/team%2Fapp/manifests/v1", PULL),
    ("/%762/team/app/manifests/v1", PULL),
    ("/v2/_catalog", f'{REALM},scope="registry:catalog:*"'),
    ("/v2/", REALM),
    ("/%76%32/", REALM),
    ("/v2/unknown", REALM),
    ("/v2/UPPER/manifests/v1", REALM),
    ('/v2/a"b%0d%0aX/manifests/v1', REALM),
]


class TestBearer:
    @pytest.mark.parametrize(("path", "challenge"), GUARDED)
    @pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Bearer a.b.c", "Bearer é.\udcff.", "Basic x"])
    async def test_every_path_is_guarded(
        self, anonymous: RegistryCore, path: str, challenge: str, authorization: str
    ) -> None:
        response = await ask(anonymous, path, headers={"authorization": authorization} if authorization else {})
        assert response.status == 401
        assert header(response, "WWW-Authenticate") == challenge
        assert header(response, "Docker-Distribution-Api-Version") == "registry/2.0"
        assert error(response) == REQUIRED

    @pytest.mark.parametrize("path", ["/", "/v2", "/foo"])
    async def test_other_paths_are_not(self, bearer: RegistryCore, path: str) -> None:
        assert (await ask(bearer, path)).status == 404

    async def test_methods_that_there_are_not(self, bearer: RegistryCore) -> None:
        assert (await ask(bearer, "/v2/team/app/manifests/v1", "PUT")).status == 401

    async def test_scheme_of_the_host(self, tree: Tree) -> None:
        core = RegistryCore(tree, {"plain.example.com:5000": Host(scheme="http", auth=Auth(type="bearer"))})
        response = await ask(core, "/v2/", host="plain.example.com:5000", secure=False)
        assert header(response, "WWW-Authenticate") == (
            'Bearer realm="http://plain.example.com:5000/token",service="plain.example.com:5000"'
        )

    async def test_pull_with_credentials(self, bearer: RegistryCore) -> None:
        query = "account=me&scope=repository%3Ateam%2Fapp%3Apull&service=quay.io"
        token = await ask(bearer, f"/token?{query}", headers=credentials())
        assert token.status == 200
        assert header(token, "Content-Type") == "application/json"
        document = json.loads(body(token))
        assert document.pop("token") == document.pop("access_token")
        assert document == {"expires_in": 300, "issued_at": "2023-11-14T22:13:20Z"}
        for path, status in (
            ("/v2/", 200),
            ("/v2/team/app/manifests/v1", 200),
            (f"/v2/team/app/blobs/{DIGEST}", 200),
            ("/v2/team/app/tags/list", 200),
            ("/v2/team/other/manifests/v1", 401),
            ("/v2/_catalog", 401),
            ("/v2/unknown", 404),
        ):
            response = await ask(bearer, path, headers=with_token(token))
            assert response.status == status
        assert {entry.user for entry in bearer.journal.entries(status=200)} == {"me"}

    async def test_scheme_of_the_header_in_any_case(self, bearer: RegistryCore) -> None:
        headers = with_token(await ask(bearer, "/token", headers=credentials(scheme="bAsIc")))
        headers["authorization"] = headers["authorization"].replace("Bearer", "bearer")
        assert (await ask(bearer, "/v2/", headers=headers)).status == 200

    @pytest.mark.parametrize("headers", BAD_CREDENTIALS)
    async def test_wrong_credentials(
        self, bearer: RegistryCore, anonymous: RegistryCore, headers: dict[str, str]
    ) -> None:
        for core in (bearer, anonymous):
            response = await ask(core, "/token?scope=repository:team/app:pull", headers=headers)
            assert response.status == 401
            assert error(response) == WRONG

    async def test_no_credentials(self, bearer: RegistryCore, anonymous: RegistryCore) -> None:
        path = "/token?scope=repository:team/app:pull"
        response = await ask(bearer, path)
        assert (response.status, error(response)) == (401, REQUIRED)
        token = await ask(anonymous, path)
        assert token.status == 200
        response = await ask(anonymous, "/v2/team/app/manifests/v1", headers=with_token(token))
        assert response.status == 200
        assert list(anonymous.journal)[-1].user == ""

    async def test_expiry(self, bearer: RegistryCore, clock: Clock) -> None:
        headers = with_token(await ask(bearer, "/token?scope=repository:team/app:pull", headers=credentials()))
        for after, status in ((0, 200), (299.9, 200), (300, 401), (1000, 401), (-1, 401), (100, 200)):
            clock.now = NOW + after
            assert (await ask(bearer, "/v2/team/app/tags/list", headers=headers)).status == status

    @pytest.mark.parametrize("claims", [{}, {"aud": "quay.io", "sub": 1}, {"aud": "quay.io", "exp": "soon"}])
    async def test_claims_of_somebody_else_who_has_the_key(
        self, bearer: RegistryCore, claims: dict[str, object]
    ) -> None:
        headers = {"authorization": f"Bearer {of_the_key(**claims)}"}
        assert (await ask(bearer, "/v2/", headers=headers)).status == 401

    async def test_token_of_another_host(self, tree: Tree, clock: Clock) -> None:
        auth = Auth(type="bearer", username="me", password="päss:word")
        core = RegistryCore(tree, {"quay.io": Host(auth=auth), "other.example.com": Host(auth=auth)}, clock=clock)
        token = await ask(
            core, "/token?scope=repository:team/app:pull", host="other.example.com", headers=credentials()
        )
        assert (await ask(core, "/v2/", host="other.example.com", headers=with_token(token))).status == 200
        assert (await ask(core, "/v2/", headers=with_token(token))).status == 401

    async def test_token_of_another_core(self, tree: Tree, clock: Clock) -> None:
        auth = Auth(type="bearer", username="me", password="päss:word")
        one, two = (RegistryCore(tree, {"quay.io": Host(auth=auth)}, clock=clock) for _ in range(2))
        token = await ask(one, "/token", headers=credentials())
        assert (await ask(two, "/v2/", headers=with_token(token))).status == 401

    async def test_other_methods_of_the_endpoint(self, bearer: RegistryCore) -> None:
        response = await ask(bearer, "/token", "PUT")
        assert (response.status, header(response, "Allow")) == (405, "GET, HEAD, POST")


class TestBasic:
    @pytest.mark.parametrize("path", [path for path, _ in GUARDED])
    async def test_every_path_is_guarded(self, basic: RegistryCore, path: str) -> None:
        for headers in ({}, *BAD_CREDENTIALS):
            response = await ask(basic, path, headers=headers)
            assert response.status == 401
            assert header(response, "WWW-Authenticate") == 'Basic realm="ismirror"'
            assert error(response) == REQUIRED

    async def test_pull(self, basic: RegistryCore) -> None:
        for path in ("/v2/", "/v2/team/app/manifests/v1", "/v2/_catalog"):
            assert (await ask(basic, path, headers=credentials())).status == 200
        assert {entry.user for entry in basic.journal} == {"me"}

    async def test_no_token_endpoint(self, basic: RegistryCore) -> None:
        assert (await ask(basic, "/token", headers=credentials())).status == 404
        assert (await ask(basic, "/token", "POST")).status == 404

    async def test_anonymous_pull(self, tree: Tree, clock: Clock) -> None:
        core = make(tree, clock, Auth(type="basic", username="me", password="x", anonymous=True))
        assert (await ask(core, "/v2/team/app/manifests/v1")).status == 200
        assert (await ask(core, "/v2/team/app/manifests/v1", headers=credentials("you"))).status == 401
        # Clients learn from this one that there is somebody to be.
        assert (await ask(core, "/v2/")).status == 401


class TestScopes:
    @pytest.mark.parametrize(
        ("query", "user", "anybody"),
        [
            ("", [], []),
            ("scope=", [], []),
            ("scope=repository:a/b:pull", ["repository:a/b:pull"], ["repository:a/b:pull"]),
            ("scope=repository:a:pull,push", ["repository:a:pull,push"], ["repository:a:pull"]),
            ("scope=repository:a:push", ["repository:a:push"], []),
            ("scope=repository:a:*", ["repository:a:delete,pull,push"], ["repository:a:pull"]),
            ("scope=repository:a:eat", [], []),
            ("scope=repository:A:pull", [], []),
            ("scope=repository:a", [], []),
            ("scope=repository::pull", [], []),
            ("scope=x", [], []),
            ("scope=registry:catalog:*", ["registry:catalog:*"], []),
            ("scope=registry:other:*", [], []),
            (
                "scope=repository:a:pull&x=y&scope=repository:b:pull",
                ["repository:a:pull", "repository:b:pull"],
                ["repository:a:pull", "repository:b:pull"],
            ),
            (
                "scope=repository:a:pull+repository:b:push",
                ["repository:a:pull", "repository:b:push"],
                ["repository:a:pull"],
            ),
        ],
    )
    def test_what_a_token_gives(self, query: str, user: list[str], anybody: list[str]) -> None:
        for anonymous, expected in ((False, user), (True, anybody)):
            access = granted(query, anonymous=anonymous)
            assert [f"{item.type}:{item.name}:{','.join(item.actions)}" for item in access] == expected

    @given(st.text())
    def test_any_query(self, text: str) -> None:
        for access in granted(text, anonymous=True) + granted(f"scope={text}", anonymous=True):
            assert access.actions == ["pull"]

    def test_many_scopes_are_cut_off(self) -> None:
        assert len(granted("&".join("scope=repository:a:pull" for _ in range(1000)), anonymous=True)) == 64


class TestTokens:
    @given(st.text(), st.text())
    def test_only_what_was_issued_is_read(self, text: str, other: str) -> None:
        tokens = Tokens(b"key", lambda: NOW)
        token, _ = tokens.issue("quay.io", User("me"), [Access("repository", "app", ["pull"])])
        for forged in (text, f"{text}.{other}", f"{token}{text}x", f"x{text}{token}", token[:-1]):
            assert tokens.read(forged, "quay.io") is None
        claims = tokens.read(token, "quay.io")
        assert claims is not None
        assert (claims.sub, claims.exp - claims.iat) == ("me", 300)

    def test_changed_claims(self) -> None:
        tokens = Tokens(b"key", lambda: NOW)
        head, _, signature = tokens.issue("quay.io", User("me"), [])[0].split(".")
        claims = {"aud": "quay.io", "sub": "root", "iat": int(NOW), "exp": int(NOW) + 9, "access": []}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        assert tokens.read(f"{head}.{payload}.{signature}", "quay.io") is None

    def test_same_key_and_clock_give_the_same_token(self) -> None:
        first, second = (Tokens(b"key", lambda: NOW).issue("quay.io", User("me"), []) for _ in range(2))
        assert first == second
