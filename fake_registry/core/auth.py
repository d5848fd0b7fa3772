"""Who may do what: challenges, Basic credentials and tokens.

Sources: RFC 7617; distribution, "Token Authentication Specification" and "Token Authentication Implementation".
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from fake_registry.config import Auth, Ldap, TokenFlaw
from fake_registry.core import errors
from fake_registry.core.access import READING, AccessRules
from fake_registry.core.messages import Request
from fake_registry.core.passwords import HashedPasswords
from fake_registry.core.paths import parameters
from fake_registry.core.proofs import NOBODY, Passwords, Proofs, TooManyWaiting, User
from fake_registry.core.realms import realm_of
from fake_registry.core.tokens import LIFETIME, Access, Audience, Bearer, InvalidToken, Tokens, is_own
from fake_registry.errors import DirectoryError
from fake_registry.fixtures import is_repository_name

if TYPE_CHECKING:
    from fake_registry.core.foreign_tokens import ForeignTokens

BASIC_CHALLENGE: Final = 'Basic realm="ismirror"'

_MAX_SCOPES: Final = 64
_USER_ACTIONS: Final = frozenset({"pull", "push", "delete"})
_FLAWS: Final = {"refused": "invalid_token", "expired": "invalid_token", "wrongScope": "insufficient_scope"}
_ELSEWHERE: Final = "ismirror/none-of-yours"


Directories = Callable[[Ldap], Passwords]
"""Makes what asks a directory."""


class Issued(NamedTuple):
    """A token, what it allows, and when it was issued (seconds since 1970)."""

    token: str
    access: Sequence[Access]
    at: int


class Authenticator:
    """Guards one host: knows its users, and what its rules (None: there are none) let them do.

    `audience` is what tokens have to be for, `realm` where clients get them; `issues` is set by whoever issues such
    tokens here (without it none of those count). `directories` makes what asks the directory of its users; None: there
    is nobody to ask one.
    """

    def __init__(
        self,
        host: str,
        scheme: str,
        auth: Auth,
        tokens: Tokens,
        rules: AccessRules | None = None,
        directories: Directories | None = None,
    ) -> None:
        self._host = host
        self._auth = auth
        self._tokens = tokens
        self._rules = rules
        self.realm = realm_of(host, scheme, auth)
        self.audience = Audience(auth.service or host, self.realm.place)
        self.issues = False
        self._challenge = f'Bearer realm="{self.realm.url}",service="{self.audience.service}"'
        self._foreign = _foreign(auth, self.audience.service, tokens, rules)
        self._hashed = HashedPasswords(auth.htpasswd) if auth.htpasswd else None
        checked: list[Passwords] = [] if self._hashed is None else [self._hashed]
        if auth.ldap is not None:
            checked.append(_NoDirectory() if directories is None else directories(auth.ldap))
        groups_of = AccessRules([]).groups_of if rules is None else rules.groups_of
        self._proofs = [Proofs(passwords, tokens.clock, groups_of) for passwords in checked]
        users = dict(auth.users)
        if auth.username:
            users[auth.username] = auth.password
        self._names = frozenset(users)
        self._users = [(name, name.encode(), password.encode()) for name, password in users.items()]

    async def user_of(self, request: Request) -> User | None:
        """The user whose name and password a request has, if there is one; finding out may take its time.

        Raises:
            RegistryError: 503, nobody can say; 429, too many others are asked about.
        """
        given = _given(request)
        return None if given is None else await self.user_with(*given)

    async def user_with(self, name: bytes, password: bytes) -> User | None:
        """As `user_of`, where name and password come otherwise."""
        listed = self._listed(name, password)
        if listed is not None:
            return User(listed)
        try:
            for proofs in self._proofs:
                user = await proofs.user(name, password)
                if user is not None:
                    return user
        except DirectoryError as error:
            raise errors.directory_unavailable(str(error)) from None
        except TooManyWaiting:
            raise errors.too_many("too many passwords are being checked") from None
        return None

    @property
    def looks(self) -> bool:
        """Whether requests have passwords, those to the token endpoint aside."""
        return self._auth.type == "basic"

    @property
    def takes_tokens(self) -> bool:
        """Whether tokens are asked for, and not passwords."""
        return self._auth.type == "bearer"

    @property
    def is_by_itself(self) -> bool:
        """Whether nobody has said anything of realm and service: the host is both."""
        return not (self._auth.realm or self._auth.service)

    @property
    def lets_anybody_in(self) -> bool:
        """Whether there are tokens for those who do not say who they are."""
        return self._auth.anonymous

    def user(self, request: Request, needed: Access | None, proved: User | None) -> User:
        """Who makes a request, if they may.

        `needed` is what the request does; None: nothing that needs more than to be let in. `proved` is what `user_of`
        has found, where requests have passwords.

        Raises:
            RegistryError: 401 with the challenge; 403 where a user is known and may not.
        """
        if self._auth.type == "bearer":
            return self._token_user(request, needed)
        said = bool(request.headers.get("authorization", ""))
        if not said and self._auth.anonymous and needed is not None and self._may(NOBODY, needed):
            return NOBODY
        if proved is None:
            raise errors.unauthorized(BASIC_CHALLENGE)
        if needed is not None and not self._may(proved, needed):
            raise errors.denied()
        return proved

    def may(self, request: Request, user: User, needed: Access) -> bool:
        """Whether a request that was let in, from `user`, may do something else than what it was let in for, too."""
        if self._auth.type == "bearer":
            bearer = self._known_bearer(request)
            if bearer is None:
                return False
            return self._may(bearer.user, needed) if bearer.access is None else bearer.allows(needed)
        return self._may(user, needed)

    def claimed(self, request: Request) -> str:
        """Who a request says that it comes from, true or not (empty: it does not say)."""
        bearer = self._known_bearer(request)
        return claimed_user(request) if bearer is None else bearer.user.name

    def refusal(self, flaw: TokenFlaw, needed: Access | None) -> errors.RegistryError:
        """What a request gets whose credentials are refused for no fault of their own."""
        if self._auth.type == "basic":
            return errors.unauthorized(BASIC_CHALLENGE)
        return errors.unauthorized(f'{self._bearer_challenge(needed)},error="{_FLAWS[flaw]}"')

    def _listed(self, name: bytes, password: bytes) -> str | None:
        """The user of the configuration with this name and password, if there is one."""
        found = None
        for user, known, secret in self._users:  # all of them: how long it takes says nothing
            same_name = hmac.compare_digest(name, known)
            if hmac.compare_digest(password, secret) and same_name:
                found = user
        return found

    def issue(self, user: User | None, query: str, flaw: TokenFlaw | None = None) -> Issued:
        """A token for a user (None: for anybody) and the scopes of a query or form. With a `flaw` it is good for
        nothing.

        Raises:
            RegistryError: 401, as the flaw is that there is none.
        """
        if flaw == "refused":
            raise errors.unauthorized(BASIC_CHALLENGE)
        access = granted(query, anonymous=user is None, user=user or NOBODY, rules=self._rules)
        if flaw == "wrongScope":
            access = [msgspec.structs.replace(one, name=_ELSEWHERE) for one in access]
        service, realm = self.audience
        age = 2 * LIFETIME if flaw == "expired" else 0
        token, issued = self._tokens.issue(service, user or NOBODY, access, realm=realm, age=age)
        return Issued(token, access, issued)

    def refresh_token(self, user: User) -> str | None:
        """A token by which a user gets others without the password, as long as that is the same; None if there is no
        telling."""
        mark = None if user.elsewhere else self._mark(user.name)
        return None if mark is None else self._tokens.issue_refresh(self.audience, user.name, mark)

    def refreshed(self, token: str) -> User | None:
        """Whose refresh token this is, if it counts."""
        claims = self._tokens.read_refresh(token, self.audience)
        mark = None if claims is None else self._mark(claims.sub)
        if claims is None or mark is None or not hmac.compare_digest(mark, claims.mark):
            return None
        return User(claims.sub)

    def _mark(self, user: str) -> str | None:
        for name, _, password in self._users:
            if name == user:
                return self._tokens.mark(user, password)
        hashed = None if self._hashed is None else self._hashed.hash_of(user)
        return None if hashed is None else self._tokens.mark(user, hashed)

    def _token_user(self, request: Request, needed: Access | None) -> User:
        """Who makes a request with a token, if they may."""
        try:
            bearer = self._bearer(request)
        except InvalidToken as error:
            challenge = f'{self._bearer_challenge(needed)},error="invalid_token"'
            raise errors.unauthorized(challenge, because=str(error)) from None
        if bearer is None:
            raise errors.unauthorized(self._bearer_challenge(needed))
        if needed is None:
            return bearer.user
        if bearer.access is None:
            if not self._may(bearer.user, needed):
                raise errors.denied()
        elif not bearer.allows(needed):
            more = "" if self._foreign is None else ',error="insufficient_scope"'
            raise errors.unauthorized(f"{self._bearer_challenge(needed)}{more}")
        return bearer.user

    def _bearer(self, request: Request) -> Bearer | None:
        """What the token of a request says, if there is one that counts.

        Raises:
            InvalidToken: it is one of somebody else, and does not count.
        """
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = credentials.strip()
        if self._foreign is not None and not (self.issues and is_own(token)):
            return self._foreign.read(token)
        claims = self._tokens.read(token, self.audience.service, realm=self.audience.realm)
        if claims is None or (self.issues and not self._is_user(claims.sub)):
            return None
        return Bearer(User(claims.sub, frozenset(claims.groups)), claims.access)

    def _is_user(self, name: str) -> bool:
        """Whether a user who had a token is one still, as far as can be told without asking anybody else."""
        if name in self._names or (self._auth.ldap is not None if name else self._auth.anonymous):
            return True
        return self._hashed is not None and self._hashed.hash_of(name) is not None

    def _known_bearer(self, request: Request) -> Bearer | None:
        try:
            return self._bearer(request)
        except InvalidToken:
            return None

    def wider(self, user: User, *needed: Access) -> errors.RegistryError | None:
        """The challenge to come back with a token for all of this; None if tokens do not count, or a user, whose token
        is good for less, cannot have such a one, or nobody here knows whether they can."""
        if self._auth.type != "bearer" or self._foreign is not None:
            return None
        if not all(self._may(user, access) for access in needed):
            return None
        return errors.unauthorized(self._bearer_challenge(*needed))

    def _bearer_challenge(self, *needed: Access | None) -> str:
        scopes = [f"{one.type}:{one.name}:{','.join(one.actions)}" for one in needed if one is not None]
        return f'{self._challenge},scope="{" ".join(scopes)}"' if scopes else self._challenge

    def _may(self, user: User, needed: Access) -> bool:
        if needed.type != "repository":
            return bool(user.name)
        allowed = _allowed(user, needed.name, anonymous=not user.name, rules=self._rules)
        return allowed.issuperset(needed.actions)


def _foreign(auth: Auth, service: str, tokens: Tokens, rules: AccessRules | None) -> ForeignTokens | None:
    if not auth.issuer:
        return None
    from fake_registry.core.foreign_tokens import ForeignTokens  # noqa: PLC0415 - few have any

    return ForeignTokens(auth, service, tokens.clock, rules)


class _NoDirectory:
    """A directory where there is nobody to ask one."""

    at_once: Final = 1
    lasts: Final = 0.0

    def user(self, name: bytes, password: bytes) -> User | None:
        raise DirectoryError("no directory is asked here")


def granted(query: str, *, anonymous: bool, user: User = NOBODY, rules: AccessRules | None = None) -> list[Access]:
    """What a token gives of the scopes that were asked for: what the rules allow; without rules all to users, and to
    anybody only pulling.

    Scopes come as several ``scope`` parameters or as one with spaces; those that are not understood give nothing.
    """
    scopes = [scope for key, value in parameters(query) if key == "scope" for scope in value.split()]
    access = []
    for scope in scopes[:_MAX_SCOPES]:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        wanted = actions.split(",")
        if kind == "repository" and is_repository_name(name):
            allowed = _allowed(user, name, anonymous=anonymous, rules=rules)
            given = sorted(allowed if "*" in wanted else allowed.intersection(wanted))
        elif kind == "registry" and name == "catalog" and not anonymous:
            given = ["*"]
        else:
            given = []
        if given:
            access.append(Access(kind, name, given))
    return access


def claimed_user(request: Request) -> str:
    """The user name of Basic credentials, right or wrong; empty if there are none."""
    given = _given(request)
    return "" if given is None else given[0].decode("utf-8", "replace")


def _allowed(user: User, repository: str, *, anonymous: bool, rules: AccessRules | None) -> frozenset[str]:
    if rules is not None:
        return rules.allowed(user, repository)
    return READING if anonymous else _USER_ACTIONS


def _given(request: Request) -> tuple[bytes, bytes] | None:
    """Name and password of the Basic credentials of a request."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return _basic_credentials(credentials) if scheme.lower() == "basic" else None


def _basic_credentials(credentials: str) -> tuple[bytes, bytes] | None:
    """Name and password of Basic credentials, if they are that (RFC 7617)."""
    try:
        name, colon, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon else None
