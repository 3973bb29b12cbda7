"""A model learns from a recording of the line, and has its card from another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.messages.states import Result
from tests.recorded_line import Writing
from tools.cli import main


def test_a_model_is_trained_and_calibrated_by_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learned, other = tmp_path / "a.mcap", tmp_path / "b.mcap"
    for path, begin in ((learned, 0), (other, 100)):
        writing = Writing(path)
        for seq in range(begin, begin + 24):
            writing.frame(seq)
            writing.verdict(seq, Result.DEFECT if seq % 12 == 5 else Result.PASS)
        writing.writer.close()
    settings, run = tmp_path / "cloth.yaml", tmp_path / "run"
    settings.write_text(
        "train: {profile: quick, backbone: embedded, tile_px: 64, epochs: 1, iterations_per_epoch: 2, "
        "split: {train: 0.5, calibration: 0.25, selection: 0.25}}\n"
    )
    train = ["train", str(learned), "--out", str(run), "--config", str(settings), "--json"]
    assert main(train) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["train"] + facts["calibration"] + facts["selection"] == 22
    assert main([*train, "--append"]) == 0  # the same pictures again, and no others
    assert json.loads(capsys.readouterr().out)["split_digest"] == facts["split_digest"]
    assert main(["calibrate", "threshold", str(run), str(other), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["frames"], card["source"], card["false_alarms_per_1000_frames"]) == (22, str(other), None)
    assert main(["calibrate", "threshold", str(run), str(learned), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["frames"] == 22 - facts["train"] and "the model was trained on them" in err
    assert main(["calibrate", "threshold", str(run), str(other), "--from-review"]) == 2
    assert "--from-review of a recording" in capsys.readouterr().err
