"""The report as one file of HTML: for people who have a browser and no network.

Style, script and data stand in the file; a Content-Security-Policy that names them by their hashes keeps everything
else out, so that text from image streams or registries can never act. Totals, causes and the picture need no script;
the lists of tags, which may be long, are drawn from the data a page at a time.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import msgspec

from mirror.preflight.causes import Cause
from mirror.preflight.picture import FAILS, Way, picture
from mirror.preflight.report import Report, TagResult, Try


def html_report(report: Report, title: str = "Which image streams will import") -> str:
    """The whole file, UTF-8; the same bytes for the same report."""
    page = files("mirror.preflight") / "page"
    style, script = ((page / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    summary = report.summary
    return Template((page / "report.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        verdict="bad" if summary.fails else "good",
        headline=_headline(summary.tags, summary.fails),
        streams=f"{summary.streams:,}",
        tags=f"{summary.tags:,}",
        imports=f"{summary.imports:,}",
        fails=f"{summary.fails:,}",
        share=_share(summary.tags, summary.fails),
        causes=_causes(report),
        notes=_notes(report),
        picture=_section("Where tags come from", picture(map(_way, report.tags))),
        data=_data(report),
    )


def _headline(tags: int, fails: int) -> str:
    if not tags:
        return "There are no tags to import."
    if not fails:
        return "Every tag will import."
    return f"{fails:,} of {tags:,} tags will not import."


def _hash(text: str) -> str:
    """What a Content-Security-Policy calls a text."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _share(tags: int, fails: int) -> str:
    """A bar of what imports and what fails; what fails is never too little to be seen."""
    if not tags:
        return ""
    bad = max(1000 * fails // tags, 8) if fails else 0
    return (
        f'<svg class="share" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="good" width="{1000 - bad}" height="10"/>'
        f'<rect class="bad" x="{1000 - bad}" width="{bad}" height="10"/></svg>'
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _causes(report: Report) -> str:
    """What is wrong, most tags first, with a button that shows the tags of it; buttons work once the script has run."""
    counts = Counter(cause for entry in report.tags if not entry.imports and (cause := _cause(entry)))
    rows = "".join(
        f'<tr><td class="number">{count:,}</td><td><button type="button" class="link" data-cause="{cause}" disabled>'
        f"{escape(_sentence(cause.heading))}</button><p>{escape(cause.explanation)}</p></td></tr>"
        for cause, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0].rank))
    )
    heads = '<thead><tr><th scope="col">Tags</th><th scope="col">Cause</th></tr></thead>'
    return _section("Why tags fail", f'<table class="causes">{heads}<tbody>{rows}</tbody></table>' if rows else "")


def _notes(report: Report) -> str:
    """What is to be known about streams and about the policy."""
    rows = "".join(
        f"<li><strong>{escape(f'{note.namespace}/{note.stream}' if note.stream else 'The policy')}:</strong> "
        f"{escape(note.explanation)} {escape(note.remedy)}</li>"
        for note in report.notes
    )
    return _section("To be known", f"<ul>{rows}</ul>" if rows else "")


def _sentence(heading: str) -> str:
    return heading[:1].upper() + heading[1:]


def _way(entry: TagResult) -> Way:
    server = _server(entry) or "not fetched" if entry.imports else FAILS
    return Way(f"{entry.namespace}/{entry.stream}", entry.registry or "no registry", server)


def _server(entry: TagResult) -> str:
    """The host that the image comes from; empty where there is none."""
    return entry.source.partition("/")[0] if entry.imports and entry.source else ""


def _cause(entry: TagResult) -> Cause | None:
    """Why it fails; of a tag that imports what is to be known about it, if anything."""
    return entry.cause or (None if entry.imports else Cause.OTHER)


def _data(report: Report) -> str:
    """Texts once, causes, and rows of numbers of texts, as JSON that no ``</script>`` can end."""
    texts: dict[str, int] = {"": 0}
    rows = [
        [int(entry.imports), *(texts.setdefault(text, len(texts)) for text in _columns(entry))] for entry in report.tags
    ]
    used = sorted({cause for entry in report.tags if (cause := _cause(entry))}, key=lambda cause: cause.rank)
    headings = {cause: _sentence(cause.heading) for cause in used}
    document: dict[str, Any] = {"texts": list(texts), "causes": headings, "rows": rows}
    return msgspec.json.encode(document).decode().replace("<", "\\u003c")


def _columns(entry: TagResult) -> Iterator[str]:
    """The texts of a tag, in the order that the script of the page knows."""
    yield entry.name
    yield f"{entry.namespace}/{entry.stream}"
    yield entry.from_
    yield entry.registry or ""
    yield _server(entry)
    yield entry.digest or ""
    yield _cause(entry) or ""
    yield (entry.explanation or (entry.cause.explanation if entry.cause else ""))
    yield entry.remedy or ""
    yield (entry.status.message if entry.status else "") or ""
    yield "\n".join(map(_try, entry.tried))


def _try(one: Try) -> str:
    kind = "mirror" if one.mirror else "source"
    if one.answered:
        return f"{kind} {one.reference}: answered"
    heading = f"{one.cause.heading}: " if one.cause is not None else ""
    return f"{kind} {one.reference}: {heading}{one.message}"
