"""Token endpoints: where they are, for which services and users, and both ways to ask them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bcrypt
import msgspec
import pytest
from support.pushing import Client, CoreClient, SocketClient
from support.registry import NOW, put_image

from fake_registry import FakeRegistry, UsageError
from fake_registry.config import Host, Hosts
from fake_registry.core.messages import Request
from fake_registry.core.registry import RegistryCore
from fake_registry.core.token_endpoint import MAX_FORM
from fake_registry.fixtures import Tree
from fake_registry.listening import Address, bind
from fake_registry.one_host import OneHost
from fake_registry.server import RegistryServer

HASH = bcrypt.hashpw(b"d-secret", bcrypt.gensalt(4)).decode()
AUTH = "http://auth.example.com/token"
HOSTS: dict[str, dict[str, Any]] = {
    "auth.example.com": {},
    "quay.io": {"auth": {"realm": AUTH, "service": "Quay Inc.", "username": "alice", "password": "a-secret"}},
    "other.example.com": {
        "auth": {"realm": AUTH, "users": {"bob": "b-secret"}, "htpasswd": f"dave:{HASH}", "anonymous": True},
        "access": [
            {"user": "bob", "repository": "team/*", "actions": ["pull", "push"]},
            {"user": "", "repository": "public/*", "actions": ["pull"]},
        ],
    },
    "below.example.com": {"auth": {"realm": "http://below.example.com/v2/auth", "users": {"alice": "below"}}},
    "alone.example.com": {"auth": {"users": {"carol": "c-secret"}}},
    "far.example.com": {"auth": {"realm": "https://nowhere.example.com/token", "users": {"alice": "a-secret"}}},
    "basic.example.com": {"auth": {"type": "basic", "users": {"alice": "a-secret"}}},
}
REQUIRED = ("UNAUTHORIZED", "authentication required")
WRONG = ("UNAUTHORIZED", "incorrect username or password")

Ask = Callable[[str], Client]


def hosts(**changes: Any) -> Hosts:
    documents = {name: {"scheme": "http", **host} for name, host in HOSTS.items()} | changes
    for document in documents.values():
        if "auth" in document:
            document["auth"] = {"type": "bearer"} | document["auth"]
    return {name: msgspec.convert(document, Host) for name, document in documents.items()}


def core_of(tree: Tree, **changes: Any) -> RegistryCore:
    return RegistryCore(tree, hosts(**changes), clock=lambda: NOW, token_key=b"key")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path)
    put_image(tree, "team/app", "v1")
    return tree


@pytest.fixture(params=["core", "sockets"])
async def at(request: pytest.FixtureRequest, tree: Tree) -> AsyncIterator[Ask]:
    """Clients of each host."""
    core = core_of(tree)
    if request.param == "core":
        yield lambda host: CoreClient(core, host)
        return
    async with RegistryServer(core) as server:
        address = await server.start()
        yield lambda host: SocketClient(address, host)


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def query(**fields: str) -> str:
    return urlencode({name.rstrip("_"): value for name, value in fields.items()})


def form(**fields: str) -> tuple[bytes, dict[str, str]]:
    return query(**fields).encode(), {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def refusal(body: bytes) -> tuple[str, str]:
    (one,) = json.loads(body)["errors"]
    return one["code"], one["message"]


async def token(client: Client, path: str, headers: Mapping[str, str] = {}) -> dict[str, str]:
    reply = await client.ask("GET", path, headers=headers)
    assert reply.status == 200, reply
    return {"Authorization": f"Bearer {json.loads(reply.body)['token']}"}


@pytest.mark.parametrize(
    ("host", "realm", "service"),
    [
        ("quay.io", AUTH, "Quay Inc."),
        ("other.example.com", AUTH, "other.example.com"),
        ("below.example.com", "http://below.example.com/v2/auth", "below.example.com"),
        ("alone.example.com", "http://alone.example.com/token", "alone.example.com"),
        ("far.example.com", "https://nowhere.example.com/token", "far.example.com"),
    ],
)
async def test_challenges(at: Ask, host: str, realm: str, service: str) -> None:
    reply = await at(host).ask("GET", "/v2/team/app/tags/list")
    assert (reply.status, refusal(reply.body)) == (401, REQUIRED)
    assert reply.header("WWW-Authenticate") == (
        f'Bearer realm="{realm}",service="{service}",scope="repository:team/app:pull"'
    )


@pytest.mark.parametrize(
    ("endpoint", "path", "status"),
    [
        ("auth.example.com", "/token?service=other.example.com", 200),  # which lets anybody in
        ("auth.example.com", "/%74oken?service=other.example.com", 200),
        ("quay.io", "/token?ns=auth.example.com&service=other.example.com", 200),
        ("auth.example.com", "/token?service=Quay+Inc.", 401),
        ("below.example.com", "/v2/auth", 401),
        ("below.example.com", "/v%32/auth", 401),
        ("alone.example.com", "/token", 401),
        ("auth.example.com", "/token/", 404),
        ("auth.example.com", "/v2/auth", 404),
        ("quay.io", "/token", 404),
        ("other.example.com", "/token", 404),
        ("below.example.com", "/token", 404),
        ("far.example.com", "/token", 404),
        ("basic.example.com", "/token", 404),
    ],
)
async def test_where_endpoints_are(at: Ask, endpoint: str, path: str, status: int) -> None:
    for method in ("GET", "HEAD"):
        reply = await at(endpoint).ask(method, path)
        assert reply.status == status
        assert status != 401 or reply.header("WWW-Authenticate") == 'Basic realm="ismirror"'
    reply = await at(endpoint).ask("DELETE", path)
    assert reply.status == (404 if status == 404 else 405)
    assert status == 404 or reply.header("Allow") == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("service", "name", "password", "good_at"),
    [
        ("Quay Inc.", "alice", "a-secret", ["quay.io"]),
        ("Quay Inc.", "bob", "b-secret", None),
        ("Quay Inc.", "alice", "below", None),
        ("other.example.com", "bob", "b-secret", ["other.example.com"]),
        ("other.example.com", "dave", "d-secret", ["other.example.com"]),
        ("other.example.com", "dave", "wrong", None),
        ("other.example.com", "alice", "a-secret", None),
    ],
)
async def test_the_service_says_whose_users_count(
    at: Ask, service: str, name: str, password: str, good_at: list[str] | None
) -> None:
    path = "/token?" + query(service=service, scope="repository:team/app:pull")
    reply = await at("auth.example.com").ask("GET", path, headers=basic(name, password))
    if good_at is None:
        assert (reply.status, refusal(reply.body)) == (401, WRONG)
        return
    headers = {"Authorization": f"Bearer {json.loads(reply.body)['token']}"}
    for host, document in HOSTS.items():
        if document and document["auth"].get("type") != "basic":
            status = (await at(host).ask("GET", "/v2/", headers=headers)).status
            assert status == (200 if host in good_at else 401), host


async def test_rules_of_the_host_decide_what_a_token_gives(at: Ask) -> None:
    scope = "repository:team/app:pull,push,delete repository:public/app:pull"
    body, headers = form(
        grant_type="password", service="other.example.com", client_id="test", username="bob", password="b-secret",
        scope=scope,
    )  # fmt: skip
    reply = await at("auth.example.com").ask("POST", "/token", body, headers)
    assert json.loads(reply.body)["scope"] == "repository:team/app:pull,push"
    path = "/token?" + query(service="other.example.com", scope=scope)
    for name, status in (("public/app", 404), ("team/app", 401)):
        anybody = await token(at("auth.example.com"), path)
        assert (await at("other.example.com").ask("GET", f"/v2/{name}/tags/list", headers=anybody)).status == status


@pytest.mark.parametrize(
    ("endpoint", "path", "asked", "status", "code"),
    [
        ("auth.example.com", "/token", "service=unknown", 400, "UNSUPPORTED_VALUE"),
        ("auth.example.com", "/token", "service=quay.io", 400, "UNSUPPORTED_VALUE"),
        ("auth.example.com", "/token", "", 400, "MISSING_REQUIRED_FIELD"),
        ("auth.example.com", "/token", "service=", 400, "MISSING_REQUIRED_FIELD"),
        ("auth.example.com", "/token", "service=other.example.com&service=unknown", 200, ""),
        ("below.example.com", "/v2/auth", "service=other", 400, "UNSUPPORTED_VALUE"),
        ("below.example.com", "/v2/auth", "", 401, "UNAUTHORIZED"),
        ("alone.example.com", "/token", "service=anything", 401, "UNAUTHORIZED"),  # nobody has said what its service is
        ("alone.example.com", "/token", "", 401, "UNAUTHORIZED"),
    ],
)
async def test_services_that_there_are_not(
    at: Ask, endpoint: str, path: str, asked: str, status: int, code: str
) -> None:
    reply = await at(endpoint).ask("GET", f"{path}?{asked}")
    assert reply.status == status
    assert not code or refusal(reply.body)[0] == code


GRANTED = {"scope": "repository:team/app:pull", "expires_in": 300, "issued_at": "2023-11-14T22:13:20Z"}


async def test_passwords_and_refresh_tokens_as_oauth_has_them(at: Ask) -> None:
    here = at("auth.example.com")
    asked = {"service": "Quay Inc.", "client_id": "test", "scope": "repository:team/app:pull"}
    password = {"grant_type": "password", "username": "alice", "password": "a-secret"}
    reply = await here.ask("POST", "/token", *form(**asked, **password))
    assert (reply.status, reply.header("Cache-Control")) == (200, "no-store")
    given = json.loads(reply.body)
    headers = {"Authorization": f"Bearer {given.pop('access_token')}"}
    assert given == GRANTED
    assert (await at("quay.io").ask("GET", "/v2/team/app/manifests/v1", headers=headers)).status == 200

    given = json.loads((await here.ask("POST", "/token", *form(**asked, **password, access_type="offline"))).body)
    refresh = given["refresh_token"]
    for asked_with in ({"Authorization": f"Bearer {refresh}"}, basic("alice", refresh)):
        assert (await at("quay.io").ask("GET", "/v2/", headers=asked_with)).status == 401
    reply = await here.ask("POST", "/token", *form(**asked, grant_type="refresh_token", refresh_token=refresh))
    given = json.loads(reply.body)
    headers = {"Authorization": f"Bearer {given.pop('access_token')}"}
    assert given == {**GRANTED, "refresh_token": refresh}
    assert (await at("quay.io").ask("GET", "/v2/team/app/manifests/v1", headers=headers)).status == 200

    for changed in (
        {"service": "other.example.com"},
        {"refresh_token": f"{refresh}x"},
        {"refresh_token": headers["Authorization"].removeprefix("Bearer ")},
    ):
        fields = {**asked, "grant_type": "refresh_token", "refresh_token": refresh} | changed
        reply = await here.ask("POST", "/token", *form(**fields))
        assert (reply.status, refusal(reply.body)) == (401, WRONG)


@pytest.mark.parametrize(
    ("name", "secret", "service"), [("alice", "a-secret", "Quay Inc."), ("dave", "d-secret", "other.example.com")]
)
async def test_refresh_tokens_when_asked_for_with_a_query(at: Ask, name: str, secret: str, service: str) -> None:
    here = at("auth.example.com")
    reply = await here.ask("GET", "/token?" + query(service=service, offline_token="true"), headers=basic(name, secret))
    refresh = json.loads(reply.body)["refresh_token"]
    asked = {"service": service, "client_id": "test", "grant_type": "refresh_token", "refresh_token": refresh}
    assert (await here.ask("POST", "/token", *form(**asked))).status == 200


async def test_nobody_in_particular_has_no_refresh_token(at: Ask) -> None:
    reply = await at("auth.example.com").ask("GET", "/token?service=other.example.com&offline_token=true")
    assert "refresh_token" not in json.loads(reply.body)


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ({"users": {"alice": "1"}}, {"users": {"alice": "1", "bob": "2"}}, True),
        ({"users": {"alice": "1"}}, {"users": {"alice": "2"}}, False),
        ({"users": {"alice": "1"}}, {"users": {"bob": "1"}}, False),
        ({"users": {"alice": "1"}}, {"users": {"alice": "1"}, "service": "new"}, False),
        ({"htpasswd": f"alice:{HASH}"}, {"htpasswd": f"bob:{HASH}\nalice:{HASH}"}, True),
        ({"htpasswd": f"alice:{HASH}"}, {"htpasswd": f"bob:{HASH}"}, False),
    ],
)
async def test_refresh_tokens_end_with_the_password(
    tree: Tree, before: dict[str, Any], after: dict[str, Any], counts: bool
) -> None:
    core = core_of(tree, **{"quay.io": {"auth": before}})
    client = CoreClient(core)
    secret = "1" if "users" in before else "d-secret"
    reply = await client.ask("GET", "/token?offline_token=true", headers=basic("alice", secret))
    refresh = json.loads(reply.body)["refresh_token"]
    core.configure(hosts(**{"quay.io": {"auth": after}}))
    service = after.get("service", "quay.io")
    fields = form(grant_type="refresh_token", service=service, client_id="test", refresh_token=refresh)
    assert (await client.ask("POST", "/token", *fields)).status == (200 if counts else 401)


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ({"users": {"alice": "1"}}, {"users": {"alice": "1", "bob": "2"}}, True),
        ({"users": {"alice": "1"}}, {"username": "alice", "password": "1"}, True),
        ({"users": {"alice": "1"}}, {"htpasswd": f"alice:{HASH}"}, True),
        ({"users": {"alice": "1"}}, {"ldap": {"url": "ldap://localhost", "baseDN": "dc=example"}}, True),
        ({"users": {"alice": "1"}}, {"users": {"bob": "1"}}, False),
        ({"users": {"alice": "1"}}, {"users": {"bob": "1"}, "anonymous": True}, False),
        ({"users": {"alice": "1"}}, {}, False),
        ({"htpasswd": f"alice:{HASH}"}, {"htpasswd": f"bob:{HASH}"}, False),
        ({"anonymous": True}, {"anonymous": True, "users": {"bob": "1"}}, True),
        ({"anonymous": True}, {"users": {"bob": "1"}}, False),
        ({"anonymous": True}, {"ldap": {"url": "ldap://localhost", "baseDN": "dc=example"}}, False),
        ({"anonymous": True}, {"users": {"": "1"}}, True),
    ],
)
async def test_tokens_end_with_their_users(
    tree: Tree, before: dict[str, Any], after: dict[str, Any], counts: bool
) -> None:
    core = core_of(tree, **{"quay.io": {"auth": before}})
    client = CoreClient(core)
    login = {} if "anonymous" in before else basic("alice", "1" if "users" in before else "d-secret")
    headers = await token(client, "/token", login)
    assert (await client.ask("GET", "/v2/", headers=headers)).status == 200
    core.configure(hosts(**{"quay.io": {"auth": after}}))
    assert (await client.ask("GET", "/v2/", headers=headers)).status == (200 if counts else 401)


@pytest.mark.parametrize("kind", ["bearer", "basic"])
@pytest.mark.parametrize("anonymous", [True, False])
async def test_where_nobody_is_a_user_no_password_is_right(tree: Tree, kind: str, anonymous: bool) -> None:
    core = core_of(tree, **{"quay.io": {"auth": {"type": kind, "anonymous": anonymous}}})
    path = "/token" if kind == "bearer" else "/v2/"
    assert (await CoreClient(core).ask("GET", path, headers=basic("", ""))).status == 401


FULL = {"grant_type": "password", "service": "Quay Inc.", "client_id": "x", "username": "alice", "password": "a-secret"}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({}, 200, ""),
        ({"grant_type": ""}, 400, "MISSING_REQUIRED_FIELD"),
        ({"service": ""}, 400, "MISSING_REQUIRED_FIELD"),
        ({"client_id": ""}, 400, "MISSING_REQUIRED_FIELD"),
        ({"username": ""}, 400, "MISSING_REQUIRED_FIELD"),
        ({"password": ""}, 400, "MISSING_REQUIRED_FIELD"),
        ({"grant_type": "refresh_token"}, 400, "MISSING_REQUIRED_FIELD"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 401, "UNAUTHORIZED"),
        ({"grant_type": "refresh_token", "refresh_token": "é.ö.ü"}, 401, "UNAUTHORIZED"),
        ({"grant_type": "client_credentials"}, 400, "UNSUPPORTED_VALUE"),
        ({"service": "unknown"}, 400, "UNSUPPORTED_VALUE"),
        ({"password": "wrong"}, 401, "UNAUTHORIZED"),
        ({"username": "bob", "password": "b-secret"}, 401, "UNAUTHORIZED"),
        ({f"field{number}": "" for number in range(200)}, 400, "UNSUPPORTED_VALUE"),
        ({"scope": "x" * MAX_FORM}, 413, "SIZE_INVALID"),
    ],
)  # fmt: skip
async def test_forms(at: Ask, changes: dict[str, str], status: int, code: str) -> None:
    reply = await at("auth.example.com").ask("POST", "/token", *form(**FULL | changes))
    assert reply.status == status
    assert not code or refusal(reply.body)[0] == code


async def test_what_is_no_form(at: Ask) -> None:
    body, headers = form(**FULL)
    for sent in (None, b"", b"\xff\x00", json.dumps(FULL).encode()):
        assert (await at("auth.example.com").ask("POST", "/token", sent, headers)).status == 400
    reply = await at("auth.example.com").ask("POST", "/token", body, {"Content-Type": "application/json"})
    assert (reply.status, refusal(reply.body)[0]) == (400, "MISSING_REQUIRED_FIELD")


@pytest.mark.parametrize("flaw", ["refused", "expired", "wrongScope"])
async def test_flaws_on_purpose(tree: Tree, flaw: str) -> None:
    fault = {"match": {"kind": "token"}, "action": {"token": flaw}}
    core = core_of(tree, **{"auth.example.com": {"scheme": "http", "faults": [fault]}})
    body, headers = form(**FULL, scope="repository:team/app:pull")
    reply = await CoreClient(core, "auth.example.com").ask("POST", "/token", body, headers)
    assert reply.status == (401 if flaw == "refused" else 200)
    if flaw != "refused":
        sent = {"Authorization": f"Bearer {json.loads(reply.body)['access_token']}"}
        assert (await CoreClient(core).ask("GET", "/v2/team/app/tags/list", headers=sent)).status == 401


SHARED = {"type": "bearer", "realm": "https://auth.example.com/token", "service": "sso", "users": {"a": "1"}}
NO_URLS = (
    "auth.example.com/token",
    "ftp://a/b",
    "https://",
    "https://a/b c",
    'https://a/"',
    "https://a/#x",
    "https://u:p@a/b",
    "https://a:99999/",
    "https://[a/",
    "https://a/\n",
    "https://é/",
)


def problem_of(**documents: Any) -> str:
    """What is wrong with the authentication of hosts; ``a_io`` is a.io."""
    options = {name.replace("_", "."): {} if auth is None else {"auth": auth} for name, auth in documents.items()}
    try:
        FakeRegistry(hosts=options)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        ({"type": "basic", "realm": AUTH}, "Expected `type` to be bearer with `realm`"),
        ({"type": "basic", "service": "x"}, "Expected `type` to be bearer with `service`"),
        *(({"realm": url}, "Expected `realm` to be a URL such as https://auth.example.com/token") for url in NO_URLS),
        ({"service": 'a"b'}, "Expected `service` to be printable ASCII without quotation marks and backslashes"),
    ],
)
def test_realms_that_cannot_be(auth: dict[str, Any], problem: str) -> None:
    assert problem_of(a_io={"type": "bearer"} | auth) == f"hosts['a.io']: {problem} - at `$.auth`"


@pytest.mark.parametrize("path", ["/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/blobs/uploads/"])
def test_endpoints_are_not_where_the_registry_answers(path: str) -> None:
    auth = {"type": "bearer", "realm": f"https://a.io{path}"}
    expected = f"the registry itself answers {path} on a.io; expected a path such as /token"
    assert problem_of(a_io=auth) == f"hosts['a.io'].auth.realm: {expected}"
    assert problem_of(b_io=auth) == ""  # wherever that is


def test_one_service_has_one_set_of_users() -> None:
    changed = SHARED | {"users": {"a": "2"}}
    problem = "a.io has the service 'sso' of this realm, with other users or another access"
    assert problem_of(auth_example_com=None, a_io=SHARED, b_io=SHARED) == ""
    assert problem_of(auth_example_com=None, a_io=SHARED, b_io=changed) == f"hosts['b.io'].auth.service: {problem}"
    assert problem_of(a_io=SHARED, b_io=changed) == ""  # nobody issues such tokens here


async def test_hosts_that_share_realm_and_service_take_each_others_tokens(tree: Tree) -> None:
    auth = {**SHARED, "users": {"a": "1"}}
    hosts = {
        "auth.example.com": Host(),
        **{name: msgspec.convert({"auth": auth}, Host) for name in ("a.example.com", "b.example.com")},
    }
    core = RegistryCore(tree, hosts)
    headers = await token(CoreClient(core, "auth.example.com"), "/token?service=sso", basic("a", "1"))
    for name in ("a.example.com", "b.example.com"):
        assert (await CoreClient(core, name).ask("GET", "/v2/", headers=headers)).status == 200


async def test_realms_may_be_spelled_in_several_ways(tree: Tree) -> None:
    spelled = (
        "https://auth.example.com/token",
        "https://AUTH.example.com:443/token",
        "https://auth.example.com/%74oken",
    )
    auth = {"type": "bearer", "service": "sso", "users": {"a": "1"}}
    hosts = {"auth.example.com": Host()} | {
        f"{number}.io": msgspec.convert({"auth": auth | {"realm": realm}}, Host) for number, realm in enumerate(spelled)
    }
    core = RegistryCore(tree, hosts)
    headers = await token(CoreClient(core, "auth.example.com"), "/token?service=sso", basic("a", "1"))
    for number in range(3):
        assert (await CoreClient(core, f"{number}.io").ask("GET", "/v2/", headers=headers)).status == 200


async def test_one_service_of_two_realms_is_two(tree: Tree) -> None:
    """The key is one, and so is what the tokens are for: whoever issued them has to be told apart."""
    hosts = {
        f"{name}.io": msgspec.convert({"auth": {"type": "bearer", "service": "sso", "users": {name: "1"}}}, Host)
        for name in "ab"
    }
    core = RegistryCore(tree, hosts)
    headers = await token(CoreClient(core, "a.io"), "/token?service=sso", basic("a", "1"))
    assert (await CoreClient(core, "a.io").ask("GET", "/v2/", headers=headers)).status == 200
    assert (await CoreClient(core, "b.io").ask("GET", "/v2/", headers=headers)).status == 401


@pytest.fixture(params=["core", "sockets"])
async def port(request: pytest.FixtureRequest, tree: Tree) -> AsyncIterator[Ask]:
    """Clients of ports that belong to one host each, which know nothing but the port's address."""
    core = core_of(tree)
    async with AsyncExitStack() as stack:
        clients: dict[str, Client] = {}
        for name in ("quay.io", "alone.example.com", "below.example.com", "far.example.com"):
            registries = OneHost(core, name, lambda _: None)
            if request.param == "core":
                clients[name] = CoreClient(registries, "127.0.0.1:5001", secure=False)
                continue
            listeners = bind("127.0.0.1", 0)
            for one in listeners:
                stack.callback(one.close)
            server = await stack.enter_async_context(RegistryServer(registries))
            await server.listen(listeners, serving=name)
            clients[name] = SocketClient(Address.of(listeners[0]), "127.0.0.1:5001")
        yield clients.__getitem__


@pytest.mark.parametrize(
    ("host", "realm", "service", "login"),
    [
        ("quay.io", "http://127.0.0.1:5001/token", "Quay Inc.", ("alice", "a-secret")),
        ("alone.example.com", "http://127.0.0.1:5001/token", "alone.example.com", ("carol", "c-secret")),
        ("below.example.com", "http://127.0.0.1:5001/v2/auth", "below.example.com", ("alice", "below")),
        ("far.example.com", "https://nowhere.example.com/token", "far.example.com", None),
    ],
)
async def test_ports_of_one_host(port: Ask, host: str, realm: str, service: str, login: tuple[str, str] | None) -> None:
    reply = await port(host).ask("GET", "/v2/")
    assert reply.header("WWW-Authenticate") == f'Bearer realm="{realm}",service="{service}"'
    if login is None:
        assert (await port(host).ask("GET", "/token")).status == 404
        return
    path = realm.removeprefix("http://127.0.0.1:5001")
    headers = await token(port(host), f"{path}?{query(service=service)}", basic(*login))
    assert (await port(host).ask("GET", "/v2/", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("host", "path", "service", "login"),
    [
        ("quay.io", "/token?ns=auth.example.com", "Quay Inc.", ("alice", "a-secret")),
        ("alone.example.com", "/token?ns=alone.example.com", "alone.example.com", ("carol", "c-secret")),
        ("below.example.com", "/v2/auth?ns=below.example.com", "below.example.com", ("alice", "below")),
        ("far.example.com", "", "far.example.com", None),
    ],
)
async def test_mirrors_that_are_told_the_host(
    at: Ask, host: str, path: str, service: str, login: tuple[str, str] | None
) -> None:
    mirror = at("127.0.0.1:5000")
    reply = await mirror.ask("GET", f"/v2/team/app/tags/list?ns={host}")
    scheme = "https" if isinstance(mirror, CoreClient) else "http"
    realm = f"{scheme}://127.0.0.1:5000{path}" if path else "https://nowhere.example.com/token"
    assert reply.header("WWW-Authenticate") == (
        f'Bearer realm="{realm}",service="{service}",scope="repository:team/app:pull"'
    )
    assert reply.header("OCI-Namespace") == host
    if login is not None:
        headers = await token(mirror, f"{path}&{query(service=service)}", basic(*login))
        assert (await mirror.ask("GET", f"/v2/?ns={host}", headers=headers)).status == 200
    # Who comes to the host itself is sent where everybody is.
    reply = await at(host).ask("GET", f"/v2/?ns={host}")
    assert "ns=" not in reply.header("WWW-Authenticate")


async def test_odd_addresses_do_not_go_into_challenges(tree: Tree) -> None:
    client = CoreClient(core_of(tree), 'a"b')
    assert f'realm="{AUTH}"' in (await client.ask("GET", "/v2/?ns=quay.io")).header("WWW-Authenticate")


async def test_a_realm_that_is_down_is_down_at_ports_too(tree: Tree) -> None:
    core = core_of(tree, **{"auth.example.com": {"scheme": "down"}})
    response = await OneHost(core, "quay.io", lambda _: None).handle(
        Request("GET", "/token", host="127.0.0.1:5001", secure=False)
    )
    assert response.drop
