"""The whole story, as a newcomer sees it: woven cloth, training, card, a line of two emulated cameras, the comparison."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.ledger.lost import read_spans
from pipeline.ledger.reading import read_states, read_verdicts
from pipeline.messages.states import Result, State
from pipeline.report import Injected, compare
from pipeline.report.roll import find_defects
from tests.shared_data import ROOT
from tools.verbs import demo

pytestmark = pytest.mark.full

INJECTED = 2 * 2 * len(demo.KINDS)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the demo printed."""
    out = tmp_path_factory.mktemp("d") / "demo"
    words = [sys.executable, "-m", "tools", "demo", "--out", str(out), "--json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def test_the_account_is_complete(told: dict[str, object]) -> None:
    out = Path(str(told["out"]))
    verdicts = list(read_verdicts(out / "ledger.sqlite"))
    for eye in demo.EYES:  # exactly one verdict a frame
        own = [v for v in verdicts if v.camera == eye.name and v.seq is not None]
        assert [v.seq for v in own if v.boot_id == own[0].boot_id] == list(range(demo.ROLL_FRAMES))
    counts = {r: sum(v.result is r for v in verdicts) for r in Result}
    assert (told["pass"], told["defect"], told["not_inspected"]) == tuple(counts.values())
    assert told["injected"] == INJECTED and told["found"] + told["missed"] + told["unseen"] == INJECTED  # type: ignore[operator]
    passed_m = told["inspected_m"] + told["not_inspected_m"]  # type: ignore[operator]
    assert passed_m == pytest.approx(demo.ROLL_FRAMES * demo.FRAME_MM / 1000)
    states = [s.state for s in read_states(out / "ledger.sqlite")]
    assert State.STOPPED in states and states.index(State.STOPPED) < len(states) - states[::-1].index(State.RUNNING)


def test_it_finds_most_of_what_is_there_every_hole_among_it_and_leaves_a_page(told: dict[str, object]) -> None:
    """Of what was inspected."""
    out = Path(str(told["out"]))
    if told["unseen"] > INJECTED / 2:  # type: ignore[operator]
        pytest.skip(f"this machine was too slow for its own line: {told['unseen']} of {INJECTED} defects not inspected")
    found = find_defects(read_verdicts(out / "ledger.sqlite"))
    truth = [json.loads((out / "roll" / eye.name / "truth.json").read_text()) for eye in demo.EYES]
    holes = [
        Injected(camera=eye.name, kind="hole", x0_mm=x0, y0_mm=y0, x1_mm=x1, y1_mm=y1)
        for eye, strip in zip(demo.EYES, truth, strict=True)
        for x0, y0, x1, y1 in (d["box_mm"] for d in strip["defects"] if d["kind"] == "hole")
    ]
    assert len(holes) == 4 and compare(found, holes, demo.MARGIN_MM, read_spans(out / "ledger.sqlite")).missed == 0
    assert told["found"] >= 0.6 * (INJECTED - told["unseen"])  # type: ignore[operator]
    # The card allows 10 in 1000 frames, so about 1 here: more than 5 come in one roll of 2000 (Poisson).
    assert told["false_alarms"] <= 5  # type: ignore[operator]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page and (out / "model" / "contact_sheet_training.png").is_file()
    assert any((out / "crops").rglob("*.png"))
