"""Making synthetic images, without writing them."""

from __future__ import annotations

from collections.abc import Iterator

from timing import Result, best_of

from mirror.seed.synth import MULTI_ARCH, ImageSpec, RunConfig, build

CONFIG = RunConfig(env=["PATH=/usr/bin:/bin", "PORT=8080"], cmd=["web"], exposed_ports={"8080/tcp": {}})


def measure() -> Iterator[Result]:
    def single(number: int) -> object:
        return build(ImageSpec(name="quay.io/example/web", version=str(number), config=CONFIG))

    def multi(number: int) -> object:
        return build(ImageSpec(name="quay.io/example/web", version=str(number), platforms=MULTI_ARCH, config=CONFIG))

    yield best_of("synthetic image", single)
    yield best_of("synthetic image for four platforms, with its index", multi)
