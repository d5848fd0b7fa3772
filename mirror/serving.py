"""Registry and image API of one cluster in one process, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fake_registry.config import Hosts
from fake_registry.core.registry import RegistryCore
from mirror.api.access import Access
from mirror.api.app import ApiCore
from mirror.api.around import groups_around
from mirror.api.cluster import Cluster
from mirror.api.controllers import Controllers, ControllerSettings
from mirror.api.timing import Timing
from mirror.clock import Clock, RandomUids, SystemClock, Uids
from mirror.config import ClusterConfig
from mirror.importer.embedded_transport import EmbeddedTransport
from mirror.loading import Loaded, load_objects
from mirror.store import MemoryStore, open_state


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """What an API is to be like.

    `state` is a file or a database URL that keeps the objects; without it they are in memory. `load` are files of
    objects to start with. Without `access` everybody may do everything; without `controllers` nothing is imported that
    nobody asked for. `require_namespaces`: objects are created only in namespaces that are there; otherwise a namespace
    comes to be with the first object in it.
    """

    cluster: ClusterConfig
    state: str = ""
    load: Sequence[str] = ()
    access: Access | None = None
    controllers: ControllerSettings | None = None
    require_namespaces: bool = False


@dataclass(frozen=True, slots=True)
class ReadyApi:
    """An API that can be asked, what became of the objects that it was to start with, its controllers, and what its
    imports come through."""

    api: ApiCore
    loaded: Sequence[Loaded]
    controllers: Controllers | None
    transport: EmbeddedTransport


@asynccontextmanager
async def ready_api(
    core: RegistryCore,
    hosts: Hosts | None,
    settings: ApiSettings,
    clock: Clock | None = None,
    uids: Uids | None = None,
    timing: Timing | None = None,
) -> AsyncIterator[ReadyApi]:
    """An API whose imports come from the registries of `core`; with `hosts` only those exist.

    `timing` is that of the controllers.

    Raises:
        InputError: something in the settings cannot be used.
    """
    async with AsyncExitStack() as stack:
        store = await open_state(settings.state) if settings.state else MemoryStore()
        stack.push_async_callback(store.close)
        transport = EmbeddedTransport(core, hosts)
        cluster = Cluster(settings.cluster, transport, clock or SystemClock(), uids or RandomUids(), store)
        access = settings.access or Access()
        around = await groups_around(cluster, access.authorizer, strict=settings.require_namespaces)
        api = ApiCore(cluster, around.groups, access, around.namespaces)
        loaded = await load_objects(api, settings.load)
        controllers = None
        if settings.controllers is not None:
            controllers = await stack.enter_async_context(Controllers(api, settings.controllers, timing))
        yield ReadyApi(api, loaded, controllers, transport)
