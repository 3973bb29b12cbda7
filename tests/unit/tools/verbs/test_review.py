"""What a verb answers is whole where no screen limits its width."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.ledger.album import Album
from pipeline.ledger.store import Ledger
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from tools.cli import main


def test_the_queue_names_each_picture_by_its_whole_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / ("a-folder-with-a-long-name-" * 6) / "with several words"
    places = tuple(Region(x0_px=x, y0_px=0, x1_px=x + 8, y1_px=8, score=0.9) for x in (0, 80))
    found = Verdict(
        number=0, generation=0, camera="left", boot_id="b", seq=0, result=Result.DEFECT, regions=places, regions_total=2,
        frame_shape=(64, 96), cells_shape=(8, 12), t_mono_ns=0, t_utc_ns=0,
    )  # fmt: skip
    ledger = Ledger(folder / "ledger.sqlite", {"line": "l"}, run_id="r")
    ledger.add(found)
    ledger.close()
    album = Album(folder, "r", 10**9)
    album.take(found, (bytes(4 * 96), bytes(64 * 96)))
    while album.write_one():
        pass
    assert main(["review", str(folder)]) == 0
    told = capsys.readouterr().out
    for n in (0, 1):
        assert str(folder / f"crops/r/0-0_left_0_{n}.png") in told
