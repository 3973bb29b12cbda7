"""Words to a whole line by `glassline tell`: each is answered with the state that it made, or refused with what is allowed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

from pipeline.ledger.reading import read_events, read_rolls
from pipeline.messages.line import LineState
from tests.line.test_line import Run, config, running

KEYS = {"line", "model", "motion", "cameras", "worker", "decision", "ledger"}


def tell(run: Run, path: Path, *words: str) -> tuple[int, dict[str, object]]:
    """The exit status and the answer; the line runs on meanwhile."""
    command = [sys.executable, "-m", "tools", "tell", str(path), "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as told:
        run.until(lambda: told.poll() is not None)
        out, err = told.communicate()
    return told.returncode, json.loads(out) if out else {"detail": err}


def test_words_to_a_line_that_runs(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path / "out", loop=True)
    path = tmp_path / "line.yaml"
    body = line.model_dump(mode="json", exclude_unset=True, include=KEYS)
    path.write_text(yaml.safe_dump(body), encoding="utf-8")
    with running(line) as run:
        run.until(lambda: run.line.ready and len(run.verdicts()) > 4)
        code, first = tell(run, path, "roll", "start", "R-1")
        assert (code, first["answer"], first["roll_id"], first["cause"]) == (0, "Roll", "R-1", "command")
        code, again = tell(run, path, "roll", "start", "R-1")
        assert code == 1 and "choose another name" in str(again["detail"])
        for nth in (1, 2):  # the answer is this word's, though it reads like the last one
            code, switched = tell(run, path, "bypass", "off")
            assert (code, switched["answer"], switched["bypass"]) == (0, "Heartbeat", False), nth
        code, seam = tell(run, path, "event", "SEAM", "--length-mm", "5000")
        assert (code, seam["answer"], seam["kind"]) == (0, "SpanEvent", "SEAM")
        run.until(lambda: any(isinstance(m, LineState) and "no rejects in SEAM up to" in m.detail for m in run.heard))
        code, ended = tell(run, path, "roll", "end")
        assert (code, ended["answer"], ended["roll_id"]) == (0, "Roll", "")
        assert tell(run, path, "roll", "end") == (
            1, {"schema": 1, "answer": None, "detail": "refused: no roll runs that could end"},
        )  # fmt: skip
        code, far = tell(run, path, "event", "SEAM", "--at-mm", "90000000")
        assert code == 1 and "over a roll's length from the cloth" in str(far["detail"])
        code, odd = tell(run, path, "event", "SEAM", "--length-mm", "inf")
        assert code == 2 and "a length of inf mm, --length-mm" in str(odd["detail"])
    assert [(r.roll_id, r.cause) for r in read_rolls(line.ledger.path)][-2:] == [("R-1", "command"), ("", "command")]
    (event,) = read_events(line.ledger.path)
    assert event.end_mm - event.start_mm == 5000
