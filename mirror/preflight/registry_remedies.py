"""What is wrong at one registry, in plain words, and what to do about it: a pair of sentences for each cause.

In the sentences `host` is the registry, or the host to which it leads, and `key` its name as a key of a ConfigMap,
`where` the pull spec as it is asked for there and `path` its repository without the registry, `repository` that which
the tag names, with the registry, `rule` the kind of mirror set that is for it and `scope` its source there; `said` is
the end of the cluster's message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fake_registry.fixtures import canonical_host
from mirror.preflight.causes import Cause
from mirror.reference import InvalidReference, Reference

CONFIG: Final = "image.config.openshift.io/cluster"
CA_FIELD: Final = f"spec.additionalTrustedCA of {CONFIG}"
INSECURE: Final = f"registrySources.insecureRegistries of {CONFIG}"

_OR_MIRROR: Final = "or mirror {repository} elsewhere and add an {rule} with source {scope}."
_AGAIN: Final = "Import again, for it may have passed; if it has not, look at the log of {host}"

_REQUEST: Final = re.compile(r'\b(?:Get|Head|Post) \\?"https?://([^/"]+)/')

_WORDS: Final[dict[Cause, tuple[str, str]]] = {
    Cause.CERTIFICATE_UNTRUSTED: (
        "The certificate of {host} was signed by an authority that the cluster does not trust.",
        f"Put the authority's certificate, under the key {{key}}, into the ConfigMap of {CA_FIELD}.",
    ),
    Cause.CERTIFICATE_WRONG_NAME: (
        "The certificate of {host} is for another name: {said}.",
        "Give the registry a certificate for {host}, or call it by a name that is in its certificate.",
    ),
    Cause.CERTIFICATE_EXPIRED: (
        "The certificate of {host} is not valid now: {said}.",
        "Renew the certificate of {host}, and look at the clocks.",
    ),
    Cause.TLS_FAILED: (
        "No TLS connection with {host} comes about: {said}.",
        "Let {host} speak TLS 1.2 or 1.3, with usual ciphers, and ask for no certificate of its clients.",
    ),
    Cause.HTTP_ONLY: (
        "{host} speaks HTTP without TLS.",
        f"Give {{host}} a certificate, set importPolicy.insecure of the tag, or add {{named}} to {INSECURE}.",
    ),
    Cause.HOST_UNKNOWN: (
        "There is no host {host}.",
        f"Make the name {{host}} known to the cluster's DNS, {_OR_MIRROR}",
    ),
    Cause.HOST_UNREACHABLE: (
        "No way leads to {host}: {said}.",
        f"Let the control plane reach {{host}}, {_OR_MIRROR}",
    ),
    Cause.CONNECTION_REFUSED: (
        "{host} refuses connections.",
        f"Start the registry at {{host}}, open its port, {_OR_MIRROR}",
    ),
    Cause.CONNECTION_LOST: (
        "{host} ends the connection before its answer is there.",
        f"{_AGAIN}, and at the proxies and load balancers before it.",
    ),
    Cause.TIMEOUT: (
        "{host} does not answer in time.",
        f"Open the way to {{host}} in the firewall, {_OR_MIRROR}",
    ),
    Cause.RATE_LIMITED: (
        "{host} answers that too much is asked of it.",
        (
            "Import again later, add a login that {host} allows more to a pull secret in the namespace {namespace}, "
            + _OR_MIRROR
        ),
    ),
    Cause.NO_REGISTRY: (
        "What answers at {host} is no registry: {said}.",
        "Let {host} lead to the registry: it has to answer https://{host}/v2/ with 200 or 401.",
    ),
    Cause.REGISTRY_ERROR: ("{host} answers with an error: {message}.", f"{_AGAIN}."),
    Cause.REPOSITORY_UNKNOWN: (
        "{host} has no repository {path}.",
        "Correct the tag's source, or push the image {where}.",
    ),
    Cause.IMAGE_UNKNOWN: ("{host} has no {where}.", "Correct the tag's source, or push the image {where}."),
    Cause.BLOB_MISSING: ("{host} lacks a blob of {where}.", "Push the image {where} once more."),
    Cause.MANIFEST_BROKEN: (
        "The manifest of {where} cannot be used: {message}.",
        "Push the image {where} once more.",
    ),
}


def registry_words(
    cause: Cause, namespace: str, named: str, where: str, scope: str, message: str
) -> tuple[str, str] | None:
    """Explanation and remedy; None for a cause that is not of a registry.

    Args:
        cause: what is wrong.
        namespace: that of the image stream.
        named: the pull spec that the tag names; it decides what is insecure, whoever is asked.
        where: the pull spec as it is asked for at the registry.
        scope: the source of a mirror rule that is for the pull spec.
        message: the importer's words.
    """
    words = _WORDS.get(cause)
    if words is None:
        return None
    registry = host_of_spec(where)
    host = asked_host(where, message)
    facts = {
        "host": host,
        "named": host_of_spec(named),
        "repository": repository_of(named),
        "rule": rule_kind(by_digest="@" in named),
        "scope": scope,
        "path": repository_of(where).partition("/")[2],
        "where": where,
        "namespace": namespace,
        "key": host.replace(":", ".."),
        "said": message.rpartition('": ')[2],
        "message": message,
    }
    return words[0].format_map(facts) + led_there(registry, host), words[1].format_map(facts)


def asked_host(where: str, message: str) -> str:
    """The host that the last request in the importer's words went to: the registry of `where`, or where it leads."""
    registry = host_of_spec(where)
    found = _REQUEST.findall(message)
    return found[-1] if found and canonical_host(found[-1]) != canonical_host(registry) else registry


def led_there(registry: str, host: str) -> str:
    """A sentence on why a host is asked that is not the registry; empty where it is."""
    return "" if host == registry else f" {registry} leads there, by a redirect or for a token."


def or_mirror(named: str, scope: str) -> str:
    """The way around a registry: a mirror of what the tag names, by a rule with `scope` as its source."""
    return _OR_MIRROR.format(repository=repository_of(named), rule=rule_kind(by_digest="@" in named), scope=scope)


def rule_kind(*, by_digest: bool) -> str:
    """The kind of mirror set that is for pull specs of that sort."""
    return "ImageDigestMirrorSet" if by_digest else "ImageTagMirrorSet"


def full_name(pull_spec: str) -> str:
    """A pull spec with its defaults filled in."""
    try:
        return Reference.parse(pull_spec).docker_client_defaults().exact()
    except InvalidReference:
        return pull_spec


def host_of_spec(pull_spec: str) -> str:
    """The registry of a pull spec, as far as there is one."""
    try:
        return Reference.parse(pull_spec).docker_client_defaults().registry
    except InvalidReference:
        return pull_spec.partition("/")[0]


def repository_of(pull_spec: str) -> str:
    """The repository of a pull spec, with its registry."""
    try:
        return Reference.parse(pull_spec).docker_client_defaults().as_repository().exact()
    except InvalidReference:
        return pull_spec


def words_of(names: Sequence[str]) -> str:
    """Names as words of a sentence, each once: ``a, b and c``."""
    distinct = list(dict.fromkeys(names))
    return distinct[0] if len(distinct) == 1 else f"{', '.join(distinct[:-1])} and {distinct[-1]}"
