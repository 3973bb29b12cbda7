"""Each stage of a line with its surroundings in memory; what is sent to it and what it says travels as bytes."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.cameras import make_camera
from pipeline.config.actions import DefectAction, NotInspectedAction
from pipeline.config.cameras import WeaveConfig
from pipeline.config.inputs import ContactConfig
from pipeline.config.line import LineConfig
from pipeline.config.motion import MessageMotion
from pipeline.config.outputs import ModbusConfig
from pipeline.config.styles import EventsConfig, StyleConfig
from pipeline.decision.actions import Actions
from pipeline.decision.cloth import ClothTerms
from pipeline.decision.stage import Decision
from pipeline.decision.terms import DecisionTerms
from pipeline.grabber.stage import Grabber, GrabberBoxes, GrabberTerms, OpenCamera
from pipeline.ledger.stage import Recorder
from pipeline.ledger.store import Ledger
from pipeline.link.memory_link import MemoryBroadcast, MemoryQueue
from pipeline.link.protocol import Received
from pipeline.link.stage import Stage
from pipeline.messages import actions, cloth, commands, frames, line, motion, stages, verdicts
from pipeline.messages.message import Message
from pipeline.messages.states import EventKind
from pipeline.motion.encoder import EncoderSource
from pipeline.motion.message import MessageCounts
from pipeline.motion.stage import MotionStage
from pipeline.outputs.modbus import ModbusOutput
from pipeline.outputs.publisher import Publisher
from pipeline.recording.stage import HEARD, RecordingStage
from pipeline.worker.job import Model
from pipeline.worker.stage import Worker
from tests.decision_bench import STANDARD
from tests.fakes import BrightnessEngine

Kinds = tuple[type[Message], ...]
CAMERAS = ("left", "right")


class Inbox(MemoryQueue):
    """Counts what its stage was handed."""

    def __init__(self) -> None:
        super().__init__(1_000_000)
        self.received: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Not yet handed out."""
        return len(self._queue)

    def receive(self) -> Received | None:
        """The oldest good message."""
        received = super().receive()
        if received is not None:
            self.received[received[0].sender] += 1
        return received


class Drain(MemoryQueue):
    """Whoever a stage speaks to: hears every message as on a wire, at once."""

    def __init__(self) -> None:
        super().__init__(1)

    def send(self, message: Message, *payloads: Any) -> bool:
        """Always taken, sometimes late."""
        assert super().send(message, *payloads)
        assert self.receive() is not None, f"out of its own domain: {message!r}"
        return True


def decision(inbox: Inbox, folder: Path) -> tuple[Stage, Kinds]:
    """With two cameras, styles, contacts, an actuator and an action table."""
    rules = EventsConfig(transverse=EventKind.SEAM)
    contacts = {"seam": ContactConfig(name="seam", address=0, says=EventKind.SEAM, length_mm=40.0)}
    terms = DecisionTerms(
        frame_mm=dict.fromkeys(CAMERAS, 50.0), standards={"": STANDARD, "satin": STANDARD}, tolerate_not_inspected_mm=120.0,
        observe=False, generation=3, actuator_mm={"left": 500.0}, y_offset_mm={"right": -30.0}, motion=True,
        cloth=ClothTerms("R-1", "", 1000.0, lambda style: StyleConfig(events=rules), None, contacts, ("", "satin")),
    )  # fmt: skip
    table = (
        DefectAction(when="DEFECT", do="stop", severity=2), DefectAction(when="DEFECT", do="mark", distance_mm=700.0),
        NotInspectedAction(when="NOT_INSPECTED", do="lamp"),
    )  # fmt: skip
    made = Decision(inbox, Drain(), Publisher(MemoryBroadcast(), 3), terms, lambda: 9, Actions(table, counts_per_mm=10.0))
    heard = (
        frames.Announced, frames.ScoreMap, frames.Announced, frames.ScoreMap, motion.Motion, stages.Status, cloth.Contact,
        cloth.Alignment, commands.Bypass, commands.Acknowledge, commands.Reset, commands.RollStart, commands.MarkEvent,
    )  # fmt: skip
    return made, heard


def worker(inbox: Inbox, folder: Path) -> tuple[Stage, Kinds]:
    """With an engine that scores a cell by its brightest pixel."""
    return Worker(inbox, Drain(), {"": Model(BrightnessEngine(), 0.5)}, 16, 1, 0), (frames.Frame,)


def recorder(inbox: Inbox, folder: Path) -> tuple[Stage, Kinds]:
    """With a ledger in its folder."""
    made = Recorder(inbox, Drain(), Ledger(folder / "record" / "ledger.sqlite", run_id="r"), folder / "record")
    told = (
        verdicts.Verdict, verdicts.Verdict, verdicts.Verdict, line.LineState, line.Totals, actions.Reject, actions.Action,
        cloth.Roll, cloth.SpanEvent, cloth.Alignment, frames.CameraFacts,
    )  # fmt: skip
    return made, told


def encoder(inbox: Inbox, folder: Path) -> tuple[Stage, Kinds]:
    """Motion by messages of counts."""
    config = MessageMotion(source="message", counts_per_mm=10.0, bits=32)
    source = EncoderSource(config, MessageCounts(inbox, "left", rests=False), None)
    return MotionStage(source, Drain(), [Drain()]), (motion.EncoderCount,)


def grabber(inbox: Inbox, folder: Path) -> tuple[Stage, Kinds]:
    """Woven cloth, a picture of it as it runs on."""
    config = WeaveConfig(
        name="left", source="weave", width_px=64, frame_rows=16, mm_per_px_x=0.5, mm_per_px_y=0.5, rows=32, y_offset_mm=-30.0
    )
    camera = make_camera(config)
    opened = OpenCamera(camera, config, camera.open())
    terms = GrabberTerms("b", 0, 100.0, lossless=False, position_known=True)
    boxes = GrabberBoxes(Drain(), Drain(), Drain(), motion=inbox)
    return Grabber(opened, terms, boxes, lambda: 9), (motion.Motion,)


def plc(inbox: Inbox, folder: Path) -> tuple[Stage, Kinds]:
    """An output to a PLC that answers at random from what it was written."""
    written: list[int] = [0, 0, 0]
    device: Any = SimpleNamespace(
        connect=lambda: None, close=lambda: None, coils=lambda values: None, answers=lambda: [v % 65536 for v in written[:3]],
        registers=lambda values: written.__setitem__(slice(0, 3), values[2:5]),
    )  # fmt: skip
    made = ModbusOutput(inbox, Drain(), device, ModbusConfig(kind="modbus", host="h"), 0)
    return made, (line.LineState, line.Heartbeat, line.Totals, actions.Action, actions.Action)


def _recording(heard: MemoryQueue, sent: MemoryQueue, folder: Path) -> RecordingStage:
    config = LineConfig.model_validate({
        "cameras": [{"name": n, "source": "weave"} for n in CAMERAS],
        "recording": {"folder": folder / "kept", "rate": 1000, "leave_gb": 0},
    })  # fmt: skip
    return RecordingStage(heard, sent, Drain(), config, 3, time.time_ns)


def recording_sent(inbox: Inbox, folder: Path) -> tuple[Stage, Kinds]:
    """Keeps every picture; by what the line's processes send to it."""
    return _recording(MemoryQueue(0), inbox, folder), (frames.Frame, frames.Frame, motion.Motion)


def recording_heard(inbox: Inbox, folder: Path) -> tuple[Stage, Kinds]:
    """The same by what the line publishes."""
    return _recording(inbox, MemoryQueue(0), folder), HEARD


STAGES = {s.__name__: s for s in (decision, worker, recorder, encoder, grabber, plc, recording_sent, recording_heard)}
