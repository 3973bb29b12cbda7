"""The page says what the ledger says, shows it at its place, and lets no text through unescaped."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.ledger.crops import Crop, crop_path
from pipeline.ledger.store import Ledger
from pipeline.messages.frames import CameraFacts
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report import Injected, compare, write_page
from pipeline.report.roll import find_defects

EVIL = "<script>alert('x')</script>\"&"


def verdict(number: int, **changes: Any) -> Verdict:
    return Verdict.model_validate({
        "number": number, "generation": 0, "camera": "left", "boot_id": "b", "seq": number, "result": Result.PASS,
        "start_mm": 100.0 * number, "end_mm": 100.0 * number + 100, "frame_shape": (64, 500), "t_mono_ns": number,
        "t_utc_ns": number, **changes,
    })  # fmt: skip


def defect(number: int, y0: float, x0: float, **changes: Any) -> Verdict:
    place = Region(
        x0_px=int(x0 * 2), y0_px=0, x1_px=int(x0 * 2) + 16, y1_px=8, score=0.875, x0_mm=x0, x1_mm=x0 + 8, y0_mm=y0, y1_mm=y0 + 4
    )
    return verdict(number, result=Result.DEFECT, regions=(place,), **changes)


def gap(number: int, reason: Reason, **changes: Any) -> Verdict:
    return verdict(number, result=Result.NOT_INSPECTED, reason=reason, **changes)


def state(number: int, kind: State, **changes: Any) -> LineState:
    body = {
        "number": number,
        "generation": 0,
        "state": kind,
        "inspection_ok": True,
        "t_mono_ns": 0,
        "t_utc_ns": number * 10**9,
        **changes,
    }
    return LineState.model_validate(body)


def write(folder: Path, messages: list[Message], **facts: Any) -> Path:
    held = Ledger(folder / "ledger.sqlite", {"line": "loom", "card_sha": "c", **facts}, run_id="r")
    for message in messages:
        held.add(message, (b'{"Gain": "<b>"}',) if isinstance(message, CameraFacts) else ())
    held.close()
    return folder / "ledger.sqlite"


class Checker(HTMLParser):
    """Collects tags, links and text; every opened tag must be closed in order."""

    VOID = ("meta", "img", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page_of(ledger: Path, **options: Any) -> tuple[str, Checker]:
    text = write_page(ledger, ledger.parent, **options).read_text(encoding="utf-8")
    return text, Checker(text)


def test_the_page_states_the_figures_and_every_defect(tmp_path: Path) -> None:
    ledger = write(tmp_path, [verdict(0), defect(1, 120, 30), gap(2, Reason.OVERLOAD), verdict(3)])
    _, page = page_of(ledger)
    assert "0.300 m" in page.text and "0.100 m" in page.text
    assert "inspected (75.00 %)" in page.text
    assert "1. left, score 0.875" in page.text
    assert "0.120 m along, 30 to 38 mm across (8 x 4 mm, 32 mm²), severity 1" in page.text
    assert "frame 1, verdict 1" in page.text
    row = [t for t in page.text if t in ("OVERLOAD", "1", "0.100")]
    assert row[-3:] == ["OVERLOAD", "1", "0.100"]
    assert [a["id"] for t, a in page.tags if t == "div" and "id" in a] == ["defect-1"]
    assert not list(tmp_path.glob(".*.part"))


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    _, page = page_of(write(tmp_path, [defect(0, 20, 30)]))
    sources = [a.get(k) or "" for _, a in page.tags for k in ("src", "href")]
    assert not [s for s in sources if "//" in s or s.startswith("/")]
    assert "script" not in [t for t, _ in page.tags] and "link" not in [t for t, _ in page.tags]


def test_pictures_are_shown_where_they_were_kept(tmp_path: Path) -> None:
    found = defect(0, 20, 30)
    folder = tmp_path / "a run & more"
    ledger = write(folder, [found, defect(1, 150, 30)])
    pixels = np.zeros((16, 16), np.uint8)
    Crop(crop_path(folder, "r", found, 0), pixels, pixels.astype(np.float32)).write()
    _, page = page_of(ledger)
    assert [a["src"] for t, a in page.tags if t == "img"] == ["crops/r/0-0_left_0_0.png", "crops/r/0-0_left_0_0_map.png"]
    assert page.text.count("no picture kept") == 2
    elsewhere = write_page(ledger, tmp_path / "pages")
    sources = [a["src"] for t, a in Checker(elsewhere.read_text()).tags if t == "img"]
    assert sources[0] == "../a%20run%20%26%20more/crops/r/0-0_left_0_0.png"


def test_text_from_outside_is_escaped(tmp_path: Path) -> None:
    messages = [
        defect(0, 20, 30, roll_id=EVIL, style=EVIL, origin=EVIL, detail=EVIL, weights_sha=EVIL),
        state(0, State.FAULT, detail=EVIL),
        CameraFacts(camera="left", boot_id="b", t_utc_ns=0, size=15),
    ]
    facts = {
        "line": EVIL,
        "version": EVIL,
        "model": EVIL,
        "config": {"cameras": [{"name": EVIL}]},
        "config_sha": EVIL,
        "model_info": {"arch": EVIL, "weights": {"path": EVIL}},
    }
    ledger = write(tmp_path, messages, **facts)
    truth = [Injected(camera="left", kind=EVIL, y0_mm=20, y1_mm=24, x0_mm=30, x1_mm=38)]
    text, page = page_of(ledger, comparison=compare(find_defects([messages[0]]), truth, 1))  # type: ignore[list-item]
    assert "<script" not in text and '<b>"' not in text
    assert {t for t, _ in page.tags if t == "script"} == set()
    assert any(EVIL in t for t in page.text)


@pytest.mark.parametrize(
    ("facts", "warning"),
    [
        ({"card_provisional": True, "card": {"needs": {"frames": 118, "metres": 6.0}}}, "needs 118 more good frames (6 m)"),
        ({"card_provisional": True}, "PROVISIONAL threshold card"),
        ({"card_sha": None}, "nothing on this roll was judged"),
        ({"model_info": {"arch": "embedded", "weights": None}}, "embedded filter bank, not on trained weights"),
        ({"card_provisional": False}, None),
    ],
)
def test_what_must_be_known_about_model_and_card_is_shouted(tmp_path: Path, facts: dict[str, Any], warning: str | None) -> None:
    if "card" in facts:
        facts["card"] |= {
            "thresholds": [0.5],
            "expected_false_alarms_per_1000": 1.0,
            "upper_false_alarms_per_1000": 2.0,
            "provisional": True,
        }
    text, page = page_of(write(tmp_path, [verdict(0)], **facts))
    shown = 'class="warn"' in text
    assert shown == (warning is not None)
    assert warning is None or any(warning in t for t in page.text)


def test_found_missed_and_false_are_told_apart(tmp_path: Path) -> None:
    messages = [defect(0, 20, 30), defect(2, 250, 100), defect(4, 430, 10, camera="right")]
    truth = [
        Injected(camera="left", kind="hole", y0_mm=25, y1_mm=26, x0_mm=36, x1_mm=41),
        Injected(camera="left", kind="stain", y0_mm=430, y1_mm=440, x0_mm=10, x1_mm=20),
    ]
    comparison = compare(find_defects(messages), truth, 2.0)
    assert (comparison.found, comparison.missed, len(comparison.false_alarms)) == (1, 1, 2)
    _, page = page_of(write(tmp_path, list(messages)), comparison=comparison)
    assert "1 of 2" in page.text and "missed" in page.text
    assert page.text.count("false alarm") == 2


@pytest.mark.parametrize(("gap_mm", "hit"), [(1.9, True), (2.1, False)])
def test_a_hit_is_within_the_margin(gap_mm: float, hit: bool) -> None:
    truth = Injected(camera="left", kind="hole", y0_mm=24 + gap_mm, y1_mm=40, x0_mm=30, x1_mm=38)
    assert compare(find_defects([defect(0, 20, 30)]), [truth], 2.0).found == hit


def test_an_empty_run_and_a_missing_ledger(tmp_path: Path) -> None:
    _, page = page_of(write(tmp_path, []))
    assert "None." in page.text
    with pytest.raises(InputError, match="ledger not found"):
        write_page(tmp_path / "other.sqlite", tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    ledger = write(tmp_path, [verdict(0)])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="page not writable"):
        write_page(ledger, tmp_path / "file")
