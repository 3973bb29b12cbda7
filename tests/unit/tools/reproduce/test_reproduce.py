"""The tables: what is averaged, what is compared, what is said, and that nothing is done twice."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

import tools.reproduce.__main__
import tools.reproduce.jobs
import tools.reproduce.weak_sets
from glass_core.errors import InputError, MissingError
from tools.reproduce import published as paper
from tools.reproduce.__main__ import Job, main, rows, subsets
from tools.reproduce.best_on_test import LABEL
from tools.reproduce.jobs import VARIANTS, Hours


def result(auroc: float, clamped: float | None = None) -> dict[str, Any]:
    figures = {"image_auroc": auroc, "pixel_auroc": 0.9, "pro_official": None}
    return {"schema": 1, **figures, "clamped": clamped, "seconds": 1.0, "settings": {}, "deviations": []}


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
    assert [row["clamped"] for row in table] == [None, None, None, None, 0.25, None]


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
    assert of_sys["image_auroc"]["paper"] is None  # two of five classes in two of four subsets
    del results[Job("m", "tile", 0)]
    assert rows(Path("mvtec"), ["tile", "wood"], results, [3], weak)[1]["image_auroc"]["ours"] is None


def test_weak_defects_are_compared_only_for_a_whole_set() -> None:
    textures, betas = ("carpet", "grid", "leather", "tile", "wood"), ("Beta_0.1", "Beta_0.3", "Beta_0.5", "Beta_0.7")
    whole = [(beta, name) for beta in betas for name in textures]
    known = {Job("m", name, 0): {**result(1), "weak": {f"MAD-sys/{beta}": result(0.9) for beta in betas}} for name in textures}
    assert rows(Path("mvtec"), textures, known, [3], {"MAD-sys": whole})[1]["image_auroc"]["difference"] == pytest.approx(-5.6)
    for part in (whole[1:], whole[5:], [each for each in whole if each[1] != "tile"]):
        row = rows(Path("mvtec"), textures, known, [3], {"MAD-sys": part})[1]
        assert row["image_auroc"]["ours"] == pytest.approx(90) and row["image_auroc"]["paper"] is None
    assert rows(Path("mine"), textures, known, [3], {"MAD-sys": whole})[1]["image_auroc"]["paper"] is None


def test_table_4_has_a_row_without_adaptor_and_one_for_each_set_of_weak_defects() -> None:
    names = list(paper.CLASSES)
    known = {Job(variant, name, 0): result(0.95) for name in names for variant in ("m", "without-adaptor")}
    last = rows(Path("mvtec"), names, known, [4])[-1]
    assert last["row"] == "without-adaptor" and last["image_auroc"]["paper"] is None
    assert last["pixel_auroc"]["difference"] == pytest.approx(90 - 99.0)
    assert VARIANTS["without-adaptor"] == {"distribution": "m", "adaptor": False}
    weak = rows(Path("mvtec"), names, known, [4], {"MAD-man": [(f"Person_{n}", name) for n in range(1, 6) for name in names]})
    assert [row["row"] for row in weak][:4] == ["LAS", "LAS, MAD-man", "GN", "GN, MAD-man"]
    assert weak[1]["image_auroc"]["paper"] == 97.4 and weak[-1]["image_auroc"]["paper"] is None


def test_the_best_on_test_has_rows_of_its_own_that_say_what_it_is() -> None:
    best = {"image_auroc": 0.99, "pixel_auroc": 0.98, "pro_official": None, "epoch": 3, "evaluated": 4, "last": 4}
    results = {Job("m", "bottle", 0): {**result(0.9), "best_on_test": best}}
    table = rows(Path("mvtec"), ["bottle"], results, [1, 3])
    assert [row["row"] for row in table][:2] == ["bottle GLASS-m", "bottle GLASS-m, best on test, for comparison only"]
    assert [row["image_auroc"]["ours"] for row in table][:3] == [pytest.approx(90), pytest.approx(99), None]
    assert [row["row"] for row in table][-2:] == ["MAD-man", "MAD-sys"]
    assert not any(LABEL in row["row"] for row in rows(Path("mvtec"), ["bottle"], {Job("m", "bottle", 0): result(1)}, [1]))


def test_a_set_of_weak_defects_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="call the folder MAD-man or MAD-sys"):
        subsets(tmp_path)
    (tmp_path / "MAD-sys").mkdir()
    (tmp_path / "MAD-sys/Beta_0.9/wood/test").mkdir(parents=True)  # released, but not used in the paper
    with pytest.raises(InputError, match="no PART/CLASS/test"):
        subsets(tmp_path / "MAD-sys")


def test_shards_share_the_work_and_nothing_is_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "mine" / name / "test").mkdir(parents=True)
    calls: list[Job] = []

    def stand_in(job: Job, data: Path, out: Path, overrides: dict[str, Any], *rest: object) -> dict[str, Any]:
        calls.append(job)
        job.folder(out).mkdir(parents=True)
        found = {**result(1), "settings": overrides}
        (job.folder(out) / "result.json").write_text(json.dumps(found))
        return found

    monkeypatch.setattr(tools.reproduce.__main__, "run_job", stand_in)
    arguments = [str(tmp_path / "mine"), "--out", str(tmp_path / "out"), "--tables", "1", "--append"]
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
    (tmp_path / "MAD-sys/Beta_0.1/a/test").mkdir(parents=True)
    assert main([*arguments, "--weak", str(tmp_path / "MAD-sys")]) == 2
    assert "--weak is for tables 3 and 4" in capsys.readouterr().err
    assert main([str(tmp_path / "nothing"), "--out", str(tmp_path / "out"), "--append"]) == 2


Trained = list[Job]


@dataclass
class WeakTests:
    """The model that lies there, and what was tested so far."""

    weights_sha: str
    calls: list[str]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """The jobs that a stand-in for training was asked for. "h" has no weights, and pictures of the class "b" no masks."""
    calls: Trained = []

    def stand_in(job: Job, data: Path, out: Path, overrides: dict[str, Any], *rest: object) -> dict[str, Any]:
        calls.append(job)
        if job.variant == "h":
            raise MissingError("weights not found, /w, put them there")
        if job.name == "b":
            raise InputError(f"no folder fg_mask, {data / job.name}, put it there")
        if job.name == "taken":
            raise InputError(f"a training with other settings lies there, {job.folder(out)}, choose another --out")
        job.folder(out).mkdir(parents=True)
        found = {**result(1), "settings": overrides}
        (job.folder(out) / "result.json").write_text(json.dumps(found))
        return found

    monkeypatch.setattr(tools.reproduce.__main__, "run_job", stand_in)
    return calls


def mine(root: Path, *names: str) -> list[str]:
    """A data set with these classes, as arguments."""
    for name in names:
        (root / "mine" / name / "test").mkdir(parents=True)
    return [str(root / "mine"), "--out", str(root / "out"), "--append"]


def test_a_folder_that_is_not_empty_is_added_to_or_replaced_only_when_told(
    tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [word for word in [*mine(tmp_path, "a"), "--tables", "1"] if word != "--append"]
    assert main(arguments) == 0 and len(trained) == 2
    assert main(arguments) == 2 and len(trained) == 2
    assert "say --append to add to it, --replace to delete its content" in capsys.readouterr().err
    assert main([*arguments, "--append"]) == 0
    assert trained[2:] == [Job("h", "a", 0)]  # the other one is done
    assert main([*arguments, "--replace"]) == 0
    assert trained[3:] == [Job("m", "a", 0), Job("h", "a", 0)]
    (tmp_path / "out").rename(tmp_path / "aside")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    assert main([*arguments, "--append"]) == main([*arguments, "--replace"]) == 2
    assert (tmp_path / "out" / "thesis.txt").exists()


def test_what_cannot_be_trained_is_not_run_and_the_rest_is(
    tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*mine(tmp_path, "a", "b", "c"), "--tables", "1"]) == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert facts["waiting"] == 4 and [job.variant for job in trained] == ["m", "h", "m", "m"]  # weights are looked for once
    not_run = facts["not_run"]
    assert not_run["m b seed 0"].startswith("no folder fg_mask") and not_run["h"].startswith("weights not found")
    assert "not run: m b seed 0: no folder fg_mask" in said.err


def test_what_is_not_run_is_told_of_each_seed(tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*mine(tmp_path, "a", "b"), "--tables", "1", "--seeds", "0", "3"]) == 0
    said = capsys.readouterr()
    assert sorted(json.loads(said.out)["not_run"]) == ["h", "m b seed 0", "m b seed 3"]
    assert "not run: m b seed 0; m b seed 3: no folder fg_mask" in said.err


def test_what_is_wrong_with_out_ends_it(tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*mine(tmp_path, "a", "taken", "z"), "--tables", "1"]) == 2
    assert "choose another --out" in capsys.readouterr().err and Job("m", "z", 0) not in trained


def test_table_3_without_its_sets_is_not_run_and_trains_nothing(
    tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*mine(tmp_path, "a"), "--tables", "3"]) == 0
    said = capsys.readouterr()
    assert not trained and [row["image_auroc"]["ours"] for row in json.loads(said.out)["rows"]] == [None, None]
    assert "not run: MAD-man; MAD-sys: not given, --weak, name its folder" in said.err


def test_a_model_that_cannot_be_tested_on_weak_defects_ends_nothing(
    tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "MAD-sys/Beta_0.1/a/test").mkdir(parents=True)
    assert main([*mine(tmp_path, "a", "c"), "--tables", "3", "--weak", str(tmp_path / "MAD-sys")]) == 0
    not_run = json.loads(capsys.readouterr().out)["not_run"]
    assert list(not_run) == ["MAD-man", "m a seed 0, weak defects"] and len(trained) == 2


def weak_sets(root: Path, *parts: str) -> list[str]:
    """Sets of weak defects with these parts of the class "a", as arguments."""
    for part in parts:
        (root / part / "a/test").mkdir(parents=True)
    return ["--weak", *(str(root / name) for name in dict.fromkeys(Path(part).parts[0] for part in parts))]


@pytest.fixture
def tested(monkeypatch: pytest.MonkeyPatch) -> WeakTests:
    """Stand-ins for a model and its test on weak defects: which model, and what it was tested on. "Person_2" is damaged."""
    found = WeakTests("one", [])

    def stand_in(engine: object, test_set: Path, config: object) -> dict[str, Any]:
        found.calls.append(f"{found.weights_sha} {test_set.parent.name}")
        if test_set.parent.name == "Person_2":
            raise InputError(f"damaged picture, {test_set}, restore it")
        return {"image_auroc": 0.8, "pixel_auroc": 0.7, "pro_official": None}

    monkeypatch.setattr(
        tools.reproduce.weak_sets, "read_info", lambda run: SimpleNamespace(weights_sha=found.weights_sha, config=None)
    )
    monkeypatch.setattr(tools.reproduce.weak_sets, "load_engine", lambda run: None)
    monkeypatch.setattr(tools.reproduce.weak_sets, "figures_of", stand_in)
    return found


def test_a_bad_part_of_weak_defects_hides_no_other(
    tmp_path: Path, trained: Trained, tested: WeakTests, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = weak_sets(tmp_path, "MAD-sys/Beta_0.1", "MAD-man/Person_1", "MAD-man/Person_2", "MAD-man/Person_3")
    arguments = [*mine(tmp_path, "a"), "--tables", "3", *sets[:1], *reversed(sets[1:])]
    for calls in (["one Person_1", "one Person_2", "one Person_3", "one Beta_0.1"], ["one Person_2"]):
        assert main(arguments) == 0
        facts = json.loads(capsys.readouterr().out)
        assert [row["image_auroc"]["ours"] for row in facts["rows"]] == [None, pytest.approx(80)]
        assert list(facts["not_run"]) == ["m a seed 0, MAD-man/Person_2"] and tested.calls == calls
        tested.calls.clear()


def test_weak_defects_of_a_model_trained_anew_are_tested_anew(
    tmp_path: Path, trained: Trained, tested: WeakTests, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*mine(tmp_path, "a"), "--tables", "3", *weak_sets(tmp_path, "MAD-sys/Beta_0.1", "MAD-sys/Beta_0.3")]
    assert main(arguments) == main(arguments) == 0
    tested.weights_sha = "two"
    assert main(arguments) == 0
    assert tested.calls == ["one Beta_0.1", "one Beta_0.3", "two Beta_0.1", "two Beta_0.3"]


DAMAGED = [
    '{"schema": 1',
    "[]",
    '{"settings": {}}',
    '{"weights_sha": "one", "parts": {"MAD-sys/Beta_0.1": {}}}',
    "{}" + " " * (1 << 20),
]


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_files_are_one_clear_line(
    text: str, tmp_path: Path, trained: Trained, tested: WeakTests, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*mine(tmp_path, "a"), "--tables", "3", *weak_sets(tmp_path, "MAD-sys/Beta_0.1")]
    assert main(arguments) == 0
    run = tmp_path / "out/m/a/seed0"
    capsys.readouterr()
    (run / "weak.json").write_text(text)
    assert main(arguments) == 0
    why = json.loads(capsys.readouterr().out)["not_run"]["m a seed 0, weak defects"]
    assert why.startswith("damaged ") and why.endswith(f", {run / 'weak.json'}, delete it")
    (run / "result.json").write_text(text)
    assert main(arguments) == 2
    line = capsys.readouterr().err
    assert line.startswith("glassline: damaged ") and line.endswith(f", {run / 'result.json'}, delete it\n")


def test_every_change_of_a_config_is_said_once(tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "own.yaml"
    none = "weights: /w, textures: /t, evaluate_every: 5, overlap_px: 64, noise: 0.015"
    config.write_text(f"train: {{epochs: 3, foreground: generated, {none}}}")
    arguments = [*mine(tmp_path, "a"), "--tables", "1", "--config", str(config)]
    assert main(arguments) == 0
    said = capsys.readouterr()
    wanted = ["foreground generated, preset none", "epochs 3, preset 640"]
    assert json.loads(said.out)["deviations"] == wanted
    kept = json.loads((tmp_path / "out/m/a/seed0/result.json").read_text())["settings"]
    assert kept.keys() == {"epochs", "foreground", "weights", "textures", "evaluate_every", "overlap_px"}
    assert all(said.err.count(f"not as in the paper's script: {words}") == 1 for words in wanted)


@pytest.mark.parametrize(("setting", "table"), [("seed: 5", 1), ("distribution: h", 2), ("gas: false", 4), ("levels: [2]", 8)])
def test_what_rows_set_is_no_change_to_be_made(
    setting: str, table: int, tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(f"train: {{{setting}}}")
    assert main([*mine(tmp_path, "a"), "--tables", str(table), "--config", str(config)]) == 2
    assert f"set by the rows of the tables and --seeds ({setting.split(':')[0]})" in capsys.readouterr().err and not trained


def test_crops_of_another_size_are_no_change_to_be_made(
    tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "own.yaml"
    config.write_text("train: {tile_px: 256}")
    assert main([*mine(tmp_path, "a"), "--tables", "1", "--config", str(config)]) == 2
    assert f"crops of 256 px, {config}, officially they have 288: leave tile_px out" in capsys.readouterr().err
    assert not trained


def test_classes_of_visa_are_those_of_its_split_file(
    tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "visa/split_csv").mkdir(parents=True)
    lines = ("object,split,label,image,mask", "candle,test,normal,a.JPG,", "capsules,test,normal,b.JPG,")
    (tmp_path / "visa/split_csv/1cls.csv").write_text("\n".join(lines))
    assert main([str(tmp_path / "visa"), "--out", str(tmp_path / "out"), "--tables", "2"]) == 0
    assert {job.name for job in trained} == {"candle", "capsules"}


def test_classes_are_counted_before_anything_is_trained(
    tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*mine(tmp_path, "bottle"), "--tables", "1"]) == 0
    words = capsys.readouterr().err
    assert "is named as bottle of MVTec AD, but has" in words.replace("\n", " ")
    assert words.index("is named as bottle") < words.index("1 of 2")


def test_models_trained_without_the_best_on_test_say_so(
    tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*mine(tmp_path, "a"), "--tables", "1"]
    assert main([*arguments, "--best-on-test", "0"]) == 2
    assert "bad number of epochs 0, --best-on-test" in capsys.readouterr().err
    assert main([*arguments, "--best-on-test", "5"]) == 0
    assert "no epoch was evaluated" in json.loads(capsys.readouterr().out)["not_run"][f"m a seed 0, {LABEL}"]


def test_the_hours_are_told_once_from_the_first_steps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter(range(0, 10_000, 2))  # two seconds a step
    monkeypatch.setattr(tools.reproduce.jobs, "time", SimpleNamespace(monotonic=lambda: next(now)))
    hours = Hours(10, Console(stderr=True))
    for done in range(1, 21):
        hours.step(done, 360)
    assert not capsys.readouterr().err
    for done in range(21, 60):
        hours.step(done, 360)
    assert capsys.readouterr().err == "about 2.00 h of training in all, if 10 times the same\n"


def test_slow_steps_tell_the_hours_after_a_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = iter((0.0, 36.0, 72.0))
    monkeypatch.setattr(tools.reproduce.jobs, "time", SimpleNamespace(monotonic=lambda: next(now)))
    hours = Hours(1, Console(stderr=True))
    for done in (1, 2):
        hours.step(done, 100)
    assert not capsys.readouterr().err
    hours.step(3, 100)
    assert "about 1.00 h" in capsys.readouterr().err
