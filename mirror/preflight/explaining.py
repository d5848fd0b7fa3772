"""The way of one reference: how it is read, which rules hold for it, what is asked of whom, and what is made of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from mirror.api.app import ApiCore
from mirror.clock import NamedUids
from mirror.errors import InputError
from mirror.importer.credentials import Credential
from mirror.importer.registries import RegistriesConfig
from mirror.importer.tracing import Trace
from mirror.preflight.aliases import followed
from mirror.preflight.causes import Cause
from mirror.preflight.checking import result_of
from mirror.preflight.cluster import TrialCluster
from mirror.preflight.credentials import Logins
from mirror.preflight.diagnosis import host_of, named_of, rule_of
from mirror.preflight.recording import Exchange, RecordingTransport, by_source
from mirror.preflight.registry_remedies import repository_of
from mirror.preflight.report import TagResult
from mirror.preflight.running import Question, diagnostician_of
from mirror.preflight.trials import TagTrial, TrialAnswer, answer_to, tag_in, trial_of, unique_tags
from mirror.reference import InvalidReference, Reference
from mirror.streams import Found, FoundImport, FoundStream, name_of
from mirror.v1.imagestream import TagReference
from mirror.v1.imagestreamimport import ImageImportSpec, ImageStreamImportSpec
from mirror.v1.meta import LocalObjectReference, ObjectReference


class ParsedReference(msgspec.Struct, frozen=True, kw_only=True):
    """A pull spec in its parts, and with its defaults filled in."""

    registry: str
    repository: str
    tag: str
    digest: str
    full: str


class MirrorRule(msgspec.Struct, frozen=True, kw_only=True):
    """A scope of the merged mirror configuration."""

    scope: str
    mirrors: Annotated[list[str], Meta(description="In the order in which they are tried.")]
    skipped: Annotated[list[str], Meta(description="Mirrors that are only for the other kind of reference.")]


class SourceStep(msgspec.Struct, frozen=True, kw_only=True):
    """A place where the image was looked for."""

    reference: str
    mirror: bool
    credential: Annotated[str, Meta(description="The name of the pull secret and the location in it, or nothing.")]
    why: Annotated[str, Meta(description="Why that login, or why none.")]
    exchanges: list[Exchange]
    outcome: str
    cause: Annotated[Cause | None, Meta(description="Why it did not come from there.")] = None


class ManifestChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken of an index."""

    platforms: list[str]
    chosen: str
    digest: str
    why: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that happened for one tag."""

    tag: str
    follows: Annotated[list[str], Meta(description="Of an alias, the tags that it leads through.")]
    reference: ParsedReference | None
    insecure: bool
    rule: MirrorRule | None
    nearly: Annotated[list[str], Meta(description="Mirror rules of the same registry that do not match.")]
    sources: list[SourceStep]
    manifest: ManifestChoice | None
    result: TagResult


async def explain(question: Question, wanted: str) -> Explanation:
    """Tries the import of one tag alone, and says everything of it.

    Raises:
        InputError: there is no such tag, or it follows none.
    """
    found, tag = find_tag(question.streams, wanted)
    found, tag, chain = _end_of_chain(question.streams, found, tag)
    alone = _alone(found, tag)
    transport = RecordingTransport(question.content.transport, real=not question.clock.virtual)
    try:
        cluster = TrialCluster(
            question.policy.config.cluster, transport, question.clock, NamedUids(), concurrency=1, in_order=True
        )
        diagnostician = diagnostician_of(cluster, question)
        answer = await answer_to(trial_of(alone), ApiCore(cluster), cluster)
        result = result_of(answer, answer.tags[0], diagnostician)
        if any(diagnostician.refused_alone(one) is not None for one in _other_trials(found, tag)):
            # Alone it would be taken; the stream as a whole is not.
            whole = await answer_to(trial_of(found), ApiCore(cluster), cluster)
            result = next((result_of(whole, one, diagnostician) for one in whole.tags if one.tag == tag.name), result)
    finally:
        await transport.aclose()
    trace = answer.tags[0].trace or Trace()
    settings = cluster.settings
    logins = Logins(settings.secrets, settings.node_secrets)
    reference = _reference(answer.tags[0].from_)
    return Explanation(
        tag=f"{result.namespace}/{result.stream}:{tag.name}" if not chain else chain[0],
        follows=chain[1:],
        reference=None if reference is None else _parsed(reference),
        insecure=reference is not None and settings.registries.insecure(answer.tags[0].insecure, reference),
        rule=None if reference is None else _rule(settings.registries, reference),
        nearly=[] if reference is None else _nearly(settings.registries, reference),
        sources=list(_steps(answer, result, logins, transport.exchanges)),
        manifest=_choice(trace, question.policy.config.cluster.architecture),
        result=result,
    )


# Which tag


def find_tag(streams: Sequence[Found], wanted: str) -> tuple[Found, TagReference]:
    """The tag of a name: ``STREAM:TAG`` or ``NAMESPACE/STREAM:TAG``, or the pull spec that it follows.

    Raises:
        InputError: there is none, or several.
    """
    every = [(found, tag) for found in streams for tag in tags_of(found)]
    named = [(found, tag) for found, tag in every if wanted in _names(found, tag)]
    if not named:
        named = [(found, tag) for found, tag in every if tag.from_ is not None and tag.from_.name == wanted][:1]
    if not named:
        named = [(found, tag) for found in streams for tag in _of_repository(found, wanted)]
    if not named:
        names = [_names(found, tag)[0] for found, tag in every]
        near = difflib.get_close_matches(wanted, names + [name.partition("/")[2] for name in names], 3, 0.5)
        hint = f"; there is {', '.join(near)}" if near else ""
        raise InputError(f"--explain: no tag {wanted!r} in the image streams{hint}")
    if len({_names(found, tag)[0] for found, tag in named}) > 1:
        raise InputError(f"--explain: {wanted!r} is several: {', '.join(_names(*one)[0] for one in named[:5])}")
    return named[0]


def tags_of(found: Found) -> list[TagReference]:
    """The tags of a stream, or the images of an import as such."""
    if isinstance(found, FoundStream):
        return unique_tags(found.stream)
    images = []
    for image in found.isi.spec.images or ():
        name = image.to.name if image.to is not None else tag_in(image.from_.name)
        images.append(
            TagReference(
                name,
                from_=image.from_,
                importPolicy=image.importPolicy,
                referencePolicy=image.referencePolicy,
            )
        )
    return images


def _of_repository(found: Found, wanted: str) -> Iterator[TagReference]:
    """The tag of that name, where all tags of a repository are imported."""
    if isinstance(found, FoundStream):
        repository = found.stream.spec.dockerImageRepository
    else:
        spec = found.isi.spec.repository
        repository = "" if spec is None else spec.from_.name
    name, _, tag = wanted.rpartition(":")
    if repository and tag and f"{name}:" in {one.removesuffix(tag) for one in _names(found, TagReference(tag))}:
        yield TagReference(tag, from_=ObjectReference(kind="DockerImage", name=f"{repository}:{tag}"))


def _reference(pull_spec: str) -> Reference | None:
    try:
        return Reference.parse(pull_spec)
    except InvalidReference:
        return None


def _names(found: Found, tag: TagReference) -> tuple[str, str]:
    namespace, name = name_of(found)
    return f"{namespace}/{name}:{tag.name}", f"{name}:{tag.name}"


def _end_of_chain(streams: Sequence[Found], found: Found, tag: TagReference) -> tuple[Found, TagReference, list[str]]:
    """The tag at the end of a chain of aliases, and the names of all tags on the way; none where there is no alias."""
    chain: list[str] = []
    while tag.from_ is not None and tag.from_.kind == "ImageStreamTag":
        chain.append(_names(found, tag)[0])
        namespace, stream, wanted = followed(*name_of(found), tag)
        name = f"{namespace}/{stream}:{wanted}"
        if name in chain:
            raise InputError(f"--explain: {chain[0]} follows itself: {' -> '.join([*chain, name])}")
        try:
            found, tag = find_tag(streams, name)
        except InputError:
            raise InputError(f"--explain: {chain[-1]} follows {name}, which none of the image streams has") from None
    if tag.from_ is None or tag.from_.kind != "DockerImage":
        raise InputError(f"--explain: {_names(found, tag)[0]} follows no image of a registry")
    return found, tag, [*chain, _names(found, tag)[0]] if chain else []


def _alone(found: Found, tag: TagReference) -> Found:
    """The stream with nothing but that tag. Whether it is insecure says the first tag of the same repository."""
    assert tag.from_ is not None
    repository = repository_of(tag.from_.name)
    same = [one for one in tags_of(found) if one.from_ is not None and repository_of(one.from_.name) == repository]
    policy = msgspec.structs.replace(tag.importPolicy, insecure=(same or [tag])[0].importPolicy.insecure)
    if isinstance(found, FoundStream):
        only = msgspec.structs.replace(tag, importPolicy=policy, reference=False)
        spec = msgspec.structs.replace(found.stream.spec, tags=[only], dockerImageRepository="")
        return FoundStream(found.source, msgspec.structs.replace(found.stream, spec=spec))
    image = ImageImportSpec(
        from_=ObjectReference(kind="DockerImage", name=tag.from_.name),
        to=LocalObjectReference(tag.name) if tag.name else None,
        importPolicy=policy,
        referencePolicy=tag.referencePolicy,
    )
    isi = msgspec.structs.replace(found.isi, spec=ImageStreamImportSpec(import_=True, images=[image]))
    return FoundImport(found.source, isi, msgspec.json.encode(isi))


def _other_trials(found: Found, tag: TagReference) -> Iterator[TagTrial]:
    """The other tags of the stream that name images, not tried yet."""
    for one in tags_of(found):
        if one.name != tag.name and one.from_ is not None and one.from_.kind == "DockerImage":
            yield TagTrial(one.name, one.from_.name, one.importPolicy.insecure, one.importPolicy.importMode, None)


# What happened


def _parsed(reference: Reference) -> ParsedReference:
    filled = reference.docker_client_defaults()
    return ParsedReference(
        registry=filled.registry,
        repository=filled.repository_name(),
        tag="" if reference.id else filled.tag,
        digest=reference.id,
        full=filled.exact(),
    )


def _rule(registries: RegistriesConfig, reference: Reference) -> MirrorRule | None:
    entry = rule_of(registries, reference)
    if entry is None:
        return None
    other = "tag-only" if reference.id else "digest-only"
    mirrors = [one.location for one in entry.mirrors if one.pull_from_mirror != other]
    skipped = [one.location for one in entry.mirrors if one.location not in mirrors]
    return MirrorRule(scope=entry.location, mirrors=mirrors, skipped=skipped)


def _nearly(registries: RegistriesConfig, reference: Reference) -> list[str]:
    named = named_of(reference)
    matched = rule_of(registries, reference)
    if named is None:
        return []
    return [
        entry.location
        for entry in registries.entries
        if entry is not matched and entry.mirrors and entry.location.partition("/")[0] == named.domain
    ]


def _steps(
    answer: TrialAnswer, result: TagResult, logins: Logins, exchanges: Sequence[Exchange]
) -> Iterator[SourceStep]:
    namespace = answer.trial.namespace
    parts = by_source(exchanges)
    for place, one in enumerate(result.tried):
        login = logins.chosen(namespace, one.reference)
        mine = parts[place : place + 1] if place + 1 < len(result.tried) else parts[place:]
        yield SourceStep(
            reference=one.reference,
            mirror=one.mirror,
            credential="" if login is None else f"{login.secret_name} ({login.location})",
            why=_why(logins, namespace, one.reference, login),
            exchanges=[exchange for part in mine for exchange in part],
            outcome="the image comes from here" if one.answered else one.message,
            cause=one.cause,
        )


def _why(logins: Logins, namespace: str, reference: str, login: Credential | None) -> str:
    if login is not None:
        return f"its location is the longest one that is for {host_of(reference)} and the path"
    near = logins.near_misses(namespace, reference)
    return "; ".join(map(str, near[:3])) if near else "no pull secret has a login for that registry"


def _choice(trace: Trace, control_plane: str) -> ManifestChoice | None:
    if not trace.entries:
        return None
    platforms = [f"{one.platform.os}/{one.platform.architecture}" for one in trace.entries]
    chosen = trace.chosen
    if chosen is None:
        why = "PreserveOriginal keeps the index and all its images"
        return ManifestChoice(platforms=platforms, chosen="", digest="", why=why)
    platform = f"{chosen.platform.os}/{chosen.platform.architecture}"
    if platform == f"linux/{control_plane}":
        why = "Legacy takes the platform of the control plane"
    elif platform == "linux/amd64":
        why = f"Legacy: there is none for linux/{control_plane}, so linux/amd64 is taken, or the tag prefers it"
    else:
        why = "Legacy: the tag prefers it, or it is the first one"
    return ManifestChoice(platforms=platforms, chosen=platform, digest=chosen.digest, why=why)


# Text


def text_of(explanation: Explanation) -> Iterator[str]:
    """The explanation as lines for people."""
    result = explanation.result
    yield f"{explanation.tag} {'imports' if result.imports else 'fails'}"
    for name in explanation.follows:
        yield f"  follows {name}"
    reference = explanation.reference
    yield f"reference  {result.from_}"
    if reference is not None:
        kind = f"digest {reference.digest}" if reference.digest else f"tag {reference.tag}"
        yield f"  registry {reference.registry}, repository {reference.repository}, {kind}"
        yield f"  asked {'insecurely: any certificate, and HTTP' if explanation.insecure else 'securely'}"
    yield from _rule_lines(explanation)
    for place, step in enumerate(explanation.sources, 1):
        yield f"source {place}   {step.reference}{' (mirror)' if step.mirror else ''}"
        yield f"  login: {step.credential or 'none'}: {step.why}"
        for one in step.exchanges:
            login = f" [{one.login}]" if one.login else ""
            yield f"  {one.method} {one.url}{login} -> {one.answer} ({one.seconds:.3f} s)"
        yield f"  {step.outcome}" if step.cause is None else f"  {step.cause.heading}: {step.outcome}"
    choice = explanation.manifest
    if choice is not None:
        yield f"index      {', '.join(choice.platforms)}"
        yield f"  {choice.chosen + ', ' + choice.digest if choice.chosen else 'all'}: {choice.why}"
    status = result.status
    if result.imports:
        yield f"result     {result.digest} from {result.source}"
    elif status is not None:
        yield f"result     {status.reason}: {status.message}"
    if result.explanation:
        yield f"cause      {result.cause}: {result.explanation}"
        yield f"remedy     {result.remedy}"


def _rule_lines(explanation: Explanation) -> Iterator[str]:
    rule = explanation.rule
    if rule is None:
        yield "mirrors    no rule matches"
    else:
        yield f"mirrors    rule for {rule.scope}: {', '.join(rule.mirrors) or 'none that applies'}"
        if rule.skipped:
            kind = "tags" if explanation.reference is not None and explanation.reference.digest else "digests"
            yield f"  skipped: {', '.join(rule.skipped)}, only for {kind}"
    if explanation.nearly:
        yield f"  nearly: {', '.join(explanation.nearly)}"
