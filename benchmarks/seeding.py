"""Filling a tree from our own registry: seconds, requests and memory, beside ``skopeo sync`` where there is one.

A repository of real images (half of the layers shared) is copied whole, and again when nothing has changed; then one of
many tags, metadata only. The registry runs in a process of its own; its journal counts the requests. Rounds of both
programs take turns, and the medians are compared.

With ``--shapes`` only the requests of both are counted, for small repositories of several shapes whose images share
nothing: the worst case of copying.

    python benchmarks/seeding.py [--images N] [--tags N] [--rounds N]
    python benchmarks/seeding.py --shapes
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Batch, Tree
from fake_registry.images import MULTI_ARCH, ImageSpec, build, plant
from fake_registry.listening import Address, bind
from fake_registry.oci import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, Manifest, compute_digest
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority

LAYER = 2_000_000
ONE, TWO, FOUR = (MULTI_ARCH[:count] for count in (1, 2, 4))
SHAPES: dict[str, tuple[int, dict[str, Any]]] = {
    "one image": (1, {}),
    "images": (2, {}),
    "indexes of one platform": (2, {"platforms": ONE, "index": True}),
    "indexes of two platforms": (2, {"platforms": TWO}),
    "indexes of four platforms": (2, {"platforms": FOUR}),
    "manifest lists of two platforms": (2, {"platforms": TWO, "kind": "docker"}),
}
"""How many tags, and what images, by what they are called."""
ISMIRROR = (sys.executable, "-m", "mirror.cli.main")


class Took(NamedTuple):
    """What a program took: seconds, requests, and megabytes of memory at most."""

    seconds: float
    requests: int
    memory: float

    def __str__(self) -> str:
        return f"{self.seconds:7.1f} s  {self.requests:7} requests  {self.memory:6.0f} MB"


class Registry(NamedTuple):
    """A registry in another process."""

    address: str
    ca: Path
    pipe: Connection

    def requests(self) -> int:
        """How many it has answered so far."""
        self.pipe.send("count")
        count: int = self.pipe.recv()
        return count


def serve(tree: str, ca: str, pipe: Connection) -> None:
    """The other process: says where it listens, and counts when asked, until the pipe is closed."""

    authority = CertificateAuthority.create()
    Path(ca).write_bytes(authority.ca_pem)

    async def work() -> None:
        core = RegistryCore(Tree.open(tree))
        sockets = bind("127.0.0.1", 0)
        async with RegistryServer(core, authority) as server:
            await server.listen(sockets)
            pipe.send(str(Address.of(sockets[0])))
            while await asyncio.to_thread(pipe.recv) == "count":
                pipe.send(core.journal.total)

    asyncio.run(work())


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """Serves the tree of a folder."""
    ours, theirs = multiprocessing.Pipe()
    ca = folder / "certs" / "ca.crt"
    ca.parent.mkdir()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(str(folder / "tree"), str(ca), theirs))
    process.start()
    try:
        yield Registry(ours.recv(), ca, ours)
    finally:
        ours.send("stop")
        process.join()


def put_images(tree: Tree, host: str, count: int) -> None:
    """Images of four layers, two of them shared by all."""
    source = random.Random(1)
    shared = [source.randbytes(LAYER) for _ in range(2)]
    for number in range(count):
        config = b'{"os":"linux","architecture":"amd64","number":%d}' % number
        layers = [*shared, source.randbytes(LAYER), source.randbytes(LAYER // 100)]
        for blob in (config, *layers):
            tree.put_blob(blob)
        described = [Descriptor(media_type=OCI_LAYER, digest=compute_digest(one), size=len(one)) for one in layers]
        own = Descriptor(media_type=OCI_CONFIG, digest=compute_digest(config), size=len(config))
        manifest = Manifest(schema_version=2, media_type=OCI_MANIFEST, config=own, layers=described)
        tree.put_manifest(host, "bench/app", msgspec.json.encode(manifest), OCI_MANIFEST, f"v{number}")


def put_tags(tree: Tree, host: str, repository: str, count: int) -> None:
    """Synthetic images, each with a tag."""
    with Batch(tree) as batch:
        for number in range(count):
            spec = ImageSpec(name=f"{host}/{repository}", version=str(number))
            plant(batch, host, repository, build(spec), [f"v{number}"])


def measured(server: Registry, command: Sequence[str]) -> Took:
    """Runs a program to its end."""
    before, start = server.requests(), time.perf_counter()
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = os.posix_spawnp(command[0], command, environment, file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)}: exit code {os.waitstatus_to_exitcode(status)}")
    return Took(seconds, server.requests() - before, usage.ru_maxrss / 1000)


def median(found: list[Took]) -> Took:
    """The middle of each."""
    return Took(
        statistics.median(one.seconds for one in found),
        round(statistics.median(one.requests for one in found)),
        max(one.memory for one in found),
    )


def copy(server: Registry, repository: str, target: Path, *more: str) -> Took:
    """``ismirror seed copy`` of a repository."""
    options = ("--data", str(target), "--ca", str(server.ca), "-q", *more)
    return measured(server, (*ISMIRROR, "seed", "copy", f"{server.address}/{repository}", *options))


def sync(server: Registry, repository: str, target: Path) -> Took:
    """``skopeo sync`` of a repository."""
    options = ("--all", "--preserve-digests", "--src", "docker", "--src-cert-dir", str(server.ca.parent))
    name = f"{server.address}/{repository}"
    return measured(server, ("skopeo", "--insecure-policy", "sync", *options, "--dest", "dir", name, str(target)))


def compare(server: Registry, folder: Path, rounds: int) -> None:
    """Both programs in turns, into empty directories."""
    ours, again, theirs = [], [], []
    for number in range(rounds):
        target = folder / f"ours{number}"
        ours.append(copy(server, "bench/app", target))
        again.append(copy(server, "bench/app", target))
        shutil.rmtree(target)
        if shutil.which("skopeo"):
            theirs.append(sync(server, "bench/app", folder / f"theirs{number}"))
            shutil.rmtree(folder / f"theirs{number}")
    print(f"  ismirror seed copy               {median(ours)}")
    print(f"  the same again, nothing changed  {median(again)}")
    if theirs:
        print(f"  skopeo sync                      {median(theirs)}")
        ratio = median(theirs).seconds / median(ours).seconds
        fewer = median(theirs).requests / median(ours).requests
        print(f"  skopeo sync takes {ratio:.1f} times as long, with {fewer:.1f} times as many requests")


def put_shapes(tree: Tree, host: str) -> list[str]:
    """A repository of each shape, and one in which several tags name one image; their names."""
    names = []
    with Batch(tree) as batch:
        for name, (tags, fields) in SHAPES.items():
            names.append(f"shapes/{name.replace(' ', '-')}")
            for number in range(tags):
                base = f"{names[-1]} {number}"  # of no other image
                spec = ImageSpec(name=f"{host}/{names[-1]}", version=str(number), real_layers=True, base=base, **fields)
                plant(batch, host, names[-1], build(spec), [f"v{number}"])
        names.append("shapes/five-tags-of-one-image")
        spec = ImageSpec(name=f"{host}/{names[-1]}", version="1", real_layers=True, base=names[-1])
        plant(batch, host, names[-1], build(spec), [f"v{number}" for number in range(5)])
    return names


def compare_shapes(server: Registry, folder: Path) -> None:
    """The requests of both programs, by shape."""
    tree = Tree.open(folder / "tree", create=True)
    print(f"{'requests':34}  seed copy  --referrers all  skopeo sync")
    for name in put_shapes(tree, server.address):
        ours = copy(server, name, folder / "ours").requests
        whole = copy(server, name, folder / "whole", "--referrers", "all").requests
        theirs = str(sync(server, name, folder / "theirs").requests) if shutil.which("skopeo") else "-"
        print(f"{name.partition('/')[2].replace('-', ' '):34}  {ours:9}  {whole:15}  {theirs:>11}")


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=50, help="images with layers")
    parser.add_argument("--tags", type=int, default=10_000, help="tags, metadata only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shapes", action="store_true", help="only count requests, by the shape of what is copied")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ismirror-bench-") as name:
        folder = Path(name)
        (folder / "tree").mkdir()
        with registry(folder) as server:
            if arguments.shapes:
                compare_shapes(server, folder)
                return
            tree = Tree.open(folder / "tree", create=True)
            put_images(tree, server.address, arguments.images)
            print(f"{arguments.images} images of four layers, {(LAYER + LAYER // 100) // 1000} kB each of their own")
            compare(server, folder, arguments.rounds)
            few = arguments.tags // 10
            for count, repository in ((few, "bench/few"), (arguments.tags, "bench/many")):
                put_tags(tree, server.address, repository, count)
                print(f"{count} tags, metadata only")
                print(
                    f"  first time                       {copy(server, repository, folder / 'copy', '--metadata-only')}"
                )
                print(
                    f"  again, nothing changed           {copy(server, repository, folder / 'copy', '--metadata-only')}"
                )


if __name__ == "__main__":
    main()
