"""``/healthz``, ``/livez`` and ``/readyz`` with their single checks (apiserver ``server/healthz``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.writing import text_response

Check = Callable[[], Awaitable[bool]]

_STARTED: Final = tuple(
    f"poststarthook/{name}"
    for name in ("image.openshift.io-apiserver-caches", "max-in-flight-filter", "storage-object-count-tracker-hook")
)


async def _fine() -> bool:
    return True


class Health:
    """Answers the health paths; the names of the checks are the real server's.

    `storage` says whether objects can be read.
    """

    def __init__(self, storage: Check) -> None:
        alive: dict[str, Check] = {"ping": _fine, "log": _fine, "etcd": storage}
        alive |= dict.fromkeys(_STARTED, _fine)
        ready = alive | {"etcd-readiness": storage, "shutdown": _fine}
        self._checks: Mapping[str, Mapping[str, Check]] = {"healthz": alive, "livez": alive, "readyz": ready}

    @property
    def paths(self) -> list[str]:
        """All paths that are answered here."""
        below = (f"/{name}/{one}" for name, checks in self._checks.items() for one in checks)
        return [*(f"/{name}" for name in self._checks), *below]

    async def handle(self, request: ApiRequest) -> ApiResponse | None:
        """Answers a request; None if its path is none of these."""
        name, _, one = request.path.removeprefix("/").partition("/")
        checks = self._checks.get(name)
        if checks is None or (one and one not in checks) or request.path.endswith("/"):
            return None
        if one:
            passed = await checks[one]()
            return text_response("ok" if passed else "internal server error: reason withheld\n", 200 if passed else 500)
        return await _all(request, name, checks)

    async def results(self) -> list[tuple[str, str, bool]]:
        """Kind, name and outcome of every check."""
        return [(kind, name, await check()) for kind, checks in self._checks.items() for name, check in checks.items()]


async def _all(request: ApiRequest, name: str, checks: Mapping[str, Check]) -> ApiResponse:
    excluded = set(request.parameters("exclude"))
    lines, failed = [], False
    for one, check in checks.items():
        if one in excluded:
            excluded.discard(one)
            lines.append(f"[+]{one} excluded: ok\n")
        elif await check():
            lines.append(f"[+]{one} ok\n")
        else:
            failed = True
            lines.append(f"[-]{one} failed: reason withheld\n")
    if excluded:
        unknown = ",".join(f'"{one}"' for one in sorted(excluded))
        lines.append(f"warn: some health checks cannot be excluded: no matches for {unknown}\n")
    if failed:
        return text_response(f"{''.join(lines)}{name} check failed\n", 500)
    if "verbose" not in request.query:
        return text_response("ok")
    return text_response(f"{''.join(lines)}{name} check passed\n")
