"""A headless Chromium, driven over its own DevTools protocol: what a page holds, what keys do, what it asks for."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-port=0",
)
_KEYS: Mapping[str, tuple[str, int]] = {"Enter": ("\r", 13), "Tab": ("", 9), "Escape": ("", 27), "End": ("", 35)}


class Page:
    """A tab: call it with DevTools methods, or by the methods here."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._loaded = asyncio.Event()
        self.requests: list[str] = []
        self.complaints: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        """Sends a command and waits for its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await answer

    async def listen(self) -> None:
        """Takes what the browser says until it is closed."""
        async for message in self._socket:
            event = json.loads(message.data)
            if "id" in event:
                waiting = self._answers.pop(event["id"])
                if "error" in event:
                    waiting.set_exception(AssertionError(event["error"]["message"]))
                else:
                    waiting.set_result(event["result"])
            else:
                self._note(event["method"], event["params"])

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in {"error", "warning", "assert"}:
            self.complaints.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])

    async def open(self, url: str) -> None:
        """Goes to an address and waits until the page has loaded."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await self._loaded.wait()

    async def value(self, expression: str) -> Any:
        """The value of an expression, a promise's included."""
        done = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    async def press(self, *keys: str) -> None:
        """Presses keys one after the other: a name such as Tab, or a character."""
        for key in keys:
            text, code = _KEYS.get(key, (key, ord(key.upper()[0])))
            await self.call(
                "Input.dispatchKeyEvent",
                type="keyDown",
                key=key,
                windowsVirtualKeyCode=code,
                **({"text": text} if text else {}),
            )
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
        # what the page does about it is done with the next frames
        await self.value("new Promise(done => setTimeout(() => requestAnimationFrame(() => done(null)), 0))")


async def _port(stderr: asyncio.StreamReader) -> int:
    """The port of the DevTools, which the browser prints when it listens."""
    async for line in stderr:
        found = re.match(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line)
        if found is not None:
            return int(found[1])
    raise AssertionError("the browser ended before it listened")


@contextlib.asynccontextmanager
async def _emptied(stderr: asyncio.StreamReader) -> AsyncIterator[None]:
    """Takes what is printed, so that whoever prints never waits."""
    reading = asyncio.create_task(stderr.read())
    try:
        yield
    finally:
        reading.cancel()


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A browser with one empty page, a profile of its own, and no network."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *_QUIET,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            port = await _port(process.stderr)
            async with (
                _emptied(process.stderr),
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/json/list") as answer,
            ):
                target = next(one for one in await answer.json() if one["type"] == "page")
                async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    listening = asyncio.create_task(page.listen())
                    yield page
                    await socket.close()
                    await listening
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
