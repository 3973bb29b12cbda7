"""The page says what the ledger says, shows it at its place, and lets no text through unescaped."""

import base64
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.ledger import lost, reading, rows, whole_verdicts
from pipeline.ledger.album import Album
from pipeline.ledger.lost import read_spans
from pipeline.ledger.reading import read_verdicts
from pipeline.ledger.store import Ledger
from pipeline.messages.frames import CameraFacts
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report import Injected, compare, gallery, write_page
from pipeline.report.roll import find_defects

EVIL = "<script>alert('x')</script>\"&"


def verdict(number: int, **changes: Any) -> Verdict:
    return Verdict.model_validate({
        "number": number, "generation": 0, "camera": "left", "boot_id": "b", "seq": number, "result": Result.PASS,
        "start_mm": 100.0 * number, "end_mm": 100.0 * number + 100, "frame_shape": (64, 500), "t_mono_ns": number,
        "t_utc_ns": number, **changes,
    })  # fmt: skip


def defect(number: int, y0: float, x0: float, score: float = 0.875, **changes: Any) -> Verdict:
    place = Region(
        x0_px=int(x0 * 2), y0_px=0, x1_px=int(x0 * 2) + 16, y1_px=8, score=score, x0_mm=x0, x1_mm=x0 + 8, y0_mm=y0, y1_mm=y0 + 4
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


def pictured(folder: Path, scores: list[float]) -> Path:
    """A ledger of defects so strong, each with a picture of noise; their crops' grey values are of the defect's own."""
    found = [defect(n, 100.0 * n + 20, 30, score=score, cells_shape=(8, 62)) for n, score in enumerate(scores)]
    ledger = write(folder, [*found, defect(len(found), 100.0 * len(found) + 20, 30)])
    album = Album(folder, "r", 10**9)
    for each in found:
        noise = np.random.default_rng(each.number).integers(0, 256, (64, 500), np.uint8)
        album.take(each, (bytes(4 * 8 * 62), noise.tobytes()))
    while album.write_one():
        pass
    return ledger


def pairs(items: list[str]) -> list[tuple[str, str]]:
    return list(zip(items[::2], items[1::2], strict=True))


def images(page: Path | Checker) -> list[str]:
    checker = Checker(page.read_text()) if isinstance(page, Path) else page
    return [a["src"] or "" for t, a in checker.tags if t == "img"]


def test_the_page_is_one_file_with_the_pictures_that_were_kept(tmp_path: Path) -> None:
    folder = tmp_path / "a run & more"
    ledger = pictured(folder, [0.9])
    _, page = page_of(ledger)
    crop = folder / "crops/r/0-0_left_0_0.png"
    files = [base64.b64decode(src.removeprefix("data:image/png;base64,")) for src in images(page)]
    assert files == [crop.read_bytes(), crop.with_name("0-0_left_0_0_map.png").read_bytes()]
    assert page.text.count("no picture kept") == 1
    assert images(write_page(ledger, tmp_path / "pages")) == images(page)


def test_the_record_is_read_a_few_times_however_much_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, read = write(tmp_path, [verdict(n) for n in range(200)]), Counter[str]()
    whole_bodies = rows.whole_bodies

    def counted(db: Any, run_id: str, table: str, where: str = "TRUE") -> Any:
        for body in whole_bodies(db, run_id, table, where):
            read[table] += 1
            yield body

    for module in (lost, reading, whole_verdicts):
        monkeypatch.setattr(module, "whole_bodies", counted)
    write_page(ledger, tmp_path / "page")
    assert 200 <= read["verdicts"] <= 7 * 200


def test_pictures_beyond_what_mail_takes_are_links_and_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a run & more"
    ledger = pictured(folder, [0.6, 0.9, 0.7, 0.8])
    size = max(sum(len(src) for src in pair) for pair in pairs(images(write_page(ledger, folder))))
    monkeypatch.setattr(gallery, "INSIDE_MB", 2.5 * size / 1e6)
    page = Checker(write_page(ledger, tmp_path / "pages").read_text())
    inside = [pair[0].startswith("data:") for pair in pairs(images(page))]
    assert inside == [False, True, False, True], "the strongest are inside"
    assert images(page)[0] == "../a%20run%20%26%20more/crops/r/0-0_left_0_0.png"
    assert any("Those of 2 weaker defects are links" in t for t in page.text)


def test_once_a_picture_does_not_fit_all_weaker_ones_are_links_and_stay_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = pictured(tmp_path, [0.9, 0.8, 0.7, 0.6])
    sizes = [sum(len(src) for src in pair) for pair in pairs(images(write_page(ledger, tmp_path)))]
    wide = tmp_path / "crops/r/0-1_left_1_0.png"
    wide.write_bytes(wide.read_bytes() + bytes(200_000))  # the second strongest
    monkeypatch.setattr(gallery, "INSIDE_MB", (sum(sizes) + 1000) / 1e6)
    read: list[str] = []
    inside = gallery._inside
    monkeypatch.setattr(gallery, "_inside", lambda picture: (read.append(picture.name), inside(picture))[1])
    _, page = page_of(ledger)
    assert [pair[0].startswith("data:") for pair in pairs(images(page))] == [True, False, False, False]
    assert read == ["0-0_left_0_0.png", "0-0_left_0_0_map.png"]
    assert any("Those of 3 weaker defects are links" in t for t in page.text)


def test_the_room_is_measured_as_the_pictures_are_written(tmp_path: Path) -> None:
    for size in range(5):
        (tmp_path / "p.png").write_bytes(bytes(size))
        assert gallery._size_inside(tmp_path / "p.png") == len(gallery._inside(tmp_path / "p.png"))


def test_a_picture_that_is_gone_or_unreadable_is_said_to_be(tmp_path: Path) -> None:
    ledger = pictured(tmp_path, [0.9])
    (tmp_path / "crops/r/0-0_left_0_0_map.png").unlink()
    _, page = page_of(ledger)
    assert images(page) == [] and page.text.count("no picture kept") == 2


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
            "false_alarms_per_100_m2": {"budget": 20.0, "expected": 1.0, "upper": 2.0},
            "provisional": True,
        }
    text, page = page_of(write(tmp_path, [verdict(0)], **facts))
    shown = 'class="warn"' in text
    assert shown == (warning is not None)
    assert warning is None or any(warning in t for t in page.text)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"false_alarms_per_100_m2": {"budget": 20, "expected": 18.5, "upper": 27}, "metres": 3}, "false alarms in 100 m²"),
        ({"false_alarms_per_1000_frames": {"budget": 1, "expected": 18.5, "upper": 27}}, "false alarms in 1000 frames"),
        ({"expected_false_alarms_per_1000": 18.5, "upper_false_alarms_per_1000": 27, "metres": 3}, "false alarms in 1000 m"),
        (
            {"expected_false_alarms_per_1000_frames": 18.5, "upper_false_alarms_per_1000_frames": 27},
            "false alarms in 1000 frames",
        ),
    ],
)
def test_false_alarms_are_told_in_the_unit_of_the_card(tmp_path: Path, told: dict[str, Any], words: str) -> None:
    _, page = page_of(write(tmp_path, [verdict(0)], card={"thresholds": [0.5], **told}))
    assert words in page.text and "18.5 expected, 27 at most (95 %)" in page.text


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


def test_a_known_defect_on_cloth_that_nobody_saw_is_not_missed(tmp_path: Path) -> None:
    messages = [
        defect(0, 20, 30), gap(2, Reason.NO_SCORE), verdict(2, camera="right"), verdict(4), gap(4, Reason.LAMP),
        gap(6, Reason.OVERLOAD), defect(6, 640, 30),
    ]  # fmt: skip
    ledger = write(tmp_path, [m.model_copy(update={"number": n}) for n, m in enumerate(messages)])
    places = [("left", 20), ("left", 250), ("right", 250), ("left", 450), ("left", 640), ("left", 1500)]
    truth = [Injected(camera=c, kind="hole", y0_mm=y, y1_mm=y + 4, x0_mm=30, x1_mm=38) for c, y in places]
    comparison = compare(find_defects(read_verdicts(ledger)), truth, 2.0, read_spans(ledger))
    assert comparison.fates == [
        "found", "not inspected: NO_SCORE", "missed", "missed", "found", "not inspected: NO_FRAME"
    ]  # fmt: skip
    assert (comparison.found, comparison.missed, comparison.not_inspected) == (2, 2, 2)
    _, page = page_of(ledger, comparison=comparison)
    assert page.text.count("missed") == 3 and "not inspected: NO_SCORE" in page.text
    assert compare(find_defects(read_verdicts(ledger)), truth, 2.0).missed == 4, "where nothing is said of the cloth"


def test_cloth_outside_any_roll_is_told_and_neither_drawn_nor_graded(tmp_path: Path) -> None:
    messages = [defect(0, 20, 30, roll_id=""), verdict(1, roll_id="R1"), gap(2, Reason.OVERLOAD, roll_id="")]
    cameras = [{"name": "left", "mm_per_px_x": 0.5, "mm_per_px_y": 0.5}]
    text, page = page_of(write(tmp_path, list(messages), config={"cameras": cameras}))
    heads = [t for t in page.text if t in ("Outside any roll", "The roll", "Roll R1", "Grade")]
    assert heads == ["Roll R1", "Grade", "Outside any roll"] and text.count("Map of the roll") == 1
    assert "not inspected: OVERLOAD" not in text, "on the map of the roll before"
    assert any(t.startswith("0.100 m inspected, 0.100 m not inspected.") for t in page.text)
    assert ("a", {"href": "#defect-1"}) in page.tags


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
