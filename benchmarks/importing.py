"""Images a second: a repository of 50 tags, each an OCI image of 8 layers with a 3.6 KB config.

Embedded: importer and registry core in one process, on one core. Over HTTPS: the server in a process of its own. An
API server that runs imports the whole repository in every round, JSON of the answer included; it keeps nothing of it.

    python benchmarks/importing.py [--seconds N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from machine import machine

from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.images import ImageSpec, RunConfig, build_image, plant
from mirror.api.app import GROUP_PATH, ApiCore
from mirror.api.cluster import Cluster
from mirror.api.messages import ApiRequest
from mirror.clock import NamedUids, SystemClock
from mirror.collector import spare_the_collector
from mirror.config import ClusterConfig
from mirror.importer.embedded_transport import EmbeddedTransport
from mirror.importer.http_transport import HttpTransport
from mirror.importer.transport import Transport

TAGS = 50
CONFIG_SIZE = 3600
HOST, REPOSITORY = "quay.io", "bench/app"


def make_tree(path: Path) -> Tree:
    """A tree with the repository of the benchmark: every tag an image of its own."""
    tree = Tree.open(path, create=True)
    for number in range(TAGS):
        image = build_image(spec(number, 0), "linux/amd64")
        padding = max(CONFIG_SIZE - len(image.config), 0)
        image = build_image(spec(number, padding), "linux/amd64")
        plant(tree, HOST, REPOSITORY, image, [f"1.{number}"])
    return tree


def spec(number: int, padding: int) -> ImageSpec:
    """The image of one tag; `padding` characters bring its config to its size."""
    labels = {"number": str(number)}
    if padding:
        labels["padding"] = "x" * max(padding - len(',"padding":""'), 0)
    return ImageSpec(name=f"{HOST}/{REPOSITORY}", version=f"1.{number}", layers=8, config=RunConfig(labels=labels))


def request() -> ApiRequest:
    """The import of the whole repository."""
    document = {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": "app"},
        "spec": {
            "import": False,
            "repository": {"from": {"kind": "DockerImage", "name": f"{HOST}/{REPOSITORY}"}},
        },
    }
    path = f"{GROUP_PATH}/namespaces/bench/imagestreamimports"
    return ApiRequest("POST", path, "", {"content-type": "application/json"}, json.dumps(document).encode())


async def images_a_second(transport: Transport, seconds: float) -> float:
    """Imports the repository again and again."""
    api, post = ApiCore(Cluster(ClusterConfig(), transport, SystemClock(), NamedUids())), request()
    await one_import(api, post)
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        count += await one_import(api, post)
    return count / elapsed


async def one_import(api: ApiCore, post: ApiRequest) -> int:
    """One import; the number of images in the answer."""
    response = await api.handle(post)
    count = response.body.count(b'"dockerImageReference"')
    if count != TAGS:
        raise SystemExit(f"{count} of {TAGS} images imported: {response.body[:2000]!r}")
    return count


async def embedded(path: Path, seconds: float) -> float:
    """Without sockets."""
    return await images_a_second(EmbeddedTransport(RegistryCore(Tree.open(path))), seconds)


async def over_https(path: Path, seconds: float) -> float:
    """Over TLS, the server in another process."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(path, theirs), daemon=True)
    server.start()
    try:
        port, ca = ours.recv()
        async with HttpTransport(connect=("127.0.0.1", port), ca=ca, concurrency=16) as transport:
            return await images_a_second(transport, seconds)
    finally:
        server.terminate()
        server.join()


def serve(path: Path, pipe: Connection) -> None:
    """The server process."""
    from fake_registry.server import RegistryServer

    async def work() -> None:
        async with RegistryServer(RegistryCore(Tree.open(path))) as server:
            address = await server.start("127.0.0.1", 0)
            pipe.send((address.port, server.authority.ca_pem))
            await asyncio.Event().wait()

    import uvloop

    uvloop.run(work())


def main() -> None:
    """Prints a table and the machine."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each row runs")
    seconds = parser.parse_args().seconds
    import uvloop

    spare_the_collector()  # as the commands do
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "tree"
        make_tree(path)
        rows = [
            ("embedded, one core", asyncio.run(embedded(path, seconds)), 10_000),
            ("HTTPS, server and importer on the same cores", uvloop.run(over_https(path, seconds)), 1_000),
        ]
    width = max(len(name) for name, _, _ in rows)
    sys.stdout.write(f"{'importing'.ljust(width)}  images/s    goal\n")
    for name, rate, goal in rows:
        sys.stdout.write(f"{name.ljust(width)}  {rate:8,.0f}  {goal:6,d}\n")
    sys.stdout.write(f"{machine()}\n")


if __name__ == "__main__":
    main()
