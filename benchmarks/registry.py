"""The registry against Debian's docker-registry: each on one core, `wrk` with 32 connections or one on the other.

Both serve the same OCI image; a row is the ratio of the two in the same minute. Needs `docker-registry`, `wrk` and
`taskset` (Debian: docker-registry, wrk, util-linux); says so where they are missing. The time from the start of
`ismirror registry` to its first answer, and of `ismirror --help`, is measured everywhere: the median of some runs.

    python benchmarks/registry.py [--seconds N]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from fake_registry import oci
from fake_registry.fixtures import Tree

NEEDED = ("docker-registry", "wrk", "taskset")
REPOSITORY = "bench/app"
SMALL, LARGE = 1024, 256 * 1024 * 1024
CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
STARTS = 9
ISMIRROR = str(Path(sys.executable).parent / "ismirror")
PAIR = re.compile(r"^([\d.]+)(us|ms|s)$")
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Image(NamedTuple):
    """What both serve."""

    manifest: bytes
    small: bytes
    large: bytes


class Load(NamedTuple):
    """What wrk measured: requests a second, and half of them took no longer than `median` milliseconds."""

    rate: float
    median: float


def make_image() -> Image:
    """An image with a small and a large layer."""
    small, large = bytes(range(256)) * (SMALL // 256), bytes(LARGE)
    descriptors = [
        {"mediaType": oci.OCI_LAYER, "digest": oci.compute_digest(layer), "size": len(layer)}
        for layer in (small, large)
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.OCI_MANIFEST,
        "config": {"mediaType": oci.OCI_CONFIG, "digest": oci.compute_digest(CONFIG), "size": len(CONFIG)},
        "layers": descriptors,
    }
    return Image(msgspec.json.encode(manifest), small, large)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def server(*command: str, port: int) -> Iterator[int]:
    """A server on the first core, until it is not needed any more; gives its process id."""
    process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    """Returns when somebody listens."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


def send(method: str, url: str, data: bytes, content_type: str = "application/octet-stream") -> str:
    """Makes a request; the Location of the answer."""
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": content_type})
    with urllib.request.urlopen(request) as response:
        return str(response.headers.get("Location", ""))


def push(port: int, image: Image) -> None:
    """Puts the image into docker-registry."""
    base = f"http://127.0.0.1:{port}/v2/{REPOSITORY}"
    for blob in (image.small, image.large, CONFIG):
        location = send("POST", f"{base}/blobs/uploads/", b"")
        send("PUT", f"{location}{'&' if '?' in location else '?'}digest={oci.compute_digest(blob)}", blob)
    send("PUT", f"{base}/manifests/latest", image.manifest, oci.OCI_MANIFEST)


class Figures(NamedTuple):
    """What one of them can do: manifest by tag and small blob over 32 connections, the manifest over one, a large blob
    (MiB a second), memory (MiB)."""

    manifest: Load
    small: Load
    alone: Load
    large: float
    memory: float


def load(url: str, seconds: int, connections: int = 32) -> Load:
    """Loads a URL from the second core."""
    output = subprocess.run(
        [
            "taskset",
            "-c",
            "1",
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}",
            "--latency",
            "-H",
            f"Accept: {oci.OCI_MANIFEST}",
            url,
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if "Non-2xx" in output:
        raise SystemExit(f"{url}: not all answers were 200:\n{output}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    median = re.search(r"^ +50%\s+(\S+)", output, re.MULTILINE)
    pair = PAIR.match(median[1]) if median else None
    if rate is None or pair is None:
        raise SystemExit(f"cannot read what wrk says:\n{output}")
    return Load(float(rate[1]), float(pair[1]) * MILLISECONDS[pair[2]])


def download(url: str) -> float:
    """MiB a second for a large blob, the best of five."""
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        with urllib.request.urlopen(url) as response:
            buffer = bytearray(1 << 20)
            size = 0
            while count := response.readinto(buffer):
                size += count
        best = max(best, size / (1 << 20) / (time.perf_counter() - start))
    return best


def memory(pid: int) -> float:
    """The largest resident size of a process so far, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")


def first_answer(directory: Path, *, tls: bool) -> float:
    """Milliseconds from the start of ``ismirror registry`` to the end of its first answer."""
    port = free_port()
    command = [ISMIRROR, "registry", "--data", str(directory / "tree"), "--registry", f"127.0.0.1:{port}"]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whose it is, is not what is measured
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            client = connected(port, start)
            with context.wrap_socket(client, server_hostname="quay.io") if tls else client as connection:
                connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                if not connection.recv(4096).startswith(b"HTTP/1.1 200 "):
                    raise SystemExit("ismirror registry does not answer its first request")
            return 1000 * (time.perf_counter() - start)
        finally:
            process.terminate()


def connected(port: int, start: float) -> socket.socket:
    """A connection, as soon as somebody listens."""
    while time.perf_counter() - start < 30:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port))
        time.sleep(0.001)
    raise SystemExit(f"nobody listens on port {port}")


def help_shown() -> float:
    """Milliseconds that ``ismirror --help`` takes."""
    start = time.perf_counter()
    subprocess.run([ISMIRROR, "--help"], check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - start)


def measure_start(directory: Path) -> None:
    """Prints how long the command takes to be of use."""
    Tree.open(directory / "tree", create=True).put_blob(CONFIG)
    runs = [
        ("start to first answer, ms", lambda: first_answer(directory, tls=False), 400),
        ("start to first answer, TLS, ms", lambda: first_answer(directory, tls=True), 400),
        ("ismirror --help, ms", help_shown, 200),
    ]
    for name, run, goal in runs:
        run()  # the first one finds nothing in the memory of the system
        sys.stdout.write(
            f"{name:30}  {statistics.median(run() for _ in range(STARTS)):10,.0f}  {'':15}  {'':6}  < {goal}\n"
        )


def measure(port: int, pid: int, image: Image, seconds: int) -> Figures:
    """Loads one of them."""
    os.sched_setaffinity(0, {1})
    base = f"http://127.0.0.1:{port}/v2/{REPOSITORY}"
    manifest = load(f"{base}/manifests/latest", seconds)
    small = load(f"{base}/blobs/{oci.compute_digest(image.small)}", seconds)
    alone = load(f"{base}/manifests/latest", seconds, connections=1)
    large = download(f"{base}/blobs/{oci.compute_digest(image.large)}")
    return Figures(manifest, small, alone, large, memory(pid))


def theirs(directory: Path, image: Image, seconds: int) -> Figures:
    """docker-registry."""
    port = free_port()
    config = directory / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory / 'storage'}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with server("docker-registry", "serve", str(config), port=port) as pid:
        push(port, image)
        return measure(port, pid, image, seconds)


def ours(directory: Path, image: Image, seconds: int) -> Figures:
    """ismirror registry."""
    port = free_port()
    tree = Tree.open(directory / "tree", create=True)
    for blob in (image.small, image.large, CONFIG):
        tree.put_blob(blob)
    tree.put_manifest(f"127.0.0.1:{port}", REPOSITORY, image.manifest, oci.OCI_MANIFEST, "latest")
    address = f"127.0.0.1:{port}"
    with server(ISMIRROR, "registry", "--data", str(directory / "tree"), "--registry", address, port=port) as pid:
        return measure(port, pid, image, seconds)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=5, help="how long each load runs")
    seconds = parser.parse_args().seconds
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing or (os.cpu_count() or 1) < 2:
        with tempfile.TemporaryDirectory() as directory:
            measure_start(Path(directory))
        sys.stdout.write(f"registry: not measured, needs two cores and {', '.join(missing or NEEDED)}\n")
        return
    image, cores = make_image(), os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as directory:
        us = ours(Path(directory), image, seconds)
        them = theirs(Path(directory), image, seconds)
    rows = [
        ("manifest by tag, requests/s", us.manifest.rate, them.manifest.rate, 20.0),
        ("blob of 1 KiB, requests/s", us.small.rate, them.small.rate, 10.0),
        ("blob of 256 MiB, MiB/s", us.large, them.large, 0.9),
    ]
    sys.stdout.write(f"{'registry':30}  {'ismirror':>10}  {'docker-registry':>15}  {'ratio':>6}  goal\n")
    for name, mine, other, goal in rows:
        sys.stdout.write(f"{name:30}  {mine:10,.0f}  {other:15,.0f}  {mine / other:6.1f}  {goal:4}\n")
    medians = [
        ("manifest by tag, median ms", us.manifest, them.manifest, "< 1"),
        ("on one connection, median ms", us.alone, them.alone, "< 0.5"),
    ]
    for name, my_load, their_load, bound in medians:
        sys.stdout.write(f"{name:30}  {my_load.median:10.3f}  {their_load.median:15.3f}  {'':6}  {bound}\n")
    sys.stdout.write(f"{'memory at most, MiB':30}  {us.memory:10.0f}  {them.memory:15.0f}\n")
    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as directory:
        measure_start(Path(directory))


if __name__ == "__main__":
    main()
