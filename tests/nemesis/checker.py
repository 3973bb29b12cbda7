"""The promise, tested on what is left of a run; it shares no code with the product.

I1 one verdict for each announced frame, and cloth and time without a hole. I2 no PASS without a true score in time by the model
and card in force. I3 counters add up. I4 gaps in a camera's counter equal the losses told. I5 nothing grows. I6 the line runs
again soon. GATE the reference consumer lets nothing by that was not judged good.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.nemesis.history import History, Said
from tests.nemesis.plant import true_score

MS = 1_000_000
S = 1_000_000_000
GRAIN_NS = 10 * MS
"""Time passes in such steps."""
RESTED_NS = 100 * MS
"""So late may the word come that the cloth runs again."""
BEAT_NS = 100 * MS
UNDER_WAY_NS = 700 * MS
"""No link holds a message up for longer."""
LOST_MM = 60.0
"""Two jumps of an encoder, each of which costs the step on which it came."""
PROMISED_NS = 5 * S
NUMBERED = ("Verdict", "LineState", "Reject", "Heartbeat", "Action")


@dataclass(frozen=True)
class Violation:
    """One breach of one invariant, at one place."""

    seed: int
    invariant: str
    camera: str
    where: str
    what: str

    @property
    def kind(self) -> str:
        """What it is without its figures."""
        return self.what.partition(":")[0]

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.invariant} {self.camera or 'line'} {self.where}: {self.what}"


Found = Iterator[tuple[str, str, str, str]]
"""Invariant, camera, place, sentence."""


def check(history: History) -> list[Violation]:
    """Every breach of every invariant."""
    return [Violation(history.seed, *found) for test in CHECKS for found in test(history)]


def one_verdict_a_frame(h: History) -> Found:
    """No frame has two verdicts, and none that nobody announced has one."""
    known = {_key(a) for a in h.announced}
    for source, verdicts in (("published", [m for _, m in h.said("Verdict")]), ("record", h.rows)):
        given = Counter(_key(v) for v in verdicts if v["seq"] is not None)
        for (camera, boot, seq), count in given.items():
            if count > 1:
                yield "I1", camera, f"seq {seq} of {boot}", f"more than one verdict on a frame: {count}, {source}"
            if (camera, boot, seq) not in known:
                yield "I1", camera, f"seq {seq} of {boot}", f"a verdict on a frame that nobody announced, {source}"


def verdicts_come(h: History) -> Found:
    """No frame waits for its verdict beyond its budget, but while decision itself sleeps or is dead: then no heart beats."""
    beats_ns = [t_ns for t_ns, _ in h.said("Heartbeat")]
    asleep = [(a, b) for a, b in pairwise([h.facts["began_ns"], *beats_ns]) if b - a > 2 * BEAT_NS]
    exposed = {f"{e['camera']}:{e['n']}": e["t_ns"] for e in h.exposures}
    for _, v in h.said("Verdict"):
        if v["seq"] is None or v["origin"] not in exposed:
            continue
        taken_ns = exposed[v["origin"]]
        age_ns = v["t_mono_ns"] - taken_ns - _rest_ns(h, taken_ns, v["t_mono_ns"]) - int(h.facts["budget_ms"] * MS)
        age_ns -= sum(max(0, min(b, v["t_mono_ns"]) - max(a, taken_ns)) for a, b in asleep)
        if age_ns > UNDER_WAY_NS:
            where = f"seq {v['seq']} of {v['boot_id']}"
            yield "I1", v["camera"], where, f"a verdict much too late: {v['result']} {age_ns / S:.2f} s after its budget"


def record_is_whole(h: History) -> Found:
    """What was published stands in the ledger, and what stands there in verdicts.jsonl too.

    What a decision that was killed still held for a recorder that failed is lost; the record must know that it lacks it.
    """
    told = {(v["generation"], v["number"]): v for _, v in h.said("Verdict")}
    rows = {(v["generation"], v["number"]): v for v in h.rows}
    lines = {(v["generation"], v["number"]): v for v in h.lines}
    for place in sorted(told.keys() ^ rows.keys()):
        v = told.get(place) or rows[place]
        if place in told and _told_as_missing(h, *place):
            continue
        what = "published, and not in the ledger" if place in told else "in the ledger, and never published"
        yield "I1", v["camera"], f"verdict {place}", f"{what}: {v['result']} of seq {v['seq']}"
    for place in sorted(told.keys() & rows.keys()):
        a, b = told[place], rows[place]
        if any(a.get(f) != b[f] for f in ("camera", "seq", "result", "start_mm", "end_mm", "score")):
            yield "I1", a["camera"], f"verdict {place}", "the ledger says something else than what was published"
    for place in sorted(rows.keys() ^ lines.keys()):
        v = rows.get(place) or lines[place]
        yield "I1", v["camera"], f"verdict {place}", "verdicts.jsonl and the ledger differ"


def cloth_without_a_hole(h: History) -> Found:
    """Where lengths are known, the spans of a camera's verdicts cover all cloth that ran."""
    heard = [m for m in h.motions if m["heard"]]
    for name, camera in h.facts["cameras"].items():
        if not _measured(h, camera) or not heard:
            continue
        frame_mm, fastest = camera["frame_mm"], max(abs(v) for _, v in h.facts["speeds"])
        places = [m["position_mm"] + camera["y_offset_mm"] for m in heard]
        end_mm = max(places) - 2.25 * frame_mm - 0.3 * fastest  # what lies behind may still be on its way
        at_mm = places[0]
        for start, end in sorted((v["start_mm"], v["end_mm"]) for _, v in h.said("Verdict") if _lies(v, name)):
            if start > at_mm + 0.5 and at_mm + 0.5 < end_mm:
                yield "I1", name, f"{at_mm:.1f} to {min(start, end_mm):.1f} mm", "cloth without a verdict"
            at_mm = max(at_mm, end)
        if at_mm + 0.5 < end_mm:
            yield "I1", name, f"{at_mm:.1f} to {end_mm:.1f} mm", "cloth without a verdict"


def place_is_known(h: History) -> Found:
    """In the end the line has told as much cloth as has run, but for a step at each jump of its encoder."""
    heard = [m for m in h.motions if m["heard"]]
    if heard:
        ends_ns = [(m["t_mono_ns"], m["position_mm"]) for m in (heard[0], heard[-1])]
        ran_mm = _ran_mm(h, ends_ns[1][0]) - _ran_mm(h, ends_ns[0][0])
        off_mm = ends_ns[1][1] - ends_ns[0][1] - ran_mm
        if abs(off_mm) > LOST_MM:
            yield "I1", "", _at(h, ends_ns[1][0]), f"the line has lost its place: {off_mm:+.0f} mm"


def time_without_a_hole(h: History) -> Found:
    """Where lengths are not known, there is a word for every time in which a camera should have spoken.

    That is not while the cloth is known to stand.
    """
    for name, camera in h.facts["cameras"].items():
        if _measured(h, camera):
            continue
        period_ns, verdicts = camera["period_ns"], [v for _, v in h.said("Verdict") if v["camera"] == name]
        spans = [(v["from_ns"], v["to_ns"], 0) for v in verdicts if v.get("from_ns") is not None]
        for v in verdicts:
            if v["seq"] is not None and v.get("latency_ms") is not None:
                t_ns = v["t_mono_ns"] - int(v["latency_ms"] * MS)
                spans.append((t_ns, t_ns + period_ns, 0))
            elif v.get("from_ns") is None:  # it tells of so many pictures, and not of when
                spans.append((v["t_mono_ns"], v["t_mono_ns"], v.get("lost", 0)))
        at_ns, told_ns, slack_ns = h.facts["began_ns"] + S, 0, 3 * period_ns + S * 3 // 10
        for start, end, lost in [*sorted(spans), (h.facts["ended_ns"], h.facts["ended_ns"], 0)]:
            told_ns += lost * period_ns
            if lost or (start == end and end < h.facts["ended_ns"]):
                continue
            rest_ns = _rest_ns(h, at_ns, start) if h.motions else 0
            if start - at_ns - rest_ns > slack_ns + told_ns:
                yield "I1", name, _at(h, at_ns), f"silence without a verdict: {(start - at_ns) / S:.2f} s"
            if end > at_ns:
                at_ns, told_ns = end, 0


def passes_are_true(h: History) -> Found:
    """A PASS is of that very frame, in time, by the model and the card in force."""
    frames = {_key(a): a for a in h.announced}
    exposed = {(e["camera"], e["n"]): e for e in h.exposures}
    for _, v in h.said("Verdict"):
        if v["result"] != "PASS":
            continue
        where = f"seq {v['seq']} of {v['boot_id']}"
        frame = frames.get(_key(v))
        if frame is None or v["seq"] is None or frame.get("status", "OK") != "OK":
            yield "I2", v["camera"], where, "PASS of what is no whole frame"
            continue
        camera, n = v["origin"].split(":")
        exposure, score = exposed.get((camera, int(n))), v.get("score")
        if exposure is None or camera != v["camera"] or exposure["fate"] != "given":
            yield "I2", v["camera"], where, f"PASS of a picture that was not given: {v['origin']}"
            continue
        if score is None or not math.isfinite(score):
            yield "I2", camera, where, f"PASS without a finite score: {score}"
        elif abs(score - true_score(camera, int(n))) > 1e-6:
            yield "I2", camera, where, f"PASS with a foreign score: {score:.6f}, its own is {true_score(camera, int(n)):.6f}"
        elif score > 0.5:
            yield "I2", camera, where, f"PASS above the threshold: {score:.3f}"
        for sha in ("weights_sha", "engine_sha", "card_sha"):
            if v.get(sha, "") != h.facts[sha]:
                yield "I2", camera, where, f"PASS by another {sha}: {v.get(sha, '')!r}"
        yield from _in_time(h, v, frame, exposure, where)
    yield from _trusted(h)


def _in_time(h: History, v: Said, frame: Said, exposure: Said, where: str) -> Found:
    camera = h.facts["cameras"][v["camera"]]
    taken_ns, given_ns = exposure["t_ns"], v["t_mono_ns"]
    by_cloth = camera["actuator_mm"] is not None and frame.get("start_mm") is not None
    rest_ns = _rest_ns(h, taken_ns, given_ns) if by_cloth else 0
    age_ms = (given_ns - taken_ns - rest_ns - (RESTED_NS if rest_ns else 0)) / MS
    budget_ms = h.facts["budget_ms"]
    if age_ms > budget_ms + GRAIN_NS / MS:
        yield "I2", v["camera"], where, f"late PASS: {age_ms:.0f} ms after its picture, budget {budget_ms:.0f} ms"
    if by_cloth:
        words = [m for m in h.motions if m["heard"] and m["sent_ns"] <= given_ns - RESTED_NS]
        beyond_mm = (words[-1]["position_mm"] if words else -math.inf) - (
            frame["start_mm"] + camera["actuator_mm"] - camera["y_offset_mm"]
        )
        if beyond_mm > 0.5:
            yield "I2", v["camera"], where, f"PASS beyond the actuator: its cloth was {beyond_mm:.1f} mm past it"


def _trusted(h: History) -> Found:
    """None while the line says that nothing is judged."""
    state: Said = {}
    for t_ns, m in h.published:
        if m["t"] == "LineState":
            state = m
        elif m["t"] == "Verdict" and m["result"] == "PASS" and state.get("state") in ("FAULT", "BYPASS"):
            changed = any(s["t"] == "LineState" and t == t_ns and s["state"] != state["state"] for t, s in h.published)
            if not changed and m["generation"] == state["generation"]:
                yield "I2", m["camera"], f"seq {m['seq']} of {m['boot_id']}", f"PASS while nothing may pass: {state['state']}"


def counters_add_up(h: History) -> Found:
    """All totals are those of the verdicts before them, and numbers count from 0 without a gap."""
    made: dict[int, list[Said]] = defaultdict(list)
    numbers: Counter[tuple[str, int]] = Counter()
    told_again = {"LineState", "Action"}
    for _, m in h.published:
        kind, generation = m["t"], m.get("generation", 0)
        if kind in NUMBERED:
            wanted = numbers[kind, generation]
            if m["number"] == wanted:
                numbers[kind, generation] += 1
            elif not (kind in told_again and m["number"] < wanted):
                yield "I3", "", f"{kind} {m['number']} of generation {generation}", f"a gap in numbers: {wanted} was next"
        if kind == "Verdict":
            made[generation].append(m)
        if kind == "Totals":
            yield from _totals(m, made[generation], "published")
    last = max(made, default=None)
    if last is not None:
        yield from _totals(h.totals.get(last, {}), [v for v in h.rows if v["generation"] == last], "record")


def _totals(totals: Said, verdicts: list[Said], source: str) -> Found:
    results, reasons = Counter(v["result"] for v in verdicts), Counter(v["reason"] for v in verdicts if v.get("reason"))
    where, wrong = f"totals of generation {totals.get('generation')}", f"{source} totals are wrong"
    wanted = {
        "verdicts": len(verdicts), "passed": results["PASS"], "defect": results["DEFECT"],
        "not_inspected": results["NOT_INSPECTED"], "reasons": dict(reasons),
    }  # fmt: skip
    for name, value in wanted.items():
        if totals.get(name) != value:
            yield "I3", "", where, f"{wrong}: {name} is {totals.get(name)}, verdicts say {value}"
    if sum(reasons.values()) != results["NOT_INSPECTED"]:
        yield "I3", "", where, "NOT_INSPECTED without a reason"
    for name, counts in totals.get("cameras", {}).items():
        own = Counter(v["result"] for v in verdicts if v["camera"] == name)
        told = {"PASS": counts["passed"], "DEFECT": counts["defect"], "NOT_INSPECTED": counts["not_inspected"]}
        if +Counter(told) != own:
            yield "I3", name, where, f"{wrong}: {told}, verdicts say {dict(own)}"


def losses_are_told(h: History) -> Found:
    """Pictures that the camera lost, and announcements without a verdict, are just those that verdicts tell as lost.

    What a grabber said last before it died may never have been heard: nobody can count that; its cloth is covered otherwise.
    """
    judged = {_key(v) for _, v in h.said("Verdict") if v["seq"] is not None}
    for name, camera in h.facts["cameras"].items():
        boots: dict[str, list[Said]] = defaultdict(list)
        for a in h.announced:
            if a["camera"] == name:
                boots[a["boot_id"]].append(a)
        unjudged, skipped = [], 0
        for frames in boots.values():
            last_heard = max((a["seq"] for a in frames if a["heard"]), default=-1)
            countable = [a for a in frames if a["seq"] <= last_heard]
            unjudged += [a for a in countable if _key(a) not in judged]
            skipped += sum(a.get("lost", 0) for a in countable)
        told = sum(v.get("lost", 0) for _, v in h.said("Verdict") if v["camera"] == name and v.get("reason") != "RECORD_LOST")
        if told != len(unjudged) + skipped:
            seqs = ", ".join(f"{a['seq']} of {a['boot_id']}" for a in unjudged[:4]) or "-"
            few = "too few" if told < len(unjudged) + skipped else "too many"
            what = f"{few} told as lost: {told}; its camera lost {skipped}, {len(unjudged)} announced ones have no verdict"
            yield "I4", name, f"seq {seqs}", what
        if camera["kind"] in ("rate", "self"):
            yield from _blocks(h, name)


def _blocks(h: History, name: str) -> Found:
    """A grabber tells of each gap in the camera's own counter."""
    exposed = {f"{e['camera']}:{e['n']}": e for e in h.exposures}
    frames = [(exposed[a["origin"]], a) for a in h.announced if a["camera"] == name]
    for (before, _), (now, a) in pairwise(frames):
        gap = now["block"] - before["block"] - 1
        if before["open"] == now["open"] and gap != a.get("lost", 0):
            what = f"the grabber miscounts: {a.get('lost', 0)} lost, the camera's counter says {gap}"
            yield "I4", name, f"seq {a['seq']} of {a['boot_id']}", what


def nothing_grows(h: History) -> Found:
    """Handles are closed, queues bounded."""
    before, after = h.handles
    if after > before:
        yield "I5", "", "at the end", f"{after - before} handles are left open"


def runs_again(h: History) -> Found:
    """RUNNING, and a PASS of each camera, in time after the last fault."""
    peace_ns, passed, running = h.facts["peace_ns"], set(), False
    for t_ns, m in h.published:
        if m["t"] in ("LineState", "Heartbeat"):
            running = m["state"] == "RUNNING"
        if t_ns >= peace_ns and m["t"] == "Verdict" and m["result"] == "PASS":
            passed.add(m["camera"])
        if running and passed == set(h.facts["cameras"]):
            late_ns = t_ns - peace_ns - PROMISED_NS - int(h.facts["load_s"] * S)
            if late_ns > 0:
                yield "I6", "", _at(h, t_ns), f"runs again too late: by {late_ns / S:.2f} s"
            return
    states = [(m["state"], m.get("detail", "")) for _, m in h.said("LineState")]
    yield "I6", "", _at(h, h.facts["ended_ns"]), f"does not run again: {states[-1:]}, passed {sorted(passed)}"


def gate_lets_nothing_by(h: History) -> Found:
    """The consumer's output is on only after fresh words, and off in time after a bad one, whatever its link did."""
    window_ns, verdict_ns = h.facts["window_ns"], h.facts["verdict_ns"]
    beats = [(t, m) for t, m in h.said("Heartbeat")]
    verdicts = h.said("Verdict")
    bad = [(t, v) for t, v in verdicts if v["result"] != "PASS"]
    heard_at: dict[str, int] = {}
    beat = verdict = wrong = 0
    last_beat: Said | None = None
    for t_ns, on in h.gate:
        while beat < len(beats) and beats[beat][0] <= t_ns:
            last_beat, beat = beats[beat][1], beat + 1
        while verdict < len(verdicts) and verdicts[verdict][0] <= t_ns:
            if verdicts[verdict][1]["result"] == "PASS":
                heard_at[verdicts[verdict][1]["camera"]] = verdicts[verdict][0]
            verdict += 1
        while wrong < len(bad) and bad[wrong][0] + window_ns + S // 10 < t_ns:
            wrong += 1
        if not on:
            continue
        if last_beat is None or t_ns - last_beat["t_mono_ns"] > window_ns + GRAIN_NS:
            yield "GATE", "", _at(h, t_ns), "open without a heartbeat"
        for name in h.facts["cameras"]:
            if t_ns - heard_at.get(name, 0) > verdict_ns + GRAIN_NS:
                yield "GATE", name, _at(h, t_ns), "open without a fresh PASS"
        for said_ns, v in bad[wrong:]:
            if said_ns + window_ns <= t_ns <= said_ns + window_ns + S // 10:
                yield "GATE", v["camera"], _at(h, t_ns), f"open after a bad word: {v['result']} of seq {v['seq']}"


CHECKS: tuple[Callable[[History], Found], ...] = (
    one_verdict_a_frame, verdicts_come, record_is_whole, cloth_without_a_hole, place_is_known,
    time_without_a_hole, passes_are_true, counters_add_up, losses_are_told, nothing_grows, runs_again,
    gate_lets_nothing_by,
)  # fmt: skip


def _told_as_missing(h: History, generation: int, number: int) -> bool:
    """Whether nobody was left who held it, and the ledger says that there was such a verdict."""
    held_by_nobody = generation in h.facts["killed_decisions"] and h.facts["recorder_failed"]
    last = max((v["number"] for v in h.rows if v["generation"] == generation), default=-1)
    return held_by_nobody and number < max(last, h.totals.get(generation, {}).get("verdicts", 0))


def _key(said: Said) -> tuple[Any, ...]:
    return said["camera"], said["boot_id"], said["seq"]


def _measured(h: History, camera: Said) -> bool:
    return h.facts["motion"] and camera["frame_mm"] is not None


def _lies(verdict: Said, camera: str) -> bool:
    return verdict["camera"] == camera and verdict.get("start_mm") is not None and verdict.get("end_mm") is not None


def _ran_mm(h: History, t_ns: int) -> float:
    """How far the cloth had run by then."""
    speeds = [*h.facts["speeds"], (1 << 62, 0.0)]
    return sum(v * max(0, min(end, t_ns) - start) / S for (start, v), (end, _) in pairwise(speeds))


def _rest_ns(h: History, from_ns: int, to_ns: int) -> int:
    """How long the cloth stood in that time."""
    speeds = [*h.facts["speeds"], (1 << 62, 0.0)]
    return sum(
        max(0, min(end, to_ns) - max(start, from_ns)) for (start, v), (end, _) in pairwise(speeds) if v == 0
    )  # fmt: skip


def _at(h: History, t_ns: int) -> str:
    return f"at {(t_ns - h.facts['began_ns']) / S:.2f} s"
