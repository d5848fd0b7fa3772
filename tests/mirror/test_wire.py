"""Go's HTTP client above a transport: redirects and what is sent along."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest

from mirror.importer.failures import ClientFailure, UrlFailure
from mirror.importer.transport import Answer
from mirror.importer.wire import Url, Wire

START = Url("https", "quay.io", "/start")
FAILED_TO_PARSE = (
    'Get "https://quay.io/start": failed to parse Location header "http://[::1": '
    "parse \"http://[::1\": missing ']' in host"
)


class Redirecting:
    """A transport that answers from a table of redirects, and 200 to everything else."""

    concurrency = 1

    def __init__(self, redirects: dict[str, tuple[int, str]]) -> None:
        self._redirects = redirects
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def send(
        self,
        method: str,
        scheme: str,
        host: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        *,
        insecure: bool,
        timeout: float | None = None,
    ) -> Answer:
        del insecure, timeout
        url = f"{scheme}://{host}{target}"
        self.asked.append((method, url, dict(headers)))
        if url in self._redirects:
            status, location = self._redirects[url]
            return Answer(status, f"{status}", [("location", location)], b"")
        return Answer(200, "200 OK", [], b"done")

    async def aclose(self) -> None:
        """Nothing is open."""


async def final_url(location: str, status: int = 302) -> str:
    transport = Redirecting({str(START): (status, location)})
    answer, url = await Wire(transport).request("GET", START, (), insecure=False)
    assert answer.body == b"done"
    assert [method for method, _, _ in transport.asked] == ["GET", "GET"]
    return str(url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(status: int) -> None:
    assert await final_url("/end", status) == "https://quay.io/end"


@pytest.mark.parametrize(
    ("location", "end"),
    [
        ("other?a=b", "https://quay.io/other?a=b"),
        ("//ghcr.io", "https://ghcr.io"),
        ("http://ghcr.io:5000/a b", "http://ghcr.io:5000/a%20b"),
        ("?x", "https://quay.io/start?x"),
    ],
)
async def test_locations_are_resolved(location: str, end: str) -> None:
    assert await final_url(location) == end


@pytest.mark.parametrize("status", [300, 304, 305, 306])
async def test_other_statuses_are_answers(status: int) -> None:
    answer, _ = await Wire(Redirecting({str(START): (status, "/end")})).request("GET", START, (), insecure=False)
    assert answer.status == status


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("http://[::1", FAILED_TO_PARSE),
        ("ftp://quay.io/x", 'Get "ftp://quay.io/x": unsupported protocol scheme "ftp"'),
        ("mailto:me", 'Get "mailto:me": unsupported protocol scheme "mailto"'),
        ("https://", 'Get "https:": http: no Host in request URL'),
        ("https:///x", 'Get "https:///x": http: no Host in request URL'),
        ("/start", 'Get "/start": stopped after 10 redirects'),
    ],
)
async def test_redirects_that_lead_nowhere(location: str, text: str) -> None:
    with pytest.raises(UrlFailure) as caught:
        await Wire(Redirecting({str(START): (302, location)})).request("GET", START, (), insecure=False)
    assert str(caught.value) == text


async def test_passwords_in_urls_are_sent_and_not_shown() -> None:
    transport = Redirecting(
        {str(START): (302, "https://me:p%40ss@quay.io/a"), "https://me:p%40ss@quay.io/a": (302, "x:")}
    )
    with pytest.raises(UrlFailure, match=r'Get "x:": unsupported protocol scheme "x"'):
        await Wire(transport).request("GET", START, (), insecure=False)
    assert transport.asked[1][2]["authorization"] == f"Basic {base64.b64encode(b'me:p@ss').decode()}"

    async def refuse(url: Url) -> tuple[tuple[str, str], ...]:
        if url.path == "/a":
            raise ClientFailure("no")
        return ()

    with pytest.raises(UrlFailure) as caught:
        await Wire(transport).request("GET", START, (), insecure=False, authorize=refuse)
    assert str(caught.value) == 'Get "https://me:***@quay.io/a": no'


@pytest.mark.parametrize(
    ("location", "repeated"),
    [
        ("https://quay.io:8443/end", True),
        ("https://cdn.quay.io/end", True),
        ("https://notquay.io/end", False),
        ("https://ghcr.io/end", False),
    ],
)
async def test_passwords_stay_with_their_site(location: str, repeated: bool) -> None:
    transport = Redirecting({str(START): (307, location), location: (307, "/last")})
    secret = ("authorization", "Basic eA==")
    await Wire(transport).request("GET", START, (secret, ("accept", "a/b")), insecure=False)
    for method, _, headers in transport.asked[1:]:
        assert method == "GET"
        assert ("authorization" in headers) is repeated
        assert headers["accept"] == "a/b"


async def test_header_values_with_line_breaks_are_refused() -> None:
    transport = Redirecting({})
    header = ("authorization", "Bearer a\r\nb: c")
    with pytest.raises(UrlFailure) as caught:
        await Wire(transport).request("GET", START, (header,), insecure=False)
    assert str(caught.value) == 'Get "https://quay.io/start": net/http: invalid header field value for "Authorization"'
    assert not transport.asked
