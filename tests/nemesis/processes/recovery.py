"""How long it takes until cloth is judged again, told by what was heard."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from tests.nemesis.processes.record import Deed, Record

S = 1_000_000_000
PROMISED_S, PROMISED_STANDBY_S = 5.0, 2.0


def well_ns(record: Record, since_ns: int, first: int = 0) -> int | None:
    """When the line was RUNNING, cloth might pass, and each camera had a score of a picture taken after `since_ns`.

    What was heard before the `first` message is left out.
    """
    running, scored = False, set[str]()
    for heard_ns, m in record.heard[first:]:
        if m.get("t_mono_ns", 0) < since_ns:
            continue
        if m["t"] in ("Heartbeat", "LineState"):
            running = m["state"] == "RUNNING" and m["inspection_ok"]
        elif m["t"] == "Verdict" and m["result"] in ("PASS", "DEFECT") and m["t_mono_ns"] - m["latency_ms"] * 1e6 > since_ns:
            scored.add(m["camera"])
        if running and scored >= set(record.facts["cameras"]):
            return heard_ns
    return None


def replaced_ns(record: Record, deed: Deed) -> int | None:
    """When another process was seen in the target's place after the deed; of a supervisor also all that it starts."""
    after = [(t_ns, name, pid) for t_ns, name, pid in record.pids if t_ns >= deed.began_ns and pid]
    if deed.target == "supervisor":
        names = {name for _, name, _ in record.pids}
        firsts = [next((t for t, n, _ in after if n == name), None) for name in names]
        return None if None in firsts else max(t for t in firsts if t is not None)
    return next((t_ns for t_ns, name, _ in after if name == deed.target), None)


def seconds(record: Record, deed: Deed) -> float | None:
    """From the end of a deed to the line being well; None where that did not come."""
    since_ns = replaced_ns(record, deed) if deed.kind == "kill" else deed.ended_ns
    well = None if since_ns is None else well_ns(record, since_ns)
    return None if well is None else (well - deed.ended_ns) / S


def alone(record: Record) -> list[tuple[Deed, float]]:
    """Of each deed that was over before the next began, how long the line took; one that was cut short is left out."""
    deeds = sorted(record.deeds, key=lambda d: d.began_ns)
    found = []
    for deed in deeds:
        took_s = seconds(record, deed)
        if took_s is None:
            continue
        end_ns = deed.ended_ns + int(took_s * S)
        if not any(other.began_ns <= end_ns and other.ended_ns >= deed.began_ns for other in deeds if other is not deed):
            found.append((deed, took_s))
    return found


def distribution(took: Iterable[tuple[Deed, float]], standby: bool) -> list[str]:
    """A line for each kind of deed and target, and one over all."""
    by_kind: dict[str, list[float]] = defaultdict(list)
    for deed, took_s in took:
        by_kind[f"{deed.kind} {deed.target}"].append(took_s)
    lines, within, count = [], 0, 0
    for kind, all_s in sorted(by_kind.items()):
        promised_s = PROMISED_STANDBY_S if standby and kind == "kill worker" else PROMISED_S
        soon = sum(s <= promised_s for s in all_s)
        within, count = within + soon, count + len(all_s)
        lines.append(f"{kind:18} {_spread(all_s)}  {soon} of {len(all_s)} within {promised_s:g} s")
    every = [s for all_s in by_kind.values() for s in all_s]
    if every:
        lines.append(f"{'all':18} {_spread(every)}  {within} of {count} within what is promised")
    return lines


def _spread(all_s: list[float]) -> str:
    ordered = sorted(all_s)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    return f"median {at(0.5):5.2f} s  95 % {at(0.95):5.2f} s  most {ordered[-1]:5.2f} s"
