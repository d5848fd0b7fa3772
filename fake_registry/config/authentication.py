"""Who may use a host, and for what: users, tokens, client certificates, access rules."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from fake_registry.config.parts import Duration, Part, Pattern
from fake_registry.ldap_text import read_name

Action = Literal["pull", "push", "delete"]
"""What can be done with a repository."""

_QUOTABLE: Final = re.compile(r"[ !#-\[\]-~]*")
_MAX_REALM: Final = 2000


class Ldap(Part, frozen=True, kw_only=True):
    """A directory that knows the users of a host, and in which groups they are.

    ``url`` is ``ldap://`` or ``ldaps://``; of several the next is asked where one does not answer. ``start_tls`` goes
    over to TLS first, ``insecure`` lets passwords go in clear text. ``ca`` is the certificate of the authority that
    vouches for the servers (PEM; in a file also the name of another one, which holds it); empty: those of the system.

    A user is looked for below ``base_dn``, as ``bind_dn`` with its password (which another file may hold), by
    ``user_attribute`` or, if that is not enough, ``user_filter``, and proves to know the password as the one entry that
    is found. ``user_dn`` is for directories where that is not needed: the name to prove it as. ``{user}`` in both is
    what the client gave.

    Groups are the values of ``group_attribute`` of the entry, and entries that ``group_filter`` finds, with ``{user}``
    and ``{dn}``; with ``group_base_dn`` only those below it.

    A server has ``timeout`` for all of it. For ``cache_for`` who has proved to know a password need not do so again.
    """

    url: Annotated[str, Meta(min_length=1)] | Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)]
    start_tls: bool = msgspec.field(default=False, name="startTLS")
    insecure: bool = False
    ca: str = ""
    bind_dn: str = msgspec.field(default="", name="bindDN")
    bind_password: str = ""
    bind_password_file: str = ""
    base_dn: str = msgspec.field(default="", name="baseDN")
    user_attribute: str = "uid"
    user_filter: str = ""
    user_dn: str = msgspec.field(default="", name="userDN")
    group_attribute: str = ""
    group_filter: str = ""
    group_base_dn: str = msgspec.field(default="", name="groupBaseDN")
    timeout: Duration = "5s"
    cache_for: Duration = "60s"


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use a host: ``bearer`` takes tokens, ``basic`` passwords only.

    ``username`` and ``password`` are one user, ``users`` are more, with their passwords. ``htpasswd`` are users with
    bcrypt hashes in place of passwords (the text; in a file also the name of another one, which holds it).
    ``ldap`` has more of them in a directory. ``anonymous``: everybody may read.

    ``realm`` is the URL that clients are sent to for tokens, ``service`` what tokens are for; without them ``/token``
    on the host itself, and its name. The endpoint is there where the realm's host is one that is configured.
    ``issuer`` is somebody else whose tokens count, signed with one of ``keys``: a set of JSON web keys, or PEM with
    public keys and certificates (the text; in a file also the name of another one, which holds it). Where such a token
    does not say what it allows, its claim ``userClaim`` is the user, and ``groupsClaim`` has the groups.
    """

    type: Literal["bearer", "basic"]
    username: str = ""
    password: str = ""
    users: dict[str, str] = {}
    htpasswd: str = ""
    ldap: Ldap | None = None
    anonymous: bool = False
    realm: str = ""
    service: Annotated[str, Meta(max_length=300)] = ""
    issuer: Annotated[str, Meta(max_length=2000)] = ""
    keys: str = ""
    user_claim: Annotated[str, Meta(min_length=1)] = msgspec.field(default="sub", name="userClaim")
    groups_claim: Annotated[str, Meta(min_length=1)] = msgspec.field(default="groups", name="groupsClaim")

    def __post_init__(self) -> None:
        tokens = {"realm": self.realm, "service": self.service, "issuer": self.issuer, "keys": self.keys}
        said = [name for name, value in tokens.items() if value]
        if said and self.type != "bearer":
            raise ValueError(f"Expected `type` to be bearer with `{said[0]}`")
        if self.realm and not _is_realm(self.realm):
            raise ValueError("Expected `realm` to be a URL such as https://auth.example.com/token")
        if not _QUOTABLE.fullmatch(self.service):
            raise ValueError("Expected `service` to be printable ASCII without quotation marks and backslashes")
        if bool(self.issuer) != bool(self.keys):
            raise ValueError("Expected `issuer` and `keys` together: whose tokens count, and what they are signed with")
        if self.issuer and not self.realm:
            raise ValueError("Expected `realm` with `issuer`: where clients get its tokens")
        for name, value, usual in (("userClaim", self.user_claim, "sub"), ("groupsClaim", self.groups_claim, "groups")):
            if value != usual and not self.issuer:
                raise ValueError(f"Expected `{name}` only with `issuer`")


def _is_realm(text: str) -> bool:
    """Whether challenges can send clients to this: an HTTP URL without credentials and fragment."""
    if not _QUOTABLE.fullmatch(text) or " " in text or "#" in text or len(text) > _MAX_REALM:
        return False
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and "@" not in url.netloc and url.port != 0
    except ValueError:
        return False


class AccessRule(Part, frozen=True, kw_only=True):
    """Lets some users do something with some repositories; what no rule allows is denied.

    ``user`` is a pattern; everybody who gave no name is the empty one, which ``*`` does not stand for. ``group`` is one
    for a group that the user has to belong to, by its name or, with ``=``, its distinguished name; empty: any or none.
    """

    user: Pattern = "*"
    group: Pattern = ""
    repository: Pattern = "*"
    actions: list[Action]

    def __post_init__(self) -> None:
        if "=" in self.group:
            read_name(self.group)


class Mtls(Part, frozen=True, kw_only=True):
    """Client certificates that a host asks for.

    Without one nobody is let in, unless it is not ``required``. ``ca`` is the certificate of the authority that has to
    vouch for them (PEM; in a file also the name of another one, which holds it); empty: our own. Whose certificate it
    is, by its common name, is the user.
    """

    required: bool = True
    ca: str = ""
