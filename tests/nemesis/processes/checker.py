"""The promise, tested on the record of a run of real processes; it shares no code with the product.

I1 one verdict for each frame, and cloth and time without a hole. I2 no PASS without the true score of that very picture, in
time, by the model and card in force. I3 counters add up. I4 what the frames' numbers skip is told as lost. I5 nothing grows,
nothing is left. I6 the line is well again. I7 what was committed stays, and what is not there is seen to be missing. GATE the
reference consumer lets nothing by. What was published or recorded counts: what only a dead decision held is on no record.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.nemesis.checker import Violation
from tests.nemesis.processes.ear import Said
from tests.nemesis.processes.record import Record
from tests.nemesis.processes.recovery import well_ns

S, MS = 1_000_000_000, 1_000_000
GRACE_NS = S
"""Our own clock and the consumer's process may be so late on a machine with much to do."""
LATE_S = 1.0
"""After its budget a frame has its verdict within that, where decision lives."""
WELL_S = 30.0
GROWN_MB, GROWN_HANDLES = 150.0, 12
STOPPED_S = 10.0
DEAF = ("flood", "stalled")
"""While these last, an honest subscriber may be hung up on by mistake, and come back."""

Found = Iterator[tuple[str, str, str, str]]
"""Invariant, camera, place, sentence."""


def check(record: Record) -> list[Violation]:
    """Every breach of every invariant."""
    return [Violation(record.seed, *found) for test in CHECKS for found in test(record)]


def one_verdict_a_frame(r: Record) -> Found:
    """No frame has two verdicts, and the record says what was published."""
    given = Counter((v["camera"], v["boot_id"], v["seq"]) for v in r.verdicts().values() if v["seq"] is not None)
    for (camera, boot, seq), count in given.items():
        if count > 1:
            yield "I1", camera, f"seq {seq} of {boot}", f"more than one verdict on a frame: {count}"
    rows = {(run, v["generation"], v["number"]): v for run, v in r.rows}
    for _, told in r.said("Verdict"):
        place = r.run_at(told["t_mono_ns"]), told["generation"], told["number"]
        row = rows.get(place, told)
        if any(row.get(f) != told.get(f) for f in ("camera", "seq", "result", "start_mm", "end_mm", "score")):
            yield "I1", told["camera"], f"verdict {place}", "the ledger says something else than what was published"


def cloth_without_a_hole(r: Record) -> Found:
    """Where lengths are known, the spans of a camera's verdicts cover all cloth that ran, as the line told its place last."""
    if not r.facts["cloth"]:
        return
    for run, _ in r.runs:
        told = [t for of, t in r.totals if of == run]
        told += [t for t_ns, t in r.said("Totals") if r.run_at(t["t_mono_ns"]) == run]
        reached_mm = max((t["position_mm"] or 0.0 for t in told), default=0.0)
        end_mm = reached_mm - 2.25 * r.facts["frame_mm"] - 0.3 * r.facts["speed_mm_s"]  # what lies behind may be on its way
        for name in r.facts["cameras"]:
            at_mm = 0.0
            lies = [v for (of, *_), v in r.verdicts().items() if of == run and v["camera"] == name]
            spans = sorted((v["start_mm"], v["end_mm"]) for v in lies if v.get("start_mm") is not None)
            for start_mm, stop_mm in [*spans, (math.inf, math.inf)]:
                if start_mm > at_mm + 0.5 and at_mm + 0.5 < end_mm:
                    yield "I1", name, f"{at_mm:.1f} to {min(start_mm, end_mm):.1f} mm of {run}", "cloth without a verdict"
                at_mm = max(at_mm, stop_mm)


def place_by_the_clock(r: Record) -> Found:
    """The cloth ran as far as its speed lets it by our clock; less only where nobody moved it.

    What the line tells may be old where the machine has much to do: the freshest word of each half of a run counts.
    """
    speed = r.facts["speed_mm_s"]
    for run, _ in r.runs if r.facts["cloth"] else []:
        told = [t for _, t in r.said("Totals") if r.run_at(t["t_mono_ns"]) == run and (t["position_mm"] or 0.0) > 0]
        ahead_mm = [t["position_mm"] - t["t_mono_ns"] / S * speed for t in told]
        if len(told) < 4:
            continue
        off_mm = max(ahead_mm[len(told) // 2 :]) - max(ahead_mm[: len(told) // 2])
        if abs(off_mm) > 0.5 * speed and (off_mm > 0 or not _died(r) & {"motion", "supervisor"}):
            yield "I1", "", run, f"the line has lost its place: {off_mm:+.0f} mm"


def time_without_a_hole(r: Record) -> Found:
    """Where lengths are not known, there is a word for every time in which a camera should have spoken."""
    if r.facts["cloth"]:
        return
    period_ns = r.facts["period_ns"]
    slack_ns = 3 * period_ns + GRACE_NS
    for run, _ in r.runs:
        of_run = [v for (of, *_), v in r.verdicts().items() if of == run]
        for name in r.facts["cameras"]:
            spans = sorted(_times(v, period_ns) for v in of_run if v["camera"] == name)
            if not spans:
                yield "I1", name, run, "silence without a verdict: the whole run"
                continue
            at_ns, lost_ns = spans[0][0], 0
            last_ns = max(v["t_mono_ns"] for v in of_run)
            for start_ns, end_ns, lost in [*spans, (last_ns, last_ns, 0)]:
                lost_ns += lost * period_ns
                if start_ns - at_ns > slack_ns + lost_ns and not lost:
                    yield "I1", name, _at(r, at_ns), f"silence without a verdict: {(start_ns - at_ns) / S:.2f} s"
                if end_ns > at_ns and not lost:
                    at_ns, lost_ns = end_ns, 0


def _times(v: Said, period_ns: int) -> tuple[int, int, int]:
    """From when to when it speaks, and of how many pictures without a time."""
    if v.get("from_ns") is not None:
        return v["from_ns"], v["to_ns"], 0
    if v["seq"] is not None and v.get("latency_ms") is not None:
        taken_ns = v["t_mono_ns"] - int(v["latency_ms"] * MS)
        return taken_ns, taken_ns + period_ns, 0
    return v["t_mono_ns"], v["t_mono_ns"], v.get("lost", 0)


def verdicts_come(r: Record) -> Found:
    """No frame waits for its verdict beyond its budget, but while decision is dead, or it or the whole machine stands still."""
    asleep = [(a, b) for (a, _), (b, _) in pairwise(r.said("Heartbeat")) if b - a > 300 * MS]
    for v in r.verdicts().values():
        if v["seq"] is None or v.get("latency_ms") is None:
            continue
        late_ns = v["latency_ms"] * MS - r.facts["budget_ms"] * MS
        taken_ns = v["t_mono_ns"] - v["latency_ms"] * MS
        late_ns -= sum(max(0, min(b, v["t_mono_ns"]) - max(a, taken_ns)) for a, b in asleep)
        if late_ns > LATE_S * S:
            yield "I1", v["camera"], f"seq {v['seq']} of {v['boot_id']}", f"a verdict much too late: {late_ns / S:.2f} s"


def passes_are_true(r: Record) -> Found:
    """A PASS has the true score of its picture, in time, by the model and card in force; no picture with a bar passes."""
    for v in r.verdicts().values():
        if v["result"] != "PASS":
            continue
        where, camera, score = f"seq {v['seq']} of {v['boot_id']}", v["camera"], v.get("score")
        if v["seq"] is None or score is None or not math.isfinite(score):
            yield "I2", camera, where, f"PASS without a finite score of a frame: {score}"
            continue
        scores, barred = r.facts["scores"][camera], r.facts["barred"][camera]
        if r.facts["origins"][camera]:
            name = v["origin"].rpartition("/")[2]
            own = [scores[name]] if name in scores else []
        else:  # the camera does not say which picture it was
            own, name = [s for picture, s in scores.items() if picture != barred], ""
        if not any(abs(score - s) < 1e-4 for s in own):
            yield "I2", camera, where, f"PASS with a foreign score: {score:.4f} of {v['origin']}"
        if name == barred:
            yield "I2", camera, where, f"PASS of a picture with a bar: {v['origin']}"
        for sha in ("weights_sha", "engine_sha", "card_sha"):
            if v.get(sha, "") != r.facts[sha]:
                yield "I2", camera, where, f"PASS by another {sha}: {v.get(sha, '')!r}"
        if v.get("latency_ms") is None or v["latency_ms"] > r.facts["budget_ms"] + 1:
            yield "I2", camera, where, f"late PASS: {v.get('latency_ms')} ms after its picture"
    yield from _trusted(r)


def _trusted(r: Record) -> Found:
    """None while the line says that nothing is judged."""
    state: Said = {}
    for _, m in r.heard:
        if m["t"] == "LineState":
            state = m
            continue
        passes = m["t"] == "Verdict" and m["result"] == "PASS" and state.get("state") in ("FAULT", "BYPASS")
        if passes and m["generation"] == state["generation"] and m["t_mono_ns"] > state["t_mono_ns"]:
            yield "I2", m["camera"], f"seq {m['seq']} of {m['boot_id']}", f"PASS while nothing may pass: {state['state']}"


def counters_add_up(r: Record) -> Found:
    """All totals add up in themselves, and the last ones of the record are those of its verdicts."""
    newest = {run: max(t["generation"] for of, t in r.totals if of == run) for run, _ in r.totals}
    for run, told in [*((r.run_at(t["t_mono_ns"]), t) for _, t in r.said("Totals")), *r.totals]:
        where, uncounted = f"totals of generation {told['generation']}", told["verdicts"]
        uncounted -= told["passed"] + told["defect"] + told["not_inspected"]
        # Of a decision that was killed its successor tells how many verdicts there were, and no more.
        if uncounted and not (uncounted > 0 and told["generation"] < newest.get(run, 0)):
            yield "I3", "", where, "totals do not add up: verdicts"
        if sum(told["reasons"].values()) != told["not_inspected"]:
            yield "I3", "", where, "totals do not add up: reasons"
        for result in ("passed", "defect", "not_inspected"):
            if sum(c[result] for c in told["cameras"].values()) != told[result]:
                yield "I3", "", where, f"totals do not add up: {result} of the cameras"
    for run, _ in r.runs:
        made = [v for of, v in r.rows if of == run]
        last = max((v["generation"] for v in made), default=None)
        for told in [t for of, t in r.totals if of == run and t["generation"] == last]:
            own = Counter(v["result"] for v in made if v["generation"] == last)
            said = {"PASS": told["passed"], "DEFECT": told["defect"], "NOT_INSPECTED": told["not_inspected"]}
            ended = run == r.runs[-1][0]  # one that was killed has told no last ones
            if any(said[k] > own[k] for k in said) or (ended and said != {k: own[k] for k in said}):
                yield (
                    "I3",
                    "",
                    f"totals of generation {last} of {run}",
                    f"the record's totals are wrong: {said}, it has {dict(own)}",
                )


def numbers_have_no_gap(r: Record) -> Found:
    """We heard every word of each kind, from the first of a generation that we heard."""
    deaf = [(d.began_ns, d.ended_ns + S) for d in r.deeds if d.kind in DEAF]
    last: dict[tuple[str, str, int], int] = {}
    for t_ns, m in r.heard:
        if m["t"] not in ("Verdict", "Heartbeat", "Reject"):
            continue
        key = m["t"], r.run_at(m["t_mono_ns"]), m["generation"]
        if m["number"] != last.get(key, m["number"] - 1) + 1 and not any(a <= t_ns <= b for a, b in deaf):
            yield "I3", "", f"{key[0]} {m['number']} of generation {key[2]}", f"a gap in numbers: {last[key] + 1} was next"
        last[key] = m["number"]


def losses_are_told(r: Record) -> Found:
    """Each number that a camera's frames have skipped is told as lost; more only where a process died with frames in hand."""
    for run, _ in r.runs:
        for name in r.facts["cameras"]:
            own = [v for (of, *_), v in r.verdicts().items() if of == run and v["camera"] == name]
            judged: dict[str, set[int]] = defaultdict(set)
            for v in own:
                if v["seq"] is not None:
                    judged[v["boot_id"]].add(v["seq"])
            skipped = sum(max(seqs) + 1 - len(seqs) for seqs in judged.values())
            told = sum(v.get("lost", 0) for v in own if v.get("reason") != "RECORD_LOST")
            missing = sum(v.get("lost", 0) for v in own if v.get("reason") == "RECORD_LOST")
            if told + missing < skipped:
                yield (
                    "I4",
                    name,
                    run,
                    f"too few told as lost: {told} and {missing} of the record, {skipped} numbers are skipped",
                )
            if told > skipped and not _died(r) & {name, "decision", "supervisor"} and run == r.runs[-1][0]:
                yield "I4", name, run, f"too many told as lost: {told}, {skipped} numbers are skipped"


def nothing_grows(r: Record) -> Found:
    """A process that lived through it holds about what it held; the line ends in time, and leaves nothing."""
    by_pid, heard_ns = defaultdict(list), [t_ns for t_ns, _ in r.heard]
    for print_ in r.footprints:
        by_pid[print_.name, print_.pid].append(print_)
    for (name, _), prints in by_pid.items():
        first = bisect.bisect_left(heard_ns, prints[0].t_ns)
        well = well_ns(r, prints[0].t_ns, first)  # by then it has loaded what it needs
        ready = [p for p in prints if well is not None and p.t_ns > well]
        if len(ready) < 3:
            continue
        grown_mb = max(p.rss_mb for p in ready) - ready[0].rss_mb
        handles = ready[-1].handles - ready[0].handles
        if grown_mb > GROWN_MB:
            yield "I5", "", name, f"memory grows: by {grown_mb:.0f} MB"
        if handles > GROWN_HANDLES:
            yield "I5", "", name, f"handles grow: by {handles}"
    for what in r.left:
        yield "I5", "", "at the end", f"left behind: {what}"
    if r.stopped_s > STOPPED_S:
        yield "I5", "", "at the end", f"does not end in time: {r.stopped_s:.1f} s"


def runs_again(r: Record) -> Found:
    """Well in the end, and no supervisor ended for want of something that a restart does not mend."""
    peace_ns = max((d.ended_ns for d in r.deeds), default=0)
    well = well_ns(r, peace_ns)
    if well is None:
        states = [(m["state"], m.get("detail", "")) for _, m in r.said("LineState")]
        yield "I6", "", "at the end", f"does not run again: {states[-1:]}"
    elif (well - peace_ns) / S > WELL_S:
        yield "I6", "", _at(r, well), f"runs again too late: after {(well - peace_ns) / S:.1f} s"
    for t_ns, code in r.exits:
        if code not in (1, -9):
            yield "I6", "", _at(r, t_ns), f"the line ended by itself: status {code}"


def record_is_whole(r: Record) -> Found:
    """What the ledger once had it has; what was published and is not there is seen to be missing; the lines agree with it.

    A run whose end is not in the ledger is seen to lack it. One that was stopped in order has it.
    """
    if r.runs and r.ends.get(r.runs[-1][0]) is None:
        yield "I7", "", r.runs[-1][0], "stopped in order, and the ledger does not say so"
    rows = {(run, v["generation"], v["number"]): v for run, v in r.rows}
    for key in r.glimpses.keys() - rows.keys():
        yield "I7", "", f"verdict {key}", "it was committed, and is gone"
    told = {(run, t["generation"]): t["verdicts"] for run, t in r.totals}
    lost = Counter(run for (run, *_), v in rows.items() if v.get("reason") == "RECORD_LOST")
    for key in r.verdicts().keys() - rows.keys():
        run, generation, number = key
        cut_off = run in r.ends and r.ends[run] is None
        after = any(of == run and (g, n) > (generation, number) for of, g, n in rows)
        if not after and number >= told.get((run, generation), 0) and not lost[run] and not cut_off:
            yield "I7", r.verdicts()[key]["camera"], f"verdict {key}", "published, and nothing shows that it is missing"
    lines = {(v["run"], v["generation"], v["number"]): v for v in r.lines}
    for key in lines.keys() ^ rows.keys():
        yield "I7", "", f"verdict {key}", "verdicts.jsonl and the ledger differ"
    for key in lines.keys() & rows.keys():
        if any(lines[key][f] != rows[key][f] for f in ("camera", "seq", "result", "t_mono_ns")):
            yield "I7", "", f"verdict {key}", "verdicts.jsonl and the ledger differ"


def gate_lets_nothing_by(r: Record) -> Found:
    """No output that stays on through a bad verdict, or through silence."""
    bad = [(v["t_mono_ns"], f"{v['result']} on {v['camera']}") for _, v in r.said("Verdict") if v["result"] != "PASS"]
    beats = [m["t_mono_ns"] for _, m in r.said("Heartbeat")]
    bad += [(a, "silence") for a, b in pairwise(beats) if b - a > 350 * MS + GRACE_NS]
    changes = [*r.gate, (beats[-1] if beats else 0, False)]
    for (from_ns, on), (to_ns, _) in pairwise(changes):
        for t_ns, what in bad:
            late_ns = GRACE_NS + (350 * MS if what == "silence" else 0)
            if on and from_ns <= t_ns and t_ns + late_ns < to_ns:
                yield "GATE", "", _at(r, t_ns), f"open after a bad word: {what}"


CHECKS: tuple[Callable[[Record], Found], ...] = (
    one_verdict_a_frame, cloth_without_a_hole, place_by_the_clock, time_without_a_hole, verdicts_come, passes_are_true,
    counters_add_up, numbers_have_no_gap, losses_are_told, nothing_grows, runs_again, record_is_whole, gate_lets_nothing_by,
)  # fmt: skip


def _died(r: Record) -> set[str]:
    """Each process that was another one later."""
    return {name for name, seen in Counter(name for _, name, _ in r.pids).items() if seen > 1}


def _at(r: Record, t_ns: int) -> str:
    return f"at {(t_ns - (r.heard[0][0] if r.heard else 0)) / S:.2f} s"
