"""The report as one file of HTML: what stands in it without a script, and that nothing can get out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from support.reports import MIRROR, NASTY, report

from mirror.preflight.causes import Cause
from mirror.preflight.html import html_report
from mirror.preflight.picture import FAILS, Way, picture
from mirror.preflight.report import Report


class Reader(HTMLParser):
    """What a browser sees: the elements, and the text of those that have an id or hold text alone."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: dict[str, str] = {}
        self.texts: dict[str, list[str]] = {}
        self.addresses: list[str] = []
        self._id = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._id = given.get("id") or ""
        self.addresses += [given[name] or "" for name in ("src", "href", "action", "data") if name in given]
        self.texts.setdefault(tag, []).append("")

    def handle_data(self, data: str) -> None:
        if self._id:
            self.ids[self._id] = data
            self._id = ""
        for texts in self.texts.values():
            if texts:
                texts[-1] += data

    def text(self, tag: str) -> list[str]:
        return [text.strip() for text in self.texts.get(tag, [])]


def data(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    decoded: dict[str, object] = json.loads(found[1])
    return decoded


@pytest.mark.parametrize(("tags", "fails"), [(0, 0), (1, 0), (4, 1), (250, 62), (12345, 3086)])
def test_totals(tags: int, fails: int) -> None:
    page = Reader(html_report(report(tags)))
    assert page.ids["total-tags"] == f"{tags:,}"
    assert page.ids["total-fails"] == f"{fails:,}"
    assert page.ids["total-imports"] == f"{tags - fails:,}"


@pytest.mark.parametrize(
    ("tags", "headline"),
    [(0, "There are no tags to import."), (2, "Every tag will import."), (4, "1 of 4 tags will not import.")],
)
def test_the_first_line_says_it(tags: int, headline: str) -> None:
    assert f">{headline}</p>" in html_report(report(tags))


def test_causes_stand_with_those_of_most_tags_first() -> None:
    page = html_report(report(64))
    rows = re.findall(r'<td class="number">(\d+)</td><td><button [^>]*data-cause="([^"]+)"', page)
    assert rows == [("8", Cause.NOT_MIRRORED), ("4", Cause.REGISTRY_BLOCKED), ("4", Cause.NO_PULL_SECRET)]
    assert Cause.NOT_MIRRORED.explanation in page


def test_notes_stand_in_it() -> None:
    assert "<strong>demo/empty:</strong> It has no tags." in html_report(report(4))


def test_each_tag_is_in_the_data() -> None:
    document = data(html_report(report(250)))
    texts, rows = document["texts"], document["rows"]
    assert isinstance(texts, list)
    assert isinstance(rows, list)
    assert [texts[row[1]] for row in rows] == [one.name for one in report(250).tags]
    assert sum(row[0] for row in rows) == 250 - 62
    assert NASTY in "".join(texts)


def test_text_from_outside_stays_text() -> None:
    page = html_report(report(8), title="<b>mine</b> & yours")
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "<title>&lt;b&gt;mine&lt;/b&gt; &amp; yours</title>" in page


def test_the_policy_allows_the_style_and_the_script_of_the_page_and_nothing_else() -> None:
    page = html_report(report(8))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert style is not None
    assert script is not None
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style[1], script[1])]
    assert rules["default-src"] == "'none'"
    assert (rules["style-src"], rules["script-src"]) == (f"'sha256-{hashes[0]}'", f"'sha256-{hashes[1]}'")


def test_no_address_leads_out() -> None:
    addresses = Reader(html_report(report(8))).addresses
    assert [address for address in addresses if not address.startswith(("#", "data:,"))] == []


def test_the_same_report_gives_the_same_bytes() -> None:
    shuffled = Report.of(25, reversed(report(250).tags), report(250).notes)
    assert html_report(shuffled) == html_report(report(250))


def widths(svg: str, kind: str) -> list[int]:
    """How high the bands of a kind are at their left end, in tenths of a pixel."""
    found = re.findall(rf'<path class="{kind}" d="M\S+ (\S+)C.*?V.*?C\S+ \S+ \S+ \S+ \S+ (\S+)Z"', svg)
    return [round((float(lower) - float(upper)) * 10) for upper, lower in found]


def test_bands_are_as_wide_as_they_have_tags() -> None:
    ways = [Way("a/one", "quay.io", MIRROR)] * 30 + [Way("a/two", "quay.io", FAILS)] * 10
    svg = picture(ways)
    assert widths(svg, "r0") == [3600, 1200, 3600]
    assert widths(svg, "fails") == [1200]
    assert "a/one → quay.io: 30 tags" in svg
    assert "quay.io → does not import: 10 tags" in svg


def test_a_picture_of_many_streams_shows_the_largest_and_puts_the_rest_together() -> None:
    ways = [Way(f"a/{number:04}", "quay.io", MIRROR) for number in range(5000)] + [Way("a/0007", "quay.io", MIRROR)]
    svg = picture(ways)
    assert "4982 others 4982" in svg
    assert "a/0007 2" in svg
    assert len(svg) < 30_000


def test_one_more_than_are_shown_is_shown_by_name() -> None:
    ways = [Way(f"a/{number:02}", "quay.io", MIRROR) for number in range(19)]
    assert "others" not in picture(ways)


def test_the_longest_label_ends_before_the_next_bars() -> None:
    """At 13 pixels a character is less than seven wide, as they come in names."""
    svg = picture([Way("a/one", "registry.access.of.example.com:5000", "mirror.of.the.cluster.example.com:5000")] * 105)
    labels = re.findall(r'<text x="(\d+)"[^>]*>(r[^<]+|m[^<]+)<title>', svg)
    (middle, name), (last, server) = ((int(left), text) for left, text in labels)
    bars = sorted({int(left) for left in re.findall(r'<rect class="bar" x="(\d+)"', svg)})
    (width,) = re.findall(r'viewBox="0 0 (\d+)', svg)
    assert bars[1] < middle
    assert middle + 6.8 * len(name) < bars[2] < last
    assert last + 6.8 * len(server) < int(width)


def test_no_tags_no_picture() -> None:
    assert picture([]) == ""
