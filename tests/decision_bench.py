"""Decision between an inbox, a recorder and a listener, for tests to drive."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.decision.actions import Actions
from pipeline.decision.judgement import Standard
from pipeline.decision.stage import Decision
from pipeline.decision.terms import DecisionTerms
from pipeline.messages.actions import Action
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.line import LineState
from pipeline.messages.motion import Motion
from pipeline.messages.reasons import Reason
from pipeline.messages.record import Committed, record_key
from pipeline.messages.stages import Status
from pipeline.messages.states import MotionState, Result, StageState
from pipeline.messages.verdicts import Verdict
from pipeline.outputs.publisher import Publisher
from tests.fakes import TILING, Box

MS = 1_000_000
LANES = 3  # 160 px in tiles of 64 px
STANDARD = Standard("weights", "engine", "card", TILING, (0.5, 0.6, 0.5))


class Bench:
    """Decision with its surroundings; every stage has reported unless told otherwise."""

    def __init__(
        self,
        cameras: tuple[str, ...] = ("c",),
        ready: bool = True,
        observe: bool = False,
        actions: Actions | None = None,
        **terms: Any,
    ) -> None:
        self.inbox, self.recorder, self.air = Box(), Box(), Box()
        facts = {
            "frame_mm": dict.fromkeys(cameras, 50.0), "standards": {"": STANDARD}, "tolerate_not_inspected_mm": 120.0,
            "observe": observe, "generation": 3, **terms,
        }  # fmt: skip
        publisher = Publisher(self.air, 3)
        if actions is not None:
            actions._number = lambda: publisher.number(Action)
        self.decision = Decision(self.inbox, self.recorder, publisher, DecisionTerms(**facts), lambda: 9, actions)
        if ready:
            self.status("worker", "worker")
            for camera in cameras:
                self.status("grabber", camera)

    def status(self, role: str, name: str, state: StageState = StageState.READY, generation: int = 0, detail: str = "") -> None:
        self.inbox.send(Status(role=role, name=name, generation=generation, state=state, detail=detail))

    def announce(self, seq: int, camera: str = "c", start_mm: float | None = None, boot: str = "b", **facts: Any) -> None:
        start = seq * 50.0 if start_mm is None else start_mm
        body = {
            "t_mono_ns": self.decision._now_ns,  # taken as the line was stepped last
            "sent": True,
            "budget_ms": 100.0,
            "start_mm": start,
            "end_mm": start + 50.0,
            "mm_per_px_x": 2.0,
            "mm_per_px_y": 0.5,
        }
        self.inbox.send(Announced(camera=camera, boot_id=boot, seq=seq, t_utc_ns=1, **{**body, **facts}))

    def score(
        self,
        seq: int,
        value: float = 0.1,
        camera: str = "c",
        boot: str = "b",
        lane: int = 0,
        engine: str = "engine",
        fault: str = "",
        calm: float = 0.0,
    ) -> None:
        cells = np.zeros((8, 20), "<f4")
        cells[3, (2, 9, 17)[lane]] = value
        lanes = [calm] * LANES
        lanes[lane] = value
        shown = value > 0.4
        scored = ScoreMap(
            camera=camera, boot_id=boot, seq=seq, generation=0, weights_sha="weights", engine_sha=engine, score=value,
            lanes=tuple(lanes), tiles=3, frame_shape=(64, 160), fault=fault, inspect_x_px=(0, 160) if shown else None,
            cells_shape=(8, 20) if shown else None,
        )  # fmt: skip
        self.inbox.send(scored, *((cells.tobytes(), bytes(64 * 160)) if shown else ()))

    def score_full_width(self, seq: int, value: float = 0.9) -> None:
        """A row of cells above every lane's threshold."""
        cells = np.zeros((8, 20), "<f4")
        cells[3] = value
        scored = ScoreMap(
            camera="c", boot_id="b", seq=seq, generation=0, weights_sha="weights", engine_sha="engine", score=value,
            lanes=(value,) * LANES, tiles=3, frame_shape=(64, 160), inspect_x_px=(0, 160), cells_shape=(8, 20),
        )  # fmt: skip
        self.inbox.send(scored, cells.tobytes(), bytes(64 * 160))

    def score_cells(self, seq: int, cells: np.ndarray) -> None:
        """A frame whose every cell is stated."""
        layout = TILING.layout(64, 160, None)
        scored = ScoreMap(
            camera="c", boot_id="b", seq=seq, generation=0, weights_sha="weights", engine_sha="engine",
            score=float(cells.max()), lanes=tuple(float(s) for s in layout.lane_scores(cells)), tiles=3,
            frame_shape=(64, 160), inspect_x_px=(0, 160), cells_shape=(8, 20),
        )  # fmt: skip
        self.inbox.send(scored, cells.tobytes(), bytes(64 * 160))

    def move(self, position_mm: float, speed_mm_s: float = 100.0, now_ns: int = 0) -> None:
        state = MotionState.STOPPED if speed_mm_s == 0 else MotionState.MOVING if speed_mm_s > 0 else MotionState.REVERSE
        self.inbox.send(Motion(position_mm=position_mm, speed_mm_s=speed_mm_s, state=state, source="t", t_mono_ns=now_ns))

    def commit(self) -> None:
        """The recorder writes all that it has, and says so."""
        for message, _ in self.recorder.queue:
            if (key := record_key(message)) is not None:
                self.inbox.send(Committed(kind=key[0], generation=key[1], first=key[2], last=key[2]))

    def verdicts(self, now_ns: int = 0) -> list[Verdict]:
        self.decision.step(now_ns)
        return list(self.air.take(Verdict))

    def state(self, now_ns: int = 0) -> LineState:
        self.decision.step(now_ns)
        return list(self.air.take(LineState))[-1]


def specks(count: int, seed: int = 0) -> np.ndarray:
    """Cells of which so many, none beside another, are above every threshold, each with a score of its own."""
    rng = np.random.default_rng(seed)
    cells = np.zeros((8, 20), "<f4")
    places = rng.permutation(40)[:count]
    cells[2 * (places // 10), 2 * (places % 10)] = rng.permutation(np.linspace(0.7, 0.99, count)).astype("<f4")
    return cells


def outcome(verdict: Verdict) -> tuple[int | None, Result, Reason | None]:
    return verdict.seq, verdict.result, verdict.reason
