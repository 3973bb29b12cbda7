"""Whether a browser's memory stays flat: `python -m tests.browser.soak --minutes 30`; exit 1 where it grows.

A line that is only air gives ten defects a second. Two browser windows look on, one of them at the heat maps. Each has as many
defects as the page keeps before anything is measured, so that what is seen to grow grows for good. Each figure is taken after
a collection of garbage, by the protocol of Chromium's developer tools.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import sync_playwright

from pipeline.config.cards import load_config
from pipeline.dashboard.roll_so_far import MAX_DEFECTS
from pipeline.ledger.store import Ledger
from pipeline.supervision.trend import DAY_S, trend
from tests.browser.air import FRAME_MM, Air, verdict, write_config
from tests.browser.conftest import CHROMIUM, banner, serving, until

DEFECTS_PER_S, VIEWERS = 10, 2
SAMPLES = 60
MB = 1e6
FIGURES = {
    "JSHeapUsedSize": ("heap, MB", MB, 1.0),
    "Nodes": ("nodes", 1.0, 200.0),
    "JSEventListeners": ("listeners", 1.0, 100.0),
}
"""Of the developer tools: what it is, its unit, and what it may gain in half an hour."""
HALF_HOUR_S = 1800.0


class Cloth:
    """Frames of the left camera with a defect each."""

    def __init__(self, air: Air) -> None:
        self._air, self.frames = air, 0

    def run(self, frames: int) -> None:
        for n in range(self.frames, self.frames + frames):
            self._air.say(verdict(n, "left", FRAME_MM * n, "R-7", defect=True))
        self.frames += frames
        self._air.count(self.frames, defect=self.frames)


class Viewer:
    """A window on the page, and what its developer tools say."""

    def __init__(self, browser: Any, url: str) -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 1000})
        self.page.goto(url)
        self._tools = self.page.context.new_cdp_session(self.page)
        self._tools.send("Performance.enable")

    def measure(self) -> dict[str, float]:
        self._tools.send("HeapProfiler.collectGarbage")
        told = {m["name"]: m["value"] for m in self._tools.send("Performance.getMetrics")["metrics"]}
        return {name: told[name] / unit for name, (_, unit, _) in FIGURES.items()}


def windows_mb(browser: Any) -> float:
    """Memory that the windows' processes have alone; shown and not judged: the tools keep the page's answers in it."""
    tools, found = browser.new_browser_cdp_session(), 0
    for process in tools.send("SystemInfo.getProcessInfo")["processInfo"]:
        status = Path(f"/proc/{process['id']}/status")
        if process["type"] == "renderer" and status.exists():
            found += next((int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("RssAnon")), 0)
    tools.detach()
    return found * 1024 / MB


Seen = list[list[dict[str, float]]]
"""At each time, of each viewer, each figure."""


def follow(cloth: Cloth, viewers: list[Viewer], browser: Any, seconds: float) -> tuple[list[float], Seen]:
    """When it was measured, and what each viewer had then."""
    start_s = time.monotonic()
    given, times_s, seen = cloth.frames, list[float](), Seen()
    print("   s  " + "  ".join(f"{title:>10}" for _ in viewers for title, _, _ in FIGURES.values()) + "   windows, MB")
    while (now_s := time.monotonic() - start_s) < seconds:
        cloth.run(given + int(now_s * DEFECTS_PER_S) - cloth.frames)
        if now_s >= len(times_s) * seconds / SAMPLES:
            times_s.append(now_s)
            seen.append([viewer.measure() for viewer in viewers])
            figures = "  ".join(f"{value:10.2f}" for own in seen[-1] for value in own.values())
            print(f"{now_s:4.0f}  {figures}  {windows_mb(browser):11.0f}", flush=True)
        viewers[0].page.wait_for_timeout(200)
    return times_s, seen


def judge(times_s: list[float], seen: Seen) -> bool:
    """Whether anything grows; says how each figure ran over the second half."""
    growing = False
    for n in range(VIEWERS):
        for name, (title, _, allowed) in FIGURES.items():
            found = trend(times_s, [own[n][name] for own in seen], allowed * DAY_S / HALF_HOUR_S, grain=allowed / 4)
            assert found is not None
            growing |= found.grows
            low, slope, high = (rate * HALF_HOUR_S / DAY_S for rate in (found.low_per_day, found.per_day, found.high_per_day))
            words = "GROWS" if found.grows else "flat"
            print(f"viewer {n + 1}: {title} {found.level:.2f}, {slope:+.2f} in 30 minutes ({low:+.2f} to {high:+.2f}): {words}")
    return growing


def main(minutes: float) -> int:
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        os.environ["XDG_RUNTIME_DIR"] = name
        path = write_config(folder)
        config = load_config(path)
        facts = {"line": "air", "parent_pid": os.getpid(), "config": config.model_dump(mode="json")}
        Ledger(config.ledger.path, facts).close()
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        with serving(path, folder / "users.json") as url, Air(config) as air:
            viewers = [Viewer(browser, url) for _ in range(VIEWERS)]
            for viewer in viewers:
                banner(viewer.page, "Nothing to do")
            viewers[-1].page.click("#heat")
            cloth = Cloth(air)
            cloth.run(MAX_DEFECTS + 100)
            for viewer in viewers:
                until(viewer.page, f"document.querySelectorAll('#map .mark').length >= {MAX_DEFECTS}")
            times_s, seen = follow(cloth, viewers, browser, minutes * 60)
            print(f"{cloth.frames} defects, {VIEWERS} viewers, {minutes:g} minutes")
            for viewer in viewers:
                assert viewer.page.locator("#banners", has_text="Nothing to do").count() == 1
        browser.close()
    return judge(times_s, seen)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    sys.exit(main(parser.parse_args().minutes))
