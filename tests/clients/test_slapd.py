"""OpenLDAP's server as the directory of a host, with every way to ask it, and skopeo as a user of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.certificates import Authority

from fake_registry import FakeRegistry
from fake_registry.config import Ldap
from fake_registry.core.proofs import User
from fake_registry.directory import directory_of, usable
from fake_registry.errors import DirectoryError

SLAPD = shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""
SCHEMAS = Path("/etc/ldap/schema")
MISSING = [name for name, found in (("slapd", SLAPD), ("ldap-utils", shutil.which("ldapadd"))) if not found]

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

BASE = "dc=example,dc=com"
READER = f"cn=reader,{BASE}"
GROUPS = f"ou=groups,{BASE}"
ADMIN = ("-D", f"cn=admin,{BASE}", "-w", "admin-secret")
ENTRIES = rf"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,{BASE}
objectClass: organizationalUnit

dn: {GROUPS}
objectClass: organizationalUnit

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: reader-secret

dn: uid=alice,ou=people,{BASE}
objectClass: inetOrgPerson
cn: Alice
sn: Adams
mail: alice@example.com
userPassword: a-secret

dn: uid=odd\2C \3Cname\3E\2B\22*()\5C,ou=people,{BASE}
objectClass: inetOrgPerson
cn: Odd
sn: One
userPassword: pä:ss wörd

dn: cn=Of two names+uid=bob,ou=people,{BASE}
objectClass: inetOrgPerson
sn: Brown
userPassword: b-secret

dn: uid=keyless,ou=people,{BASE}
objectClass: inetOrgPerson
cn: Keyless
sn: Clark

dn: cn=Builders\, all,{GROUPS}
objectClass: groupOfNames
member: uid=alice,ou=people,{BASE}
member: uid=odd\2C \3Cname\3E\2B\22*()\5C,ou=people,{BASE}
"""
CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
allow bind_anon_cred bind_anon_dn
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "{base}"
directory {folder}/database
rootdn "cn=admin,{base}"
rootpw admin-secret
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=people,{base}" by dn="{reader}" read by self read by * auth
access to * by users read by * none
"""
ALICE = User("alice", elsewhere=True)
ODD = 'odd, <name>+"*()\\'


@dataclass(frozen=True)
class Slapd:
    """A server that runs: its two ports, and the certificate of the authority that clients are to trust (PEM)."""

    plain: int
    secure: int
    ca: str

    def ldap(self, **fields: Any) -> Ldap:
        """What a host says of it; without fields its users are found by whoever may read them."""
        found = {"url": f"ldap://127.0.0.1:{self.plain}", "ca": self.ca}
        found |= fields or {"baseDN": BASE, "bindDN": READER, "bindPassword": "reader-secret"}
        return usable(msgspec.convert(found, Ldap), lambda file: Path(file).read_text())

    def user(self, name: str, password: str, **fields: Any) -> User | None:
        """Who is let in with a name and password."""
        return directory_of(self.ldap(**fields)).user(name.encode(), password.encode())


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    folder = tmp_path_factory.mktemp("slapd")
    authority = Authority()
    certificate, key = authority.issue("127.0.0.1")
    for name, content in (("ca.pem", authority.pem), ("server.pem", certificate), ("key.pem", key)):
        (folder / name).write_bytes(content)
    (folder / "database").mkdir()
    configuration = folder / "slapd.conf"
    configuration.write_text(CONFIGURATION.format(schemas=SCHEMAS, folder=folder, base=BASE, reader=READER))
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        plain, secure = (probe.getsockname()[1] for probe in probes)
    urls = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{secure}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([SLAPD, "-f", configuration, "-h", urls, "-d", "0"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", secure), 1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)  # another program: nothing of ours tells when it listens
        add = ["ldapadd", "-x", "-H", f"ldap://127.0.0.1:{plain}", *ADMIN]
        added = subprocess.run(add, check=False, input=ENTRIES, capture_output=True, text=True)
        assert added.returncode == 0, added.stderr
        yield Slapd(plain, secure, authority.pem.decode())
    finally:
        process.terminate()
        process.wait()


BY_SEARCH = {"baseDN": BASE, "bindDN": READER, "bindPassword": "reader-secret"}
AS_USER = {"userDN": f"uid={{user}},ou=people,{BASE}"}


@pytest.mark.parametrize("how", [BY_SEARCH, AS_USER, {**AS_USER, "baseDN": BASE}], ids=["search", "bind", "both"])
def test_who_is_let_in(slapd: Slapd, how: dict[str, str]) -> None:
    assert slapd.user("alice", "a-secret", **how) == ALICE
    assert slapd.user("ALICE", "a-secret", **how) == ALICE
    assert slapd.user(ODD, "pä:ss wörd", **how) == User(ODD, elsewhere=True)
    for name, password in (
        ("alice", "b-secret"),
        ("alice", "A-SECRET"),
        ("alice", ""),  # this server takes that for nobody in particular, and says yes
        ("alice", "\0"),
        ("", "a-secret"),
        ("*", "a-secret"),
        ("ali*", "a-secret"),
        ("alice)(cn=*", "a-secret"),
        ("*)(uid=alice", "a-secret"),
        ("\\61lice", "a-secret"),
        (f"alice,ou=people,{BASE}", "a-secret"),
        ("keyless", "x"),
        ("keyless", ""),
        ("absent", "x"),
    ):
        assert slapd.user(name, password, **how) is None, (name, password)
    assert slapd.user("bob", "b-secret", **BY_SEARCH) == User("bob", elsewhere=True)


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("(mail={user})", "alice@example.com", True),
        ("(&(objectClass=inetOrgPerson)(|(mail={user})(uid={user}))(!(sn=B*n)))", "alice", True),
        ("(&(uid={user})(!(sn=Ad*m*s)))", "alice", False),
        (
            (
                "(&(uid={user})(sn=*dam*)(sn~=adams)(createTimestamp>=19700101000000Z)"
                "(createTimestamp<=29700101000000Z)(mail=*)(!(title=*)))"
            ),
            "alice",
            True,
        ),
        ("(sn:caseExactMatch:={user})", "Adams", True),
        ("(sn:caseExactMatch:={user})", "adams", False),
        ("(uid:dn:={user})", "alice", True),
        (r"(mail={user}\40example.com)", "alice", True),
        ("(|(uid={user})(sn=Brown))", "alice", False),  # two of them
        ("(|(uid={user})(sn=One))", "nobody at all", None),
    ],
)
def test_filters(slapd: Slapd, text: str, name: str, found: bool | None) -> None:
    """`found` None: it is another one's entry, and password."""
    user = slapd.user(name, "a-secret", **BY_SEARCH, userFilter=text)
    assert user == (ALICE if found else None)
    if found is None:
        assert slapd.user(name, "pä:ss wörd", **BY_SEARCH, userFilter=text) == User(ODD, elsewhere=True)


@pytest.mark.parametrize(
    "how",
    [
        {**BY_SEARCH, "groupAttribute": "memberOf"},
        {**BY_SEARCH, "groupFilter": "(member={dn})"},
        {**BY_SEARCH, "groupFilter": "(&(objectClass=groupOfNames)(member={dn}))", "groupBaseDN": GROUPS},
        {**AS_USER, "groupAttribute": "memberOf"},
        {**AS_USER, "groupFilter": "(member={dn})", "groupBaseDN": GROUPS},
    ],
)
def test_groups(slapd: Slapd, how: dict[str, str]) -> None:
    groups = frozenset({"builders, all", rf"cn=builders\, all,{GROUPS}"})
    assert slapd.user("alice", "a-secret", **how) == User("alice", groups, elsewhere=True)
    assert slapd.user(ODD, "pä:ss wörd", **how) == User(ODD, groups, elsewhere=True)


def test_tls(slapd: Slapd) -> None:
    secure = {**BY_SEARCH, "url": f"ldaps://127.0.0.1:{slapd.secure}"}
    upgraded = {**BY_SEARCH, "startTLS": True}
    for how in (secure, upgraded):
        assert slapd.user("alice", "a-secret", **how) == ALICE
        with pytest.raises(DirectoryError, match="its certificate is not trusted: "):
            slapd.user("alice", "a-secret", **how, ca=Authority("Another").pem.decode())


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({**BY_SEARCH, "bindPassword": "wrong"}, f"bind as '{READER}': invalidCredentials"),
        ({**BY_SEARCH, "baseDN": "dc=nowhere"}, "search below 'dc=nowhere': noSuchObject"),
        ({"baseDN": BASE}, f"search below '{BASE}': noSuchObject"),  # nobody in particular may not look
    ],
)
def test_what_is_wrong_is_said(slapd: Slapd, how: dict[str, str], problem: str) -> None:
    with pytest.raises(DirectoryError) as raised:
        slapd.user("alice", "a-secret", **how)
    assert str(raised.value) == f"ldap://127.0.0.1:{slapd.plain}: {problem}"


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="not installed: skopeo")
@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_skopeo(slapd: Slapd, kind: str, tmp_path: Path) -> None:
    """A user of the directory logs in, pushes and pulls what its group may; others do not."""
    ldap = slapd.ldap(**BY_SEARCH, groupAttribute="memberOf", startTLS=True)
    host = {
        "auth": {"type": kind, "ldap": msgspec.to_builtins(ldap)},
        "access": [{"group": "builders, all", "repository": "team/*", "actions": ["pull", "push"]}],
    }
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}

    def skopeo(*command: str, password: str = "") -> int:
        done = subprocess.run(
            ["skopeo", *command], check=False, env=environment, input=password, capture_output=True, text=True
        )
        return done.returncode

    with FakeRegistry(hosts={"quay.io": host, "source.example.com": {}}) as registry:
        registry.push_image("source.example.com/app:1")
        source, place = (registry.url(name).removeprefix("https://") for name in ("source.example.com", "quay.io"))

        def login(name: str, password: str) -> int:
            return skopeo("login", "--tls-verify=false", "-u", name, "--password-stdin", place, password=password)

        def copied(repository: str) -> int:
            options = ("--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--all")
            return skopeo(*options, f"docker://{source}/app:1", f"docker://{place}/{repository}:1")

        assert login("alice", "wrong") == 1
        assert login("alice", "a-secret") == 0
        assert copied("team/app") == 0
        assert skopeo("inspect", "--tls-verify=false", f"docker://{place}/team/app:1") == 0
        assert copied("other/app") == 1
        users = {entry.user for entry in registry.journal if entry.host == "quay.io" and entry.status < 400}
        assert users == {"alice"}
        assert login("bob", "b-secret") == 0
        assert copied("team/app") == 1
