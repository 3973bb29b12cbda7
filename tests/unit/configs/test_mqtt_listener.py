"""The example of the other side understands what a line publishes."""

from __future__ import annotations

from configs.mqtt_listener import Listener
from pipeline.messages.actions import Reject
from pipeline.messages.cloth import Roll
from pipeline.messages.line import LineState
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Verdict
from pipeline.outputs.notices import Teller


def told(listener: Listener, *messages: object) -> list[str | None]:
    teller = Teller()
    return [
        listener.hear(f"glassline/loom/{n.topic}", n.body.model_dump_json().encode())
        for message in messages
        for n in teller.hear(message)  # type: ignore[arg-type]
    ]


def test_it_shows_state_roll_and_reject_once_each() -> None:
    listener = Listener()
    listener.hear("glassline/loom/available", b"online")
    state = LineState(number=3, generation=0, state=State.DEGRADED, inspection_ok=False, detail="why", t_mono_ns=0, t_utc_ns=0)
    roll = Roll(number=0, generation=0, roll_id="R/1", style="", start_mm=None, cause="command", t_mono_ns=0, t_utc_ns=0)
    verdict = Verdict(number=5, generation=0, camera="a", boot_id="", seq=1, result=Result.DEFECT, t_mono_ns=0, t_utc_ns=0)
    reject = Reject(number=0, generation=0, verdict=5, camera="a", cause=Result.DEFECT, start_mm=1.5, end_mm=2.5, t_mono_ns=0)
    assert told(listener, state, roll, verdict, reject) == [
        "DEGRADED, inspection NOT OK why", "roll R/1", None, "REJECT a DEFECT 1.5 to 2.5 mm",
    ]  # fmt: skip
    assert told(listener, state, reject) == [None, None]
    assert (listener.available, listener.state, listener.roll) == (True, "DEGRADED", "R/1")
