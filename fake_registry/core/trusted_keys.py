"""Public keys whose signatures count: a set of JSON web keys, or PEM with public keys and certificates.

Sources: RFC 7517 (keys), RFC 7638 (thumbprints), RFC 7515, section 4.1 (``kid``, ``x5c``); distribution,
``auth.token.rootcertbundle``: a certificate counts itself, and so does what it has signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeGuard

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""What tokens may be signed with. Secrets (``HS256``) and nothing (``none``) are not among it."""

_MAX_KEYS: Final = 64
_MAX_CHAIN: Final = 8
_LEAST_BITS: Final = 2048
_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_SECRET_MEMBERS: Final = frozenset({"d", "p", "q", "k"})
_TEXTS: Final = ("kty", "crv", "alg", "use")
_EXTRA: Final = "takes the extra tokens: pip install 'ismirror[tokens]'"


class TrustedKey(NamedTuple):
    """A key, the names that tokens may call it by (or it has none), and the algorithm that it is for (empty: any)."""

    key: PublicKey
    names: frozenset[str] = frozenset()
    algorithm: str = ""

    def is_for(self, algorithm: str) -> bool:
        """Whether signatures of an algorithm are made with keys like this."""
        return self.algorithm in {"", algorithm} and _fits(self.key, algorithm)


class TrustedKeys:
    """The keys that are trusted, and the certificates that may vouch for others."""

    def __init__(self, keys: Sequence[TrustedKey], roots: Sequence[x509.Certificate]) -> None:
        self._keys = keys
        self._roots = roots

    def candidates(self, name: str | None, algorithm: str) -> list[PublicKey]:
        """The keys that may have signed a token that calls its key by a name (None: by none).

        Keys without any name are tried where no key has that one: then the signature alone decides.
        """
        named = [one for one in self._keys if name is None or name in one.names]
        found = named or [one for one in self._keys if not one.names]
        return [one.key for one in found if one.is_for(algorithm)]

    def certified(self, chain: Sequence[str], algorithm: str, now: float) -> list[PublicKey]:
        """The key of the first certificate of a chain (``x5c``: base64 of DER), if that leads to a trusted one.

        Raises:
            ValueError: it does not, or it is no chain.
        """
        if not chain or len(chain) > _MAX_CHAIN:
            raise ValueError(f"x5c has {len(chain)} certificates")
        try:
            found = [x509.load_der_x509_certificate(base64.b64decode(one, validate=True)) for one in chain]
            key = found[0].public_key()
        except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(f"x5c is no chain of certificates: {error}") from None
        if not _is_usable(key, "x5c"):
            return []
        self._check_chain(found[0], found[1:], datetime.fromtimestamp(now, UTC))
        return [key] if _fits(key, algorithm) else []

    def _check_chain(self, leaf: x509.Certificate, others: Sequence[x509.Certificate], now: datetime) -> None:
        from cryptography.x509 import verification  # noqa: PLC0415 - few tokens have certificates

        if leaf in self._roots:
            if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
                raise ValueError("the certificate of x5c is not valid at this time")
            return
        if not self._roots:
            raise ValueError("there are no trusted certificates for x5c to lead to")
        anything = verification.ExtensionPolicy.permit_all()  # certificates that sign tokens have any use, and no name
        authorities = anything.require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
        policy = verification.PolicyBuilder().store(verification.Store(list(self._roots))).time(now)
        verifier = policy.extension_policies(ca_policy=authorities, ee_policy=anything).build_client_verifier()
        try:
            verifier.verify(leaf, list(others))
        except verification.VerificationError as error:
            raise ValueError(f"x5c leads to no trusted certificate: {str(error)[:300]}") from None


def read_keys(text: str) -> TrustedKeys:
    """The keys of a text: JSON is a set of web keys or one of them, else it is PEM.

    Raises:
        ValueError: there is none in it, or one that nobody may have or use like that; or nothing here can check them.
    """
    try:
        import jwt  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise ValueError(_EXTRA) from None
    roots: list[x509.Certificate] = []
    keys = list(_web_keys(text) if text.lstrip()[:1] == "{" else _pem_keys(text, roots))
    if not keys:
        raise ValueError("there is no key in it that signs tokens (RSA, P-256, P-384, P-521, Ed25519, Ed448)")
    if len(keys) > _MAX_KEYS:
        raise ValueError(f"there are {len(keys)} keys in it; expected at most {_MAX_KEYS}")
    return TrustedKeys(keys, roots)


def _web_keys(text: str) -> Iterator[TrustedKey]:
    import jwt  # noqa: PLC0415 - an extra

    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None
    keys = document.get("keys", [document])
    if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys):
        raise ValueError('expected a set of JSON web keys: {"keys": [{"kty": …}]}')
    for number, members in enumerate(keys):
        one = {member: value for member, value in members.items() if value is not None}
        where = f"keys[{number}]"
        odd = [member for member in _TEXTS if not isinstance(one.get(member, ""), str)]
        if odd:
            raise ValueError(f"{where}: its {odd[0]!r} is no text")
        if one.get("kty") == "oct" or _SECRET_MEMBERS & one.keys():
            raise ValueError(f"{where}: has a secret in it; expected public keys only")
        algorithm, name = one.get("alg", ""), one.get("kid", "")
        if one.get("use", "sig") != "sig" or algorithm not in {"", *ALGORITHMS}:
            continue  # keys for encryption are in such sets, too
        try:
            key = jwt.PyJWK({member: value for member, value in one.items() if member != "alg"}).key
        except jwt.exceptions.InvalidKeyError:
            if one.get("kty") in {"RSA", "EC"} and one.get("crv") in {None, "P-256", "P-384", "P-521"}:
                raise ValueError(f"{where}: is no key of type {one['kty']}") from None
            continue  # a curve that no algorithm here is for
        except jwt.exceptions.PyJWTError:
            continue
        if _is_usable(key, where):
            names = frozenset({name}) if name and isinstance(name, str) else frozenset[str]()
            yield TrustedKey(key, names, algorithm)


def _pem_keys(text: str, roots: list[x509.Certificate]) -> Iterator[TrustedKey]:
    """The keys of a PEM text; its certificates are added to `roots`."""
    for number, block in enumerate(_PEM.finditer(text), 1):
        where, label = f"block {number}", block[1]
        if "PRIVATE" in label:
            raise ValueError(f"{where}: is a private key; expected public keys and certificates only")
        try:
            if label == "CERTIFICATE":
                certificate = x509.load_pem_x509_certificate(block[0].encode())
                key: Any = certificate.public_key()
            else:
                certificate, key = None, load_pem_public_key(block[0].encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError(f"{where}: is no public key and no certificate ({label.lower()})") from None
        if not _is_usable(key, where):
            raise ValueError(f"{where}: is a key that no tokens are signed with")
        if certificate is not None:
            roots.append(certificate)
            yield TrustedKey(key, frozenset({thumbprint(key), fingerprint(key)}))
        else:
            yield TrustedKey(key)


def thumbprint(key: PublicKey) -> str:
    """What a key is called by RFC 7638 (SHA-256)."""
    import jwt  # noqa: PLC0415 - an extra

    algorithms = jwt.algorithms
    if isinstance(key, rsa.RSAPublicKey):
        members = algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        members = algorithms.ECAlgorithm.to_jwk(key, as_dict=True)
    else:
        members = algorithms.OKPAlgorithm.to_jwk(key, as_dict=True)
    needed = {name: members[name] for name in sorted(members.keys() & {"crv", "e", "kty", "n", "x", "y"})}
    canonical = json.dumps(needed, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def fingerprint(key: PublicKey) -> str:
    """What a key is called by Docker's older token servers: ``PYYO:TEWU:…``, 12 times 4 characters."""
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(encoded).digest()[:30]).decode()
    return ":".join(text[at : at + 4] for at in range(0, len(text), 4))


def _is_usable(key: object, where: str) -> TypeGuard[PublicKey]:
    """Whether tokens are signed with keys like this (raises `ValueError` for one that is too weak)."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_BITS:
        raise ValueError(f"{where}: has {key.key_size} bits; expected {_LEAST_BITS} or more (RFC 7518, section 3.3)")
    return isinstance(key, PublicKey) and any(_fits(key, algorithm) for algorithm in ALGORITHMS)


def _fits(key: PublicKey, algorithm: str) -> bool:
    if algorithm[:2] in {"RS", "PS"}:
        return isinstance(key, rsa.RSAPublicKey)
    if algorithm == "EdDSA":
        return isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == _CURVES.get(algorithm)
