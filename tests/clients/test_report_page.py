"""The HTML report in a real browser: opened as a file, used by keyboard, printed, and very long."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.browser import CHROMIUM, Page, browser
from support.reports import report

from mirror.preflight.html import html_report

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(CHROMIUM is None, reason="not installed: chromium"),
]

TAGS = 400
FAILS = TAGS // 4
ARTICLES = "document.querySelectorAll('#fails-list article').length"
FOUND = "document.getElementById('found').textContent"


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """The report of 400 tags; afterwards nothing was asked for but the file, and nothing complained."""
    file = tmp_path / "report.html"
    file.write_text(html_report(report(TAGS)), encoding="utf-8")
    async with browser() as page:
        await page.open(file.as_uri())
        yield page
        assert {url.partition("#")[0] for url in page.requests if not url.startswith("data:")} == {file.as_uri()}
        assert page.complaints == []


async def number(page: Page, element: str) -> int:
    text: str = await page.value(f"document.getElementById('{element}').textContent")
    return int(text.replace(",", ""))


async def focused(page: Page) -> str:
    found: str = await page.value("document.activeElement.id")
    return found


async def test_totals_equal_the_report(page: Page) -> None:
    summary = report(TAGS).summary
    assert await number(page, "total-tags") == summary.tags
    assert await number(page, "total-streams") == summary.streams
    assert await number(page, "fails-count") == await number(page, "total-fails") == summary.fails
    assert await number(page, "imports-count") == await number(page, "total-imports") == summary.imports
    assert await page.value(ARTICLES) == FAILS
    assert await page.value("document.title") == "Which image streams will import"


async def test_text_is_found_by_keyboard(page: Page) -> None:
    await page.press("/")
    assert await focused(page) == "text"
    await page.press(*"app-0003 quay")
    wanted = [one for one in report(TAGS).tags if one.stream == "app-0003" and one.registry == "quay.io"]
    assert await page.value(FOUND) == f"{len(wanted)} of {TAGS} tags"
    assert await page.value(ARTICLES) == sum(not one.imports for one in wanted)
    await page.press("Escape")
    assert await page.value(FOUND) == f"{TAGS} of {TAGS} tags"


@pytest.mark.parametrize("field", ["cause", "registry", "server"])
async def test_choices_are_made_by_keyboard(page: Page, field: str) -> None:
    await page.press("/", *(["Tab"] * {"cause": 2, "registry": 3, "server": 4}[field]))
    assert await focused(page) == field
    await page.press("End")
    chosen: str = await page.value(f"document.getElementById('{field}').value")
    assert chosen
    kept = {
        "cause": [one for one in report(TAGS).tags if one.cause == chosen],
        "registry": [one for one in report(TAGS).tags if one.registry == chosen],
        "server": [one for one in report(TAGS).tags if (one.source or "").partition("/")[0] == chosen],
    }[field]
    assert await page.value(FOUND) == f"{len(kept)} of {TAGS} tags"


async def test_a_stream_that_is_spelled_out_is_meant_alone(page: Page) -> None:
    await page.press("/", "Tab", *"demo/app-0003")
    assert await page.value(FOUND) == f"10 of {TAGS} tags"


async def test_a_cause_leads_to_its_tags(page: Page) -> None:
    await page.value("document.querySelector('button[data-cause=\"no-pull-secret\"]').focus()")
    await page.press("Enter")
    wanted = sum(one.cause == "no-pull-secret" for one in report(TAGS).tags)
    assert await page.value(ARTICLES) == wanted
    assert await focused(page) == "fails"


async def test_a_link_leads_to_a_tag_and_the_address_keeps_what_is_looked_for(page: Page) -> None:
    failing = [one.name for one in report(TAGS).tags if not one.imports]
    await page.value(f"location.hash = '#tag=' + encodeURIComponent('{failing[-1]}')")
    await page.press("Tab")
    top = await page.value(f"document.getElementById('tag=' + encodeURIComponent('{failing[-1]}')).offsetTop")
    assert abs(await page.value("scrollY") - top) < 2000
    await page.press("/", *"quay")
    assert await page.value("location.hash") == "#text=quay"


async def test_it_prints_everything(page: Page) -> None:
    printed = await page.call("Page.printToPDF", printBackground=True)
    assert base64.b64decode(printed["data"]).startswith(b"%PDF-")
    assert await page.value(ARTICLES) == FAILS


async def test_nothing_is_wider_than_a_small_screen(page: Page) -> None:
    await page.call("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=False)
    assert await page.value("document.documentElement.scrollWidth") <= 360


async def test_a_hundred_thousand_tags_stay_usable(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(html_report(report(100_000)), encoding="utf-8")
    async with browser() as page:
        await page.open(file.as_uri())
        assert await number(page, "total-tags") == await number(page, "fails-count") * 4 == 100_000
        assert await page.value("document.querySelectorAll('*').length") < 25_000
        assert await page.value(ARTICLES) == 100
        await page.value("document.querySelector('#fails-pages [data-step=\"1\"]').click()")
        assert await page.value("document.querySelector('#fails-pages span').textContent") == "101 to 200 of 25,000"
        await page.press("/", *"app-99")
        # a long report waits until typing stops
        await page.value(
            f"new Promise(done => {{ const look = () => {FOUND} === '1,000 of 100,000 tags' ? done(1)"
            " : setTimeout(look, 10); look(); })"
        )
        assert await page.value(ARTICLES) == 100
        assert page.complaints == []
