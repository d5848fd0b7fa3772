"""Users of a directory: who is let in, to what, how often the directory is asked, and what is not taken from it."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from support.certificates import Authority
from support.directory import ENTRIES, GROUPS, PEOPLE, READER, Person, SmallDirectory
from support.registry import HOST, NOW, ask, body, header, put_image

from fake_registry import FakeRegistry, UsageError
from fake_registry.config import AccessRule, Auth, Host, Ldap
from fake_registry.core.changes import Configure
from fake_registry.core.messages import Response
from fake_registry.core.proofs import Proofs, User
from fake_registry.core.registry import RegistryCore
from fake_registry.directory import directory_of, usable, users
from fake_registry.errors import DirectoryError
from fake_registry.fixtures import Tree
from fake_registry.oci import compute_digest
from fake_registry.processes.channel import Ask
from mirror.config import load_config
from mirror.errors import InputError

ALICE, BOB = f"uid=alice,{PEOPLE}", f"uid=bob,{PEOPLE}"
BY_SEARCH = {"baseDN": "dc=example,dc=com", "bindDN": READER, "bindPassword": "reader-secret"}
AS_USER = {"userDN": f"uid={{user}},{PEOPLE}"}


@pytest.fixture
def directory() -> Iterator[SmallDirectory]:
    with SmallDirectory() as directory:
        yield directory


def ldap_of(*servers: SmallDirectory, **fields: Any) -> Ldap:
    said = {"url": [server.url for server in servers], **(fields or BY_SEARCH)}
    return usable(msgspec.convert(said, Ldap), lambda file: Path(file).read_text())


def core_of(
    path: Path, ldap: Ldap, rules: Any = None, clock: Callable[[], float] = lambda: NOW, **auth: Any
) -> RegistryCore:
    tree = Tree.open(path)
    for name in ("app", "team/app"):
        put_image(tree, name, "v1")
    access = None if rules is None else msgspec.convert(rules, list[AccessRule])
    host = Host(auth=Auth(ldap=ldap, **{"type": "basic", **auth}), access=access)
    return RegistryCore(tree, {HOST: host}, clock=clock, directories=directory_of)


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


async def status(core: RegistryCore, name: str, password: str, path: str = "/v2/", method: str = "GET") -> int:
    return (await ask(core, path, method, headers=basic(name, password))).status


WHO = [
    # name, password, name in the journal (none: refused)
    ("alice", "a-secret", "alice"),
    ("ALICE", "a-secret", "alice"),  # names differ in case for nobody, and a user has one name
    ("alice", "b-secret", None),
    ("alice", "", None),
    ("alice", "\0", None),
    ("alice", "a-secret\0", None),
    ("", "a-secret", None),
    ("", "", None),
    ("*", "a-secret", None),
    ("alice)(uid=*", "a-secret", None),
    ("a\\6cice", "a-secret", None),
    (f"alice,{PEOPLE}", "a-secret", None),
    ("nobody", "x", None),
    ("nobody", "", None),
    ("absent", "x", None),
    ("a" * 257, "x", None),
    ("ali\nce", "a-secret", None),
]


@pytest.mark.parametrize("how", [BY_SEARCH, AS_USER, {**AS_USER, "baseDN": PEOPLE}], ids=["search", "bind", "both"])
async def test_who_is_let_in(tmp_path: Path, directory: SmallDirectory, how: dict[str, str]) -> None:
    core = core_of(tmp_path, ldap_of(directory, **how))
    for name, password, user in WHO:
        if name == "ALICE" and how is not BY_SEARCH:
            continue  # this directory compares names of entries to the letter
        del directory.asked[:]
        core.journal.clear()
        response = await ask(core, "/v2/", headers=basic(name, password))
        assert response.status == (200 if user else 401), (name, password, body(response))
        assert [entry.user for entry in core.journal] == [user or ""]
        if not password or "\0" in password or not name:
            assert directory.asked == []  # it would take them for nobody in particular, and say yes


@pytest.mark.parametrize(
    ("how", "name", "password"),
    [
        (BY_SEARCH, "twin", "t-secret"),
        (BY_SEARCH, "twin", "r-secret"),
        ({**BY_SEARCH, "userFilter": "(|(uid={user})(mail=alice@example.com))"}, "bob", "b-secret"),
    ],
)
async def test_more_than_one_entry_is_nobody(
    tmp_path: Path, directory: SmallDirectory, how: dict[str, str], name: str, password: str
) -> None:
    assert await status(core_of(tmp_path, ldap_of(directory, **how)), name, password) == 401
    assert [asked for asked in directory.asked if asked[0] == "bind" and asked[1] != READER] == []


async def test_a_filter_finds_whom_an_attribute_does_not(tmp_path: Path, directory: SmallDirectory) -> None:
    how = {**BY_SEARCH, "userFilter": "(&(uid=*)(|(uid={user})(mail={user})))"}
    core = core_of(tmp_path, ldap_of(directory, **how))
    assert await status(core, "alice@example.com", "a-secret") == 200
    assert await status(core, "alice", "a-secret") == 200
    assert [entry.user for entry in core.journal] == ["alice", "alice"]


@pytest.mark.parametrize(
    ("how", "name", "user"),
    [
        ({"userDN": "{user}@corp.example.com"}, "Alice", "alice"),
        ({"userDN": "{user}@corp.example.com", "baseDN": PEOPLE}, "Alice", "alice"),
        ({"userDN": "{user}@corp.example.com"}, "alice@other", None),
        ({"userDN": "{user}@corp.example.com"}, "cn=x,dc", None),
        ({"userDN": "{user}@corp.example.com", "baseDN": GROUPS}, "alice", None),  # no entry there
        ({"userDN": "{user}@corp.example.com", "baseDN": PEOPLE}, "bob", None),  # who is bob there is another one here
        ({"userDN": "uid={user},ou=guests,dc=example", "baseDN": PEOPLE}, "bob", None),
        ({"userDN": "uid={user},ou=guests,dc=example"}, "bob", "bob"),
    ],
)
async def test_names_that_are_no_entries(tmp_path: Path, how: dict[str, str], name: str, user: str | None) -> None:
    """As Active Directory takes them."""
    names = [f"{spelling}@corp.example.com" for spelling in ("alice", "Alice", "bob")]
    names.append("uid=bob,ou=guests,dc=example")
    entries = {**ENTRIES, **{name: Person({}, "a-secret") for name in names}}
    with SmallDirectory(entries) as directory:
        core = core_of(tmp_path, ldap_of(directory, **how))
        assert await status(core, name, "a-secret") == (200 if user else 401)
    assert [entry.user for entry in core.journal] == [user or ""]


RULES = [
    {"group": "devs", "repository": "team/*", "actions": ["pull", "push"]},
    {"group": f"CN=OPS , {GROUPS}", "repository": "*", "actions": ["pull"]},
    {"group": "far", "repository": "app", "actions": ["delete"]},
    {"user": "robot", "group": "devs", "repository": "app", "actions": ["push"]},
    {"user": "bob", "group": "*", "repository": "app", "actions": ["delete"]},
]
MAY = {
    # how groups are found: what alice and bob may do with app and team/app
    "attribute": ({"groupAttribute": "memberOf"}, ("delete", "pull push", "delete pull", "pull")),
    "attribute below": (
        {"groupAttribute": "memberOf", "groupBaseDN": GROUPS},
        ("", "pull push", "delete pull", "pull"),
    ),
    "search": (
        {"groupFilter": "(&(cn=*)(member={dn}))", "groupBaseDN": GROUPS},
        ("", "pull push", "delete pull", "pull"),
    ),
    "nothing": ({}, ("", "", "", "")),
}
REQUESTS = {
    "pull": ("GET", "/v2/{}/tags/list", 200),
    "push": ("POST", "/v2/{}/blobs/uploads/", 202),
    "delete": ("DELETE", "/v2/{}/manifests/none", 404),
}


@pytest.mark.parametrize("how", MAY)
@pytest.mark.parametrize("kind", ["basic", "bearer"])
async def test_groups_in_rules(tmp_path: Path, directory: SmallDirectory, kind: str, how: str) -> None:
    fields, may = MAY[how]
    core = core_of(tmp_path, ldap_of(directory, **BY_SEARCH, **fields), RULES, type=kind)
    wanted = iter(may)
    for name in ("alice", "bob"):
        for repository in ("app", "team/app"):
            allowed = set(next(wanted).split())
            if "push" in allowed:
                assert "pull" in allowed
            headers = basic(name, f"{name[0]}-secret")
            if kind == "bearer":
                scope = f"repository:{repository}:pull,push,delete"
                answer = await ask(core, f"/token?scope={scope}", headers=headers)
                headers = {"authorization": f"Bearer {json.loads(body(answer))['token']}"}
            for action, (method, path, done) in REQUESTS.items():
                response = await ask(core, path.format(repository), method, headers=headers)
                refused = 403 if kind == "basic" else 401
                assert response.status == (done if action in allowed else refused), (name, repository, action)


async def test_a_token_keeps_the_groups(tmp_path: Path, directory: SmallDirectory) -> None:
    """A token for one repository is asked to be a wider one where its user's groups allow that."""
    rules = [{"group": "devs", "actions": ["pull", "push"]}]
    fields = {**BY_SEARCH, "groupAttribute": "memberOf"}
    core = core_of(tmp_path, ldap_of(directory, **fields), rules, type="bearer", users={"robot": "x"})
    answer = await ask(core, "/token?scope=repository:app:pull,push", headers=basic("alice", "a-secret"))
    token = {"authorization": f"Bearer {json.loads(body(answer))['token']}"}
    target = f"/v2/app/blobs/uploads/?mount=sha256:{'0' * 64}&from=team/app"
    mounted = await ask(core, target, "POST", headers=token)
    assert mounted.status == 401
    assert 'scope="repository:app:pull,push repository:team/app:pull"' in header(mounted, "WWW-Authenticate")
    others = json.loads(body(await ask(core, "/token?scope=repository:app:pull", headers=basic("robot", "x"))))["token"]
    assert b"devs" not in base64.urlsafe_b64decode(others.split(".")[1] + "==")


async def test_a_password_is_checked_once_in_a_while(tmp_path: Path, directory: SmallDirectory) -> None:
    """By the registry's clock; of many at the same time once, a wrong one each time."""
    now = NOW
    core = core_of(tmp_path, ldap_of(directory, **BY_SEARCH, cacheFor="1m"), clock=lambda: now)
    assert await asyncio.gather(*(status(core, "alice", "a-secret") for _ in range(20))) == [200] * 20
    assert directory.binds(ALICE) == 1
    now += 59
    assert await status(core, "alice", "a-secret", "/v2/app/blobs/uploads/", "POST") == 202
    assert directory.binds(ALICE) == 1
    now += 1
    assert await status(core, "alice", "a-secret") == 200
    assert directory.binds(ALICE) == 2
    now -= 3600
    assert await status(core, "alice", "a-secret") == 200
    assert directory.binds(ALICE) == 3
    for _ in range(2):
        assert await status(core, "alice", "wrong") == 401
    assert directory.binds(ALICE) == 5
    core.configure({HOST: core.host(HOST) or Host()})
    assert await status(core, "alice", "a-secret") == 200
    assert directory.binds(ALICE) == 6


async def test_nothing_is_remembered_where_nothing_may_be(tmp_path: Path, directory: SmallDirectory) -> None:
    core = core_of(tmp_path, ldap_of(directory, **BY_SEARCH, cacheFor=0))
    for _ in range(2):
        assert await status(core, "alice", "a-secret", "/v2/app/blobs/uploads/", "POST") == 202
    assert directory.binds(ALICE) == 2


async def test_others_are_let_in_without_asking(tmp_path: Path, directory: SmallDirectory) -> None:
    core = core_of(tmp_path, ldap_of(directory), users={"robot": "x", "alice": "local"})
    assert await status(core, "robot", "x") == 200
    assert await status(core, "alice", "local") == 200
    assert directory.asked == []
    assert await status(core, "alice", "a-secret") == 200
    assert await status(core, "robot", "a-secret") == 401


async def refused_for(core: RegistryCore, headers: dict[str, str] | None = None, path: str = "/v2/") -> Response:
    response = await ask(core, path, headers=headers or basic("alice", "a-secret"))
    assert (response.status, header(response, "Retry-After")) == (503, "5")
    assert json.loads(body(response)) == {"errors": [{"code": "UNAVAILABLE", "message": "service unavailable"}]}
    return response


async def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens there
        url = f"ldap://127.0.0.1:{taken.getsockname()[1]}"
        ldap = usable(msgspec.convert({"url": url, **BY_SEARCH}, Ldap), str)
        core = core_of(tmp_path, ldap, users={"robot": "x"}, anonymous=True)
        await refused_for(core)
        assert await status(core, "robot", "x") == 200
        assert (await ask(core, "/v2/app/manifests/v1")).status == 200
        assert next(iter(core.journal)).note == f"UNAVAILABLE: service unavailable ({url}: Connection refused)"
        await refused_for(core_of(tmp_path, ldap, type="bearer"), path="/token?scope=repository:app:pull")
    await refused_for(RegistryCore(Tree.open(tmp_path), {HOST: Host(auth=Auth(type="basic", ldap=ldap))}))


async def test_the_next_server_is_asked(tmp_path: Path, directory: SmallDirectory) -> None:
    """And again at first, as long as it answers."""
    with SmallDirectory(codes={READER: 52}) as busy:
        core = core_of(tmp_path, ldap_of(busy, directory))
        assert await status(core, "alice", "a-secret") == 200
        assert await status(core, "bob", "b-secret") == 200
        assert await status(core, "bob", "wrong") == 401
        assert (busy.binds(READER), directory.binds(READER)) == (1, 3)


@pytest.mark.parametrize(
    ("codes", "problem"),
    [
        ({READER: 49}, f"bind as '{READER}': invalidCredentials"),
        ({READER: 10}, f"bind as '{READER}': referral"),
        ({ALICE: 51}, "bind as a user: busy"),
        ({ALICE: 13}, "bind as a user: confidentialityRequired"),
        ({ALICE: 10}, "bind as a user: referral"),
        ({ALICE: 14}, "bind as a user: result code 14"),
        ({ALICE: 53}, None),
        ({ALICE: 48}, None),
        ({ALICE: 19}, None),
    ],
)
async def test_what_is_no_answer_lets_nobody_in(tmp_path: Path, codes: dict[str, int], problem: str | None) -> None:
    with SmallDirectory(codes=codes) as directory:
        core = core_of(tmp_path, ldap_of(directory))
        if problem is None:
            assert await status(core, "alice", "a-secret") == 401
            return
        await refused_for(core)
        assert next(iter(core.journal)).note == f"UNAVAILABLE: service unavailable ({directory.url}: {problem})"


async def test_a_place_that_there_is_not(tmp_path: Path, directory: SmallDirectory) -> None:
    core = core_of(tmp_path, ldap_of(directory, **{**BY_SEARCH, "baseDN": "dc=nowhere"}))
    await refused_for(core)
    assert "search below 'dc=nowhere': noSuchObject" in next(iter(core.journal)).note


BOUND = bytes.fromhex("300c02010161070a010004000400")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no answer of a directory"),
        (bytes.fromhex("3080"), "no answer of a directory"),
        (bytes.fromhex("30857fffffffff"), "no answer of a directory"),
        (bytes.fromhex("30847fffffff"), "too long an answer"),
        (bytes.fromhex("3003020101"), "no answer of a directory"),
        (bytes.fromhex("30050201013000"), "no answer of a directory"),
        (bytes.fromhex("300d") + BOUND[2:] + b"\0", "no answer of a directory"),
        (BOUND.replace(b"\2\1\1", b"\2\1\7"), "an answer to something else"),
        (BOUND.replace(b"\2\1\1", b"\2\1\0"), "closes the connection"),
        (bytes.fromhex("300902010164040400") + b"\x30\0", "bind: another answer than to what was asked"),
        (b"0\x84\0\0\1\0" + b"0\x80" * 128, "no answer of a directory"),
    ],
)
def test_answers_that_are_none(answer: bytes, problem: str) -> None:
    with SmallDirectory(answer=answer) as directory:
        asking = directory_of(ldap_of(directory, **AS_USER))
        with pytest.raises(DirectoryError) as raised:
            asking.user(b"alice", b"a-secret")
        assert str(raised.value) == f"{directory.url}: {problem}"


def test_a_directory_that_says_nothing() -> None:
    with SmallDirectory(answer=b"") as directory:
        asking = directory_of(ldap_of(directory, **AS_USER, timeout="50ms"))
        with pytest.raises(DirectoryError, match=r"no answer within 0\.05s$"):
            asking.user(b"alice", b"a-secret")


def test_more_groups_than_anybody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_MOST_GROUPS", 3)
    entries = dict(ENTRIES) | {f"cn=g{number},{GROUPS}": Person({"member": [ALICE]}) for number in range(3)}
    with SmallDirectory(entries) as directory:
        asking = directory_of(ldap_of(directory, **BY_SEARCH, groupFilter="(member={dn})"))
        with pytest.raises(DirectoryError, match="more than 3 groups of 'alice'"):
            asking.user(b"alice", b"a-secret")
        found = asking.user(b"bob", b"b-secret")
    assert found == User("bob", frozenset({"ops", f"cn=ops,{GROUPS}"}), elsewhere=True)


async def test_those_who_wait_share_a_failure() -> None:
    """A directory that hangs is not asked once for each of them."""
    begun, go_on = threading.Event(), threading.Event()
    asked: list[bytes] = []

    class Hanging:
        at_once = 1
        lasts = 60.0

        def user(self, name: bytes, password: bytes) -> User | None:
            asked.append(name)
            begun.set()
            go_on.wait()
            raise DirectoryError("gone")

    proofs = Proofs(Hanging(), lambda: NOW)
    waiting = [asyncio.create_task(proofs.user(b"%d" % number, b"x")) for number in range(5)]
    await asyncio.to_thread(begun.wait)
    go_on.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(error) for error in found] == ["gone"] * 5
    assert asked == [b"0"]
    with pytest.raises(DirectoryError):
        await proofs.user(b"another", b"x")
    assert asked == [b"0", b"another"]


@pytest.mark.parametrize("begins", [True, False], ids=["ldaps", "StartTLS"])
def test_tls(tmp_path: Path, begins: bool) -> None:
    authority, other = Authority(), Authority("Other CA")
    context = authority.server_context(tmp_path, "127.0.0.1")
    elsewhere = authority.server_context(tmp_path, "directory.example.com")
    fields = BY_SEARCH | ({} if begins else {"startTLS": True})
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    with SmallDirectory(tls=context, from_the_beginning=begins) as directory:
        asking = directory_of(ldap_of(directory, **fields, ca=str(tmp_path / "ca.pem")))
        assert asking.user(b"alice", b"a-secret") == User("alice", elsewhere=True)
        assert directory.asked[0] == (("bind", READER, b"reader-secret") if begins else ("startTLS",))
        for ca in ({}, {"ca": other.pem.decode()}):
            del directory.asked[:]
            with pytest.raises(DirectoryError, match="its certificate is not trusted: "):
                directory_of(ldap_of(directory, **fields, **ca)).user(b"alice", b"a-secret")
            assert directory.asked == ([] if begins else [("startTLS",)])
    with SmallDirectory(tls=elsewhere, from_the_beginning=begins) as directory:
        asking = directory_of(ldap_of(directory, **fields, ca=authority.pem.decode()))
        with pytest.raises(DirectoryError, match="IP address mismatch"):
            asking.user(b"alice", b"a-secret")
    with SmallDirectory() as directory:
        url = {"url": [directory.url.replace("ldap:", "ldaps:")]} if begins else {}
        ldap = msgspec.structs.replace(ldap_of(directory, **fields), **url)
        with pytest.raises(DirectoryError, match=directory.address if begins else "StartTLS: protocolError"):
            directory_of(ldap).user(b"alice", b"a-secret")
        assert directory.asked == ([] if begins else [("startTLS",)])


WRONG = [
    # fields, where it says that it is wrong, and what
    ({"url": "http://x"}, "url", "'http://x': expected ldap://HOST[:PORT] or ldaps://HOST[:PORT]"),
    ({"url": "ldaps://x:y"}, "url", "'ldaps://x:y': expected ldap://HOST[:PORT] or ldaps://HOST[:PORT]"),
    ({"url": "ldaps://x/dc=a"}, "url", "'ldaps://x/dc=a': expected ldap://HOST[:PORT] or ldaps://HOST[:PORT]"),
    (
        {"url": ["ldaps://a", "ldap://x"]},
        "url",
        (
            "ldap://x:389: passwords would go there in clear text; expected ldaps://, or startTLS: true, "
            "or insecure: true to have it so"
        ),
    ),
    (
        {"url": "ldaps://x", "startTLS": True},
        "startTLS",
        "ldaps://x:636 speaks TLS from the beginning; expected ldap:// with it",
    ),
    ({"ca": "-----BEGIN nonsense"}, "ca", "expected the certificate of an authority (PEM)"),
    ({"timeout": 0}, "timeout", "expected more than 0"),
    ({"timeout": "soon"}, "timeout", "'soon' is no duration such as 250ms, 20s or 1m30s"),
    ({"cacheFor": "8000m"}, None, ""),
    ({"cacheFor": "200h"}, "cacheFor", "'200h' is not between 0 and a week"),
    ({"baseDN": "example.com"}, "baseDN", "'example.com' is no part of a distinguished name such as 'ou=people'"),
    (
        {"baseDN": ""},
        "baseDN",
        "expected where users are, such as 'ou=people,dc=example,dc=com', or else `userDN`",
    ),
    ({"groupBaseDN": "a=b,c"}, "groupBaseDN", "'c' is no part of a distinguished name such as 'ou=people'"),
    ({"bindDN": READER}, "bindDN", "expected its password, too: bindPasswordFile"),
    ({"bindPassword": "x"}, "bindDN", "expected whose password `bindPassword` or `bindPasswordFile` is"),
    (
        {"bindDN": READER, "bindPassword": "x", "bindPasswordFile": "y"},
        "bindPasswordFile",
        "expected at most one of `bindPassword`, `bindPasswordFile`",
    ),
    (
        {"bindDN": READER, "bindPassword": "x", "userDN": "uid={user}"},
        "bindDN",
        "with `userDN` nobody else is asked as; expected one of them",
    ),
    (
        {"userDN": f"uid=me,{PEOPLE}"},
        "userDN",
        f"'uid=me,{PEOPLE}': expected {{user}} in it, as in 'uid={{user}},ou=people,dc=example,dc=com'",
    ),
    ({"userDN": "uid={user};x"}, "userDN", "';' in '{user};x' has to be escaped by a backslash"),
    ({"userAttribute": "a b"}, "userAttribute", "'a b': expected the name of an attribute, such as uid or memberOf"),
    ({"groupAttribute": "*"}, "groupAttribute", "'*': expected the name of an attribute, such as uid or memberOf"),
    ({"userFilter": "(uid=me)"}, "userFilter", "'(uid=me)': expected {user} in it, as in '(uid={user})'"),
    ({"userFilter": "uid={user}"}, "userFilter", "expected '(' at 'uid={user}', as in '(uid={user})'"),
    ({"userFilter": "(uid={name})"}, "userFilter", "{name} is unknown; there is {user}"),
    (
        {"userFilter": "(uid={user})", "baseDN": "", "userDN": "uid={user}"},
        "userFilter",
        "expected `baseDN`, too: where it looks for users",
    ),
    (
        {"groupFilter": "(member={dn})", "baseDN": "", "userDN": "uid={user}"},
        "groupFilter",
        "expected `groupBaseDN`, too: where it looks for groups",
    ),
    ({"groupFilter": "(a=b)"}, "groupFilter", "'(a=b)': expected {dn} or {user} in it, as in '(member={dn})'"),
    ({"groupFilter": "(a={x})"}, "groupFilter", "{x} is unknown; there is {dn} and {user}"),
]


@pytest.mark.parametrize(("fields", "field", "problem"), WRONG)
def test_what_cannot_be_said_of_one(tmp_path: Path, fields: dict[str, Any], field: str | None, problem: str) -> None:
    auth = {"type": "basic", "ldap": {"url": "ldaps://x", "baseDN": "dc=example,dc=com", **fields}}
    if field is None:
        FakeRegistry(hosts={HOST: {"auth": auth}})
        return
    with pytest.raises(UsageError) as refused:
        FakeRegistry(hosts={HOST: {"auth": auth}})
    assert str(refused.value) == f"hosts[{HOST!r}].auth.ldap.{field}: {problem}"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyasn1", None)
    auth = {"type": "basic", "ldap": {"url": "ldaps://x", "baseDN": "dc=example"}}
    with pytest.raises(UsageError, match=r"auth\.ldap\.url: takes the extra ldap: pip install 'ismirror\[ldap\]'$"):
        FakeRegistry(hosts={HOST: {"auth": auth}})


def test_files_beside_the_configuration(tmp_path: Path) -> None:
    """With the line where one is named that is not there, or where something is wrong."""
    config = tmp_path / "policy.yaml"
    lines = [
        "hosts:",
        "  quay.io:",
        "    auth:",
        "      type: basic",
        "      ldap:",
        "        url: ldaps://directory.example.com",
        "        baseDN: dc=example,dc=com",
        "        bindDN: cn=reader,dc=example,dc=com",
        "        bindPasswordFile: password",
        "        ca: ca.pem",
    ]

    def problem_of(*lines: str) -> str:
        config.write_text("\n".join(lines))
        with pytest.raises(InputError) as refused:
            load_config(config)
        return str(refused.value).removeprefix(f"{config}: hosts[quay.io].")

    pem = Authority().pem.decode()
    (tmp_path / "ca.pem").write_text(pem)
    missing = f"auth.ldap.bindPasswordFile: {tmp_path}/password: No such file or directory (line 9)"
    assert problem_of(*lines) == missing
    (tmp_path / "password").write_text("\n")
    assert problem_of(*lines) == "auth.ldap.bindPasswordFile: password: there is no password in it (line 9)"
    (tmp_path / "password").write_text("secret\n")
    hosts = load_config(config).hosts
    assert hosts is not None
    auth = hosts["quay.io"].auth
    assert auth is not None
    assert auth.ldap is not None
    assert (auth.ldap.bind_password, auth.ldap.bind_password_file, auth.ldap.ca) == ("secret", "", pem)
    (tmp_path / "ca.pem").write_text("nothing")
    assert problem_of(*lines) == "auth.ldap.ca: expected the certificate of an authority (PEM) (line 10)"
    unknown = "auth.ldap: Object contains unknown field `uesrAttribute` (line 10)"
    assert problem_of(*lines[:-1], "        uesrAttribute: uid") == unknown
    group = "access[0]: 'b' is no part of a distinguished name such as 'ou=people' (line 12)"
    assert problem_of(*lines, "    access:", "      - {group: 'cn=a,b', actions: [pull]}") == group


def test_workers_are_told_of_it(directory: SmallDirectory) -> None:
    """Another configuration goes from process to process as bytes."""
    ldap = ldap_of(
        directory, **BY_SEARCH, startTLS=True, cacheFor="1h", groupBaseDN=GROUPS, groupFilter="(member={dn})"
    )
    change = Configure({HOST: Host(auth=Auth(type="bearer", ldap=ldap))}, require_references=False)
    sent = msgspec.msgpack.encode(Ask(1, change))
    assert msgspec.msgpack.decode(sent, type=Ask).about == change


async def test_over_sockets(tmp_path: Path, directory: SmallDirectory) -> None:
    """A registry and a directory that listen, and a client that pushes."""
    (tmp_path / "password").write_text("reader-secret\n")
    ldap = {"url": directory.url, "baseDN": PEOPLE, "bindDN": READER, "bindPasswordFile": str(tmp_path / "password")}
    ldap |= {"groupAttribute": "memberOf"}
    host = {"auth": {"type": "basic", "ldap": ldap}, "access": [{"group": "devs", "actions": ["pull", "push"]}]}
    async with FakeRegistry(hosts={HOST: host}) as registry, aiohttp.ClientSession() as session:
        place = f"{registry.url(HOST)}/v2/app/blobs/uploads/?digest={compute_digest(b'blob')}"
        for name, status in (("alice", 201), ("bob", 403)):
            headers = basic(name, f"{name[0]}-secret")
            async with session.post(place, data=b"blob", headers=headers, ssl=registry.ssl_context()) as response:
                assert response.status == status
    assert (directory.binds(ALICE), directory.binds(BOB)) == (1, 1)
