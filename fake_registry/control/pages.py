"""Pages for people: what the tree holds, what goes wrong on purpose, what was asked last.

Each is one file of HTML with its style in it; there is no script, and a Content-Security-Policy keeps everything else
out: names and requests come from strangers.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fake_registry.control.documents import PREFIX, FaultReport, HostState, JournalPage
from fake_registry.core.messages import Response
from fake_registry.errors import ContentError, TreeError
from fake_registry.fixtures import Snapshot, Tree
from fake_registry.oci import Descriptor

MOST_REPOSITORIES: Final = 500
MOST_TAGS: Final = 200
"""So many of a host and of a repository are shown; of the others it is said how many there are."""

LAST_REQUESTS: Final = 100
_DEEPEST: Final = 3
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")

_STYLE: Final = """
:root { color-scheme: light dark; --soft: #68727d; --line: #8884; }
body { margin: 0 auto; max-width: 80rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; width: 100%; margin: 0 0 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); }
th, p, .soft { color: var(--soft); font-weight: 400; }
td { overflow-wrap: anywhere; }
th.number, td.number { text-align: right; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font: .875em ui-monospace, monospace; }
summary { cursor: pointer; padding: .3rem 0; }
"""
_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


def overview(root: Path, hosts: Iterable[HostState], faults: Iterable[FaultReport], journal: JournalPage) -> Response:
    """The first page: all hosts, all fault rules, and the last requests, the newest first."""
    rows = [
        (
            f'<a href="{PREFIX}page/{quote(one.host, safe="")}">{escape(one.host)}</a>',
            escape(one.scheme),
            one.repositories,
        )
        for one in hosts
    ]
    parts = [f"<h1>Fake registries</h1><p>{escape(str(root))}</p>"]
    parts += ["<h2>Hosts</h2>", *_table(("host", "scheme", "repositories"), rows)]
    rules = [(escape(one.host), escape(one.name or one.id), one.seen, one.fired) for one in faults]
    if rules:
        parts += ["<h2>Faults</h2>", *_table(("host", "rule", "requests that match", "fired"), rules)]
    asked = [
        (
            _time(one.time),
            escape(one.host),
            f"<code>{escape(one.method)} {escape(one.target)}</code>",
            escape(one.user),
            escape(one.note or one.fault),
            str(one.status or "none"),
        )
        for one in reversed(journal.entries)
    ]
    parts += [f"<h2>Last requests <span class=soft>of {journal.total:,}</span></h2>"]
    parts += _table(("time", "host", "request", "user", "note", "status"), asked) if asked else ["<p>None so far.</p>"]
    return _page("Fake registries", parts)


def host_page(root: Path, host: str) -> Response:
    """The repositories of a host with their tags; reads the tree, and blocks."""
    tree = Tree.open(root)  # one of its own: this is no thread of those that serve
    names = tree.repositories(host)
    parts = [f'<p><a href="{PREFIX}page">all hosts</a></p><h1>{escape(host)}</h1>']
    for name in names[:MOST_REPOSITORIES]:
        parts += _repository(tree, host, name)
    parts.append(_more(len(names) - MOST_REPOSITORIES, "repositories") if names else "<p>No repositories.</p>")
    return _page(host, parts)


def _repository(tree: Tree, host: str, name: str) -> Iterator[str]:
    try:
        snapshot = tree.snapshot(host, name)
    except TreeError as error:
        yield f"<details><summary>{escape(name)}</summary><p>{escape(str(error))}</p></details>"
        return
    if snapshot is None:
        return
    tags = snapshot.tag_names
    counts = f"{_count(len(tags), 'tag')}, {_count(len(snapshot.listed), 'manifest')}"
    yield f"<details><summary>{escape(name)} <span class=soft>{counts}</span></summary>"
    rows = []
    for tag in tags[:MOST_TAGS]:
        descriptor = snapshot.tags[tag]
        kind = f"<code>{escape(descriptor.media_type)}</code>"
        size = _size(sum(_sizes(snapshot, descriptor, {}).values()))
        rows.append((escape(tag), f"<code>{escape(descriptor.digest)}</code>", kind, size))
    yield from _table(("tag", "digest", "media type", "size"), rows)
    yield f"{_more(len(tags) - MOST_TAGS, 'tags')}</details>"


def _sizes(snapshot: Snapshot, descriptor: Descriptor, found: dict[str, int], depth: int = 0) -> dict[str, int]:
    """The sizes of everything that a manifest leads to, by digest, as far as they are said."""
    found[descriptor.digest] = max(descriptor.size, 0)
    try:
        links = snapshot.store.links(descriptor.digest, descriptor.media_type, snapshot.own)
    except (ContentError, TreeError):
        return found
    if links is not None:
        found.update((blob.digest, max(blob.size, 0)) for blob in links.blobs())
        for child in links.manifests() if depth < _DEEPEST else ():
            if child.digest not in found:
                _sizes(snapshot, child, found, depth + 1)
    return found


def _table(heads: Iterable[str], rows: Iterable[tuple[str | int, ...]]) -> Iterator[str]:
    """A table; its cells are HTML, or numbers, which stand below each other as their heads do."""
    rows = list(rows)
    first: tuple[str | int, ...] = rows[0] if rows else ()
    heads = tuple(heads)
    numbers = [index < len(first) and isinstance(first[index], int) for index in range(len(heads))]
    shown = (f"<th{' class=number' * number}>{head}</th>" for head, number in zip(heads, numbers, strict=True))
    yield f"<table><thead><tr>{''.join(shown)}</tr></thead><tbody>"
    for row in rows:
        cells = (f"<td class=number>{cell:,}</td>" if isinstance(cell, int) else f"<td>{cell}</td>" for cell in row)
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"


def _more(count: int, what: str) -> str:
    return f"<p>and {count:,} more {what}</p>" if count > 0 else ""


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _size(size: float) -> str:
    """Bytes, for people."""
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {_UNITS[unit]}"


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return ""


def _page(title: str, parts: Iterable[str]) -> Response:
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    )
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", _POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ]
    return Response(200, headers, f"{head}{''.join(parts)}</body></html>\n".encode("utf-8", "replace"))
