"""One pass over an import: images first, then the repository (importer.go ``Import``).

The engine never fails; every problem lands in a status. What the real one does in random order has a fixed order here.
"""

from __future__ import annotations

from collections.abc import Sequence

from mirror.importer import statuses
from mirror.importer.failures import ClientFailure
from mirror.importer.fetching import Fetcher
from mirror.importer.jobs import CacheKey, Group, Job, RepositoryKey, report
from mirror.importer.tags import prioritize_tags
from mirror.importer.tracing import Trace
from mirror.reference import InvalidReference, Reference
from mirror.v1.image import Image
from mirror.v1.imagestreamimport import (
    ImageImportSpec,
    ImageImportStatus,
    ImageStreamImportSpec,
    ImageStreamImportStatus,
    RepositoryImportSpec,
    RepositoryImportStatus,
)


class Importer:
    """One pass, with a `fetcher` of its own.

    Of a fetcher that is traced it keeps what that did: ``image_traces`` by the place of a spec, ``tag_traces`` by the
    tag of the repository, ``listing_failure`` is why there are none of those.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._policy = fetcher.policy
        self.image_traces: dict[int, Trace] = {}
        self.tag_traces: dict[str, Trace] = {}
        self.listing_failure: ClientFailure | None = None
        self._cache: dict[CacheKey, Image] = {}

    async def run(self, spec: ImageStreamImportSpec) -> ImageStreamImportStatus:
        """Imports everything that `spec` names and reports on it.

        Raises:
            DeadlineExceeded: the request's time ran out.
        """
        status = ImageStreamImportStatus()
        if spec.images:
            status.images = await self._import_images(spec.images)
        if spec.repository is not None:
            status.repository = await self._import_repository(spec.repository)
        return status

    # Images

    async def _import_images(self, specs: Sequence[ImageImportSpec]) -> list[ImageImportStatus]:
        results = [ImageImportStatus() for _ in specs]
        groups: dict[RepositoryKey, Group] = {}
        for index, spec in enumerate(specs):
            reference = self._reference_to_import(spec, results[index])
            if reference is not None:
                self._add_image(groups, index, spec, reference)
        await self._fetcher.fetch([(group, job) for group in groups.values() for job in group.jobs])
        for group in groups.values():
            for job in (*group.tags.values(), *group.digests.values()):
                if job.image is not None:
                    self._cache[group.key, job.value, job.architecture, job.os, job.mode] = job.image
                for index in job.indexes:
                    report(results[index], group, job)
                    if job.trace is not None:
                        self.image_traces[index] = job.trace
        return results

    def _reference_to_import(
        self, spec: ImageImportSpec | RepositoryImportSpec, result: ImageImportStatus | RepositoryImportStatus
    ) -> Reference | None:
        """The reference of a spec, or None when its status is decided already."""
        if spec.from_.kind != "DockerImage":
            return None
        name = spec.from_.name
        try:
            reference = Reference(name=name) if name == "*" else Reference.parse(name)
        except InvalidReference as error:
            result.status = statuses.invalid_name(name, str(error))
            return None
        if self._policy.registries.blocked(reference):
            result.status = statuses.blocked(reference.registry)
            return None
        return reference

    def _add_image(
        self, groups: dict[RepositoryKey, Group], index: int, spec: ImageImportSpec, reference: Reference
    ) -> None:
        defaulted = reference.docker_client_defaults()
        key = (defaulted.registry_url(), defaulted.repository_name())
        group = groups.get(key)
        if group is None:
            group = groups[key] = self._group(key, reference, spec.importPolicy.insecure)
        mode = spec.importPolicy.importMode
        if reference.id:
            job = group.digests.setdefault((reference.id, mode), Job(reference.id, mode, is_digest=True))
        else:
            tag = defaulted.tag
            name = spec.to.name if spec.to is not None else tag
            architecture, os = self._policy.preferences.get(name, ("", ""))
            job = group.tags.setdefault((tag, architecture, os, mode), Job(tag, mode, architecture, os))
        job.indexes.append(index)

    def _group(self, key: RepositoryKey, reference: Reference, insecure: bool) -> Group:
        return Group(
            key,
            reference,
            self._policy.registries.insecure(insecure, reference),
            reference.as_repository().exact(),
        )

    # The repository

    async def _import_repository(self, spec: RepositoryImportSpec) -> RepositoryImportStatus:
        result = RepositoryImportStatus()
        reference = self._reference_to_import(spec, result)
        if reference is None:
            return result
        defaulted = reference.docker_client_defaults()
        key = (defaulted.registry_url(), defaulted.repository_name())
        group = self._group(key, reference, spec.importPolicy.insecure)
        limit = self._policy.maximum_tags
        tags: list[str] = []
        if limit > 0 or limit == -1:
            try:
                tags = await self._list_tags(group)
            except ClientFailure as failure:
                self.listing_failure = failure
                result.status = statuses.status_of(failure)
                return result
        wanted = tags if limit == -1 else tags[: max(limit, 0)]
        mode = spec.importPolicy.importMode
        jobs = [Job(tag, mode) for tag in wanted]
        await self._fetcher.fetch([(group, job) for job in jobs])
        self.tag_traces = {job.value: job.trace for job in jobs if job.trace is not None}
        additional = []
        for tag in tags[len(wanted) :]:
            cached = self._cache.get((key, tag, "", "", mode))
            if cached is None:
                additional.append(tag)
            else:
                jobs.append(Job(tag, mode, image=cached))
        result.images = [report(ImageImportStatus(), group, job) for job in jobs] or None
        result.additionalTags = additional or None
        failed = sum(job.failure is not None for job in jobs)
        result.status = statuses.import_failed(failed) if failed else statuses.success()
        return result

    async def _list_tags(self, group: Group) -> list[str]:
        """The tags by priority. They are always listed at the source, never at a mirror."""
        try:
            client = self._fetcher.connector(group.insecure).client(group.reference, insecure=group.insecure)
        except ClientFailure as failure:
            raise statuses.connection_failure(group.reference, "repository", failure) from None
        try:
            listed = await client.tags(self._fetcher.client_limit())
        except ClientFailure as failure:
            raise statuses.listing_failure(group.reference.exact(), failure) from None
        return prioritize_tags(sorted({tag or "latest" for tag in listed}))
