"""What people are told: each cause in plain words for one tag, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from mirror.importer.credentials import Credential
from mirror.importer.registries import RegistryEntry
from mirror.preflight.causes import Cause
from mirror.preflight.credentials import NearMiss
from mirror.preflight.registry_remedies import CONFIG, host_of_spec, registry_words, repository_of
from mirror.preflight.report import Copy, Remark, Try
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
        repository, place = repository_of(pull_spec).partition("/")[2], repository_of(target)
        if self._tree is not None or not place.endswith(f"/{repository}"):
            return line
        return f"{line} && ismirror seed push TREE {shlex.quote(place[: -len(repository) - 1])}"

    # What the cluster is told

    def blocked(self, registry: str) -> Diagnosis:
        return _diagnosis(
            Cause.REGISTRY_BLOCKED,
            f"{registry} is in registrySources.blockedRegistries of {CONFIG}.",
            f"Take {registry} out of blockedRegistries there, or give it a mirror: registries that have one are not "
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

    def invalid_object(self, status: Status) -> Diagnosis:
        causes = (status.details.causes if status.details is not None else None) or ()
        fields = "; ".join(dict.fromkeys(f"{one.field}: {one.message}" for one in causes if one.field))
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
        nearly = f" The nearest rules are for {_words(near, 'and')}." if near else ""
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
        wanted = "ImageDigestMirrorSet" if by_digest else "ImageTagMirrorSet"
        return (
            f"Add an {wanted} with source {source} and mirror {mirror}, "
            f"and mirror {pull_spec} to {target}: {self.mirror_lines(pull_spec, target)}"
        )

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
        who = f"the login for {login.location} in {login.secret_name}"
        if not login.username or not login.password:
            text = f"{who[0].upper()}{who[1:]} is empty, and counts as the one for {repository_of(where)}."
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
        self, cause: Cause, namespace: str, named: str, where: str, message: str, tried: list[Try]
    ) -> Diagnosis:
        words = registry_words(cause, namespace, named, where, message)
        if words is None:
            return self.other(named, message, tried)
        return _diagnosis(cause, *words, tried)

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
        if not copies:
            return f"Push the image {where} once more, {how}."
        return f"Mirror it once more, {how}: {self.mirror_lines(copies[0].source, where)}"

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

    def with_others(self, first: Diagnosis, others: Sequence[tuple[Try, Diagnosis | None]]) -> Diagnosis:
        """What is wrong at the first mirror that is broken, and of the other sources each with what is wrong there.

        `others` have a diagnosis where it is more than that the image is not there.
        """
        if not others:
            return first
        facts = "; ".join(f"{one.reference}: {_problem(one)}" for one, _ in others)
        remedies = dict.fromkeys(said.remedy for one, said in others if said is not None and one.mirror)
        more = "".join(f" Or: {remedy}" for remedy in remedies if remedy != first.remedy)
        return replace(
            first, explanation=f"{first.explanation} Nor did the others give it: {facts}.", remedy=first.remedy + more
        )

    # Tags

    def over_limit(self, tag: TagTrial) -> Diagnosis:
        return _diagnosis(
            Cause.OVER_TAG_LIMIT,
            f"{tag.place} has more than {self._limit} tags; this one ends in status.repository.additionalTags.",
            f"Name {tag.from_} as a tag of its own in spec.tags, or raise maxImagesBulkImportedPerRepository above "
            f"{self._limit}.",
        )

    def alias_fails(self, followed: str, why: str) -> tuple[str, str]:
        return f"It follows {followed}, which does not import: {why}", f"Repair {followed}."

    def alias_unknown(self, followed: str) -> tuple[str, str]:
        return (
            f"It follows {followed}, which none of the image streams has.",
            f"Correct the name, let {followed} follow an image, or give this check the image stream that has it.",
        )

    def alias_loop(self, chain: Sequence[str]) -> tuple[str, str]:
        return (
            f"It follows itself: {' -> '.join(chain)}.",
            f"Let one of {_words(chain, 'and')} follow an image.",
        )

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
