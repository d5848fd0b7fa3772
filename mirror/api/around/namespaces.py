"""Namespaces, and projects, which are what OpenShift's users see of them.

Sources: kubernetes ``registry/core/namespace``; openshift-apiserver ``project/apiserver/registry``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from mirror.api import failures
from mirror.api.around.resources import StoredResource
from mirror.api.around.rules import NamespaceStrategy
from mirror.api.cluster import Cluster
from mirror.api.decoding import decode_body
from mirror.api.deletion import delete_options
from mirror.api.failures import ApiFailure
from mirror.api.field_selectors import SelectableFields, unsupported
from mirror.api.list_options import unwatched_options
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.routing import Call, Reply, Route, WatchEvent
from mirror.store import Missing
from mirror.v1.meta import ObjectMeta, Status
from mirror.v1.namespace import Namespace, NamespaceList, NamespaceStatus, Project, ProjectList, ProjectRequest

PROJECTS: Final = "project.openshift.io"
INITIAL: Final = ("default", "kube-system", "openshift")
"""What is there from the start."""

_TERMINATING: Final = "Terminating"
_DISPLAY_NAME: Final = "openshift.io/display-name"
_DESCRIPTION: Final = "openshift.io/description"
_REQUESTER: Final = "openshift.io/requester"


def _no_defaults(item: T) -> None:
    del item


NAMESPACES: Final = ResourceKind(
    "Namespace", "namespaces", Namespace, _no_defaults, namespaced=False, api_version="v1", package="core"
)
_REQUESTS: Final = ResourceKind(
    "ProjectRequest",
    "projectrequests",
    ProjectRequest,
    _no_defaults,
    namespaced=False,
    api_version=f"{PROJECTS}/v1",
    package="project",
)


class NamespaceResource(StoredResource[Namespace]):
    """Namespaces, which take all that is in them with them when they go.

    `contents` are the resources that are stored in namespaces. Unless it is `strict`, a namespace comes to be with the
    first object in it.
    """

    def __init__(self, cluster: Cluster, contents: Sequence[str], *, strict: bool = False) -> None:
        selectable = SelectableFields[Namespace](
            {"status.phase": lambda namespace: namespace.status.phase}, unsupported, namespaced=False
        )
        super().__init__(cluster, NAMESPACES, NamespaceList, NamespaceStrategy(), selectable=selectable)
        self._contents = contents
        self._strict = strict
        self._known: set[str] = set()

    def route(self) -> Route:
        """The routes of namespaces, of which only one at a time can be removed."""
        route = super().route()
        everywhere = dict(route.everywhere)
        del everywhere["deletecollection"]
        return replace(route, everywhere=everywhere)

    async def ensure(self, name: str) -> None:
        """Creates a namespace if there is none of that name; names that no namespace can have are left alone."""
        if name in self._known:
            return
        if await self.objects.find("", name) is None:
            try:
                await self.registry.create(Namespace(metadata=ObjectMeta(name=name)), self._strategy)
            except ApiFailure:
                return
        self._known.add(name)

    async def admit(self, namespace: str) -> None:
        """Something is to be created in a namespace: there has to be one, or there is one from now on.

        Raises:
            ApiFailure: 404.
        """
        if self._strict:
            await self.objects.get("", namespace)
        else:
            await self.ensure(namespace)

    async def delete(self, call: Call) -> Reply:
        """Removes a namespace and what is in it. The answer says that it is on its way; it has gone by then."""
        options = delete_options(call.request)
        namespace = await self.objects.get("", call.name)
        deleted = await self.registry.delete("", call.name, options)
        if options.dryRun:
            return Reply(self.shown(namespace))
        if not isinstance(deleted, Status):
            return Reply(self.shown(deleted))
        self._known.discard(call.name)
        await self._empty(call.name)
        meta = namespace.metadata
        meta.deletionTimestamp = meta.deletionTimestamp or self._cluster.now()
        namespace.status = NamespaceStatus(_TERMINATING)
        return Reply(self.shown(namespace))

    async def _empty(self, name: str) -> None:
        store = self._cluster.store
        for resource in self._contents:
            for record in await store.list(resource, name):
                try:
                    await store.delete(resource, name, record.name)
                except Missing:
                    continue


class ProjectResource:
    """Projects: every namespace is one."""

    def __init__(self, cluster: Cluster, namespaces: NamespaceResource) -> None:
        self._cluster = cluster
        self._namespaces = namespaces

    async def get(self, call: Call) -> Reply:
        """One project."""
        namespace = await self._find(call.name)
        return Reply(_project(namespace))

    async def list(self, call: Call) -> Reply:
        """All projects."""
        reply = await self._namespaces.collection.list(call)
        assert isinstance(reply.value, NamespaceList)
        items = [_project(namespace, listed=True) for namespace in reply.value.items]
        return Reply(ProjectList("ProjectList", f"{PROJECTS}/v1", reply.value.metadata, items))

    async def watch(self, call: Call) -> Reply:
        """The changes of all projects."""
        reply = await self._namespaces.collection.watch(call)
        assert reply.events is not None
        return Reply(events=_project_events(reply.events))

    async def delete(self, call: Call) -> Reply:
        """Removes a project and what is in it."""
        await self._find(call.name)
        await self._namespaces.delete(call)
        return Reply(failures.success())

    async def requests(self, call: Call) -> Reply:
        """Whether the user may ask for projects: yes."""
        unwatched_options(call.request, SelectableFields[ProjectRequest](namespaced=False), _REQUESTS)
        return Reply(failures.success())

    async def request(self, call: Call) -> Reply:
        """A new project for whoever asks."""
        body = decode_body(call.request, _REQUESTS)
        asked = body.value
        annotations = {**(asked.metadata.annotations or {}), _REQUESTER: call.request.user.name}
        annotations |= {_DISPLAY_NAME: asked.displayName, _DESCRIPTION: asked.description}
        meta = ObjectMeta(
            name=asked.metadata.name,
            generateName=asked.metadata.generateName,
            labels=asked.metadata.labels,
            annotations=dict(sorted(annotations.items())),
        )
        try:
            created = await self._namespaces.registry.create(Namespace(metadata=meta), NamespaceStrategy())
        except ApiFailure as failure:
            if failure.status.reason == "AlreadyExists":
                raise failures.already_exists("project", meta.name, PROJECTS) from None
            raise
        return Reply(_project(created), 201, tuple(body.warnings))

    async def _find(self, name: str) -> Namespace:
        found = await self._namespaces.objects.find("", name)
        if found is None:
            raise failures.not_found("projects", name, PROJECTS)
        return found


async def _project_events(events: AsyncIterator[WatchEvent]) -> AsyncIterator[WatchEvent]:
    try:
        async for event in events:
            if isinstance(event.object, Namespace):
                event = WatchEvent(event.type, _project(event.object))  # noqa: PLW2901
            yield event
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def _project(namespace: Namespace, *, listed: bool = False) -> Project:
    kind, version = ("", "") if listed else ("Project", f"{PROJECTS}/v1")
    return Project(kind, version, namespace.metadata, namespace.spec, namespace.status)
