"""How soon the page shows a reject: `python -m tests.browser.latency --seconds 100`; exit 1 where it takes longer than it may.

A real line of eight cameras and a small model finds one defect a second and stops the machine for each. A browser notes when
its page first has the open stop, and when it has the card of the defect. Both are held against the times that the line's own
record has: of the action, and of the verdict. Both clocks are the same machine's, and are compared when the time is over.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import yaml
from playwright.sync_api import sync_playwright

from pipeline.ledger.reading import read_actions, read_verdicts
from pipeline.messages.states import Phase, Result
from tests.browser.conftest import CHROMIUM, PROGRAM, serving, until
from tests.line.conftest import good_frame, make_model
from tests.shared_data import ROOT

CAMERAS, FRAMES, RATE = 8, 4, 0.5
"""Frames of each camera's footage, one of them with a bar, and how many of them it gives in a second."""
MAX_MS = 500.0
"""From a reject to the page, p99."""
NOTE = """() => {
  window.stops = {}; window.cards = {};
  const note = (seen, key) => { seen[key] ??= performance.timeOrigin + performance.now(); };
  const look = () => {
    for (const b of document.querySelectorAll('#open button')) note(window.stops, JSON.parse(b.dataset.wish).event);
    for (const c of document.querySelectorAll('#defects .card')) note(window.cards, c.dataset.key);
  };
  look();
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}"""


def write_line(folder: Path) -> Path:
    """Eight cameras over footage of their own, whose bars come one after another."""
    cameras = []
    for n in range(CAMERAS):
        own = folder / f"footage-{n}"
        own.mkdir()
        for k in range(FRAMES):
            picture = good_frame(100 + k).copy()
            if k == n % FRAMES:
                picture[20:40, 100:140] = 255
            cv2.imwrite(str(own / f"{k:03d}.png"), picture)
        cameras.append({
            "name": f"camera-{n}", "source": "replay", "path": str(own), "loop": True, "rate": RATE,
            "mm_per_px_x": 0.2, "mm_per_px_y": 0.2, "x_offset_mm": 51.2 * n,
            "inspect_x_px": [64, 192],
        })  # fmt: skip
    path = folder / "line.yaml"
    path.write_text(yaml.safe_dump({
        "line": {"name": "eight"}, "model": str(make_model(folder / "model")), "cameras": cameras,
        "worker": {"backend": "torch"}, "decision": {"budget_ms": 10_000}, "actions": [{"when": "DEFECT", "do": "stop"}],
        "ledger": {"path": str(folder / "record" / "ledger.sqlite")},
    }))  # fmt: skip
    return path


@contextmanager
def running(path: Path) -> Iterator[None]:
    """`glassline run` in a process of its own."""
    words = [sys.executable, "-c", PROGRAM, "run", str(path)]
    process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def clock_ahead_ms(page: Any) -> float:
    """How far the browser's clock is ahead of this one, from the quickest of some questions."""
    asked = []
    for _ in range(30):
        before_ns = time.monotonic_ns()
        told_ms = page.evaluate("performance.timeOrigin + performance.now()")
        after_ns = time.monotonic_ns()
        asked.append((after_ns - before_ns, told_ms - (before_ns + after_ns) / 2e6))
    return min(asked)[1]


def waits_ms(shown: Mapping[str, float], happened: Mapping[str, float], ahead_ms: float, since_ms: float) -> list[float]:
    """From each happening since then to when it was shown; one that never was takes for ever."""
    return [shown.get(key, np.inf) - ahead_ms - at_ms for key, at_ms in happened.items() if at_ms > since_ms]


def judge(what: str, waits: list[float]) -> bool:
    """Whether it takes too long, or nothing was seen; says the figures."""
    if not waits:
        print(f"{what}: none")
        return True
    p50, p99 = np.percentile(waits, [50, 99], method="higher")
    print(f"{what}: p50 {p50:.0f}, p99 {p99:.0f}, most {max(waits):.0f} ms, of {len(waits)}")
    return bool(p99 > MAX_MS)


def main(seconds: float) -> int:
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        os.environ["XDG_RUNTIME_DIR"] = name
        path = write_line(folder)
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        with serving(path, folder / "users.json") as url:
            with running(path):
                page = browser.new_page(viewport={"width": 1280, "height": 1000})
                page.goto(url)
                until(page, "document.querySelectorAll('#defects .card').length > 3")
                page.evaluate(NOTE)
                since_ms = time.monotonic_ns() / 1e6
                page.wait_for_timeout(seconds * 1000)
                until_ms = time.monotonic_ns() / 1e6 - 5000
                stops, cards = page.evaluate("[window.stops, window.cards]")
                ahead_ms = clock_ahead_ms(page)
            ledger = folder / "record" / "ledger.sqlite"
            actions = {str(a.event): a.t_mono_ns / 1e6 for a in read_actions(ledger) if a.phase is Phase.NOW}
            verdicts = {
                f"{v.generation}-{v.number}-0": v.t_mono_ns / 1e6 for v in read_verdicts(ledger) if v.result is Result.DEFECT
            }
        browser.close()
    print(f"{CAMERAS} cameras, {seconds:g} s, load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    late = False
    for what, shown, happened in (("open stop", stops, actions), ("card of a defect", cards, verdicts)):
        early = {key: at_ms for key, at_ms in happened.items() if at_ms < until_ms}
        late |= judge(what, waits_ms(shown, early, ahead_ms, since_ms))
    return int(late)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=100.0)
    sys.exit(main(parser.parse_args().seconds))
