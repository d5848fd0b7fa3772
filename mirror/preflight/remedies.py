"""What people are told: each cause in plain words for one tag, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mirror.importer.credentials import Credential
from mirror.importer.registries import RegistryEntry
from mirror.preflight.causes import Cause
from mirror.preflight.commands import Commands
from mirror.preflight.credentials import NearMiss, called
from mirror.preflight.registry_remedies import (
    CONFIG,
    asked_host,
    full_name,
    host_of_spec,
    led_there,
    or_mirror,
    registry_words,
    repository_of,
    rule_kind,
    words_of,
)
from mirror.preflight.report import Copy, Try
from mirror.preflight.trials import TagTrial
from mirror.reference import InvalidReference, Reference
from mirror.v1.meta import Status


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why, in plain words, and what to do about it."""

    cause: Cause
    explanation: str
    remedy: str
    tried: list[Try] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)


class Remedies:
    """Words for causes. `commands` bring images to where they are missing; `limit` is the limit of tags."""

    def __init__(self, commands: Commands | None = None, limit: int = 50) -> None:
        self._commands = commands or Commands()
        self._limit = limit

    # What the cluster is told

    def blocked(self, registry: str) -> Diagnosis:
        return _diagnosis(
            Cause.REGISTRY_BLOCKED,
            f"{registry} is in registrySources.blockedRegistries of {CONFIG}.",
            f"Take {registry} out of blockedRegistries there, or add a mirror set with source {registry}: a registry "
            "that has mirrors is not blocked for imports.",
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

    def invalid_object(self, status: Status) -> Diagnosis:
        causes = (status.details.causes if status.details is not None else None) or ()
        # What has no place of its own ("[]") says again what others say of theirs.
        fields = "; ".join(
            dict.fromkeys(f"{one.field}: {one.message}" for one in causes if one.field not in ("", "[]"))
        )
        return _diagnosis(
            Cause.OBJECT_INVALID,
            f"The API server refuses the object: {status.message}",
            f"Correct {fields}" if fields else "Correct what it names.",
        )

    def invalid_pull_spec(self, name: str, problem: str) -> Diagnosis:
        likely = likely_pull_spec(name)
        hint = f"it may be meant as {likely}" if likely else "a pull spec is like quay.io/example/app:1.0"
        return _diagnosis(
            Cause.INVALID_PULL_SPEC,
            f"{name!r} is no pull spec: {problem}.",
            f"Correct the name of the tag's source; {hint}",
        )

    def too_slow(self, tags: int) -> Diagnosis:
        return _diagnosis(
            Cause.TOO_SLOW,
            f"The import of all {tags} tags would take longer than the 34 seconds that the API server gives it.",
            "Spread the tags over several image streams, or make the registry answer sooner: a rate limit makes the "
            "cluster wait.",
        )

    # Mirrors

    def not_mirrored(
        self, pull_spec: str, mirrors: Sequence[Try], source: Try, tried: list[Try], copies: list[Copy]
    ) -> Diagnosis:
        hosts = words_of([one.host for one in mirrors])
        verb = "lacks it" if len({one.host for one in mirrors}) == 1 else "lack it"
        rest = "" if source.mirror else f", and {source.host} {_problem(source)}"
        if not source.mirror and source.cause in (Cause.IMAGE_UNKNOWN, Cause.REPOSITORY_UNKNOWN):
            return _diagnosis(
                Cause.IMAGE_UNKNOWN,
                f"There is no {pull_spec}: {hosts} {verb}{rest}.",
                f"Correct the tag's source, or {self._push(pull_spec, mirrors[0].reference)}",
                tried,
                copies,
            )
        return _diagnosis(
            Cause.NOT_MIRRORED,
            f"{hosts} {verb}{rest}.",
            self._mirror(pull_spec, mirrors[0].reference),
            tried,
            copies,
        )

    def other_mirrors_only(
        self, reference: Reference, entry: RegistryEntry, source: Try, tried: list[Try]
    ) -> Diagnosis:
        where = words_of([one.location for one in entry.mirrors])
        by_digest = bool(reference.id)
        kind, other = ("digest", "tags") if by_digest else ("tag", "digests")
        cause = Cause.TAG_MIRRORS_ONLY if by_digest else Cause.DIGEST_MIRRORS_ONLY
        pull_spec = reference.docker_client_defaults().exact()
        target = pull_spec.replace(entry.location, entry.mirrors[0].location, 1)
        return _diagnosis(
            cause,
            f"The image is named by its {kind}, and {where} only mirrors {entry.location} for {other}; "
            f"so {source.host} is asked, which {_problem(source)}.",
            self._new_rule(pull_spec, target, entry.location, entry.mirrors[0].location, by_digest=by_digest),
            tried,
            [Copy(source=pull_spec, target=target)],
        )

    def unusable_rule(self, pull_spec: str, problem: str, mirrors: Sequence[str], tried: list[Try]) -> Diagnosis:
        wrong = next((one for one in mirrors if _likely_mirror(one) not in ("", one)), "")
        correct = f"write {_likely_mirror(wrong)} in place of {wrong}" if wrong else "correct the mirror"
        return _diagnosis(
            Cause.MIRROR_RULE_UNUSABLE,
            f"The mirror rule that matches {pull_spec} makes no pull spec of it: {problem}.",
            f"In the mirror set {correct}: it has to be HOST[:PORT]/PATH, without https:// and without a slash at its "
            "end; a host has a dot or a port in it.",
            tried,
        )

    def no_rule(
        self, pull_spec: str, source: Try, near: Sequence[str], mirror: str, by_digest: bool, tried: list[Try]
    ) -> Diagnosis:
        """`mirror` is a registry that has other mirrors."""
        nearly = f" The nearest rules are for {words_of(near)}." if near else ""
        repository = repository_of(pull_spec)
        target = pull_spec.replace(repository, f"{mirror}/{repository.partition('/')[2]}", 1)
        return _diagnosis(
            Cause.NO_MIRROR_RULE,
            f"{source.host} {_problem(source)}, and no mirror rule is for {pull_spec}.{nearly}",
            self._new_rule(pull_spec, target, repository, repository_of(target), by_digest=by_digest),
            tried,
            [Copy(source=pull_spec, target=target)],
        )

    def _new_rule(self, pull_spec: str, target: str, source: str, mirror: str, *, by_digest: bool) -> str:
        host = host_of_spec(target)
        known = f"Name {host} under hosts of the policy. " if self._commands.lists_hosts_without(host) else ""
        if self._commands.asks_hosts_without(host):
            known = f"Give --against {host}=URL. "
        return (
            f"{known}Add an {rule_kind(by_digest=by_digest)} with source {source} and mirror {mirror}, "
            f"and mirror {pull_spec} to {target}: {self._commands.copy(pull_spec, target)}"
        )

    def _mirror(self, pull_spec: str, target: str) -> str:
        return f"Mirror {pull_spec} to {target}: {self._commands.copy(pull_spec, target)}"

    def _push(self, pull_spec: str, target: str) -> str:
        """What to do where an image may be nowhere: whoever makes it pushes it, or the tree has not got it yet."""
        if self._commands.tree:
            return f"copy the image into the tree: {self._commands.copy(pull_spec, target)}"
        return f"push the image {target}."

    # Credentials

    def no_secret(self, namespace: str, where: str, near: Sequence[NearMiss], tried: list[Try]) -> Diagnosis:
        nearly = f" Nearly: {'; '.join(map(str, near[:3]))}." if near else ""
        host = host_of_spec(where)
        return _diagnosis(
            Cause.NO_PULL_SECRET,
            f"{host} wants a login, and no pull secret has one for {repository_of(where)}.{nearly}",
            f"Add a login for {host} to a pull secret in the namespace {namespace}, or to the cluster's own one: "
            f"oc create secret docker-registry NAME -n {namespace} --docker-server={host} --docker-username=… "
            "--docker-password=…",
            tried,
        )

    def refused_login(self, cause: Cause, where: str, login: Credential | None, tried: list[Try]) -> Diagnosis:
        host = host_of_spec(where)
        if login is None:
            return _diagnosis(
                cause,
                f"{host} does not let anybody pull {repository_of(where)} without a login.",
                f"Add a login for {host} that may pull {repository_of(where)} to a pull secret.",
                tried,
            )
        who = f"the login for {login.location} in {called(login.secret_name)}"
        if not login.username or not login.password:
            text = f"{_sentence(who)} is empty, and counts as the one for {repository_of(where)}."
            remedy = f"Give {who} a user name and a password, or take it out."
            return _diagnosis(cause, text, remedy, tried)
        verb = "does not accept" if cause is Cause.WRONG_CREDENTIALS else "knows, and does not let pull,"
        return _diagnosis(
            cause,
            f"{host} {verb} {who} (user {login.username}) for {repository_of(where)}.",
            f"Correct {who}, or let {login.username} pull {repository_of(where)} there.",
            tried,
        )

    def unreadable_secret(self, namespace: str, name: str, problem: str, tried: list[Try]) -> Diagnosis:
        which = f"The pull secret {name}" if name else "A pull secret"
        return _diagnosis(
            Cause.PULL_SECRET_UNREADABLE,
            f"{which} of the namespace {namespace} cannot be read, so that nothing can be imported there: {problem}.",
            f"Correct the secret {name or ''}".rstrip() + f" of the namespace {namespace}, or delete it.",
            tried,
        )

    # Registries

    def at_registry(
        self, cause: Cause, namespace: str, named: str, where: str, scope: str, message: str, tried: list[Try]
    ) -> Diagnosis:
        """`scope` is the source of the mirror rule that is, or would be, for what the tag names."""
        if self._commands.tree:
            found = self._in_tree(cause, named, where, scope, tried)
            if found is not None:
                return found
        host = asked_host(where, message)
        if cause is Cause.HOST_UNKNOWN and self._commands.asks_hosts_without(host):
            text = f"There is no host {host}: it is not among those of --against.{led_there(host_of_spec(where), host)}"
            remedy = f"Give --against {host}=URL if the cluster reaches it, {or_mirror(named, scope)}"
            return _diagnosis(cause, text, remedy, tried)
        words = registry_words(cause, namespace, named, where, scope, message)
        if words is None:
            return self.other(named, message, tried)
        return _diagnosis(cause, *words, tried)

    def _in_tree(self, cause: Cause, named: str, where: str, scope: str, tried: list[Try]) -> Diagnosis | None:
        """What is to be done about a tree that lacks an image, a host, or is to do without it; None for all else."""
        host, path = host_of_spec(where), repository_of(where).partition("/")[2]
        pull_spec = full_name(named)
        copies = [Copy(source=pull_spec, target=where)] if where != pull_spec else []
        if cause is Cause.HOST_UNKNOWN and self._commands.lacks_host(host):
            text = f"There is no host {host}: the tree {self._commands.tree} has nothing of it."
            remedy = self._mirror(pull_spec, where) if copies else _sentence(self._push(pull_spec, where))
            return _diagnosis(cause, text, remedy, tried, copies)
        if cause is Cause.HOST_UNKNOWN and self._commands.lists_hosts_without(host):
            text = f"There is no host {host}: it is not among the hosts of the policy."
            remedy = f"Name {host} under hosts of the policy if the cluster reaches it, {or_mirror(named, scope)}"
            return _diagnosis(cause, text, remedy, tried)
        if cause in (Cause.IMAGE_UNKNOWN, Cause.REPOSITORY_UNKNOWN):
            what = f"repository {path}" if cause is Cause.REPOSITORY_UNKNOWN else where
            remedy = f"Correct the tag's source, or {self._push(pull_spec, where)}"
            return _diagnosis(cause, f"{host} has no {what}.", remedy, tried, copies)
        return None

    def incomplete_index(
        self, where: str, digest: str, platform: str, tried: list[Try], copies: list[Copy]
    ) -> Diagnosis:
        return _diagnosis(
            Cause.INDEX_INCOMPLETE,
            f"{where} is an index, and its manifest for {platform}, {digest}, is not at {host_of_spec(where)}.",
            self._once_more(where, copies, "with all its platforms"),
            tried,
            copies,
        )

    def missing_config(self, where: str, tried: list[Try], copies: list[Copy]) -> Diagnosis:
        return _diagnosis(
            Cause.BLOB_MISSING,
            f"The manifest of {where} is there, and the config that it names is not.",
            self._once_more(where, copies, "with its config"),
            tried,
            copies,
        )

    def _once_more(self, where: str, copies: list[Copy], how: str) -> str:
        """A mirror gets it from the source; whoever is the source himself has to make it whole."""
        if copies:
            return f"Mirror it once more, {how}: {self._commands.copy(copies[0].source, where)}"
        if self._commands.tree:
            return f"Copy the image once more, {how}: {self._commands.copy(where, where)}"
        return f"Push the image {where} once more, {how}."

    def broken(self, where: str, message: str, tried: list[Try]) -> Diagnosis:
        return _diagnosis(
            Cause.MANIFEST_BROKEN,
            f"The image {where} cannot be used: {message}.",
            f"Push the image {where} once more, as one that OpenShift knows (Docker schema 2 or OCI).",
            tried,
        )

    def other(self, named: str, message: str, tried: list[Try] | None = None) -> Diagnosis:
        return _diagnosis(
            Cause.OTHER,
            f"The cluster says: {message}",
            "Correct what the registry answers: the same command shows each request and its answer "
            f"with --explain {shlex.quote(named)}",
            tried,
        )

    def with_others(
        self, first: Diagnosis, others: Sequence[tuple[Try, Diagnosis | None]], copies: list[Copy]
    ) -> Diagnosis:
        """What is wrong at the first mirror that is broken, and of the other sources each with what is wrong there.

        `others` have a diagnosis where it is more than that the image is not there; `copies` bring it to one of them.
        """
        if not others:
            return first
        facts = "; ".join(f"{one.reference}: {_problem(one)}" for one, _ in others)
        remedies = [said.remedy for one, said in others if said is not None and one.mirror]
        remedies += [self._mirror(one.source, one.target) for one in copies]
        more = "".join(f" Or: {remedy}" for remedy in dict.fromkeys(remedies) if remedy != first.remedy)
        return replace(
            first,
            explanation=f"{first.explanation} Nor did the others give it: {facts}.",
            remedy=first.remedy + more,
            copies=first.copies or copies,
        )

    # Tags

    def over_limit(self, tag: TagTrial) -> Diagnosis:
        return _diagnosis(
            Cause.OVER_TAG_LIMIT,
            f"{tag.place} has more than {self._limit} tags; this one ends in status.repository.additionalTags.",
            f"Name {tag.from_} as a tag of its own in spec.tags, or raise maxImagesBulkImportedPerRepository above "
            f"{self._limit}.",
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


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def likely_pull_spec(name: str) -> str:
    """What a name that is no pull spec may be meant as; empty if there is no telling."""
    bare = name.strip()
    for prefix in ("docker://", "https://", "http://", "oci://"):
        bare = bare.removeprefix(prefix)
    repository, at, digest = bare.partition("@")
    path, colon, tag = repository.rpartition(":")
    if not colon or "/" in tag:
        path, colon, tag = repository, "", ""
    likely = f"{path.rstrip('/').lower()}{colon}{tag}{at}{digest}"
    try:
        Reference.parse(likely)
    except InvalidReference:
        return ""
    return likely


def _likely_mirror(location: str) -> str:
    """A mirror as it has to be written; empty if there is no telling."""
    bare = location.strip().removeprefix("https://").removeprefix("http://").rstrip("/")
    try:
        Reference.parse(f"{bare}/app" if "/" not in bare else bare)
    except InvalidReference:
        return ""
    return bare
