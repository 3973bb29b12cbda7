"""From named defects to proposals on report and page: learned, kept, used again, and never a point or a verdict changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import glass_core.kinds.features
from glass_core.errors import InputError
from glass_core.kinds.features import CropFeatures
from glass_core.network.model import Glass
from pipeline.dashboard.page import of_record
from pipeline.ledger.crops import crop_window
from pipeline.ledger.proposals import FILE, ProposedKind, write_proposals
from pipeline.ledger.reading import read_verdicts
from pipeline.report import issue_report, propose_kinds
from pipeline.report.kept_crops import read_crops
from pipeline.report.sheet import read_roll
from tests.reviewed_run import BOXES, frame_of, record, say
from tools.cli import main

MIXED = ["bar", "spot", "patch"] * 5
EVIL = "bar <img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def trunk(monkeypatch: pytest.MonkeyPatch) -> Iterator[CropFeatures]:
    """The built-in trunk in place of a trained model's."""
    made = CropFeatures(Glass("embedded").eval(), "ab" * 32)
    monkeypatch.setattr(glass_core.kinds.features, "load_crop_features", lambda run: made)
    yield made


@pytest.fixture
def mill(tmp_path: Path) -> Path:
    """Two runs: of the first twelve defects are named, three not; the second has nothing but three unnamed."""
    record(tmp_path / "one", MIXED)
    say(tmp_path / "one", {n + 1: ("defect", MIXED[n] if MIXED[n] != "bar" else EVIL) for n in range(12)})
    record(tmp_path / "two", ["patch", "bar", "spot"])
    return tmp_path


def proposed(folder: Path) -> dict[int, str | None]:
    return {row.number: row.proposal for row in read_roll(folder / "ledger.sqlite").rows.values()}


def test_kinds_are_proposed_for_the_unnamed_of_all_runs(mill: Path) -> None:
    found = propose_kinds([mill / "one", mill / "two" / "ledger.sqlite"], mill / "run", out=mill / "kinds")
    assert found.examples == {EVIL: 4, "spot": 4, "patch": 4}
    assert found.validation is not None and found.validation.right == 1
    assert proposed(mill / "one") == {**dict.fromkeys(range(1, 13)), 13: EVIL, 14: "spot", 15: "patch"}
    assert proposed(mill / "two") == {1: "patch", 2: EVIL, 3: "spot"}
    assert found.proposals == {EVIL: 2, "spot": 2, "patch": 2}


def test_a_name_with_html_is_text_on_the_report_and_no_verdict_or_point_changes(mill: Path) -> None:
    ledger = mill / "two" / "ledger.sqlite"
    before, verdicts = read_roll(ledger), list(read_verdicts(ledger))
    propose_kinds([mill / "one", mill / "two"], mill / "run", out=mill / "kinds")
    page = (mill / "two" / "report.html").read_text()
    assert EVIL not in page and "perhaps: bar &lt;img src=x onerror=alert(1)&gt; (" in page
    after = read_roll(ledger)
    assert list(read_verdicts(ledger)) == verdicts and after.revision == before.revision
    blank = {"proposal": None, "confidence": None}
    assert [row.model_copy(update=blank) for row in after.rows.values()] == list(before.rows.values())
    assert [r.grade for r in after.rolls] == [r.grade for r in before.rolls]


def test_what_was_learned_is_used_again_and_a_word_ends_a_proposal(mill: Path) -> None:
    propose_kinds([mill / "one"], mill / "run", out=mill / "kinds")
    found = propose_kinds([mill / "two"], mill / "run", learned=mill / "kinds")
    assert found.validation is None and proposed(mill / "two") == {1: "patch", 2: EVIL, 3: "spot"}
    say(mill / "two", {1: ("lint", None), 2: ("defect", None)})
    assert proposed(mill / "two") == {1: None, 2: EVIL, 3: "spot"}
    say(mill / "two", {2: ("defect", "knot")})
    assert proposed(mill / "two") == {1: None, 2: None, 3: "spot"}


def test_the_operators_page_shows_them(mill: Path) -> None:
    propose_kinds([mill / "one", mill / "two"], mill / "run", out=mill / "kinds")
    told = json.loads(of_record(mill / "two" / "ledger.sqlite").cloth())["defects"]
    assert [d["perhaps"][0] for d in told] == ["patch", EVIL, "spot"] and all(0 <= d["perhaps"][1] <= 1 for d in told)
    say(mill / "two", {3: ("acceptable", None)})
    told = json.loads(of_record(mill / "two" / "ledger.sqlite").cloth())["defects"]
    assert [d["perhaps"] and d["perhaps"][0] for d in told] == ["patch", EVIL, None]


def test_one_ledger_named_twice_is_learned_once(mill: Path) -> None:
    found = propose_kinds([mill / "one", mill / "one" / "ledger.sqlite"], mill / "run", out=mill / "kinds")
    assert found.examples == {EVIL: 4, "spot": 4, "patch": 4} and len(found.pages) == 1


def test_the_box_in_the_crop_is_the_defects_place(tmp_path: Path) -> None:
    _, crops = read_crops(record(tmp_path, ["patch", "bar"]))
    for crop, kind in zip(crops, ("patch", "bar"), strict=True):
        (x0, y0, x1, y1), (left, top, right, bottom) = crop.box_px, BOXES[kind]
        np.testing.assert_array_equal(crop.read()[y0:y1, x0:x1, 0], frame_of(kind, crop.row.number - 1)[top:bottom, left:right])
    verdict = next(read_verdicts(tmp_path / "ledger.sqlite"))
    assert crop_window(verdict.regions[0], (2000, 96)) == (slice(4, 132), slice(0, 96))


def test_only_a_confirmed_hole_gets_the_points_of_one(tmp_path: Path) -> None:
    ledger = record(tmp_path, ["spot"])
    (row,) = read_roll(ledger).rows.values()
    write_proposals(tmp_path, "run", [ProposedKind(key=row.key, kind="hole", confidence=1.0)])
    (row,) = read_roll(ledger).rows.values()
    assert (row.kind, row.proposal) == (None, "hole"), "the kind is what grading sees"
    say(tmp_path, {1: ("defect", "Hole")})
    (row,) = read_roll(ledger).rows.values()
    assert (row.kind, row.proposal) == ("hole", None)


def test_the_verb_prints_the_table_and_the_object(mill: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["kinds", str(mill / "one"), str(mill / "two"), "--model", str(mill / "run"), "--out", str(mill / "kinds")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "of these rightly, each left out in turn" in told and EVIL in told and str(mill / "two" / "report.html") in told
    assert main(words) == 2
    assert "not empty" in capsys.readouterr().err
    assert main([*words, "--replace", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["cross_validation"]["right"] == 1 and body["proposed"] == {EVIL: 2, "spot": 2, "patch": 2}


def test_bad_input_is_told_in_one_line(mill: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, model = str(mill / "one"), ["--model", str(mill / "run")]
    for words in ([one], [one, *model], [one, "--out", "x"], [one, "--coco", *model, "--out", "x"]):
        assert main(["kinds", *words]) == 2
    assert main(["kinds", str(mill / "two"), *model, "--out", str(mill / "k")]) == 2, "nothing is named"
    assert not (mill / "k").exists() and not (mill / "two" / FILE).exists()
    assert main(["kinds", str(mill / "none"), *model, "--out", str(mill / "k")]) == 2
    assert main(["kinds", str(mill / "two"), *model, "--learned", str(mill / "k")]) == 2
    (crop,) = [crop for crop in read_crops(mill / "two" / "ledger.sqlite")[1] if crop.row.number == 2]
    crop.path.write_bytes(b"no picture")
    assert main(["kinds", one, str(mill / "two"), *model, "--out", str(mill / "k")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 8 and all(line.startswith("glassline: ") for line in lines)
    with pytest.raises(InputError, match="one of out and learned"):
        propose_kinds([mill / "one"], mill / "run")


def test_a_defect_without_a_picture_is_passed_over(mill: Path) -> None:
    for file in (mill / "two" / "crops" / "run").glob("0-1_*"):
        file.unlink()
    propose_kinds([mill / "one", mill / "two"], mill / "run", out=mill / "kinds")
    assert proposed(mill / "two") == {1: "patch", 2: None, 3: "spot"}
    issue_report(mill / "two" / "ledger.sqlite", mill / "two")


def test_a_picture_that_a_running_line_gives_up_meanwhile_is_passed_over(mill: Path) -> None:
    gone = {f"0-{number}_left_{number}_0.png" for number in (3, 13)}

    def give_up(event: object) -> None:
        for file in (mill / "one" / "crops" / "run").iterdir():
            if file.name in gone:
                file.unlink()

    found = propose_kinds([mill / "one"], mill / "run", out=mill / "kinds", report=give_up)
    assert found.examples == {EVIL: 3, "spot": 4, "patch": 4}, "the first named bar is not counted"
    assert found.proposals == {EVIL: 1, "patch": 1}
    assert proposed(mill / "one") == {**dict.fromkeys(range(1, 13)), 13: EVIL, 14: None, 15: "patch"}


def test_nothing_is_proposed_anywhere_where_one_picture_is_damaged(mill: Path) -> None:
    (crop,) = [crop for crop in read_crops(mill / "two" / "ledger.sqlite")[1] if crop.row.number == 2]
    crop.path.write_bytes(b"no picture")
    with pytest.raises(InputError, match=crop.path.name):
        propose_kinds([mill / "one", mill / "two"], mill / "run", out=mill / "kinds")
    assert not (mill / "one" / FILE).exists() and not (mill / "kinds").exists()


@pytest.mark.parametrize("name", ["unknown", "a\u202eb", "lint"])
def test_learned_kinds_that_somebody_renamed_to_no_kind_are_refused(mill: Path, name: str) -> None:
    propose_kinds([mill / "one"], mill / "run", out=mill / "kinds")
    info = mill / "kinds" / "kinds.json"
    body = json.loads(info.read_text())
    info.write_text(json.dumps(body | {"kinds": [name, *body["kinds"][1:]]}))
    with pytest.raises(InputError, match="a name that no kind can have"):
        propose_kinds([mill / "two"], mill / "run", learned=mill / "kinds")
