"""How much memory clients can make a registry take: the figures of ``docs/security.md``.

Each row is a server of its own, with plain HTTP, on an empty tree: its resident memory after the start, and the most
that it ever was when the clients had done what they do. Needs Linux, and 1 GiB of room where temporary files lie.

    python benchmarks/memory.py [--clients N]
"""

from __future__ import annotations

import argparse
import contextlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ISMIRROR = str(Path(sys.executable).parent / "ismirror")
PIECE = bytes(1 << 20)
STREAM = 1 << 30
CHUNK = 250_000
MANIFEST = 4 << 20


class Server(NamedTuple):
    """A registry that runs."""

    pid: int
    port: int

    def memory(self, which: str) -> float:
        """Its memory in MiB: ``VmRSS`` as it is, ``VmHWM`` the most that it was."""
        found = re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def settled(self) -> None:
        """Returns when its memory has not grown for a second."""
        before, since = 0.0, time.monotonic()
        while time.monotonic() - since < 1:
            found = self.memory("VmHWM")
            if found > before:
                before, since = found, time.monotonic()
            time.sleep(0.05)

    def location(self) -> str:
        """Where an upload that has just begun goes on."""
        url = f"http://127.0.0.1:{self.port}/v2/app/blobs/uploads/"
        with urllib.request.urlopen(urllib.request.Request(url, data=b"", method="POST")) as answer:
            return str(answer.headers["Location"])

    def client(self, method: str, target: str, length: int, content_type: str) -> socket.socket:
        """A client that has sent the head of a request."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        fields = f"Host: 127.0.0.1:{self.port}\r\nContent-Length: {length}\r\nContent-Type: {content_type}\r\n\r\n"
        client.sendall(f"{method} {target} HTTP/1.1\r\n{fields}".encode())
        return client


@contextmanager
def server() -> Iterator[Server]:
    """A registry on an empty tree."""
    with tempfile.TemporaryDirectory() as directory:
        command = [ISMIRROR, "registry", "--data", f"{directory}/tree", "--registry", "127.0.0.1:0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None
                port = int(process.stdout.readline().rpartition(":")[2])
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/") as answer:
                    answer.read()
                time.sleep(1)  # what it loads at leisure
                yield Server(process.pid, port)
            finally:
                process.terminate()


def stream(registry: Server, clients: int) -> list[socket.socket]:
    """One upload of 1 GiB."""
    del clients
    client = registry.client("PATCH", registry.location(), STREAM, "application/octet-stream")
    client.settimeout(60)
    for _ in range(STREAM // len(PIECE)):
        client.sendall(PIECE)
    answer = client.recv(1000)
    if not answer.startswith(b"HTTP/1.1 202 "):
        raise SystemExit(f"the upload was not taken: {answer!r}")
    return [client]


def chunks(registry: Server, clients: int) -> list[socket.socket]:
    """Uploads of 250 kB whose last byte does not come."""
    held = []
    for _ in range(clients):
        client = registry.client("PATCH", registry.location(), CHUNK, "application/octet-stream")
        client.sendall(PIECE[: CHUNK - 1])
        held.append(client)
    return held


def manifests(registry: Server, clients: int) -> list[socket.socket]:
    """Manifests of 4 MiB whose last byte does not come."""
    held = []
    for number in range(clients):
        target = f"/v2/app/manifests/{number}"
        client = registry.client("PUT", target, MANIFEST, "application/vnd.oci.image.manifest.v1+json")
        with contextlib.suppress(OSError):  # it is refused before it has sent everything
            client.sendall(bytes(MANIFEST - 1))
        held.append(client)
    return held


def measure(work: Callable[[Server, int], list[socket.socket]], clients: int) -> str:
    """MiB after the start, and at most."""
    with server() as registry:
        first = registry.memory("VmRSS")
        held = work(registry, clients)
        try:
            registry.settled()
            return f"{first:6.0f} {registry.memory('VmHWM'):8.0f}"
        finally:
            for client in held:
                client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--clients", type=int, default=256, metavar="N", help="how many hold something back (256)")
    clients = parser.parse_args().clients
    if not Path("/proc/self/status").exists():
        raise SystemExit("needs Linux")
    sys.stdout.write(f"{'MiB':44} {'start':>6} {'at most':>8}\n")
    for name, work in (
        ("an upload of 1 GiB in one stream", stream),
        (f"{clients} uploads of 250 kB, held back", chunks),
        (f"{clients} manifests of 4 MiB, held back", manifests),
    ):
        sys.stdout.write(f"{name:44} {measure(work, clients)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
