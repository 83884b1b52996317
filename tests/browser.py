"""A real browser, headless Chromium, that looks at pages and tells what a person would mind."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FrameLocator,
    Page,
    Request,
    Route,
    sync_playwright,
)

FETCH_SECONDS = 300

PHONE_WIDTH, DESK_WIDTH = 360, 1280

Scheme = Literal["light", "dark"]

STRICT = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
"""Forbids everything that a page in one file does without."""

# Without these it asks for its maker's servers at every start.
_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@functools.cache
def program() -> str:
    """Return the path of Chromium; installs it the first time on a machine."""
    script = Path(__file__).with_name("chromium.sh")
    found = subprocess.run([script], check=True, stdout=subprocess.PIPE, timeout=FETCH_SECONDS)
    return found.stdout.decode().strip()


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a new, empty profile."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program(), args=list(_QUIET))
        yield launched
        launched.close()


@dataclass
class Visit:
    """A page that was opened, and what happened meanwhile.

    Attributes:
        page: as playwright drives it.
        complaints: errors and warnings on the console, a broken content security policy among
            them, and errors of scripts.
        requests: URLs that the page asked for, its own among them.

    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        wider: int = self.page.evaluate(script)
        return wider

    def inaccessible(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 A and AA, contrast among it, with the elements."""
        rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": rules}})
        violations: list[dict[str, Any]] = found.response["violations"]
        return [
            f"{violation['id']}: {violation['help']}: {node['html'][:200]}"
            for violation in violations
            for node in violation["nodes"]
        ]


@contextmanager
def visit(
    browser: Browser,
    *,
    width: int = DESK_WIDTH,
    scheme: Scheme = "light",
) -> Iterator[Visit]:
    """An empty page of a new person; every answer of the network is real."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    visited = Visit(context.new_page())

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visited.complaints.append(message.text)

    def on_request(request: Request) -> None:
        visited.requests.append(request.url)

    visited.page.on("console", on_console)
    visited.page.on("pageerror", lambda error: visited.complaints.append(str(error)))
    visited.page.on("request", on_request)
    yield visited
    context.close()


def show(visited: Visit, html: str, headers: Mapping[str, str] | None = None) -> None:
    """Open a page at an address where there is nothing else.

    Args:
        visited: where.
        html: the page.
        headers: of its answer, for example a content security policy.

    """
    address = "http://report.test/"

    def answer(route: Route) -> None:
        if route.request.url == address:
            route.fulfill(
                body=html, content_type="text/html; charset=utf-8", headers=dict(headers or {})
            )
        else:
            route.abort()

    visited.page.route("**/*", answer)
    visited.page.goto(address)


def looks_right(
    chromium: Browser, html: str, scheme: Scheme, width: int, shot: Path, *, axe: bool = False
) -> None:
    """Check what a person would see of a report's page that stands alone.

    Nothing is wider than the window, unreadably small, in the wrong colours, asked for from
    elsewhere or complained of; with `axe` nothing keeps anybody out either.

    Args:
        chromium: a browser.
        html: the page.
        scheme: what the person prefers.
        width: of the window, in pixels.
        shot: where a picture goes.
        axe: whether to look for barriers too, which takes seconds.

    """
    with visit(chromium, width=width, scheme=scheme) as visited:
        show(visited, html, STRICT)
        visited.page.screenshot(path=shot, full_page=True)
        visited.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert visited.overflow() == 0
        assert not axe or visited.inaccessible() == []
        assert visited.complaints == []
        assert len(visited.requests) == 1
        ground = visited.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
        heights = (
            "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)"
        )
        assert min(visited.page.evaluate(heights), default=10) >= 10


def open_artifact(visited: Visit, mlflow: str, run_id: str, name: str) -> FrameLocator:
    """Go to an artifact of a run as a person does who has the run's id and MLflow's address.

    Returns:
        The frame in which MLflow shows it.

    """
    visited.page.set_default_timeout(60_000)
    visited.page.goto(f"{mlflow}/#/runs/{run_id}")
    visited.page.get_by_role("tab", name="Artifacts").click()
    visited.page.get_by_text(name, exact=True).first.click()
    return visited.page.frame_locator("iframe")
