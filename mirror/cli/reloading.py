"""What a command that serves reads again on SIGHUP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mirror.cli.server_certificates import certificates_of, say_oddities

if TYPE_CHECKING:
    from fake_registry.processes import Reading
    from mirror.cli.server_options import ServerOptions
    from mirror.config import Config, ServerConfig


def reading_again(options: ServerOptions) -> Callable[[], Reading | None] | None:
    """Reads the configuration file again, and says what came of it; None if there is none.

    One that cannot be used gives None: what was before stays.
    """
    file, before = options.file, options.config
    if file is None or before is None:
        return None if options.certificate is None else _reading_certificate(options)
    from fake_registry.core.changes import Configure
    from fake_registry.processes import Reading
    from mirror.cli.notes import note, problem
    from mirror.config import load_config
    from mirror.errors import InputError

    def read() -> Reading | None:
        try:
            config = load_config(file)
            certificates = certificates_of(options.certificate, config.server.certificates)
        except InputError as error:
            problem(f"{error}; the configuration stays as it was")
            return None
        found = config

        def confirm() -> None:
            hosts = "those of the tree" if found.hosts is None else str(len(found.hosts))
            note(f"{file}: read again; hosts: {hosts}")
            say_oddities(certificates)
            if _fixed(found) != _fixed(before):
                kept = "requireReferences and certificates"
                note(f"{file}: of server only {kept} change while it runs; the rest takes a new start")
            if found.cluster != before.cluster:
                note(f"{file}: cluster takes a new start")

        return Reading(Configure(found.hosts, found.server.requireReferences, certificates), confirm)

    return read


def _fixed(config: Config) -> ServerConfig:
    """What a configuration says of the server that does not change while that runs."""
    import msgspec

    return msgspec.structs.replace(config.server, requireReferences=False, certificates={})


def _reading_certificate(options: ServerOptions) -> Callable[[], Reading | None]:
    """As `reading_again` where there is no configuration file, but a certificate in a file of its own."""
    from fake_registry.core.changes import Configure
    from fake_registry.processes import Reading
    from mirror.cli.notes import note, problem
    from mirror.errors import InputError

    assert options.certificate is not None
    files = options.certificate

    def read() -> Reading | None:
        try:
            certificates = certificates_of(files, {})
        except InputError as error:
            problem(f"{error}; the certificate stays as it was")
            return None

        def confirm() -> None:
            note(f"{files.cert}: read again")
            say_oddities(certificates)

        return Reading(Configure(None, options.require_references, certificates), confirm)

    return read
