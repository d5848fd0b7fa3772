"""From what an import did to why it failed, in plain words, and what to do about it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from mirror.importer.allowed import AllowedRegistries
from mirror.importer.failures import ClientFailure, CodeFailure, CodesFailure, FailureKind, UnparsedFailure
from mirror.importer.registries import RegistriesConfig, RegistryEntry
from mirror.importer.tracing import Trace
from mirror.preflight.causes import AWAY, Cause
from mirror.preflight.credentials import Logins
from mirror.preflight.registry_remedies import repository_of
from mirror.preflight.remedies import Diagnosis, Remedies
from mirror.preflight.report import Copy, Remark, Try
from mirror.preflight.tag_remedies import architecture_missing, other_architecture, scheduled_digest
from mirror.preflight.trials import TagTrial, TrialAnswer, reference_tags
from mirror.reference import InvalidReference, Named, Reference, parse_normalized_named
from mirror.v1.meta import Status

_OF_KIND: Final[dict[FailureKind, Cause]] = {
    "no-host": Cause.HOST_UNKNOWN,
    "refused": Cause.CONNECTION_REFUSED,
    "unreachable": Cause.HOST_UNREACHABLE,
    "timeout": Cause.TIMEOUT,
    "lost": Cause.CONNECTION_LOST,
    "plain-http": Cause.HTTP_ONLY,
    "untrusted": Cause.CERTIFICATE_UNTRUSTED,
    "wrong-name": Cause.CERTIFICATE_WRONG_NAME,
    "expired": Cause.CERTIFICATE_EXPIRED,
    "tls": Cause.TLS_FAILED,
    "no-login": Cause.NO_PULL_SECRET,
    "pull-secret": Cause.PULL_SECRET_UNREADABLE,
    "mirror-rule": Cause.MIRROR_RULE_UNUSABLE,
    "no-registry": Cause.NO_REGISTRY,
    "server-error": Cause.REGISTRY_ERROR,
    "no-blob": Cause.BLOB_MISSING,
    "content": Cause.MANIFEST_BROKEN,
}
_OF_CODE: Final[dict[str, Cause]] = {
    "MANIFEST_UNKNOWN": Cause.IMAGE_UNKNOWN,
    "NAME_UNKNOWN": Cause.REPOSITORY_UNKNOWN,
    "TOOMANYREQUESTS": Cause.RATE_LIMITED,
    "UNAUTHORIZED": Cause.NO_PULL_SECRET,
    "DENIED": Cause.ACCESS_DENIED,
}
_OF_STATUS: Final[dict[int, Cause]] = {
    401: Cause.NO_PULL_SECRET,
    403: Cause.ACCESS_DENIED,
    404: Cause.IMAGE_UNKNOWN,
    429: Cause.RATE_LIMITED,
}
LACKS: Final = frozenset({Cause.IMAGE_UNKNOWN, Cause.REPOSITORY_UNKNOWN})


def cause_of(failure: ClientFailure) -> Cause:
    """Why one source did not give an image, as far as the failure says it."""
    layer: ClientFailure | None = failure
    while layer is not None:
        for code, cause in _OF_CODE.items():
            if layer.has_code(code):
                return cause
        if isinstance(layer, UnparsedFailure):
            return _OF_STATUS.get(layer.status, Cause.REGISTRY_ERROR)
        layer = layer.inner
    root = failure.root
    if isinstance(root, CodeFailure | CodesFailure):
        return Cause.REGISTRY_ERROR
    layer = failure
    while layer is not None:
        if layer.kind:
            return _OF_KIND[layer.kind]
        layer = layer.inner
    return Cause.OTHER


class Refusal(NamedTuple):
    """A stream that cannot be created: the Status, why, and the tags of it that each have a reason of their own."""

    status: Status
    why: Diagnosis
    own: Mapping[str, Diagnosis]


class Diagnostician:
    """Finds causes, under one policy. `architectures` are those of the nodes, as far as they are given."""

    def __init__(
        self,
        registries: RegistriesConfig,
        allowed: AllowedRegistries,
        logins: Logins,
        remedies: Remedies,
        architectures: Sequence[str] = (),
    ) -> None:
        self._registries = registries
        self._allowed = allowed
        self._logins = logins
        self._say = remedies
        self._architectures = list(dict.fromkeys(architectures))

    # A whole import that was refused

    def refusal(self, answer: TrialAnswer, tag: TagTrial) -> Diagnosis:
        """Why a tag is among those that were refused together."""
        own = self.refused_alone(tag)
        if own is not None:
            return own
        assert answer.refusal is not None
        if answer.refusal.code == 504:
            return self._say.too_slow(len(answer.tags))
        return self._refused_whole(answer, answer.refusal)

    def refused_stream(self, answer: TrialAnswer) -> Refusal | None:
        """Why tags that are not imported are not there: their stream cannot be created; None if it can."""
        stream, status = answer.trial.stream, answer.invalid
        if stream is None or status is None:
            return None
        alone = {one.tag: self.refused_alone(one) for one in reference_tags(stream)}
        own = {tag: why for tag, why in alone.items() if why is not None}
        return Refusal(status, self._refused_whole(answer, status), own)

    def _refused_whole(self, answer: TrialAnswer, status: Status) -> Diagnosis:
        """Why tags are refused that would not be by themselves: because of another one, or of the object."""
        others = [] if answer.trial.stream is None else reference_tags(answer.trial.stream)
        for one in (*answer.tags, *others):
            why = self.refused_alone(one)
            if why is not None:
                return self._say.refused_along(one, why)
        return self._say.invalid_object(status)

    def refused_alone(self, tag: TagTrial) -> Diagnosis | None:
        """Why the API server refuses a stream with that tag, whatever else is in it; None if it does not."""
        try:
            reference = Reference.parse(tag.from_)
        except InvalidReference as error:
            return self._say.invalid_pull_spec(tag.from_, str(error))
        refused = self._allowed.check_import(tag.from_, tag.insecure) or self._allowed.check_pull_spec(
            tag.from_, tag.insecure
        )
        if refused is None:
            return None
        named = named_of(reference)
        entry = None if named is None else self._registries.match(named)
        mirrors = [] if entry is None else [one.location for one in entry.mirrors]
        return self._say.not_allowed(reference.docker_client_defaults(), tag.insecure, mirrors)

    # One tag

    def tag(self, namespace: str, tag: TagTrial) -> Diagnosis:
        """Why one tag was not imported."""
        if tag.status is None:
            return self._say.over_limit(tag)
        try:
            reference = Reference.parse(tag.from_)
        except InvalidReference as error:
            return self._say.invalid_pull_spec(tag.from_, str(error))
        if self._registries.blocked(reference):
            return self._say.blocked(reference.docker_client_defaults().registry)
        if tag.trace is None or tag.trace.failure is None:
            return self._say.other(tag.from_, tag.status.message)
        return self._traced(namespace, tag, reference, tag.trace, tag.trace.failure)

    def _traced(
        self, namespace: str, tag: TagTrial, reference: Reference, trace: Trace, failure: ClientFailure
    ) -> Diagnosis:
        tried = self.tries(namespace, tag.from_, trace)
        if trace.attempts and trace.attempts[-1].failure is None:
            return self._converted(namespace, tag.from_, trace, failure, tried, reference)
        unasked = [one.failure for one in trace.attempts if not one.reference and one.failure is not None]
        if unasked or not tried:
            first = unasked[0] if unasked else failure
            if cause_of(first) is Cause.MIRROR_RULE_UNUSABLE:
                rule = rule_of(self._registries, reference)
                mirrors_of = [] if rule is None else [one.location for one in rule.mirrors]
                return self._say.unusable_rule(canonical(reference), str(first), mirrors_of, tried)
            return self.at(namespace, tag.from_, canonical(reference), cause_of(first), first, tried)
        mirrors = [one for one in tried if one.mirror]
        if mirrors:
            return self._with_mirrors(namespace, tag, reference, trace, tried, mirrors)
        return self._without_mirrors(namespace, tag, reference, trace, tried)

    def _with_mirrors(
        self,
        namespace: str,
        tag: TagTrial,
        reference: Reference,
        trace: Trace,
        tried: list[Try],
        mirrors: list[Try],
    ) -> Diagnosis:
        """The mirrors that are broken, else that none has the image."""
        lacking = [one for one in mirrors if one.cause in LACKS]
        copies = [Copy(source=canonical(reference), target=one.reference) for one in lacking[:1]]
        found: list[tuple[Try, Diagnosis | None]] = []
        for place, one in enumerate(tried):
            failure = trace.attempts[place].failure
            assert failure is not None
            assert one.cause is not None
            said = one.mirror and one.cause not in LACKS
            found.append(
                (one, self.at(namespace, tag.from_, one.reference, one.cause, failure, tried) if said else None)
            )
        broken = next(((one, said) for one, said in found if said is not None), None)
        if broken is not None:
            others = [(one, said) for one, said in found if one is not broken[0]]
            return self._say.with_others(broken[1], others, copies)
        source = tried[-1]
        return self._say.not_mirrored(canonical(reference), mirrors, source, tried, copies)

    def _without_mirrors(
        self, namespace: str, tag: TagTrial, reference: Reference, trace: Trace, tried: list[Try]
    ) -> Diagnosis:
        failure = trace.attempts[-1].failure
        source = tried[-1]
        assert failure is not None
        assert source.cause is not None
        named = named_of(reference)
        entry = None if named is None else self._registries.match(named)
        if entry is not None and entry.mirrors:
            return self._say.other_mirrors_only(reference, entry, source, tried)
        if source.cause in AWAY and self._registries.has_mirrors:
            near, mirror = self._near_rules(reference), self._usual_mirror()
            return self._say.no_rule(canonical(reference), source, near, mirror, bool(reference.id), tried)
        where = source.reference or canonical(reference)
        return self.at(namespace, tag.from_, where, source.cause, failure, tried)

    def _usual_mirror(self) -> str:
        """The registry that most mirrors are at; of several the first."""
        hosts = Counter(one.location.partition("/")[0] for entry in self._registries.entries for one in entry.mirrors)
        return hosts.most_common(1)[0][0]

    def _converted(
        self, namespace: str, named: str, trace: Trace, failure: ClientFailure, tried: list[Try], reference: Reference
    ) -> Diagnosis:
        """The manifest is there, and what it leads to is not, or cannot be used."""
        where = trace.attempts[-1].reference
        cause = cause_of(failure)
        copies = [Copy(source=canonical(reference), target=where)] if tried[-1].mirror else []
        if trace.chosen is not None and cause in LACKS:
            platform = f"{trace.chosen.platform.os}/{trace.chosen.platform.architecture}"
            return self._say.incomplete_index(where, trace.chosen.digest, platform, tried, copies)
        if cause is Cause.BLOB_MISSING:
            return self._say.missing_config(where, tried, copies)
        if cause in LACKS or cause in (Cause.OTHER, Cause.MANIFEST_BROKEN):
            return self._say.broken(where, str(failure), tried)
        return self.at(namespace, named, where, self._refined(namespace, where, cause), failure, tried)

    def at(
        self, namespace: str, named: str, where: str, cause: Cause, failure: ClientFailure, tried: list[Try]
    ) -> Diagnosis:
        """What is wrong at one registry; `named` is what the tag names, `where` what that registry was asked for."""
        match cause:
            case Cause.NO_PULL_SECRET:
                return self._say.no_secret(namespace, where, self._logins.near_misses(namespace, where), tried)
            case Cause.WRONG_CREDENTIALS | Cause.ACCESS_DENIED:
                login = self._logins.chosen(namespace, where)
                return self._say.refused_login(cause, where, login, tried)
            case Cause.PULL_SECRET_UNREADABLE:
                return self._say.unreadable_secret(namespace, self._logins.unreadable(namespace), str(failure), tried)
            case _:
                return self._say.at_registry(cause, namespace, named, where, self._scope(named), str(failure), tried)

    def _scope(self, named: str) -> str:
        """The source of the rule to which a mirror of what a tag names is added.

        Another rule for less than that would take the place of the one there is, and of all its mirrors.
        """
        rule = rule_of(self._registries, Reference.parse(named))
        return rule.location if rule is not None and rule.mirrors else repository_of(named)

    def _refined(self, namespace: str, where: str, cause: Cause) -> Cause:
        """Whether a login is missing, or there is one that is not accepted."""
        if cause is not Cause.NO_PULL_SECRET:
            return cause
        return Cause.NO_PULL_SECRET if self._logins.chosen(namespace, where) is None else Cause.WRONG_CREDENTIALS

    # What was tried

    def tries(self, namespace: str, from_: str, trace: Trace) -> list[Try]:
        """The places where an image was looked for, in order; the last is the tag's own, unless a mirror answered."""
        own = _own_text(from_)
        found = []
        for attempt in trace.attempts:
            if not attempt.reference:
                continue
            cause = None
            if attempt.failure is not None:
                cause = self._refined(namespace, attempt.reference, cause_of(attempt.failure))
            found.append(
                Try(
                    reference=attempt.reference,
                    host=host_of(attempt.reference),
                    mirror=attempt.reference != own,
                    answered=attempt.failure is None,
                    cause=cause,
                    message="" if attempt.failure is None else sys.intern(str(attempt.failure)),
                )
            )
        return found

    def _near_rules(self, reference: Reference) -> list[str]:
        """The scopes of mirror rules of the same registry, which do not hold for the image."""
        host = reference.docker_client_defaults().registry
        return [
            entry.location
            for entry in self._registries.entries
            if entry.mirrors and entry.location and entry.location.partition("/")[0] == host
        ][:3]

    # Of tags that import

    def remarks(self, tag: TagTrial) -> list[Remark]:
        """What is to be known about a tag that imports."""
        found = []
        trace = tag.trace
        if tag.scheduled and "@" in tag.from_:
            found.append(scheduled_digest(tag.from_))
        if trace is not None and trace.chosen is not None:
            chosen = trace.chosen.platform.architecture
            available = {one.platform.architecture for one in trace.entries}
            missing = [one for one in self._architectures if one != chosen]
            if missing:
                found.append(other_architecture(chosen, missing, available))
        elif trace is not None and trace.entries and self._architectures:
            available = {one.platform.architecture for one in trace.entries}
            missing = [one for one in self._architectures if one not in available]
            if missing:
                found.append(architecture_missing(tag.from_, missing, available))
        elif self._architectures and tag.architecture and tag.architecture not in self._architectures:
            found.append(architecture_missing(tag.from_, self._architectures, {tag.architecture}))
        return found


def named_of(reference: Reference) -> Named | None:
    """The normalised form that mirror rules are looked up by; None where there is none."""
    try:
        return parse_normalized_named(reference.exact())
    except InvalidReference:
        return None


def canonical(reference: Reference) -> str:
    """The pull spec with its defaults filled in."""
    return reference.docker_client_defaults().exact()


def host_of(pull_spec: str) -> str:
    """The registry of a pull spec; empty for what is none."""
    try:
        return Reference.parse(pull_spec).docker_client_defaults().registry
    except InvalidReference:
        return ""


def _own_text(from_: str) -> str:
    """The pull spec as the importer asks for it where no mirror is meant."""
    try:
        reference = Reference.parse(from_)
    except InvalidReference:
        return from_
    reference = reference.replace(tag="" if reference.id else reference.tag or "latest")
    named = named_of(reference)
    return from_ if named is None else str(named)


def rule_of(registries: RegistriesConfig, reference: Reference) -> RegistryEntry | None:
    """The entry of the policy that decides where a reference is pulled from."""
    named = named_of(reference)
    return None if named is None else registries.match(named)
