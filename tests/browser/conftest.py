"""A real browser, the page as a process of its own, and a line that is only air."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.dashboard.users import make_user
from pipeline.ledger.store import Ledger
from tests.browser.air import Air, write_config
from tests.shared_data import ROOT

CHROMIUM = Path("/usr/bin/chromium")
PROGRAM = "import sys; from tools.cli import main; sys.exit(main())"
LIMIT_MS = 60_000
"""Nothing here is about speed: the machine may be busy."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Chromium without a window; the tests skip where there is none."""
    api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"needs a real peer, {CHROMIUM}: .ci/peers installs it")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Served:
    """The page of a line: where it is, and how its process is stopped and started again."""

    url: str
    users: Path
    config: LineConfig
    stop: Callable[[], None]
    start: Callable[[], None]

    def token(self, name: str, role: str = "operator") -> str:
        return make_user(self.users, name, role)


@contextmanager
def serving(what: Path, users: Path, port: int = 0) -> Iterator[str]:
    """`glassline page` in a process of its own; yields its address."""
    words = [sys.executable, "-c", PROGRAM, "page", str(what), "--users", str(users), "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("page: http://127.0.0.1:"), said
        yield said.removeprefix("page: ").strip()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        process.stdout.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Of a line of two cameras, with a record that has begun."""
    path, users = write_config(tmp_path), tmp_path / "users.json"
    config = load_config(path)
    Ledger(config.ledger.path, {"line": "air", "parent_pid": os.getpid(), "config": config.model_dump(mode="json")}).close()
    with ExitStack() as stack:
        url = stack.enter_context(serving(path, users))

        def start() -> None:
            stack.enter_context(serving(path, users, int(url.rsplit(":", 1)[1].strip("/"))))

        yield Served(url, users, config, stack.close, start)


@pytest.fixture
def air(served: Served) -> Iterator[Air]:
    with Air(served.config) as line:
        yield line


@pytest.fixture
def window(chromium: Any, served: Served) -> Iterator[Callable[..., Any]]:
    """Opens a browser window of its own on the page; errors of its scripts fail the test."""
    errors: list[str] = []
    with ExitStack() as stack:

        def open_window(**facts: Any) -> Any:
            before, clock = facts.pop("before", None), facts.pop("clock", False)
            context = chromium.new_context(viewport={"width": 1280, "height": 800}, **facts)
            stack.callback(context.close)
            context.set_default_timeout(LIMIT_MS)
            page = context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            if clock:
                page.clock.install()
            if before:
                page.add_init_script(before)
            page.goto(served.url)
            return page

        yield open_window
    assert errors == []


def sign_in(page: Any, token: str) -> None:
    until(page, "document.getElementById('sign').textContent !== ''")  # before it has its words, a press does nothing
    page.click("#sign")
    page.fill("#sign-form [name=token]", token)
    page.click("#sign-form button:not([type=button])")
    until(page, "document.getElementById('me').textContent !== ''")


def until(page: Any, expression: str, argument: Any = None) -> None:
    """Wait until it is true; the page's own policy forbids what `wait_for_function` does there."""
    end_s = time.monotonic() + LIMIT_MS / 1000
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end_s, expression
        page.wait_for_timeout(50)


def banner(page: Any, words: str) -> Any:
    """The banner that says so, once it does."""
    found = page.locator("#banners .banner", has_text=words).first
    found.wait_for()
    return found
