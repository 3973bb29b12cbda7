"""Comparing two models over the same footage: one signal ends all of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.cameras.picture import write_png
from pipeline.config.line import LineConfig
from pipeline.supervision import comparing, replaying


@pytest.mark.parametrize("ended", ["a", "b"])
def test_a_signal_while_either_is_judged_ends_the_comparison(
    ended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def run(config: LineConfig, observe: bool, stop: Callable[[], bool], heard: Callable[[int], None]) -> None:
        assert config.model is not None
        judged.append(config.model.name)
        if config.model.name == ended:
            os.kill(os.getpid(), signal.SIGINT)
        assert stop() == (config.model.name == ended)

    monkeypatch.setattr(replaying, "run_in_one_process", run)
    monkeypatch.setattr(comparing, "load_card", lambda folder: None)
    monkeypatch.setattr(comparing, "read_record", lambda record, model: model)
    write_png(tmp_path / "1.png", np.zeros((8, 16), np.uint8))
    with pytest.raises(KeyboardInterrupt):
        comparing.compare(tmp_path / "a", tmp_path / "b", tmp_path, out=tmp_path / "out")
    assert judged == ["a", "b"][: "ab".index(ended) + 1]
