"""What people are told: each cause in plain words for one tag, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from mirror.importer.credentials import Credential
from mirror.importer.registries import RegistryEntry
from mirror.preflight.causes import Cause
from mirror.preflight.credentials import NearMiss
from mirror.preflight.report import Copy, Remark, Try
from mirror.preflight.trials import TagTrial
from mirror.reference import InvalidReference, Reference

CONFIG: Final = "image.config.openshift.io/cluster"
CA_FIELD: Final = f"spec.additionalTrustedCA of {CONFIG}"
INSECURE: Final = f"registrySources.insecureRegistries of {CONFIG}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why, in plain words, and what to do about it."""

    cause: Cause
    explanation: str
    remedy: str
    tried: list[Try] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)


class Remedies:
    """Words for causes. `tree` is what the content comes from, for commands that fill it; `limit` the limit of tags."""

    def __init__(self, tree: str | None = None, limit: int = 50) -> None:
        self._tree = tree
        self._limit = limit

    def seed_line(self, pull_spec: str) -> str:
        """The command that copies an image."""
        return f"ismirror seed copy {shlex.quote(pull_spec)} --data {shlex.quote(self._tree or 'TREE')}"

    def mirror_lines(self, pull_spec: str, target: str) -> str:
        """The commands that bring an image to a mirror, where its name there is its own one behind a prefix."""
        line = self.seed_line(pull_spec)
        repository, place = _repository(pull_spec).partition("/")[2], _repository(target)
        if self._tree is not None or not place.endswith(f"/{repository}"):
            return line
        return f"{line} && ismirror seed push TREE {shlex.quote(place[: -len(repository) - 1])}"

    # What the cluster is told

    def blocked(self, registry: str) -> Diagnosis:
        return _diagnosis(
            Cause.REGISTRY_BLOCKED,
            f"{registry} is in registrySources.blockedRegistries of {CONFIG}.",
            f"Take {registry} out of blockedRegistries, or give it a mirror: registries that have one are not "
            "blocked for imports.",
        )

    def not_allowed(self, reference: Reference, insecure: bool, mirrors: Sequence[str]) -> Diagnosis:
        host, port = reference.registry_host_port(insecure)
        name = reference.registry
        entry = f"{{domainName: {name}, insecure: true}}" if insecure and ":" not in name else f"{{domainName: {name}}}"
        mirrored = (
            f" That {mirrors[0]} mirrors it does not count: what the tag names has to be listed." if mirrors else ""
        )
        return _diagnosis(
            Cause.REGISTRY_NOT_ALLOWED,
            f"allowedRegistriesForImport of {CONFIG} does not list {host}:{port}.{mirrored}",
            f"Add {entry} to allowedRegistriesForImport of {CONFIG}.",
        )

    def refused_along(self, other: TagTrial, why: Diagnosis | None) -> Diagnosis:
        text = "" if why is None else f" {why.remedy}"
        return _diagnosis(
            Cause.STREAM_REFUSED,
            f"The API server refuses the whole image stream because of its tag {other.tag or other.from_}.",
            f"Repair that tag first:{text}",
        )

    def invalid_object(self, message: str) -> Diagnosis:
        return _diagnosis(
            Cause.OBJECT_INVALID, f"The API server refuses the object: {message}", "Correct the field that it names."
        )

    def invalid_pull_spec(self, name: str, problem: str) -> Diagnosis:
        return _diagnosis(
            Cause.INVALID_PULL_SPEC,
            f"{name!r} is no pull spec: {problem}.",
            "Correct the name of the tag's source, such as quay.io/example/app:1.0.",
        )

    def too_slow(self, tags: int) -> Diagnosis:
        return _diagnosis(
            Cause.TOO_SLOW,
            f"The import of all {tags} tags would take longer than the 34 seconds that the API server gives it.",
            "Make the registry answer sooner (a rate limit makes the cluster wait), or spread the tags over several "
            "image streams.",
        )

    # Mirrors

    def not_mirrored(
        self, pull_spec: str, mirrors: Sequence[Try], source: Try, tried: list[Try], copies: list[Copy]
    ) -> Diagnosis:
        hosts = _words([one.host for one in mirrors], "and")
        verb = "lacks it" if len({one.host for one in mirrors}) == 1 else "lack it"
        rest = "" if source.mirror else f", and {source.host} {_problem(source)}"
        if not source.mirror and source.cause in (Cause.IMAGE_UNKNOWN, Cause.REPOSITORY_UNKNOWN):
            return _diagnosis(
                Cause.IMAGE_UNKNOWN,
                f"There is no {pull_spec}: {hosts} {verb}{rest}.",
                f"Correct the tag's source, or push the image to {mirrors[0].reference}.",
                tried,
                copies,
            )
        return _diagnosis(
            Cause.NOT_MIRRORED,
            f"{hosts} {verb}{rest}.",
            f"Mirror {pull_spec} to {mirrors[0].reference}: {self.mirror_lines(pull_spec, mirrors[0].reference)}",
            tried,
            copies,
        )

    def other_mirrors_only(
        self, reference: Reference, entry: RegistryEntry, source: Try, tried: list[Try]
    ) -> Diagnosis:
        where = _words([one.location for one in entry.mirrors], "and")
        by_digest = bool(reference.id)
        kind, other = ("digest", "tags") if by_digest else ("tag", "digests")
        cause = Cause.TAG_MIRRORS_ONLY if by_digest else Cause.DIGEST_MIRRORS_ONLY
        wanted = "ImageDigestMirrorSet" if by_digest else "ImageTagMirrorSet"
        pull_spec = reference.docker_client_defaults().exact()
        target = pull_spec.replace(entry.location, entry.mirrors[0].location, 1)
        return _diagnosis(
            cause,
            f"The image is named by its {kind}, and {where} only mirrors {entry.location} for {other}; "
            f"so {source.host} is asked, which {_problem(source)}.",
            f"Add an {wanted} with source {entry.location} and mirror {entry.mirrors[0].location}, "
            f"and mirror {pull_spec} to {target}: {self.mirror_lines(pull_spec, target)}",
            tried,
            [Copy(source=pull_spec, target=target)],
        )

    def unusable_rule(self, pull_spec: str, problem: str, tried: list[Try]) -> Diagnosis:
        return _diagnosis(
            Cause.MIRROR_RULE_UNUSABLE,
            f"The mirror rule that matches {pull_spec} makes no pull spec of it: {problem}.",
            "Correct the mirror in the mirror set: HOST[:PORT]/PATH, without https:// and without a slash at its end; "
            "a host has a dot or a port in it.",
            tried,
        )

    def no_rule(self, pull_spec: str, source: Try, near: Sequence[str], tried: list[Try]) -> Diagnosis:
        nearly = f" The nearest rules are for {_words(near, 'and')}." if near else ""
        return _diagnosis(
            Cause.NO_MIRROR_RULE,
            f"{source.host} {_problem(source)}, and no mirror rule is for {pull_spec}.{nearly}",
            f"Add a mirror rule for {_repository(pull_spec)}, and mirror {pull_spec}: {self.seed_line(pull_spec)}",
            tried,
        )

    # Credentials

    def no_secret(self, namespace: str, where: str, near: Sequence[NearMiss], tried: list[Try]) -> Diagnosis:
        nearly = f" Nearly: {'; '.join(map(str, near[:3]))}." if near else ""
        host = _host(where)
        return _diagnosis(
            Cause.NO_PULL_SECRET,
            f"{host} wants a login, and no pull secret has one for {_repository(where)}.{nearly}",
            f"Add a login for {host} to a pull secret in the namespace {namespace}, or to the cluster's own one: "
            f"oc create secret docker-registry NAME -n {namespace} --docker-server={host} --docker-username=… "
            "--docker-password=…",
            tried,
        )

    def refused_login(self, cause: Cause, where: str, login: Credential | None, tried: list[Try]) -> Diagnosis:
        host = _host(where)
        if login is None:
            return _diagnosis(
                cause,
                f"{host} does not let anybody pull {_repository(where)} without a login.",
                f"Add a login for {host} that may pull {_repository(where)} to a pull secret.",
                tried,
            )
        who = f"the login for {login.location} in {login.secret_name}"
        if not login.username or not login.password:
            text = f"{who[0].upper()}{who[1:]} is empty, and counts as the one for {_repository(where)}."
            return _diagnosis(cause, text, "Give it a user name and a password, or take it out.", tried)
        verb = "does not accept" if cause is Cause.WRONG_CREDENTIALS else "knows, and does not let pull,"
        return _diagnosis(
            cause,
            f"{host} {verb} {who} (user {login.username}) for {_repository(where)}.",
            f"Correct user name and password there, or let that user pull {_repository(where)}.",
            tried,
        )

    def unreadable_secret(self, namespace: str, name: str, problem: str, tried: list[Try]) -> Diagnosis:
        which = f"The pull secret {name}" if name else "A pull secret"
        return _diagnosis(
            Cause.PULL_SECRET_UNREADABLE,
            f"{which} of the namespace {namespace} cannot be read, so that nothing can be imported there: {problem}.",
            f"Correct the secret {name or ''}".rstrip() + ", or delete it.",
            tried,
        )

    # Registries

    def at_registry(self, cause: Cause, where: str, message: str, tried: list[Try]) -> Diagnosis:
        host, repository = _host(where), _repository(where)
        text, remedy = {
            Cause.CERTIFICATE_UNTRUSTED: (
                f"The certificate of {host} was signed by an authority that the cluster does not trust.",
                f"Put its certificate, under the key {host.replace(':', '..')}, into the ConfigMap of {CA_FIELD}.",
            ),
            Cause.CERTIFICATE_WRONG_NAME: (
                f"The certificate of {host} is for another name: {_tail(message)}.",
                f"Call the registry by a name that is in its certificate, or give it a certificate for {host}.",
            ),
            Cause.CERTIFICATE_EXPIRED: (
                f"The certificate of {host} is not valid now: {_tail(message)}.",
                f"Renew the certificate of {host}, and look at the clocks.",
            ),
            Cause.TLS_FAILED: (
                f"No TLS connection with {host} comes about: {_tail(message)}.",
                "Look at the TLS settings of the registry: the cluster speaks TLS 1.2 and 1.3.",
            ),
            Cause.HTTP_ONLY: (
                f"{host} speaks HTTP without TLS.",
                f"Give {host} a certificate, set importPolicy.insecure of the tag, or add what it names to {INSECURE}.",
            ),
            Cause.HOST_UNKNOWN: (
                f"There is no host {host}.",
                f"Make the name {host} known to the cluster's DNS, or add a mirror rule for {repository}.",
            ),
            Cause.HOST_UNREACHABLE: (
                f"No way leads to {host}: {_tail(message)}.",
                f"Let the control plane reach {host}, or add a mirror rule for {repository}.",
            ),
            Cause.CONNECTION_REFUSED: (
                f"{host} refuses connections.",
                f"Start the registry at {host}, open its port, or add a mirror rule for {repository}.",
            ),
            Cause.CONNECTION_LOST: (
                f"{host} ends the connection before its answer is there.",
                f"Look at the log of {host}, and at the proxies and load balancers before it.",
            ),
            Cause.TIMEOUT: (
                f"{host} does not answer in time.",
                f"Open the way to {host} in the firewall, or add a mirror rule for {repository}.",
            ),
            Cause.RATE_LIMITED: (
                f"{host} answers that too much is asked of it.",
                f"Log in with a pull secret that {host} allows more, import again later, or mirror {repository}.",
            ),
            Cause.NO_REGISTRY: (
                f"What answers at {host} is no registry: {_tail(message)}.",
                f"Look which server stands behind {host}; registries answer under /v2/.",
            ),
            Cause.REGISTRY_ERROR: (
                f"{host} answers with an error: {message}.",
                f"Look at the log of {host}.",
            ),
            Cause.REPOSITORY_UNKNOWN: (
                f"{host} has no repository {repository.partition('/')[2]}.",
                f"Correct the tag's source, or push the image {where}.",
            ),
            Cause.IMAGE_UNKNOWN: (
                f"{host} has no {where}.",
                f"Correct the tag's source, or push the image {where}.",
            ),
            Cause.BLOB_MISSING: (f"{host} lacks a blob of {where}.", f"Push {where} once more."),
            Cause.MANIFEST_BROKEN: (f"The manifest of {where} cannot be used: {message}.", f"Push {where} once more."),
        }.get(cause, ("", ""))
        if not text:
            return self.other(message, tried)
        return _diagnosis(cause, text, remedy, tried)

    def incomplete_index(
        self, where: str, digest: str, platform: str, tried: list[Try], copies: list[Copy]
    ) -> Diagnosis:
        source = copies[0].source if copies else where
        return _diagnosis(
            Cause.INDEX_INCOMPLETE,
            f"{where} is an index, and its manifest for {platform}, {digest}, is not at {_host(where)}.",
            f"Copy the image with all its platforms: {self.seed_line(source)}",
            tried,
            copies,
        )

    def missing_config(self, where: str, source: str, tried: list[Try], copies: list[Copy]) -> Diagnosis:
        return _diagnosis(
            Cause.BLOB_MISSING,
            f"The manifest of {where} is there, and the config that it names is not.",
            f"Copy the image once more: {self.seed_line(source)}",
            tried,
            copies,
        )

    def broken(self, where: str, message: str, tried: list[Try]) -> Diagnosis:
        return _diagnosis(
            Cause.MANIFEST_BROKEN,
            f"The image {where} cannot be used: {message}.",
            f"Push {where} once more, as an image that OpenShift knows (Docker schema 2 or OCI).",
            tried,
        )

    def other(self, message: str, tried: list[Try] | None = None) -> Diagnosis:
        return _diagnosis(
            Cause.OTHER, f"The cluster says: {message}", "ismirror preflight --explain shows what was asked.", tried
        )

    # Tags

    def over_limit(self, tag: TagTrial) -> Diagnosis:
        return _diagnosis(
            Cause.OVER_TAG_LIMIT,
            f"{tag.place} has more than {self._limit} tags; this one ends in status.repository.additionalTags.",
            f"Name {tag.from_} as a tag of its own in spec.tags, or raise maxImagesBulkImportedPerRepository.",
        )

    def alias_fails(self, followed: str, why: str) -> tuple[str, str]:
        return f"It follows {followed}, which does not import: {why}", f"Repair {followed}."

    def alias_unknown(self, followed: str) -> tuple[str, str]:
        return (
            f"It follows {followed}, which none of the image streams has.",
            f"Correct the name, or give the image stream with {followed} to this check, too.",
        )

    def alias_loop(self, chain: Sequence[str]) -> tuple[str, str]:
        return f"It follows itself: {' -> '.join(chain)}.", "Let one of these tags follow an image."

    def scheduled_digest(self, from_: str) -> Remark:
        return Remark(
            cause=Cause.SCHEDULED_DIGEST,
            explanation=f"The tag is to be imported again and again, and {from_} names a digest, which never changes.",
            remedy="Take importPolicy.scheduled away, or follow a tag.",
        )

    def other_architecture(self, from_: str, chosen: str, wanted: Sequence[str], available: Collection[str]) -> Remark:
        has = _words(sorted(available), "and")
        nodes = _words(wanted, "and")
        if any(one in available for one in wanted):
            remedy = "Set importPolicy.importMode to PreserveOriginal, which keeps the images of all architectures."
        else:
            remedy = f"Have the image made for {nodes}."
        return Remark(
            cause=Cause.ARCHITECTURE_MISSING,
            explanation=f"Legacy mode takes the image for {chosen} (there are {has}), and there are nodes of {nodes}.",
            remedy=remedy,
        )

    def architecture_missing(self, from_: str, missing: Sequence[str], available: Collection[str]) -> Remark:
        return Remark(
            cause=Cause.ARCHITECTURE_MISSING,
            explanation=f"{from_} is for {_words(sorted(available), 'and')} only, and there are nodes of "
            f"{_words(missing, 'and')}.",
            remedy=f"Have the image made for {_words(missing, 'and')}, or keep its pods on the other nodes.",
        )


def _diagnosis(
    cause: Cause, explanation: str, remedy: str, tried: list[Try] | None = None, copies: list[Copy] | None = None
) -> Diagnosis:
    return Diagnosis(cause, explanation, remedy, tried or [], copies or [])


def _problem(one: Try) -> str:
    """Why a place did not give the image, as what follows its name."""
    match one.cause:
        case Cause.HOST_UNKNOWN:
            return "is not known"
        case Cause.CONNECTION_REFUSED:
            return "refuses connections"
        case Cause.HOST_UNREACHABLE | Cause.TIMEOUT | Cause.CONNECTION_LOST:
            return "cannot be reached"
        case Cause.IMAGE_UNKNOWN | Cause.REPOSITORY_UNKNOWN:
            return "does not have it"
        case Cause.NO_PULL_SECRET:
            return "wants a login that there is none of"
        case None:
            return "answers"
        case cause:
            return f"does not give it ({cause.heading})"


def _words(names: Sequence[str], last: str) -> str:
    distinct = list(dict.fromkeys(names))
    return distinct[0] if len(distinct) == 1 else f"{', '.join(distinct[:-1])} {last} {distinct[-1]}"


def _tail(message: str) -> str:
    """The end of a message, behind the URL: what happened."""
    return message.rpartition('": ')[2]


def _host(pull_spec: str) -> str:
    try:
        return Reference.parse(pull_spec).docker_client_defaults().registry
    except InvalidReference:
        return pull_spec.partition("/")[0]


def _repository(pull_spec: str) -> str:
    try:
        return Reference.parse(pull_spec).docker_client_defaults().as_repository().exact()
    except InvalidReference:
        return pull_spec
