"""Tokens of another issuer: which count, and what they allow."""

from __future__ import annotations

import base64
import json
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from support.certificates import Authority
from support.command import ismirror
from support.pushing import Client, CoreClient, SocketClient
from support.registry import NOW, Clock, put_image

from fake_registry import FakeRegistry, UsageError
from fake_registry.config import Auth, Host
from fake_registry.core import foreign_tokens
from fake_registry.core.registry import RegistryCore
from fake_registry.core.tokens import InvalidToken
from fake_registry.core.trusted_keys import fingerprint, read_keys, thumbprint
from fake_registry.fixtures import Tree
from fake_registry.server import RegistryServer

ISSUER = "https://issuer.example.com"
SERVICE = "registry.example.com"
REALM = "https://issuer.example.com/token"
CHALLENGE = f'Bearer realm="{REALM}",service="{SERVICE}"'
SCOPE = ',scope="repository:team/app:pull"'
INVALID = ',error="invalid_token"'

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
KEYS: dict[str, Any] = {
    "RS256": RSA,
    "RS384": RSA,
    "RS512": RSA,
    "PS256": RSA,
    "PS384": RSA,
    "PS512": RSA,
    "ES256": EC,
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
CLAIMS = {"iss": ISSUER, "aud": SERVICE, "sub": "robot", "iat": NOW, "nbf": NOW, "exp": NOW + 600}
PULL = [{"type": "repository", "name": "team/app", "actions": ["pull"]}]


def pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def web_key(key: Any, **fields: Any) -> dict[str, Any]:
    """The public key as a JSON web key (RFC 7517), made without the library that reads it."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        return {"kty": "RSA", "n": number(public.n, 256), "e": number(public.e, 3), **fields}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        size = (key.curve.key_size + 7) // 8
        names = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        return {
            "kty": "EC", "crv": names[key.curve.name], "x": number(point.x, size), "y": number(point.y, size), **fields
        }  # fmt: skip
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519" if len(raw) == 32 else "Ed448", "x": text(raw), **fields}


def number(value: int, size: int) -> str:
    return text(value.to_bytes(size, "big"))


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


JWKS = json.dumps(
    {
        "keys": [
            *(web_key(KEYS[name], kid=name, use="sig") for name in ("ES256", "ES384", "ES512", "EdDSA")),
            web_key(RSA, kid="rsa"),
            {"kty": "RSA", "kid": "for secrets", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"},
            {"kty": "OKP", "kid": "x", "crv": "X25519", "x": text(b"x" * 32)},
            {"kty": "new", "kid": "later"},
        ]
    }
)
KID = {name: "rsa" if key is RSA else name for name, key in KEYS.items()}


def signed(algorithm: str = "ES256", key: Any = None, headers: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A token; claims that are None are left out."""
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    key = KEYS[algorithm] if key is None else key
    sent = {"kid": KID.get(algorithm)} if headers is None else dict(headers)
    return jwt.encode(claims, key, algorithm, headers=sent)


def auth_of(keys: str = JWKS, **fields: Any) -> Auth:
    return Auth(type="bearer", realm=REALM, service=SERVICE, issuer=ISSUER, keys=keys, **fields)


def core_of(tree: Tree, clock: Clock, auth: Auth, rules: Sequence[Mapping[str, Any]] | None = None) -> RegistryCore:
    host = msgspec.convert({"scheme": "http", "access": rules}, Host)
    return RegistryCore(tree, {"quay.io": msgspec.structs.replace(host, auth=auth)}, clock=clock)


@pytest.fixture(params=["core", "sockets"])
async def client(request: pytest.FixtureRequest, tree: Tree, clock: Clock) -> AsyncIterator[Client]:
    core = core_of(tree, clock, auth_of())
    if request.param == "core":
        yield CoreClient(core)
        return
    async with RegistryServer(core) as server:
        yield SocketClient(await server.start(), "quay.io")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status(client: Client, token: str, target: str = "/v2/team/app/tags/list", method: str = "GET") -> int:
    return (await client.ask(method, target, headers=bearer(token))).status


@pytest.mark.parametrize("algorithm", KEYS)
async def test_algorithms(client: Client, algorithm: str) -> None:
    for changes in ({}, {"access": PULL}):
        assert await status(client, signed(algorithm, **changes)) == 200
    head, payload, signature = signed(algorithm).split(".")
    other = signed(algorithm, sub="root").split(".")[1]
    for forged in (f"{head}.{other}.{signature}", f"{head}.{payload}.{signature[:-8]}AAAAAAAA", f"{head}.{payload}."):
        reply = await client.ask("GET", "/v2/team/app/tags/list", headers=bearer(forged))
        assert (reply.status, reply.header("WWW-Authenticate")) == (401, CHALLENGE + SCOPE + INVALID)


def unsigned(header: Mapping[str, Any], claims: object = CLAIMS, signature: str = "") -> str:
    return f"{text(json.dumps(header).encode())}.{text(json.dumps(claims).encode())}.{signature}"


OTHER = ec.generate_private_key(ec.SECP256R1())
SECRET = pem(EC).encode()
NOT_TRUSTED = "the token is signed with a key{} that is not trusted, or not for {}"

REFUSED: list[tuple[str, str]] = [
    ("", "what was sent is no JSON web token"),
    ("x", "what was sent is no JSON web token"),
    ("a.b.c", "the token has no usable header"),
    ("é.é.é", "what was sent is no JSON web token"),
    (f"{'a' * 20000}.b.c", "what was sent is no JSON web token"),
    (unsigned([]), "the token has no usable header"),  # type: ignore[arg-type]
    (unsigned({"alg": 1}), "the token has no usable header"),
    (unsigned({"typ": "JWT"}), "the token has no usable header"),
    (unsigned({"alg": "none", "kid": "ES256"}), "the token is signed with 'none', which does not count"),
    (unsigned({"alg": "None"}), "the token is signed with 'None', which does not count"),
    (jwt.encode(CLAIMS, "x" * 64, "HS256"), "the token is signed with 'HS256', which does not count"),
    (unsigned({"alg": "ES256K"}), "the token is signed with 'ES256K', which does not count"),
    (signed(headers={"kid": "unknown"}), NOT_TRUSTED.format(" 'unknown'", "ES256")),
    (signed(headers={"kid": "rsa"}), NOT_TRUSTED.format(" 'rsa'", "ES256")),
    (signed(headers={"kid": "for secrets"}), NOT_TRUSTED.format(" 'for secrets'", "ES256")),
    (signed("ES384", headers={"kid": "ES256"}), NOT_TRUSTED.format(" 'ES256'", "ES384")),
    (signed(key=OTHER), "the token has a wrong signature"),
    (signed(key=OTHER, headers={}), "the token has a wrong signature"),
    (signed(key=OTHER, headers={"jwk": web_key(OTHER)}), "the token has a wrong signature"),
    (signed(headers={"kid": "ES256", "crit": ["exp"]}), "the token has an extension that has to be understood (crit)"),
    (signed(iss="https://other.example.com"), "the token is of another issuer"),
    (signed(iss=f"{ISSUER}/"), "the token is of another issuer"),
    (signed(iss=None), "the token is of another issuer"),
    (signed(aud="other"), "the token is for another service"),
    (signed(aud=None), "the token is for another service"),
    (signed(aud=[]), "the token is for another service"),
    (signed(aud=["other", 1, None]), "the token is for another service"),
    (signed(aud={"registry.example.com": 1}), "the token is for another service"),
    (signed(exp=None), "the token does not say when it expires"),
    (signed(exp="never"), "the token's claim 'exp' is no time"),
    (signed(exp=True), "the token's claim 'exp' is no time"),
    (signed(exp=10**400), "the token's claim 'exp' is no time"),
    (signed(nbf=[]), "the token's claim 'nbf' is no time"),
    (signed(exp=NOW - 60), "the token has expired"),
    (signed(nbf=NOW + 61), "the token is not valid yet"),
    (signed(iat=NOW + 61), "the token is not valid yet"),
    (signed(sub=None), "the token has no claim 'sub' that says who its user is"),
    (signed(sub=""), "the token has no claim 'sub' that says who its user is"),
    (signed(sub=["robot"]), "the token's claim 'sub' is no name of a user"),
    (signed(sub="a\nb"), "the token's claim 'sub' is no name of a user"),
    (signed(sub="x" * 301), "the token's claim 'sub' is no name of a user"),
    (signed(access="all"), "the token's claim 'access' is none of the token specification"),
    (signed(access=[{"type": "repository"}]), "the token's claim 'access' is none of the token specification"),
]  # fmt: skip


@pytest.mark.parametrize(("token", "reason"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
async def test_what_does_not_count(tree: Tree, clock: Clock, token: str, reason: str) -> None:
    core = core_of(tree, clock, auth_of())
    for target, scope in (("/v2/", ""), ("/v2/team/app/tags/list", SCOPE)):
        reply = await CoreClient(core).ask("GET", target, headers=bearer(token))
        assert (reply.status, reply.header("WWW-Authenticate")) == (401, CHALLENGE + scope + INVALID)
        (error,) = json.loads(reply.body)["errors"]
        assert error == {"code": "UNAUTHORIZED", "message": "authentication required"}
        assert list(core.journal)[-1].note == f"UNAUTHORIZED: authentication required ({reason})"


@pytest.mark.parametrize("payload", [b"[]", b"1", b"{", b"\xff", b'{"exp": NaN}', b"[" * 5000, b""])
async def test_claims_that_are_none(tree: Tree, clock: Clock, payload: bytes) -> None:
    token = jwt.PyJWS().encode(payload, EC, "ES256", headers={"kid": "ES256"})
    core = core_of(tree, clock, auth_of())
    assert await status(CoreClient(core), token) == 401
    assert list(core.journal)[-1].note.endswith("(the token has no usable claims)")


@given(st.text(), st.text(), st.text())
def test_any_text_is_refused(head: str, payload: str, signature: str) -> None:
    tokens = foreign_tokens.ForeignTokens(ANY, SERVICE, lambda: NOW)
    for token in (head, f"{head}.{payload}.{signature}", f"{text(head.encode('utf-8', 'replace'))}.{payload}.x"):
        with pytest.raises(InvalidToken):
            tokens.read(token)


ANY = auth_of()


async def test_no_token_is_no_invalid_one(client: Client) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}):
        reply = await client.ask("GET", "/v2/team/app/tags/list", headers=headers)
        assert (reply.status, reply.header("WWW-Authenticate")) == (401, CHALLENGE + SCOPE)


async def test_nothing_is_issued(client: Client) -> None:
    for method in ("GET", "POST"):
        assert (await client.ask(method, f"/token?service={SERVICE}")).status == 404


@pytest.mark.parametrize(
    ("changes", "after", "expected"),
    [
        ({}, 0, 200),
        ({}, 659.9, 200),
        ({}, 660, 401),
        ({}, -60, 200),
        ({}, -61, 401),
        ({"nbf": None, "iat": None}, -10_000, 200),
        ({"nbf": NOW + 100}, 0, 401),
        ({"nbf": NOW + 100}, 40, 200),
        ({"exp": NOW + 0.5}, 60, 200),
        ({"exp": NOW + 0.5}, 60.5, 401),
    ],
)
async def test_when_tokens_count(
    tree: Tree, clock: Clock, changes: dict[str, Any], after: float, expected: int
) -> None:
    client = CoreClient(core_of(tree, clock, auth_of()))
    for token in (signed(**changes), signed(access=PULL, **changes)):
        clock.now = NOW + after
        assert await status(client, token) == expected
        for other in (NOW + 50, NOW + after):  # whatever is remembered by then
            clock.now = other
            last = await status(client, token)
        assert last == expected


async def test_a_list_of_services_is_one_too(client: Client) -> None:
    assert await status(client, signed(aud=["other", SERVICE])) == 200


async def test_access_of_the_token(client: Client) -> None:
    access = [
        {"type": "repository", "class": "image", "name": "team/app", "actions": ["pull", "push"]},
        {"type": "registry", "name": "catalog", "actions": ["*"]},
    ]
    token = signed(access=access)
    for method, target, expected in (
        ("GET", "/v2/", 200),
        ("GET", "/v2/_catalog", 200),
        ("GET", "/v2/team/app/tags/list", 200),
        ("POST", "/v2/team/app/blobs/uploads/", 202),
        ("GET", "/v2/team/other/tags/list", 401),
        ("DELETE", "/v2/team/app/manifests/v1", 401),
    ):
        reply = await client.ask(method, target, headers=bearer(token))
        assert reply.status == expected, target
        if expected == 401:
            assert reply.header("WWW-Authenticate").endswith('",error="insufficient_scope"')
    everything = signed(access=[{"type": "repository", "name": "team/app", "actions": ["*"]}])
    assert await status(client, everything, "/v2/team/app/manifests/none", "DELETE") == 404
    assert await status(client, everything, "/v2/team/other/tags/list") == 401
    for nothing in ([], None):
        claims = CLAIMS | {"access": nothing}
        token = jwt.encode(claims, EC, "ES256", headers={"kid": "ES256"})
        assert (await status(client, token, "/v2/"), await status(client, token)) == (200, 401)


async def test_a_mount_that_the_token_does_not_give_is_an_upload(client: Client, tree: Tree) -> None:
    access = [{"type": "repository", "name": "team/new", "actions": ["pull", "push"]}]
    digest = put_image(tree, "team/app", "v2").digest
    target = f"/v2/team/new/blobs/uploads/?mount={digest}&from=team/app"
    assert await status(client, signed(access=access), target, "POST") == 202


RULES = [
    {"user": "robot@example.com", "repository": "team/*", "actions": ["pull", "push"]},
    {"user": "*", "repository": "team/other", "actions": ["pull"]},
]


@pytest.mark.parametrize(
    ("claim", "claims", "user", "statuses"),
    [
        ("sub", {}, "robot", (403, 200, 403)),
        ("sub", {"sub": "robot@example.com"}, "robot@example.com", (200, 200, 202)),
        ("email", {"email": "robot@example.com"}, "robot@example.com", (200, 200, 202)),
        ("email", {"email": "no@example.com"}, "no@example.com", (403, 200, 403)),
        ("email", {}, "", (401, 401, 401)),
        ("email", {"email": "robot@example.com", "access": PULL}, "robot@example.com", (200, 401, 401)),
        ("email", {"access": PULL}, "", (200, 401, 401)),
    ],
)
async def test_rules_decide_where_the_token_does_not(
    tree: Tree, clock: Clock, claim: str, claims: dict[str, Any], user: str, statuses: tuple[int, int, int]
) -> None:
    core = core_of(tree, clock, auth_of(user_claim=claim), RULES)
    client, token = CoreClient(core), signed(**claims)
    found = (
        await status(client, token),
        await status(client, token, "/v2/team/other/tags/list"),
        await status(client, token, "/v2/team/app/blobs/uploads/", "POST"),
    )
    assert found == statuses
    assert {entry.user for entry in core.journal if entry.status < 300} <= {user}


GROUPS = [
    {"group": "Builders", "repository": "team/*", "actions": ["pull", "push"]},
    {"group": "read*", "actions": ["pull"]},
]


@pytest.mark.parametrize(
    ("claim", "claims", "statuses"),
    [
        ("groups", {}, (403, 403)),
        ("groups", {"groups": ["builders", "others"]}, (200, 202)),
        ("groups", {"groups": ["readers"]}, (200, 403)),
        ("groups", {"groups": ["BUILDERS"]}, (200, 202)),
        ("groups", {"groups": ["no builders"]}, (403, 403)),
        ("groups", {"groups": "builders"}, (403, 403)),
        ("groups", {"groups": [["builders"], None, 1]}, (403, 403)),
        ("roles", {"groups": ["builders"]}, (403, 403)),
        ("roles", {"roles": ["builders"]}, (200, 202)),
        ("groups", {"groups": ["builders"], "access": PULL}, (200, 401)),
    ],
)
async def test_groups(tree: Tree, clock: Clock, claim: str, claims: dict[str, Any], statuses: tuple[int, int]) -> None:
    client = CoreClient(core_of(tree, clock, auth_of(groups_claim=claim), GROUPS))
    for _ in range(2):
        token = signed(**claims)
        found = (await status(client, token), await status(client, token, "/v2/team/app/blobs/uploads/", "POST"))
        assert found == statuses


async def test_every_token_is_checked_once(tree: Tree, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = foreign_tokens._payload

    def payload(token: str, *rest: Any) -> bytes:
        seen.append(token)
        return real(token, *rest)

    monkeypatch.setattr(foreign_tokens, "_payload", payload)
    monkeypatch.setattr(foreign_tokens, "_MAX_REMEMBERED", 2)
    core = core_of(tree, clock, auth_of())
    one, two, three = (signed(sub=name) for name in ("one", "two", "three"))
    for token in (one, one, two, one, two):
        assert await status(CoreClient(core), token) == 200
    assert seen == [one, two]
    for token in (three, two, one):
        assert await status(CoreClient(core), token) == 200
    assert seen == [one, two, three, one]
    clock.now = NOW + 700
    for _ in range(2):
        assert await status(CoreClient(core), one) == 401
    assert seen == [one, two, three, one, one]


async def test_other_keys_after_the_configuration_was_read_again(tree: Tree, clock: Clock) -> None:
    core = core_of(tree, clock, auth_of())
    client, token = CoreClient(core), signed()
    assert await status(client, token) == 200
    core.configure({"quay.io": Host(scheme="http", auth=auth_of(pem(OTHER)))})
    assert (await status(client, token), await status(client, signed(key=OTHER))) == (401, 200)


async def test_an_issuer_beside_an_endpoint_of_our_own(tree: Tree, clock: Clock) -> None:
    auth = Auth(
        type="bearer", realm="https://quay.io/token", issuer=ISSUER, keys=JWKS, users={"me": "secret"}, anonymous=True
    )
    client = CoreClient(core_of(tree, clock, auth))
    assert await status(client, signed(aud="quay.io")) == 200
    secret = base64.b64encode(b"me:secret").decode()
    reply = await client.ask(
        "GET", "/token?service=quay.io&scope=repository:team/app:pull", headers={"Authorization": f"Basic {secret}"}
    )
    ours = json.loads(reply.body)["token"]
    assert await status(client, ours) == 200
    assert await status(client, f"{ours}x") == 401
    elsewhere = CoreClient(core_of(tree, clock, auth_of()))
    assert await status(elsewhere, ours) == 401


# Keys, and what vouches for them.

CA = Authority("Token CA")
BELOW = Authority("Token CA 2", parent=CA)
NOT_CA = Authority("Server", parent=CA, ca=False)
STRANGE = Authority("Token CA")
EXPIRED = Authority("Old", not_after=datetime(2020, 1, 1, tzinfo=UTC))


def chain(*authorities: Authority) -> list[str]:
    return [base64.b64encode(one.der).decode() for one in authorities]


def bundle(*authorities: Authority) -> str:
    return "".join(one.pem.decode() for one in authorities)


@pytest.mark.parametrize(
    ("trusted", "sent", "counts"),
    [
        ([CA], [CA], True),
        ([CA], [BELOW], True),
        ([CA], [BELOW, CA], True),
        ([STRANGE, CA], [BELOW], True),
        ([CA], [Authority("Third", parent=BELOW), BELOW], True),
        ([CA], [Authority("Third", parent=BELOW)], False),
        ([CA], [Authority("Third", parent=NOT_CA), NOT_CA], False),
        ([CA], [STRANGE], False),
        ([CA], [Authority("Third", parent=STRANGE), STRANGE], False),
        ([BELOW], [BELOW], True),
        ([EXPIRED], [EXPIRED], False),
        ([EXPIRED], [Authority("Third", parent=EXPIRED)], False),
        ([CA], [Authority("Old", parent=CA, not_after=datetime(2020, 1, 1, tzinfo=UTC))], False),
        ([CA], [BELOW, *([STRANGE] * 8)], False),
        ([CA], [], False),
    ],
)
async def test_chains_of_certificates(
    tree: Tree, clock: Clock, trusted: list[Authority], sent: list[Authority], counts: bool
) -> None:
    client = CoreClient(core_of(tree, clock, auth_of(bundle(*trusted))))
    key = sent[0].key if sent else CA.key
    token = signed(key=key, headers={"x5c": chain(*sent), "kid": "anything"})
    assert await status(client, token) == (200 if counts else 401)
    forged = signed(key=OTHER, headers={"x5c": chain(*sent)})
    assert await status(client, forged) == 401


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(("bits", "status_code"), [(1024, 401), (2048, 200)])
async def test_a_chain_makes_no_weak_key_count(tree: Tree, clock: Clock, bits: int, status_code: int) -> None:
    weak = Authority("Weak", parent=CA, key=rsa.generate_private_key(65537, bits), ca=False)
    client = CoreClient(core_of(tree, clock, auth_of(bundle(CA))))
    assert await status(client, signed("RS256", weak.key, {"x5c": chain(weak)})) == status_code


async def test_certificates_may_expire_before_the_token(tree: Tree, clock: Clock) -> None:
    short = Authority("Short", parent=CA, not_after=datetime.fromtimestamp(NOW + 100, UTC))
    client = CoreClient(core_of(tree, clock, auth_of(bundle(CA))))
    token = signed(key=short.key, headers={"x5c": chain(short)})
    assert await status(client, token) == 200
    clock.now = NOW + 101
    assert await status(client, token) == 401
    assert await status(client, signed(key=CA.key, headers={"x5c": chain(CA)})) == 200


def of_another_kind(authority: Authority) -> bytes:
    """The certificate (DER) with a key of a kind that nobody knows."""
    kind = bytes.fromhex("06072a8648ce3d0201")  # id-ecPublicKey
    assert kind in authority.der
    return authority.der.replace(kind, kind[:-1] + b"\x09", 1)


@pytest.mark.parametrize(
    "x5c",
    [["x"], [""], ["AAAA"], [chain(CA)[0][:-8]], ["é"], [base64.b64encode(of_another_kind(CA)).decode()]],
    ids=range(6),
)
async def test_chains_that_are_none(tree: Tree, clock: Clock, x5c: list[str]) -> None:
    client = CoreClient(core_of(tree, clock, auth_of(bundle(CA))))
    assert await status(client, signed(key=CA.key, headers={"x5c": x5c})) == 401


async def test_chains_need_a_trusted_certificate(tree: Tree, clock: Clock) -> None:
    """A key alone vouches for nobody, though it is that of the certificate."""
    client = CoreClient(core_of(tree, clock, auth_of(pem(CA.key))))
    assert await status(client, signed(key=CA.key, headers={"x5c": chain(CA)})) == 401
    assert await status(client, signed(key=CA.key, headers={})) == 200


def test_names_of_keys() -> None:
    """RFC 7638, section 3.1, and the example of distribution's token specification for libtrust's."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajr"
        "n1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = jwt.PyJWK({"kty": "RSA", "n": modulus, "e": "AQAB"}).key
    assert thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert [len(part) for part in fingerprint(key).split(":")] == [4] * 12


async def test_which_key_has_signed(tree: Tree, clock: Clock) -> None:
    certified = CoreClient(core_of(tree, clock, auth_of(bundle(CA))))
    for kid in (thumbprint(CA.key.public_key()), fingerprint(CA.key.public_key()), None):
        assert await status(certified, signed(key=CA.key, headers={"kid": kid} if kid else {})) == 200
    assert await status(certified, signed(key=CA.key, headers={"kid": "other"})) == 401
    # A key that nobody has named may be called anything; its signature decides.
    for nameless in (pem(EC), json.dumps(web_key(EC)), json.dumps({"keys": [web_key(EC)]})):
        client = CoreClient(core_of(tree, clock, auth_of(nameless)))
        for kid in ("anything", None):
            assert await status(client, signed(headers={"kid": kid} if kid else {})) == 200
    narrow = CoreClient(core_of(tree, clock, auth_of(json.dumps(web_key(RSA, alg="RS512")))))
    assert (await status(narrow, signed("RS256")), await status(narrow, signed("RS512"))) == (401, 200)
    long = ed448.Ed448PrivateKey.generate()
    client = CoreClient(core_of(tree, clock, auth_of(pem(long))))
    assert await status(client, signed("EdDSA", key=long)) == 200


def block(label: str) -> str:
    return f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n"


WEAK = rsa.generate_private_key(65537, 1024)
PRIVATE = EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SMALL = "has 1024 bits; expected 2048 or more (RFC 7518, section 3.3)"
HAS_SECRET = "has a secret in it; expected public keys only"
IS_PRIVATE = "block 1: is a private key; expected public keys and certificates only"
NONE_AT_ALL = "there is no key in it that signs tokens (RSA, P-256, P-384, P-521, Ed25519, Ed448)"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("nothing of that kind -----BEGIN", NONE_AT_ALL),
        ('{"keys": []}', NONE_AT_ALL),
        (json.dumps({"keys": [{"kty": "OKP", "crv": "X25519", "x": text(b"x" * 32)}]}), NONE_AT_ALL),
        ('{"keys": 1}', 'expected a set of JSON web keys: {"keys": [{"kty": …}]}'),
        ('{"keys": [1]}', 'expected a set of JSON web keys: {"keys": [{"kty": …}]}'),
        ("{", "is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('{"keys": [{"kty": "oct", "k": "AAAA"}]}', f"keys[0]: {HAS_SECRET}"),
        (json.dumps({"keys": [web_key(EC), web_key(EC, d="A")]}), f"keys[1]: {HAS_SECRET}"),
        ('{"keys": [{"kty": "RSA", "n": "x"}]}', "keys[0]: is no key of type RSA"),
        ('{"keys": [{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}]}', "keys[0]: is no key of type EC"),
        (json.dumps(web_key(WEAK)), f"keys[0]: {SMALL}"),
        (pem(EC) + pem(WEAK), f"block 2: {SMALL}"),
        (PRIVATE, IS_PRIVATE),
        (block("PUBLIC KEY"), "block 1: is no public key and no certificate (public key)"),
        (block("CERTIFICATE"), "block 1: is no public key and no certificate (certificate)"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "block 1: is a key that no tokens are signed with"),
        (pem(EC) * 65, "there are 65 keys in it; expected at most 64"),
        (json.dumps(web_key(EC, kty=["EC"])), "keys[0]: its 'kty' is no text"),
        (json.dumps(web_key(EC, crv={})), "keys[0]: its 'crv' is no text"),
        (json.dumps({"keys": [web_key(EC), web_key(EC, alg=[])]}), "keys[1]: its 'alg' is no text"),
        (json.dumps(web_key(EC, use=1)), "keys[0]: its 'use' is no text"),
        (ssl.DER_cert_to_PEM_cert(of_another_kind(CA)), "block 1: is no public key and no certificate (certificate)"),
    ],
    ids=map(str, range(22)),
)  # fmt: skip
def test_what_is_no_key(keys: str, problem: str) -> None:
    with pytest.raises(ValueError) as found:
        read_keys(keys)
    assert str(found.value) == problem
    auth = {"type": "bearer", "realm": REALM, "issuer": ISSUER, "keys": keys}
    with pytest.raises(UsageError) as refused:
        FakeRegistry(hosts={"quay.io": {"auth": auth}})
    assert str(refused.value) == f"hosts['quay.io'].auth.keys: {problem}"


def test_the_extra_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ValueError) as found:
        read_keys(pem(EC))
    assert str(found.value) == "takes the extra tokens: pip install 'ismirror[tokens]'"


TOGETHER = "Expected `issuer` and `keys` together: whose tokens count, and what they are signed with"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"issuer": ISSUER, "realm": REALM}, TOGETHER),
        ({"keys": JWKS, "realm": REALM}, TOGETHER),
        ({"issuer": ISSUER, "keys": JWKS}, "Expected `realm` with `issuer`: where clients get its tokens"),
        ({"userClaim": "email"}, "Expected `userClaim` only with `issuer`"),
        ({"groupsClaim": "roles"}, "Expected `groupsClaim` only with `issuer`"),
        ({"type": "basic", "issuer": ISSUER}, "Expected `type` to be bearer with `issuer`"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as refused:
        FakeRegistry(hosts={"quay.io": {"auth": {"type": "bearer"} | fields}})
    assert str(refused.value) == f"hosts['quay.io']: {problem} - at `$.auth`"


CONFIGURATION = """\
hosts:
  quay.io:
    auth:
      type: bearer
      realm: https://issuer.example.com/token
      issuer: https://issuer.example.com
      keys: {keys}
"""


@pytest.mark.parametrize(
    ("keys", "content", "problem"),
    [
        ("keys.json", None, ".keys: {folder}/keys.json: No such file or directory (line 7)"),
        ("keys.json", "{}", ".keys: {folder}/keys.json: " + NONE_AT_ALL + " (line 7)"),
        ("keys.pem", PRIVATE, ".keys: {folder}/keys.pem: " + IS_PRIVATE + " (line 7)"),
        ("keys.json\n      userClaim: ''", "x", ".userClaim: Expected `str` of length >= 1 (line 8)"),
        ("keys.json\n      user: x", "x", ": Object contains unknown field `user` (line 8)"),
    ],
    ids=["missing", "empty", "private", "claim", "field"],
)  # fmt: skip
def test_configurations_that_are_wrong(tmp_path: Path, keys: str, content: str | None, problem: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIGURATION.format(keys=keys))
    if content is not None:
        (tmp_path / keys.partition("\n")[0]).write_text(content)
    done = ismirror("registry", "--data", str(tmp_path / "tree"), "--config", str(config))
    assert (done.exit_code, done.stderr) == (
        2,
        f"ismirror: error: {config}: hosts[quay.io].auth{problem.format(folder=tmp_path)}\n",
    )


def test_the_set_of_keys_is_what_the_tests_take_it_for() -> None:
    names: Callable[[str], int] = lambda name: len(read_keys(JWKS).candidates(name, "ES256"))  # noqa: E731
    assert [names(name) for name in ("ES256", "ES384", "rsa", "for secrets", "x")] == [1, 0, 0, 0, 0]
    assert x509.load_pem_x509_certificate(CA.pem).public_key() == CA.key.public_key()
