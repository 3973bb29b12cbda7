"""While rejects are set aside no machine acts, whatever falls due; and cloth seen again closes no gap."""

from __future__ import annotations

from pipeline.config.actions import DefectAction, FaultAction
from pipeline.decision.actions import Actions
from pipeline.messages.actions import Action, Reject
from pipeline.messages.commands import Bypass
from pipeline.messages.line import LineState
from pipeline.messages.states import ActionKind, Phase, Result, StageState, State
from tests.decision_bench import MS, Bench

STOPS = (DefectAction(when="DEFECT", do="stop", distance_mm=1000), FaultAction(when="FAULT", do="stop"))


def test_a_stop_that_falls_due_in_bypass_is_let_by_and_one_that_falls_due_after_it_acts() -> None:
    bench = Bench(actions=Actions(STOPS))
    bench.move(-400.0)
    for seq, start_mm in ((0, -400.0), (1, 100.0)):
        bench.announce(seq, start_mm=start_mm)
        bench.score(seq, 0.9)
        bench.decision.step(0)
    first, second = bench.air.take(Action)
    assert first.target_mm < 700 < second.target_mm
    bench.inbox.send(Bypass(on=True))
    bench.move(700.0)
    bench.decision.step(0)
    assert [(a.event, a.phase) for a in bench.air.take(Action)] == [(first.event, Phase.LET_BY)]
    bench.inbox.send(Bypass(on=False))
    bench.move(1200.0)
    bench.decision.step(0)
    assert [(a.event, a.phase) for a in bench.air.take(Action)] == [(second.event, Phase.NOW)]


def test_a_fault_stops_no_machine_while_rejects_are_set_aside_and_does_once_they_are_not() -> None:
    bench = Bench(actions=Actions(STOPS))
    bench.inbox.send(Bypass(on=True))
    bench.status("recorder", "recorder", StageState.FAULT, detail="disk full")
    assert bench.state().state is State.FAULT
    assert bench.air.take(Action) == []
    bench.inbox.send(Bypass(on=False))
    bench.decision.step(0)
    assert [(a.kind, a.phase) for a in bench.air.take(Action)] == [(ActionKind.STOP, Phase.NOW)]


def test_a_line_that_observes_rejects_nothing_also_when_it_is_told_to() -> None:
    bench = Bench(observe=True, bypass=True, actions=Actions(STOPS))
    bench.inbox.send(Bypass(on=False))
    bench.decision.step(0)
    for seq in range(4):
        bench.announce(seq, sent=seq != 2)
        bench.score(seq, 0.9)
    bench.move(5000.0)
    bench.decision.step(0)
    bench.status("recorder", "recorder", StageState.FAULT, detail="disk full")
    bench.decision.step(500 * MS)
    assert bench.air.take(Reject) == bench.air.take(Action) == []
    assert bench.decision._mode.bypass and bench.decision._totals(0).rejects_inhibited > 0


def test_cloth_seen_again_closes_no_gap_and_opens_none() -> None:
    bench = Bench(cameras=("c", "d"))
    for seq in range(3):
        for camera in ("c", "d"):
            bench.announce(seq, camera, sent=camera == "d" or seq == 0)
            bench.score(seq, camera=camera)
    assert not bench.state().inspection_ok  # the second and third frame of one camera
    bench.announce(3, start_mm=0.0)  # the cloth ran back to what was judged
    bench.score(3)
    (again,) = [v for v in bench.verdicts() if v.seq == 3 and v.camera == "c"]
    assert (again.result, again.rescan) == (Result.PASS, True)
    bench.announce(4, start_mm=150.0, sent=False)
    bench.decision.step(0)
    assert [(r.camera, r.start_mm, r.end_mm) for r in bench.air.take(Reject)] == [("c", 50, 200)]  # 150 mm in one gap
    bench.announce(5, start_mm=100.0)
    bench.score(5)
    assert bench.state().inspection_ok
    bench.announce(6, start_mm=100.0, sent=False)
    assert bench.verdicts()[-1].rescan
    assert bench.air.take(LineState) == []  # as it was
