"""Each line of the log is one JSON object, whatever is said."""

from __future__ import annotations

import io
import json
from datetime import datetime

from pipeline.config.line import LineConfig
from pipeline.messages.line import LineState
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Verdict
from tests.fakes import totals
from tools.verbs.log_json import JsonLog


def test_every_line_is_an_object_that_any_reader_of_json_takes() -> None:
    out = io.StringIO()
    log = JsonLog(LineConfig.model_validate({"line": {"name": "loom"}}), out)
    log.display("before\nthe line")
    log.say("glassline: worker ended\x1b[2J")
    state = {"number": 0, "generation": 0, "inspection_ok": False, "t_mono_ns": 0, "t_utc_ns": 0}
    log.hear(LineState.model_validate({**state, "state": State.DEGRADED, "detail": "why"}))
    verdict = {"number": 1, "generation": 0, "camera": "a", "boot_id": "b", "seq": 1, "t_mono_ns": 0, "t_utc_ns": 0}
    log.hear(Verdict.model_validate({**verdict, "result": Result.PASS}))
    log.hear(Verdict.model_validate({**verdict, "result": Result.DEFECT, "score": float("nan"), "lanes": (float("inf"), 0.5)}))
    log.hear(totals(verdicts=7))

    def strict(word: str) -> float:
        raise AssertionError(word)

    said = [json.loads(line, parse_constant=strict) for line in out.getvalue().splitlines()]
    assert [(s["level"], s["kind"]) for s in said] == [
        ("info", "words"), ("warning", "words"), ("warning", "LineState"), ("info", "Verdict"), ("info", "Totals"),
    ]  # fmt: skip
    assert all(s["line"] == "loom" and datetime.fromisoformat(s["time"]).tzinfo for s in said)
    assert said[2]["message"]["detail"] == "why" and "DEGRADED" in said[2]["text"]
    assert said[3]["message"]["score"] is None and said[3]["message"]["lanes"] == [None, 0.5]


def test_a_line_that_starts_says_what_it_waits_for() -> None:
    out, now_s = io.StringIO(), [50]
    log = JsonLog(LineConfig.model_validate({"line": {"name": "loom"}}), out, lambda: now_s[0] * 10**9)
    log.progress({})
    now_s[0] += 31
    log.progress({})
    (said,) = map(json.loads, out.getvalue().splitlines())
    assert said["text"].startswith("STARTING for 31 s, waiting for recorder") and said["level"] == "info"
