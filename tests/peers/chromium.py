"""Headless Chromium, driven by playwright."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

from peers.requirement import program, unavailable

_OPTIONS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
"""Root has no sandbox; WebGL is drawn by the CPU."""


@dataclass
class Visit:
    """A page in the browser, and what went wrong on it.

    Attributes
    ----------
    page : playwright.sync_api.Page
        The page.
    errors : list of str
        Errors of its console and scripts, and its requests that failed.
    requests : list of str
        Addresses that it requested.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", lambda request: self.errors.append(f"{request.url}: {request.failure}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


def wait_until(page: Page, reached: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until a condition on pictures or requests of a page holds; it is an error if it does not within a time."""
    end = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < end, f"it did not happen within {within_s:g} s"
        page.wait_for_timeout(100)


@contextmanager
def browser() -> Iterator[Browser]:
    """Run Debian's Chromium; the wheel of playwright has the driver, and nothing is downloaded."""
    path = program("chromium", package="chromium")
    with sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(executable_path=path, args=list(_OPTIONS))
        except Error as error:
            unavailable(f"chromium does not start: {error}")
        yield running
        running.close()


@contextmanager
def visit(running: Browser) -> Iterator[Visit]:
    """Open an empty page without history, cookies or cache."""
    context = running.new_context()
    yield Visit(context.new_page())
    context.close()
