"""What the page takes of a core: `python -m tests.browser.cost --seconds 30`; exit 1 where that is more than it may.

A line that is only air says what one of four cameras at 30 frames a second says, with two defects a second, and sends small
pictures as large and as often as a line does. First nobody looks, then two browser windows at the cameras, one of them at the
heat maps. The figure is the time on a core of the page's process, from /proc.
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
from pipeline.ledger.store import Ledger
from tests.browser.air import FRAME_MM, Air, verdict, write_config
from tests.browser.conftest import CHROMIUM, banner, serving, until

CAMERAS, FRAMES_PER_S, DEFECTS_PER_S = 4, 30, 2
PICTURE = (128, 256)
"""As large as a line sends them: 32 kB."""
MOST = {"nobody looks": 5.0, "two look": 25.0}
"""Per cent of a core."""


class Cloth:
    """Frames of all cameras, as time goes by."""

    def __init__(self, air: Air, names: list[str]) -> None:
        self._air, self._names, self._began_s = air, names, time.monotonic()
        self._frames = self._totals = self._defects = 0

    def run(self, page: Any, seconds: float) -> None:
        """So long; `page` only waits meanwhile."""
        end_s = time.monotonic() + seconds
        while (now_s := time.monotonic()) < end_s:
            passed_s = now_s - self._began_s
            while self._frames < passed_s * FRAMES_PER_S:
                self._say_frame()
            if self._totals < passed_s * 2:
                self._totals += 1
                self._air.count(self._frames, defect=self._defects)
            page.wait_for_timeout(30)

    def _say_frame(self) -> None:
        defect = self._frames % (FRAMES_PER_S // DEFECTS_PER_S) == 0
        self._defects += defect
        for k, name in enumerate(self._names):
            number = self._frames * len(self._names) + k
            self._air.say(verdict(number, name, FRAME_MM * self._frames, "R-7", defect and k == 0))
        self._frames += 1


def page_pid() -> int:
    """The process that `serving` has started."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return next(int(pid) for pid in children if b"page" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))


def core_s(pid: int) -> float:
    """Time on a core that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(what: str, cloth: Cloth, page: Any, seconds: float) -> bool:
    """Whether it takes too much; says the figure."""
    pid, began_s = page_pid(), time.monotonic()
    before_s = core_s(pid)
    cloth.run(page, seconds)
    share = 100 * (core_s(pid) - before_s) / (time.monotonic() - began_s)
    print(f"{what}: {share:.1f} % of a core, {MOST[what]:g} at most; load average {os.getloadavg()[0]:.1f}", flush=True)
    return share > MOST[what]


def main(seconds: float) -> int:
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        os.environ["XDG_RUNTIME_DIR"] = name
        path = write_config(folder, CAMERAS)
        config = load_config(path)
        facts = {"line": "air", "parent_pid": os.getpid(), "config": config.model_dump(mode="json")}
        Ledger(config.ledger.path, facts).close()
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        with serving(path, folder / "users.json") as url, Air(config, picture=PICTURE) as air:
            blank = browser.new_page()
            cloth = Cloth(air, [camera.name for camera in config.cameras])
            cloth.run(blank, 5.0)
            much = measure("nobody looks", cloth, blank, seconds)
            for heat in (False, True):
                viewer = browser.new_page(viewport={"width": 1280, "height": 1000})
                viewer.goto(url)
                banner(viewer, "Nothing to do")
                if heat:
                    viewer.click("#heat")
                viewer.locator("#watch").scroll_into_view_if_needed()
                until(viewer, f"document.querySelectorAll('#pictures img[src]').length === {CAMERAS}")
            much |= measure("two look", cloth, viewer, seconds)
        browser.close()
    return int(much)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    sys.exit(main(parser.parse_args().seconds))
