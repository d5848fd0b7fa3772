"""Reports of preflight as tests need them: of any size, the same for the same size."""

from __future__ import annotations

from fake_registry import oci
from mirror.preflight.causes import Cause
from mirror.preflight.report import Note, Report, TagResult, Try
from mirror.v1.meta import Status

REGISTRIES = ("quay.io", "registry.example.com", "docker.io")
MIRROR = "mirror.example.com:5000"
CAUSES = (Cause.NOT_MIRRORED, Cause.REGISTRY_BLOCKED, Cause.NOT_MIRRORED, Cause.NO_PULL_SECRET)
NASTY = '</script><script>document.title = "lost"</script><img src=x onerror=alert(1)>'
"""What somebody might call a tag, or a registry say, to get the better of who reads the report."""


def report(tags: int) -> Report:
    """Ten tags a stream; each fourth fails, each third of the others comes from its own registry."""
    streams = max((tags + 9) // 10, 1)
    note = Note(namespace="demo", stream="empty", cause=Cause.NOTHING_TO_IMPORT, explanation="It has no tags.")
    return Report.of(streams, (one_tag(number) for number in range(tags)), [note] if tags else [])


def one_tag(number: int) -> TagResult:
    """The tag of that number."""
    stream, registry = f"app-{number // 10:04}", REGISTRIES[number % len(REGISTRIES)]
    tag, fails = f"1.{number % 10}", number % 4 == 3
    name = f"{registry}/demo/{stream}:{tag}"
    at_mirror = Try(
        reference=f"{MIRROR}/demo/{stream}:{tag}",
        host=MIRROR,
        mirror=True,
        answered=not fails and number % 3 != 0,
        message="" if not fails and number % 3 != 0 else "manifest unknown",
    )
    source = at_mirror.reference if at_mirror.answered else name
    return TagResult(
        namespace="demo",
        stream=stream,
        tag=tag,
        from_=name,
        verdict="fails" if fails else "imports",
        source=None if fails else source,
        digest=None if fails else oci.compute_digest(name.encode()),
        status=Status(status="Failure", message=f"{name}: {NASTY}", reason="NotFound", code=404) if fails else None,
        cause=CAUSES[number // 4 % len(CAUSES)] if fails else None,
        remedy=f"ismirror seed copy {name} --data TREE" if fails else None,
        registry=registry,
        tried=[at_mirror],
    )
