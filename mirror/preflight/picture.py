"""The way of all tags as a picture: image streams, the registries that they name, and who serves them.

A Sankey diagram as SVG, made of whole numbers of tenths of a pixel, so that the same report gives the same bytes
everywhere. It needs no script, scales, prints, and says the same in a table for those who cannot see it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

FAILS: Final = "does not import"
"""The name of the place where tags end that nobody serves."""

_COLUMNS: Final = ("Image streams", "Registries that they name", "Served by")
_MOST: Final = (18, 12, 12)
"""How many places of a column are shown by name; the rest is one place."""
_WIDTH: Final = 10240
_BAR: Final = 120
_LEFT: Final = (2640, 4860, 7520)
"""Left edges of the bars."""
_TOP: Final = 320
_HEIGHT: Final = 4800
"""What all tags together are high."""
_LINE: Final = 190
"""What a label is high: places that are smaller are set so far apart."""
_GAP: Final = 60
_LABEL: Final = 31
"""The longest label, in characters."""
_COLOURS: Final = 12


class Way(NamedTuple):
    """The way of one tag: the stream, the registry of its pull spec, the host that serves it (or `FAILS`)."""

    stream: str
    registry: str
    server: str


class _Place(NamedTuple):
    """A bar: where it stands, in tenths of a pixel."""

    left: int
    top: int
    height: int
    tags: int


def picture(ways: Iterable[Way]) -> str:
    """A ``figure`` of HTML with the picture and its table; nothing where there are no tags."""
    counts = _grouped(Counter(ways))
    if not counts:
        return ""
    total = sum(counts.values())
    columns = [_column(counts, index, total) for index in range(3)]
    bottom = max(place.top + place.height for column in columns for place in column.values())
    colours = {name: index % _COLOURS for index, name in enumerate(columns[1])}
    parts = [
        *(
            f'<text class="head" x="{_px(left)}" y="14">{name}</text>'
            for left, name in zip(_heads(), _COLUMNS, strict=True)
        ),
        *_ribbons(counts, columns, 0, total, colours),
        *_ribbons(counts, columns, 1, total, colours),
        *(part for index, column in enumerate(columns) for part in _bars(column, index)),
    ]
    label = f"{_tags(total)}: image streams, registries that they name, who serves them. The table below says the same."
    box = f"0 0 {_px(_WIDTH)} {_px(bottom + _GAP)}"
    svg = f'<svg viewBox="{box}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return f'<figure class="picture" tabindex="0" aria-label="Picture">{svg}</figure>{_table(counts)}'


def _grouped(counts: Counter[Way]) -> Counter[Way]:
    """The ways with places that are too many to be shown put together."""
    shown = []
    for index, most in enumerate(_MOST):
        sizes: Counter[str] = Counter()
        for way, tags in counts.items():
            sizes[way[index]] += tags
        names = sorted(sizes, key=lambda name: (-sizes[name], name))
        kept = names if len(names) <= most + 1 else names[:most]
        rest = f"{len(names) - len(kept)} others"
        shown.append({name: name if name in kept or name == FAILS else rest for name in names})
    grouped: Counter[Way] = Counter()
    for way, tags in counts.items():
        grouped[Way(*(names[part] for names, part in zip(shown, way, strict=True)))] += tags
    return grouped


def _column(counts: Counter[Way], index: int, total: int) -> dict[str, _Place]:
    """The places of a column from the largest down; the rest and what fails stand last."""
    sizes: Counter[str] = Counter()
    for way, tags in counts.items():
        sizes[way[index]] += tags
    names = sorted(sizes, key=lambda name: (name == FAILS, _is_rest(name), -sizes[name], name))
    top, places = _TOP, {}
    for name in names:
        height = max(_HEIGHT * sizes[name] // total, 10)
        room = max(height, _LINE)
        places[name] = _Place(_LEFT[index], top + (room - height) // 2, height, sizes[name])
        top += room + _GAP
    return places


def _is_rest(name: str) -> bool:
    return name.endswith(" others")


def _ribbons(
    counts: Counter[Way], columns: Sequence[dict[str, _Place]], index: int, total: int, colours: dict[str, int]
) -> Iterable[str]:
    """The bands from one column to the next, each as wide as it has tags, coloured by the registry."""
    bands: Counter[tuple[str, str]] = Counter()
    for way, tags in counts.items():
        bands[way[index], way[index + 1]] += tags
    sources, targets = columns[index], columns[index + 1]
    ranks = ({name: rank for rank, name in enumerate(sources)}, {name: rank for rank, name in enumerate(targets)})
    leaving = {name: place.top for name, place in sources.items()}
    arriving = {name: place.top for name, place in targets.items()}
    for source, target in sorted(bands, key=lambda band: (ranks[0][band[0]], ranks[1][band[1]])):
        tags = bands[source, target]
        width = max(_HEIGHT * tags // total, 10)
        start, end = leaving[source], arriving[target]
        leaving[source] += width
        arriving[target] += width
        kind = "fails" if target == FAILS else f"r{colours[target if index == 0 else source]}"
        left, right = _LEFT[index] + _BAR, _LEFT[index + 1]
        yield (
            f'<path class="{kind}" d="{_band(left, start, right, end, width)}">'
            f"<title>{escape(source)} → {escape(target)}: {_tags(tags)}</title></path>"
        )


def _band(left: int, start: int, right: int, end: int, width: int) -> str:
    """The outline of a band: along its upper edge, down, and back along the lower one."""
    a, b, m = _px(left), _px(right), _px((left + right) // 2)
    upper, lower = (_px(start), _px(end)), (_px(start + width), _px(end + width))
    return (
        f"M{a} {upper[0]}C{m} {upper[0]} {m} {upper[1]} {b} {upper[1]}"
        f"V{lower[1]}C{m} {lower[1]} {m} {lower[0]} {a} {lower[0]}Z"
    )


def _bars(column: dict[str, _Place], index: int) -> Iterable[str]:
    for name, place in column.items():
        kind = "bar fails" if name == FAILS else "bar"
        size = f'width="{_px(_BAR)}" height="{_px(place.height)}"'
        yield f'<rect class="{kind}" x="{_px(place.left)}" y="{_px(place.top)}" {size}/>'
        x, anchor = (place.left - 80, "end") if index == 0 else (place.left + _BAR + 80, "start")
        y = place.top + place.height // 2 + 45
        shown = name if len(name) <= _LABEL else f"{name[: _LABEL // 2]}…{name[-_LABEL // 2 + 1 :]}"
        yield (
            f'<text x="{_px(x)}" y="{_px(y)}" text-anchor="{anchor}">{escape(shown)} '
            f"{place.tags}<title>{escape(name)}: {_tags(place.tags)}</title></text>"
        )


def _heads() -> tuple[int, ...]:
    """Where the titles of the columns begin: that of the first over its labels."""
    return (0, *_LEFT[1:])


def _table(counts: Counter[Way]) -> str:
    rows = "".join(
        f"<tr><td>{escape(way.stream)}</td><td>{escape(way.registry)}</td><td>{escape(way.server)}</td>"
        f'<td class="number">{tags}</td></tr>'
        for way, tags in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in (*_COLUMNS, "Tags"))
    return (
        "<details><summary>The picture as a table</summary>"
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


def _tags(count: int) -> str:
    return f"{count} tag" if count == 1 else f"{count} tags"


def _px(tenths: int) -> str:
    """Tenths of a pixel as a number of SVG."""
    whole, part = divmod(tenths, 10)
    return f"{whole}.{part}" if part else str(whole)
