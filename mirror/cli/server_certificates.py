"""Certificates of servers that users bring: options, files, and what is to be said about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from fake_registry.config import Certificates

TlsCertOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The certificate (PEM, with those that lead to its authority) of all hosts, in place of made ones; of the "
        "API of 'serve', too. Read again on SIGHUP.",
    ),
]
TlsKeyOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The key of --tls-cert, if it is not in the same file."),
]


class CertificateFiles(NamedTuple):
    """What ``--tls-cert`` and ``--tls-key`` name."""

    cert: Path
    key: Path | None


def certificate_files(cert: Path | None, key: Path | None) -> CertificateFiles | None:
    """What the flags name (raises `InputError` for a key without a certificate)."""
    from mirror.errors import InputError

    if cert is not None:
        return CertificateFiles(cert, key)
    if key is not None:
        raise InputError("--tls-key: there is no certificate; name its file by --tls-cert")
    return None


def certificates_of(files: CertificateFiles | None, configured: Certificates) -> Certificates:
    """All certificates that were given: those of a configuration, and for all other hosts that of the flags.

    Raises:
        InputError: that of the flags cannot be used.
    """
    from fake_registry.config import ServerCertificate
    from mirror.config import read_certificate
    from mirror.errors import InputError

    if files is None:
        return configured
    cert, key = files
    try:
        given = read_certificate(ServerCertificate(cert=str(cert), key="" if key is None else str(key)))
    except ValueError as error:
        field, _, problem = str(error).partition(": ")
        file = cert if field == "cert" or key is None else key
        raise InputError(f"--tls-{field}: {file}: {problem}") from None
    return {**configured, "*": given}


def say_oddities(certificates: Certificates) -> None:
    """Says what clients will not like about certificates that were given: they are shown all the same."""
    if not certificates:
        return
    from fake_registry.given_certificates import oddities
    from mirror.cli.notes import note
    from mirror.cli.output import printable

    for name, given in certificates.items():
        for oddity in oddities(name.lower(), given):
            note(printable(f"the certificate of {name}: {oddity}"))
