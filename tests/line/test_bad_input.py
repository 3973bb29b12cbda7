"""What a person may get wrong, through the real command line: one line that says what to do, and nothing recorded is lost."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_states, read_verdicts
from pipeline.ledger.store import Ledger
from pipeline.link.keys import make_keys
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, State
from pipeline.supervision.supervisor import Supervisor
from tools.cli import main

LIMIT_S = 90.0
ROOM_BYTES = 100 << 10
"""That the recorder's files may still grow by once it has verdicts: full after a few seconds, and not before they came."""


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "tools", *map(str, words)]


def glassline(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=LIMIT_S)


def refused(words: list[object], *told: str) -> None:
    """The command ends as bad input, with exactly one line that names what, where and what to do, all of `told` in it."""
    done = glassline(*words)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("glassline: ")]
    assert all(word in line for word in told), line
    assert line.count(", ") >= 2, f"not what, where and what to do: {line}"


class Bench:
    """A good model, good footage and a good line in files, to be spoiled by a test."""

    def __init__(self, folder: Path, model: Path, footage: Path) -> None:
        self.folder, self.footage = folder, footage
        self.model = folder / "model"
        shutil.copytree(model, self.model)
        self.out = folder / "out"
        self.body: dict[str, Any] = {
            "line": {"name": "bad"},
            "model": str(self.model),
            "motion": {"source": "simulated", "speed_mm_s": 60},
            "cameras": [
                {"name": "a", "source": "replay", "path": str(footage), "loop": True, "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}
            ],
            "worker": {"backend": "torch"},
            "decision": {"budget_ms": 5000},
            "ledger": {"path": str(self.out / "ledger.sqlite")},
        }

    @property
    def ledger(self) -> Path:
        return Path(self.body["ledger"]["path"])

    def config(self, **change: object) -> Path:
        """The line as a YAML file."""
        self.body |= change
        path = self.folder / "line.yaml"
        path.write_text(yaml.safe_dump(self.body))
        return path

    def run(self, **change: object) -> list[object]:
        return ["run", self.config(**change), "--frames", "6"]

    def replay(self, source: Path | None = None) -> list[object]:
        return ["replay", source or self.footage, "--model", self.model, "--config", self.config(), "--out", self.out]


@pytest.fixture
def bench(tmp_path: Path, model: Path, footage: Path) -> Bench:
    return Bench(tmp_path, model, footage)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def raise_thresholds(path: Path) -> None:
    card = json.loads(path.read_text())
    card["thresholds"] = [0.99 for _ in card["thresholds"]]
    path.write_text(json.dumps(card))


def empty_folder(bench: Bench) -> Path:
    (bench.folder / "empty").mkdir()
    return bench.folder / "empty"


def not_pictures(bench: Bench) -> Path:
    folder = empty_folder(bench)
    for n in range(4):
        (folder / f"{n}.png").write_text(f"no picture {n}")
    return folder


def deep_pictures(bench: Bench) -> Path:
    folder = empty_folder(bench)
    for n in range(4):
        assert cv2.imwrite(str(folder / f"{n}.png"), np.full((64, 96), 4000 + n, np.uint16))
    return folder


def webp_called_png(bench: Bench) -> Path:
    folder = empty_folder(bench)
    for n in range(4):
        (folder / f"{n}.png").write_bytes(cv2.imencode(".webp", np.full((64, 96, 3), 90 + n, np.uint8))[1].tobytes())
    return folder


@pytest.mark.parametrize("verb", ["replay", "train"])
@pytest.mark.parametrize(
    ("source", "told"),
    [
        (lambda b: b.folder / "nowhere", ["nowhere"]),
        (empty_folder, ["no ", "empty"]),
        (not_pictures, [".png"]),
        (deep_pictures, [".png", "picture of 16 bits a sample", "convert it to 8 bits"]),
        (webp_called_png, [".png", "unknown format", "PNG, JPEG, BMP, TIFF"]),
    ],
    ids=["missing", "empty", "no pictures", "16 bits", "unknown format"],
)
def test_pictures_that_are_not_there(bench: Bench, verb: str, source: Callable[[Bench], Path], told: list[str]) -> None:
    data = source(bench)
    refused(bench.replay(data) if verb == "replay" else ["train", data, "--backbone", "embedded", "--out", bench.out], *told)
    assert not [*bench.out.rglob("*")]  # nothing is written


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda m: cut_short(m / "model.safetensors"), ["damaged", "model.safetensors"]),
        (lambda m: (m / "model.json").write_bytes(b"\x00garbage"), ["model.json"]),
        (lambda m: (m / "card.json").unlink(), ["no threshold card", "glassline calibrate threshold"]),
        (lambda m: raise_thresholds(m / "card.json"), ["changed by hand", "card.json"]),
        (lambda m: shutil.rmtree(m), ["model"]),
    ],
    ids=["cut short", "garbage", "no card", "card changed", "no model"],
)
def test_a_model_that_cannot_be_used(bench: Bench, spoil: Callable[[Path], object], told: list[str]) -> None:
    spoil(bench.model)
    refused(bench.replay(), *told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"speed": 3}, ["line.yaml", "unknown key speed"]),
        ({"decision": {"budget_ms": "soon"}}, ["line.yaml", "decision.budget_ms", "'soon'"]),
        ({"model": None}, ["no model"]),
        ({"cameras": []}, ["no cameras"]),
        ({"ledger": {"path": "/dev/null/ledger.sqlite"}}, ["not writable", "/dev/null"]),
        ({"cameras": [{"name": "a", "source": "replay", "path": "nowhere"}]}, ["nowhere"]),
        (
            {"cameras": [{"name": "a", "source": "basler", "serial": "0815-0000", "features": {"NoSuchFeature": 1}}]},
            ["NoSuchFeature"],
        ),
        ({"motion": {"source": "simulated", "speed_mm_s": 100_000}}, ["cannot keep up", "--slow-ok"]),
    ],
    ids=["key", "value", "no model", "no cameras", "ledger under a file", "no footage", "no such feature", "too fast"],
)
def test_a_line_that_cannot_run(bench: Bench, change: dict[str, object], told: list[str]) -> None:
    refused(bench.run(**change), *told)


def test_a_line_with_a_damaged_model(bench: Bench) -> None:
    cut_short(bench.model / "model.safetensors")
    refused(bench.run(), "damaged", "model.safetensors")


@pytest.mark.parametrize(
    "words",
    [[], ["weave"], ["replay"], ["run", "x.yaml", "--frames", "many"], ["run", "nowhere.yaml"]],
    ids=["no verb", "no such verb", "no source", "no number", "no config"],
)
def test_usage(words: list[object]) -> None:
    refused(words)


def test_a_folder_that_cannot_be_written(bench: Bench) -> None:
    bench.out = bench.folder / "file" / "out"
    (bench.folder / "file").write_text("in the way")
    refused(bench.replay(), "not writable", str(bench.out))
    refused(["train", bench.footage, "--backbone", "embedded", "--out", bench.out], "not writable", str(bench.out))


def test_a_second_line_is_refused_and_the_first_keeps_its_place(bench: Bench) -> None:
    words = bench.run()
    with Supervisor(LineConfig.model_validate(bench.body)) as first:
        refused(words, "already runs", "bad")
        assert (first.folder / "supervisor").is_socket()
    holder = Ledger(bench.ledger)
    refused(words, "ledger in use by another line", str(bench.ledger))
    for how in ("--append", "--replace"):
        refused([*bench.replay(), how], "ledger in use by another line", str(bench.ledger))
    holder.close()


def test_a_second_line_at_the_same_address_is_refused(bench: Bench) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        make_keys(bench.folder / "keys", ["plc"])
        publisher = {"kind": "publisher", "bind": address, "keys": str(bench.folder / "keys")}
        refused(bench.run(outputs=[publisher]), "address not free", address)
    (bench.folder / "keys" / "server.key_secret").chmod(0o644)
    refused(bench.run(outputs=[publisher]), "open to others", "server.key_secret")


def test_one_bad_picture_among_good_ones_is_counted_and_the_others_are_judged(bench: Bench) -> None:
    mixed = bench.folder / "mixed"
    shutil.copytree(bench.footage, mixed)
    cut_short(mixed / "007.png")
    done = glassline(*bench.replay(mixed), "--json")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    (text,) = done.stdout.splitlines()
    summary = json.loads(text)
    assert summary["schema"] == 1 and summary["frames"] == summary["verdicts"] == 12
    assert summary["reasons"] == {"DAMAGED": 1} and summary["not_inspected"] == 1
    assert summary["pass"] + summary["defect"] == 11
    damaged = [v for v in read_verdicts(bench.ledger) if v.reason is Reason.DAMAGED]
    assert [Path(v.origin).name for v in damaged] == ["007.png"] and damaged[0].detail


class FullDisk:
    """A line in a process of its own; once it has recorded verdicts, its recorder's files grow by no more than ROOM_BYTES.

    With room for `first_bytes` alone, no file of the line may be longer from the start.
    """

    def __init__(self, bench: Bench, *words: object, first_bytes: int | None = None) -> None:
        bench.body["line"]["inspection_ok"] = {"tolerate_not_inspected_mm": 50}
        self._said, self._config, self._out = bench.folder / "stderr", bench.config(), bench.out
        with self._said.open("w") as stderr:
            self._process = subprocess.Popen(
                command("run", self._config, *words), stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        self._full_at_start = first_bytes is not None
        if first_bytes is not None:
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (first_bytes, resource.RLIM_INFINITY))

    def __enter__(self) -> FullDisk:
        if self._full_at_start:
            return self
        end_s, lines = time.monotonic() + LIMIT_S, self._out / "verdicts.jsonl"
        try:
            while not (lines.is_file() and lines.stat().st_size):
                assert self._process.poll() is None and time.monotonic() < end_s, f"no verdict: {self.said}"
                time.sleep(0.02)
            self._limit(max(file.stat().st_size for file in self._out.iterdir()) + ROOM_BYTES)
        except BaseException:
            self.__exit__()  # a line left running would starve every test after it
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def said(self) -> str:
        return self._said.read_text()

    def until(self, word: str, before: int | None = None) -> None:
        """Wait until the line says that word once more than `before`, by default than now."""
        before, end_s = self.said.count(word) if before is None else before, time.monotonic() + LIMIT_S
        while self.said.count(word) == before:
            assert self._process.poll() is None and time.monotonic() < end_s, f"no {word}: {self.said}"
            time.sleep(0.05)

    def give_room(self) -> None:
        """Let the recorder's files grow again, or those of a line that had no room from the start."""
        if self._full_at_start:
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self._limit(resource.RLIM_INFINITY, b"")
        else:
            self._limit(resource.RLIM_INFINITY)

    def _limit(self, size_bytes: int, of: bytes = b"recorder-recorder-") -> None:
        limited = 0
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent == self._process.pid and of in (folder / "cmdline").read_bytes():
                    resource.prlimit(int(folder.name), resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))
                    limited += 1
        assert limited, f"no process of the line, {of!r}"

    def reset(self) -> int:
        """`glassline tell CONFIG reset`."""
        return main(["tell", str(self._config), "reset"])

    def stop(self) -> str:
        """Ctrl-C; what it prints."""
        self._process.send_signal(signal.SIGINT)
        stdout, _ = self._process.communicate(timeout=LIMIT_S)
        assert self._process.returncode == 0 and "Traceback" not in self.said
        return stdout


def test_a_full_disk_is_a_fault_without_pass_and_nothing_is_lost(bench: Bench) -> None:
    with FullDisk(bench, "--json") as line:
        line.until("FAULT")
        saved = len(list(read_verdicts(bench.ledger)))
        line.until("REJECT")  # cloth passes that is not inspected
        assert line.reset() == 1  # its cause persists
        line.give_room()
        line.until("gone: reset it")
        well = line.said.count("RUNNING, inspection ok")
        assert line.reset() == 0
        line.until("RUNNING, inspection ok", well)
        line.until("DEFECT")
        summary = json.loads(line.stop())
    verdicts = list(read_verdicts(bench.ledger))
    assert len(verdicts) == summary["verdicts"] > saved
    assert [v.number for v in verdicts] == [v.seq for v in verdicts] == list(range(len(verdicts)))
    rows = [json.loads(row) for row in (bench.out / "verdicts.jsonl").read_text().splitlines()]
    assert [r["number"] for r in rows] == [v.number for v in verdicts]
    states = list(read_states(bench.ledger))
    fault = next(i for i, s in enumerate(states) if s.state is State.FAULT)
    after = [v for v in verdicts if states[fault].t_mono_ns < v.t_mono_ns < states[fault + 1].t_mono_ns]
    assert not states[fault].inspection_ok
    assert Result.PASS not in {v.result for v in after} and Reason.NOT_READY in {v.reason for v in after}
    assert Result.PASS in {v.result for v in verdicts if v.t_mono_ns > states[fault + 1].t_mono_ns}


def test_a_disk_that_is_full_as_a_line_starts_is_waited_for(bench: Bench) -> None:
    with FullDisk(bench, first_bytes=30_000) as line:  # less than SQLite's index of a WAL takes, enough for all others
        line.until("recorder ended with status 75, starting it again and again", 0)
        line.until("recorder: ledger not writable", 0)  # decision is told what to do, too
        assert "RUNNING, inspection ok" not in line.said
        line.give_room()
        line.until("RUNNING, inspection ok", 0)
        line.stop()
    assert "make room on the disk" in line.said and "FAULT" not in line.said
    assert Result.PASS in {v.result for v in read_verdicts(bench.ledger)}


def test_a_disk_that_stays_full_keeps_what_was_recorded(bench: Bench) -> None:
    with FullDisk(bench) as line:
        line.until("FAULT")
        saved = [v.number for v in read_verdicts(bench.ledger)]
        line.stop()
        assert "glassline: record incomplete: ledger not writable" in line.said
    assert saved and saved == [v.number for v in read_verdicts(bench.ledger)], line.said
    rows = [json.loads(row) for row in (bench.out / "verdicts.jsonl").read_text().splitlines()]
    assert [r["number"] for r in rows] == saved
