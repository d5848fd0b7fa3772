"""What a pass fetches: the jobs of a repository, where each one looks, and what came of it."""

from __future__ import annotations

import msgspec

from mirror.importer import statuses
from mirror.importer.client import RepositoryClient
from mirror.importer.failures import ClientFailure
from mirror.importer.tracing import JobKey, Outcome, Trace
from mirror.reference import Named, Reference
from mirror.v1.image import Image
from mirror.v1.imagestreamimport import ImageImportStatus

RepositoryKey = tuple[str, str]
CacheKey = tuple[RepositoryKey, str, str, str, str]


class Source(msgspec.Struct):
    """One place that a manifest may come from: the reference as it is written there, and the client for it."""

    reference: str
    target: str
    client: RepositoryClient


class Plan(msgspec.Struct):
    """Where to look for one manifest, in order; what cannot be connected to is there as its failure."""

    reference: Named
    sources: list[Source | ClientFailure]


class Job(msgspec.Struct):
    """One tag or digest of a repository to be fetched, and what came of it."""

    value: str
    mode: str
    architecture: str = ""
    os: str = ""
    is_digest: bool = False
    indexes: list[int] = msgspec.field(default_factory=list)
    plan: Plan | None = None
    image: Image | None = None
    manifests: list[Image] | None = None
    failure: ClientFailure | None = None
    trace: Trace | None = None

    def take_over(self, known: Outcome) -> None:
        """Takes over what the manifest was made into before."""
        self.image, self.manifests = known.image, known.manifests
        if self.trace is not None and known.trace is not None:
            self.trace.entries, self.trace.chosen = known.trace.entries, known.trace.chosen


class Group(msgspec.Struct):
    """The jobs of one repository. The first spec that names it decides its spelling and whether it is insecure."""

    key: RepositoryKey
    reference: Reference
    insecure: bool
    prefix: str
    digests: dict[tuple[str, str], Job] = msgspec.field(default_factory=dict)
    tags: dict[tuple[str, str, str, str], Job] = msgspec.field(default_factory=dict)

    @property
    def jobs(self) -> list[Job]:
        """In the order in which they are fetched: digests before tags."""
        return [*self.digests.values(), *self.tags.values()]


def key_of(group: Group, job: Job) -> JobKey:
    """What the outcome of a job depends on: where it is looked for and how, and how messages spell it."""
    return group.prefix, group.insecure, job.is_digest, job.value, job.mode, job.architecture, job.os


def report(result: ImageImportStatus, group: Group, job: Job) -> ImageImportStatus:
    """Puts the outcome of a job into a status."""
    if not job.is_digest:
        result.tag = job.value
    if job.failure is not None:
        result.status = statuses.status_of(job.failure)
        return result
    assert job.image is not None
    result.status = statuses.success()
    result.image = msgspec.structs.replace(job.image, dockerImageReference=f"{group.prefix}@{job.image.metadata.name}")
    result.manifests = job.manifests or None
    return result
