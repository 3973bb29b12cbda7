"""Takes pictures of the operator's page for the documentation: `python -m tests.browser.pictures DIR`.

A line that is only air has three open stops on a roll with defects and with cloth that was not inspected.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import sync_playwright

from pipeline.config.cards import load_config
from pipeline.ledger.store import Ledger
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from tests.browser.air import FRAME_MM, Air, verdict, write_config
from tests.browser.conftest import CHROMIUM, banner, serving

FRAMES, DEFECTS, UNSEEN = 400, (37, 90, 91, 180, 260, 333), range(140, 162)
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


def main(out: Path) -> None:
    """Two files, light and dark."""
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        os.environ["XDG_RUNTIME_DIR"] = name
        path = write_config(folder)
        config = load_config(path)
        Ledger(config.ledger.path, {"line": "air", "parent_pid": os.getpid(), "config": config.model_dump(mode="json")}).close()
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        with serving(path, folder / "users.json") as url, Air(config, roll_id="R-0815") as air:
            pages = {
                scheme: browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 2100}) for scheme in SCHEMES
            }
            for page in pages.values():
                page.goto(url)
                banner(page, "Nothing to do")
            for n in range(FRAMES):
                for k, camera in enumerate(("left", "right")):
                    told = verdict(2 * n + k, camera, FRAME_MM * n, "R-0815", n in DEFECTS and k == n % 2)
                    unseen = {"result": Result.NOT_INSPECTED, "reason": Reason.NO_SCORE, "score": None, "regions": ()}
                    air.say(told.model_copy(update=unseen) if n in UNSEEN and k else told)
            air.count(FRAMES, defect=len(DEFECTS), rejects=len(DEFECTS))
            for event in (2, 5, 9):
                air.stop(event)
            for scheme, page in pages.items():
                banner(page, "STOP: 3 open")
                page.locator("#now", has_text="30.0").wait_for()
                page.locator("#map .legend", has_text="no score in time").wait_for()
                page.wait_for_timeout(3000)
                page.screenshot(path=out / f"page-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
