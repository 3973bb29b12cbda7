"""Takes the pictures of the operator's page for the documentation: `python -m tests.browser.pictures docs/pictures`.

A line that is only air has three open stops on a roll with defects and with cloth that was not inspected. The defect under
review is one of a finished record, since air keeps no pictures.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from pipeline.config.cards import load_config
from pipeline.dashboard.users import make_user
from pipeline.ledger.store import Ledger
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from tests.browser.air import FRAME_MM, Air, verdict, write_config
from tests.browser.conftest import CHROMIUM, banner, serving, sign_in, until
from tests.reviewed_run import record

STOP, STOP_DARK, CAMERAS = "page-with-open-stops.png", "page-in-the-dark.png", "cameras-and-heat.png"
SCORES, REVIEW = "scores-and-threshold.png", "defect-under-review.png"
PICTURES = (STOP, STOP_DARK, CAMERAS, SCORES, REVIEW)

FRAMES, DEFECTS, UNSEEN, THRESHOLD = 3000, (210, 211, 890, 1400, 2233), range(1700, 1790), 0.6
SEEN = {"width": 1200, "height": 900}


def main(out: Path) -> None:
    """All of PICTURES."""
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        os.environ["XDG_RUNTIME_DIR"] = name
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        take_of_line(browser, folder, out)
        take_of_record(browser, folder, out)
        browser.close()
    for picture in PICTURES:
        print(f"{out / picture}: {(out / picture).stat().st_size / 1000:.0f} kB")


def take_of_line(browser: Any, folder: Path, out: Path) -> None:
    """The page with open stops, light and dark; what the cameras see; and scores against their threshold."""
    path = write_config(folder)
    config = load_config(path)
    facts = {"line": "air", "parent_pid": os.getpid(), "config": config.model_dump(mode="json")}
    Ledger(config.ledger.path, {**facts, "card": {"thresholds": [THRESHOLD]}}).close()
    with serving(path, folder / "users.json") as url, Air(config, roll_id="R-0815", picture=(120, 240)) as air:
        light, dark = (browser.new_page(color_scheme=scheme, viewport=SEEN) for scheme in ("light", "dark"))
        for page in (light, dark):
            page.goto(url)
            banner(page, "Nothing to do")
        sign_in(light, make_user(folder / "users.json", "Ada", "operator"))
        weave(air)
        for event in (2, 5, 9):
            air.stop(event)
        for page, picture in ((light, STOP), (dark, STOP_DARK)):
            banner(page, "STOP: 3 open")
            page.locator("#now", has_text="30.0").wait_for()
            page.locator("#map .legend", has_text="no score in time").wait_for()
            until(page, "document.querySelectorAll('#pictures img[src]').length === 2")
            page.wait_for_timeout(2000)
            page.screenshot(path=out / picture)
        light.click("#heat")
        until(light, "[...document.querySelectorAll('#pictures img')].every(i => i.complete && i.naturalWidth === 480)")
        light.locator("#watch").screenshot(path=out / CAMERAS)
        light.locator("[aria-labelledby=scores-heading]").screenshot(path=out / SCORES)


def weave(air: Air) -> None:
    """Both cameras' verdicts; the left one's good scores rise slowly towards the threshold, as under a lamp that ages."""
    chance = np.random.default_rng(3)
    for n in range(FRAMES):
        for k, camera in enumerate(("left", "right")):
            told = verdict(2 * n + k, camera, FRAME_MM * n, "R-0815", n in DEFECTS and k == n % 2)
            if n in UNSEEN and k:
                unseen = {"result": Result.NOT_INSPECTED, "reason": Reason.NO_SCORE, "score": None, "regions": ()}
                told = told.model_copy(update=unseen)
            elif told.result is Result.PASS:
                level = 0.25 + (0.25 * n / FRAMES if k == 0 else 0.0)
                told = told.model_copy(update={"score": float(min(level + 0.02 * chance.gumbel(), THRESHOLD))})
            air.say(told)
    air.count(FRAMES, defect=len(DEFECTS), rejects=len(DEFECTS))


def take_of_record(browser: Any, folder: Path, out: Path) -> None:
    """A defect of a finished record, as it is reviewed."""
    users, ledger = folder / "users.json", record(folder / "roll", ["spot", "bar", "patch"])
    with serving(ledger, users) as url:
        page = browser.new_page(viewport=SEEN)
        page.goto(url)
        sign_in(page, make_user(users, "Ada", "operator"))
        page.locator("#defects .card").nth(1).click()
        until(page, "[...document.querySelectorAll('#review img')].every(i => i.complete && i.naturalWidth > 0)")
        page.wait_for_timeout(500)
        page.locator("#review").screenshot(path=out / REVIEW)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
