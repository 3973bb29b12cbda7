"""The wire: what is encoded comes back equal, and nothing else is accepted."""

import contextlib
import math
import pickle  # noqa: TID251 - to see it refused
from typing import get_args

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decision.tally import LANES_TOLD
from pipeline.link import wire
from pipeline.messages.commands import Answer
from pipeline.messages.domains import MAX_DETAIL, MAX_FAULT, MAX_REGIONS
from pipeline.messages.frames import MAX_SHRUNK_BYTES, Announced, Frame, ScoreMap
from pipeline.messages.line import CameraCounts, Totals
from pipeline.messages.message import sender
from pipeline.messages.reasons import Reason
from pipeline.messages.record import Committed, Numbered, record_key
from pipeline.messages.stages import Decided, Mark, Progress, Status
from pipeline.messages.states import EventAction, EventKind, Result, StageState
from pipeline.messages.values import Measures
from pipeline.messages.verdicts import Region, Verdict
from pipeline.telemetry import Refusals

FRAME = Frame(
    camera="left", boot_id="b", seq=3, t_mono_ns=1, t_utc_ns=2, start_mm=0.0, end_mm=1.6, block_id=4,
    shape=(8, 16), pixel_format="Mono8", inspect_x_px=(0, 16),
)  # fmt: skip
SCORED = ScoreMap(
    camera="left", boot_id="b", seq=3, generation=1, weights_sha="w", engine_sha="e", score=math.nan,
    lanes=(0.1, math.inf), tiles=2, frame_shape=(8, 16), cells_shape=(1, 2), inspect_x_px=(0, 16),
)  # fmt: skip


def test_a_frame_travels_with_its_pixels() -> None:
    pixels = np.arange(128, dtype=np.uint8).reshape(8, 16)
    message, payloads = wire.decode(wire.encode(FRAME, (pixels.tobytes(),)))
    assert message == FRAME
    assert isinstance(message, Frame)
    assert np.array_equal(message.pixels(payloads[0]), pixels)


def test_scores_that_are_not_finite_travel_unchanged() -> None:
    cells = np.zeros((1, 2), "<f4")
    message, payloads = wire.decode(wire.encode(SCORED, (cells.tobytes(), bytes(128))))
    assert isinstance(message, ScoreMap)
    assert math.isnan(message.score) and message.lanes == (0.1, math.inf) and len(payloads) == 2


def test_verdict_with_many_regions_fits_the_header() -> None:
    region = Region(x0_px=1, y0_px=2, x1_px=3, y1_px=4, score=0.9, x0_mm=0.1, x1_mm=0.2, y0_mm=0.3, y1_mm=0.4)
    verdict = Verdict(
        number=10**9, generation=1, camera="c" * 32, boot_id="f" * 16, seq=10**9, result=Result.DEFECT, score=0.123456,
        lanes=(0.5,) * 40, regions=(region,) * MAX_REGIONS, start_mm=1e6, end_mm=1e6, origin="x" * 300,
        t_mono_ns=1 << 60, t_utc_ns=1 << 60, weights_sha="a" * 64, engine_sha="a" * 64, card_sha="a" * 64,
    )  # fmt: skip
    assert wire.decode(wire.encode(verdict))[0] == verdict


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b""],
        [b"\xc1"],
        [pickle.dumps({"v": 1})],
        [msgpack.packb([1, 2])],
        [msgpack.packb({"v": 2, "t": "Bypass", "on": True})],
        [msgpack.packb({"v": 1, "t": "System", "on": True})],
        [msgpack.packb({"v": 1, "t": "Bypass", "on": True, "more": 1})],
        [msgpack.packb({"v": 1, "t": "Bypass"})],
        [msgpack.packb({"v": 1, "t": "Bypass", "on": True}), b"unexpected payload"],
        [msgpack.packb({"v": 1, "t": "Bypass", "on": True, "pad": "x" * 5000})],
        [wire.encode(FRAME, (bytes(128),))[0], bytes(127)],
        [wire.encode(FRAME, (bytes(128),))[0]],
        [b"\x91" * 4000],
    ],
)
def test_anything_else_is_a_decode_error(parts: list[bytes]) -> None:
    with pytest.raises(wire.DecodeError):
        wire.decode(parts)


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_noise_is_a_decode_error(parts: list[bytes]) -> None:
    with pytest.raises(wire.DecodeError):
        wire.decode(parts)


@given(st.binary(min_size=1, max_size=40), st.integers(0, 100))
def test_a_damaged_header_never_raises_anything_else(noise: bytes, at: int) -> None:
    header = bytearray(wire.encode(FRAME, (bytes(128),))[0])
    header[at : at + len(noise)] = noise
    with contextlib.suppress(wire.DecodeError):
        wire.decode([bytes(header), bytes(128)])


def test_sizes_are_checked_before_sending() -> None:
    with pytest.raises(ValueError, match="payloads"):
        wire.encode(FRAME, (bytes(5),))
    with pytest.raises(ValueError, match="4096"):
        wire.encode(FRAME.model_copy(update={"origin": "x" * 5000}), (bytes(128),))


@pytest.mark.parametrize("limit", ["MAX_HEADER_BYTES", "MAX_PAYLOAD_BYTES"])
def test_what_is_a_byte_longer_than_allowed_is_not_read(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [bytes(part) for part in wire.encode(SCORED, (bytes(8), bytes(128)))]
    most = len(parts[0]) if limit == "MAX_HEADER_BYTES" else 8 + 128
    monkeypatch.setattr(wire, limit, most)
    message, payloads = wire.decode(list(parts))
    assert isinstance(message, ScoreMap) and message.key == SCORED.key and len(payloads) == 2
    monkeypatch.setattr(wire, limit, most - 1)
    with pytest.raises(wire.DecodeError):
        wire.decode(list(parts))


def changed(name: str, /, **fields: object) -> list[bytes]:
    """The parts of a message of that name that is right but for some fields."""
    good = {
        "Frame": FRAME.model_dump(), "ScoreMap": SCORED.model_dump(),
        "Motion": {"position_mm": 1.0, "speed_mm_s": 2.0, "state": "MOVING", "source": "udp", "t_mono_ns": 3},
        "Announced": {"camera": "left", "boot_id": "b", "seq": 3, "t_mono_ns": 1, "t_utc_ns": 2, "sent": True, "budget_ms": 1},
        "EncoderCount": {"count": 1}, "MarkEvent": {"kind": "SEAM", "length_mm": 60.0},
        "Contact": {"name": "seam", "t_mono_ns": 0},
        "Committed": {"kind": "Roll", "generation": 0, "first": 0, "last": 3},
        "Answer": {"number": 0, "generation": 0, "ticket": "a1", "t_mono_ns": 0},
    }[name] | fields  # fmt: skip
    size = math.prod(good["shape"]) if name == "Frame" else 0
    payloads = [bytes(size)] if name == "Frame" else [bytes(8), bytes(128)] if name == "ScoreMap" else []
    return [msgpack.packb({"v": wire.VERSION, "t": name, **good}), *payloads]


NAMELESS = ("EncoderCount", "MarkEvent", "Contact", "Committed", "Answer")


@pytest.mark.parametrize("name", ["Frame", "ScoreMap", "Motion", "Announced", *NAMELESS])
def test_the_messages_that_are_changed_below_are_right(name: str) -> None:
    assert type(wire.decode(changed(name))[0]).__name__ == name


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Frame", {"shape": ()}),
        ("Frame", {"shape": (128,)}),
        ("Frame", {"shape": (2, 4, 4, 4)}),
        ("Frame", {"shape": (4, 8, 4)}),
        ("Frame", {"shape": (8, 16, 3)}),  # not as its pixel format says
        ("Frame", {"pixel_format": "RGB8"}),
        ("Frame", {"shape": (70_000, 1)}),
        ("Frame", {"camera": "../../left"}),
        ("Frame", {"camera": ""}),
        ("Frame", {"boot_id": "a/b"}),
        ("Frame", {"block_id": 1 << 63}),
        ("Frame", {"encoder_count": 1 << 63}),
        ("Frame", {"mm_per_px_y": 0.0}),
        ("Frame", {"mm_per_px_x": math.nan}),
        ("Frame", {"inspect_x_px": (-1, 5)}),
        ("Frame", {"budget_ms": math.nan}),
        ("Announced", {"start_mm": 5.0}),
        ("Announced", {"start_mm": 5.0, "end_mm": 4.0}),
        ("Announced", {"start_mm": 5.0, "end_mm": 1e9}),
        ("Announced", {"start_mm": -math.inf, "end_mm": 0.0}),
        ("Announced", {"seq": 1 << 60}),
        ("Announced", {"style": "a\nb"}),
        ("Announced", {"level": math.nan}),
        ("ScoreMap", {"cells_shape": (0, 2)}),
        ("ScoreMap", {"cell_px": 0}),
        ("ScoreMap", {"lanes": (0.1,) * 161}),
        ("Motion", {"position_mm": math.nan}),
        ("Motion", {"position_mm": 1e300}),
        ("Motion", {"speed_mm_s": math.inf}),
        ("Motion", {"t_mono_ns": -1}),
        ("EncoderCount", {"count": 1 << 63}),
        ("MarkEvent", {"length_mm": math.inf}),
        ("MarkEvent", {"at_mm": math.nan}),
        ("MarkEvent", {"ticket": "../x"}),
        ("Contact", {"name": "s" * 65}),
        ("Committed", {"kind": "Frame"}),
        ("Committed", {"first": -1}),
        ("Committed", {"last": 1 << 63}),
        ("Committed", {"generation": -1}),
        ("Answer", {"ticket": "../x"}),
    ],
)
def test_a_value_out_of_its_domain_is_a_decode_error_of_whom_the_message_names(name: str, fields: dict[str, object]) -> None:
    with pytest.raises(wire.DecodeError) as caught:
        wire.decode(changed(name, **fields))
    names_nobody = "camera" in fields or name in NAMELESS
    assert caught.value.sender == ("unknown" if names_nobody else "udp" if name == "Motion" else "left")


REGION = Region(
    x0_px=65_536, y0_px=65_536, x1_px=65_536, y1_px=65_536, score=0.1, lane=159, cells=(1 << 63) - 1, x0_mm=0.1, x1_mm=0.1,
    y0_mm=0.1, y1_mm=0.1, extent_px=(0.1,) * 4,
)  # fmt: skip


def largest(lanes: int, text: str, shas: str) -> Verdict:
    """A verdict whose every field takes as much room as it may."""
    most = (1 << 63) - 1
    return Verdict(
        number=most, generation=most, camera="c" * 32, boot_id="b" * 32, seq=(1 << 53) - 1, result=Result.NOT_INSPECTED,
        reason=Reason.MODEL_MISMATCH, detail=200 * text, score=0.1, lanes=(0.1,) * lanes, regions=(REGION,) * 12,
        regions_total=most, start_mm=0.1, end_mm=0.1, rescan=True, cloth_x_mm=(0.1, 0.1), event=EventKind.STOP_MARK,
        action=EventAction.RECORD, lost=most, roll_id=64 * text, style=64 * text, origin="x" * 300, tiles=most, t_mono_ns=most,
        t_utc_ns=most, latency_ms=0.1, level=0.1, texture=0.1, lamp_gain=0.1, weights_sha=shas, engine_sha=shas, card_sha=shas,
        inspect_x_px=(1, 65_536), frame_shape=(65_536, 65_536, 3), cells_shape=(65_536, 65_536), cell_px=1024,
    )  # fmt: skip


@pytest.mark.parametrize(("lanes", "text", "regions"), [(160, "\U0001f9f5", 1), (160, "", 7), (73, "", 12), (73, "x", 10)])
def test_a_verdict_tells_as_many_regions_as_its_header_has_room_for(lanes: int, text: str, regions: int) -> None:
    told = largest(lanes, text, "a" * 64).fitting()
    header = wire.msgpack.packb({"v": 1, "t": "Verdict", **told.model_dump(exclude_defaults=True)})
    assert len(told.regions) == regions and len(header) <= 4096
    assert told.regions_total == (1 << 63) - 1


def test_the_totals_of_the_largest_line_fit_the_header() -> None:
    most = 1 << 40
    cameras = {f"{'c' * 30}{n:02d}": CameraCounts(
        frames=most, passed=most, defect=most, not_inspected=most, inspected_m=0.1, last="MODEL_MISMATCH",
        lanes=(0.1,) * (LANES_TOLD // 16),
    ) for n in range(16)}  # fmt: skip
    counts = ("generation", "verdicts", "passed", "defect", "not_inspected", "late_scores", "duplicates", "rejects", "rescans")
    body: dict[str, float] = dict.fromkeys((*counts, "rejects_inhibited", "waiting", "unrecorded"), most)
    body |= dict.fromkeys(("width_mm", "inspected_m", "not_inspected_m", "position_mm", "speed_mm_s"), 0.1)
    told = Totals.model_validate(body | {
        "reasons": {str(reason): most for reason in Reason}, "latency_ms": dict.fromkeys(("p50", "p95", "p99"), 0.1),
        "cameras": cameras, "last_defect": f"{'c' * 32} 123456.123 m score 0.123", "t_mono_ns": most,
    })  # fmt: skip
    assert len(wire.encode(told)[0]) <= 4096


def test_the_marks_of_the_largest_line_fit_the_header() -> None:
    most = (1 << 63) - 1
    mark = Mark(mm=0.1, t_mono_ns=most, boot_id="b" * 32, next_seq=(1 << 53) - 1)
    progress = Progress(
        name="d" * 32, generation=most, state=StageState.DEGRADED, steps=most, handled=most, waiting=most,
        counters={f"refused {'c' * 30}{n:02d}": most for n in range(25)},
        kept=Decided(cameras={f"{'c' * 30}{n:02d}": mark for n in range(16)}),
    )  # fmt: skip
    assert wire.decode(wire.encode(progress))[0] == progress


def test_refusals_are_counted_by_sender_in_bounded_memory() -> None:
    refusals = Refusals()
    for name in ("left", *(f"x{n}" for n in range(1000)), "left"):
        refusals.count(name)
    assert refusals.by_sender.total() == 1002 and refusals.by_sender["left"] == 2 and len(refusals.by_sender) <= 25
    assert refusals.counters["refused left"] == 2


def test_a_fault_that_is_told_at_length_is_cut_and_never_fails_for_it() -> None:
    told = "verdicts.jsonl not writable (Read-only file system), /" + "länge/" * 200
    status = Status(role="recorder", name="recorder", generation=1, state=StageState.FAULT, detail=told)
    assert status.detail == told[:MAX_DETAIL] and wire.decode(wire.encode(status))[0] == status
    assert Answer(number=0, generation=0, ticket="a", refused=told, t_mono_ns=0).refused == told[:MAX_FAULT]
    assert SCORED.model_validate(SCORED.model_dump() | {"fault": told}).fault == told[:MAX_FAULT]
    assert Announced.of(FRAME, Measures(), sent=False, error=told).error == told[:MAX_DETAIL]


@pytest.mark.parametrize("letter", ["\U00020000", "٣", "é"])
def test_only_letters_that_a_name_may_have_make_a_sender(letter: str) -> None:
    refusals, most = Refusals(), (1 << 63) - 1
    for n in range(30):
        refusals.count(sender({"camera": f"{letter * 30}{n:02}"}) or "unknown")
    refusals.by_sender.update(dict.fromkeys(refusals.by_sender, most - 100))
    progress = Progress(
        name="d" * 32, generation=most, state=None, steps=most, handled=most, waiting=most, counters=refusals.counters
    )
    assert list(refusals.by_sender) == ["unknown"] and wire.decode(wire.encode(progress))[0] == progress


def test_whatever_is_numbered_can_be_told_committed() -> None:
    for kind in get_args(Numbered):
        message = kind.model_construct(number=7, generation=2)
        key = record_key(message)
        assert key == (kind.__name__, 2, 7) and key in Committed(kind=kind.__name__, generation=2, first=5, last=7)


@pytest.mark.parametrize("shape", [(1024, 6000), (3, 60_000), (700, 500, 3), (5, 65_536, 3)])
def test_a_shrunk_frame_is_small_and_shows_the_same_place(shape: tuple[int, ...]) -> None:
    pixels = np.broadcast_to(np.linspace(0, 255, shape[1]).astype(np.uint8).reshape(-1, *[1] * (len(shape) - 2)), shape)
    kind = "RGB8" if len(shape) == 3 else "Mono8"
    frame = FRAME.model_copy(update={"shape": shape, "pixel_format": kind, "mm_per_px_x": 9.0, "mm_per_px_y": 9.0})
    made, sent = frame.shrunk(pixels.tobytes())
    small, payload = wire.decode(wire.encode(made, (sent,)))
    assert isinstance(small, Frame) and small.start_mm == frame.start_mm and small.inspect_x_px is None
    seen = small.pixels(payload[0])
    assert MAX_SHRUNK_BYTES / 8 < seen.size <= MAX_SHRUNK_BYTES and seen.ndim == len(shape)
    assert seen[0].min() == 0 and seen[0].max() > 230 and np.all(np.diff(seen[0, :, ...].astype(int), axis=0) >= 0)
    whole, same = FRAME.shrunk(bytes(range(128)))
    assert (whole.shape, same) == ((8, 16), bytes(range(128)))
