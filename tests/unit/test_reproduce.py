"""The tables: what is averaged, what is compared, what is said to be not run, and that nothing is done twice."""

import json
from pathlib import Path
from typing import Any

import pytest

import tools.reproduce
from glass_core.errors import InputError
from tools import paper_tables as paper
from tools.reproduce import Job, main, rows, subsets


def result(auroc: float, clamped: float | None = None) -> dict[str, Any]:
    return {"image_auroc": auroc, "pixel_auroc": 0.9, "pro_official": None, "clamped": clamped, "deviations": []}


def test_a_class_is_compared_with_its_figure_and_j_takes_what_the_judge_chose() -> None:
    results = {Job("m", "bottle", seed): result(auroc) for seed, auroc in ((0, 0.98), (1, 1.0))}
    results[Job("h", "bottle", 0)] = result(0.97)
    m, h, j = rows(Path("mvtec"), ["bottle"], results, [1])
    assert (m["runs"], h["runs"], j["runs"]) == (2, 1, 1)
    assert m["image_auroc"] == {
        "ours": pytest.approx(99),
        "paper": 100,
        "difference": pytest.approx(-1),
        "std": pytest.approx(2**0.5),
    }
    assert j["image_auroc"] == h["image_auroc"]  # bottle is a hypersphere
    assert h["image_auroc"]["std"] is None and h["pro_official"]["ours"] is None


def test_an_average_needs_every_class_and_is_compared_only_for_the_whole_set() -> None:
    names = list(paper.CLASSES)
    some = {Job("m", name, 0): result(0.95) for name in names[:-1]}
    assert rows(Path("mvtec"), names, some, [2])[0]["image_auroc"]["ours"] is None
    part = rows(Path("mvtec"), names[:-1], some, [2])[0]["image_auroc"]
    assert part["ours"] == pytest.approx(95) and part["paper"] is None
    some[Job("m", names[-1], 0)] = result(0.95)
    assert rows(Path("mvtec"), names, some, [2])[0]["image_auroc"]["difference"] == pytest.approx(95 - 99.7)
    table = rows(Path("mvtec"), names, {job: result(0.95, 0.25) for job in some}, [4])
    assert [row["row"] for row in table] == list(paper.ABLATION)
    assert [row["clamped"] for row in table] == [None, None, None, None, 0.25]


def test_weak_defects_and_unknown_sets_are_not_run_and_not_compared() -> None:
    weak = rows(Path("mvtec"), ["bottle"], {Job("m", "bottle", 0): result(1)}, [3])
    assert [row["image_auroc"]["ours"] for row in weak] == [None, None]
    own = rows(Path("mine"), ["cloth"], {Job("m", "cloth", 0): result(1)}, [1])
    assert [row["row"] for row in own] == ["cloth GLASS-m", "cloth GLASS-h"]
    assert own[0]["image_auroc"]["paper"] is None


def test_weak_defects_are_averaged_over_subsets_and_classes_of_a_whole_set() -> None:
    weak = {"MAD-sys": [("Beta_0.1", "wood"), ("Beta_0.1", "tile"), ("Beta_0.3", "wood"), ("Beta_0.3", "tile")]}
    shown = {"MAD-sys/Beta_0.1": result(0.8), "MAD-sys/Beta_0.3": result(0.9)}
    results = {Job("m", name, 0): {**result(1), "weak": shown} for name in ("wood", "tile")}
    man, of_sys = rows(Path("mvtec"), ["tile", "wood"], results, [3], weak)
    assert man["image_auroc"]["ours"] is None and of_sys["image_auroc"]["ours"] == pytest.approx(85)
    assert of_sys["image_auroc"]["difference"] == pytest.approx(85 - 95.6)
    del results[Job("m", "tile", 0)]
    assert rows(Path("mvtec"), ["tile", "wood"], results, [3], weak)[1]["image_auroc"]["ours"] is None


def test_a_set_of_weak_defects_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="call the folder MAD-man or MAD-sys"):
        subsets(tmp_path)
    (tmp_path / "MAD-sys").mkdir()
    with pytest.raises(InputError, match="no PART/CLASS/test"):
        subsets(tmp_path / "MAD-sys")


def test_shards_share_the_work_and_nothing_is_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "mine" / name / "test").mkdir(parents=True)
    calls: list[Job] = []

    def stand_in(job: Job, data: Path, out: Path, overrides: dict[str, Any], console: object) -> dict[str, Any]:
        calls.append(job)
        job.folder(out).mkdir(parents=True)
        found = {**result(1), "seconds": 1, "settings": overrides}
        (job.folder(out) / "result.json").write_text(json.dumps(found))
        return found

    monkeypatch.setattr(tools.reproduce, "run_job", stand_in)
    arguments = [str(tmp_path / "mine"), "--out", str(tmp_path / "out"), "--tables", "1"]
    waiting = []
    for shard in ("1/2", "2/2", "1/1"):
        assert main([*arguments, "--shard", shard]) == 0
        waiting.append(json.loads(capsys.readouterr().out)["waiting"])
    assert waiting == [3, 0, 0]
    assert len(calls) == len(set(calls)) == 6
    config = tmp_path / "other.yaml"
    config.write_text("train: {epochs: 1}")
    assert main([*arguments, "--config", str(config)]) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert main([*arguments, "--shard", "3/2"]) == 2
    assert main([*arguments[:-1], "3"]) == 2
    assert "give both or none" in capsys.readouterr().err
    assert main([str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 2
