"""What Go's crypto/x509 asks of the certificates of a chain beside their signatures (``verify.go``, ``parser.go``)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from mirror.gotext import quote

_KNOWN = frozenset(
    {
        ExtensionOID.KEY_USAGE,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    }
)


def unhandled_extension(certificate: x509.Certificate) -> str | None:
    """What Go says of a critical extension that it does not know; None if there is none."""
    try:
        unknown = any(one.critical and one.oid not in _KNOWN for one in certificate.extensions)
    except ValueError:
        return None
    return "x509: unhandled critical extension" if unknown else None


def issuer_failure(issuer: x509.Certificate, chain: Sequence[x509.Certificate]) -> str | None:
    """What Go has against `issuer` as the next one of a chain, which begins with the server's own certificate."""
    return _name_failure(issuer, chain) or _length_failure(issuer, chain)


def serves(chain: Sequence[x509.Certificate]) -> bool:
    """Whether every certificate of a chain may be used for servers."""
    return all(_serves(certificate) for certificate in chain)


def _serves(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def _length_failure(issuer: x509.Certificate, chain: Sequence[x509.Certificate]) -> str | None:
    try:
        length = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except (x509.ExtensionNotFound, ValueError):
        return None
    if length is None or len(chain) - 1 <= length:
        return None
    return "x509: too many intermediates for path length constraint"


def _name_failure(issuer: x509.Certificate, chain: Sequence[x509.Certificate]) -> str | None:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    prefix = "x509: a root or intermediate certificate is not authorized to sign for this name: "
    for name in _names(chain):
        subject = f"{'DNS name' if isinstance(name, x509.DNSName) else 'IP address'} {quote(str(name.value))}"
        for excluded in constraints.excluded_subtrees or ():
            if _within(name, excluded):
                return f"{prefix}{subject} is excluded by constraint {quote(str(excluded.value))}"
        permitted = [one for one in constraints.permitted_subtrees or () if isinstance(one, type(name))]
        if permitted and not any(_within(name, one) for one in permitted):
            return f"{prefix}{subject} is not permitted by any constraint"
    return None


def _names(chain: Sequence[x509.Certificate]) -> Iterator[x509.DNSName | x509.IPAddress]:
    for certificate in chain:
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, ValueError):
            continue
        yield from (name for name in names if isinstance(name, x509.DNSName | x509.IPAddress))


def _within(name: x509.DNSName | x509.IPAddress, constraint: x509.GeneralName) -> bool:
    if isinstance(name, x509.DNSName) and isinstance(constraint, x509.DNSName):
        return _is_below(name.value.lower(), constraint.value.lower())
    if isinstance(name, x509.IPAddress) and isinstance(constraint, x509.IPAddress):
        network = constraint.value
        return isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network) and name.value in network
    return False


def _is_below(name: str, domain: str) -> bool:
    """Whether a name is a domain or below it; a domain with a dot in front is not below itself."""
    if not domain or name.endswith(domain if domain.startswith(".") else f".{domain}"):
        return True
    return name == domain
