"""Settings of training from YAML: profiles, what is allowed, and the one line for what is not."""

from pathlib import Path

import pytest

from glass_core.config import PROFILES, TrainConfig, TrainingFile, load_train_config
from glass_core.errors import InputError
from pipeline.config.line import LineConfig


def load(tmp_path: Path, text: str) -> TrainConfig:
    path = tmp_path / "line.yaml"
    path.write_text(text)
    return load_train_config(path)


@pytest.mark.parametrize("text", ["", "train:", "line: {name: x}", "train: {profile: cloth}"])
def test_nothing_said_is_the_cloth_profile(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == TrainConfig()
    assert TrainConfig().mining
    assert TrainConfig().backbone == "resnet18"


def test_the_defaults_of_the_method_are_the_authors(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    figures = (config.noise, config.radius, config.p, config.step, config.lr, config.batch_tiles)
    assert figures == (0.015, 0.75, 0.5, 20, 1e-4, 8)


def test_a_profile_leaves_the_filter_bank_its_two_levels(tmp_path: Path) -> None:
    assert TrainConfig().levels == (1, 2, 3)
    assert load(tmp_path, "train: {backbone: embedded}").levels == (2, 3)
    (tmp_path / "levels.yaml").write_text("train: {levels: [1, 2, 3]}")
    with pytest.raises(InputError, match="filter bank has levels"):
        load_train_config(tmp_path / "levels.yaml", instead={"backbone": "embedded"})


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text("train: {backbone: resnet50, seed: 4}")
    config = load_train_config(tmp_path / "line.yaml", instead={"backbone": "embedded"})
    assert (config.backbone, config.seed, config.levels) == ("embedded", 4, (2, 3))


def test_a_profile_sets_defaults_that_the_file_may_change(tmp_path: Path) -> None:
    config = load(tmp_path, "train: {profile: quick, epochs: 3, seed: 7}")
    assert (config.epochs, config.seed) == (3, 7)
    assert config.mining is False
    assert config.iterations_per_epoch == PROFILES["quick"]["iterations_per_epoch"]


def test_what_is_written_down_reads_back(tmp_path: Path) -> None:
    config = load(tmp_path, "train: {profile: quick, mining: true, inspect_x_px: [8, 900], weights: a.pth}")
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {epoch: 3}", "unknown key train.epoch, {path}, did you mean epochs; use one of profile, "),
        ("train: {zzz: 3}", "unknown key train.zzz, {path}, use one of profile, distribution, "),
        (
            "train: {split: {trian: 0.8}}",
            "unknown key train.split.trian, {path}, did you mean train; use one of train, calibration, selection",
        ),
        ("train: {backbone: resnet34}", "bad value 'resnet34' for train.backbone, {path}, it should be 'resnet18', "),
        ("train: {profile: fast}", "bad value 'fast' for train.profile, {path}, it should be 'cloth', 'quick' or 'paper'"),
        ("train: {step: 7}", "bad value 7 for train.step, {path}, it should be a multiple of 5"),
        ("train: {tile_px: 100}", "bad value 100 for train.tile_px, {path}, it should be a multiple of 32"),
        ("train: {overlap_px: 152}", "bad settings under train, {path}, overlap_px (152) must be at most half"),
        ("train: {border_px: 24}", "bad settings under train, {path}, overlap_px (32) must be at least twice border_px (24)"),
        (
            "train: {shrink: 3, tile_px: 320}",
            "bad settings under train, {path}, tile_px (320) must be a multiple of 48 with shrink: 3",
        ),
        ("train: {epochs: 3, minutes: 5}", "epochs and minutes both say when training ends, "),
        ("train: {profile: paper, light: 0.1}", "input: crop learns pictures as they are, leave light out"),
        ("train: {light: 0.6}", "bad value 0.6 for train.light, {path}, it should be less than 0.5"),
        ("train: {levels: [3, 2]}", "levels must be one to three of 1, 2, 3 in this order, not [3, 2]"),
        ("train: {levels: []}", "levels must be one to three of 1, 2, 3 in this order, not []"),
        ("train: {levels: [1, 3], shrink: 4}", "tile_px (288) must be a multiple of 64 with shrink: 4"),
        ("train: {levels: [4]}", "bad value 4 for train.levels[0], {path}, it should be 1, 2 or 3"),
        ("train: {levels: [3], border_px: 8}", "border_px (8) must be a multiple of 16, the side of a cell"),
        ("train: {levels: [3], backbone: embedded}", "the embedded filter bank has levels: [2, 3] alone"),
        ("train: {shrink: 2, tile_px: 64}", "bad settings under train, {path}, tile_px must be at least 128 with shrink: 2"),
        ("train: {inspect_x_px: [9, 3]}", "bad settings under train, {path}, inspect_x_px must be [left, right]"),
        ("train: {split: {train: 0.5}}", "train + calibration + selection must be 1, not 0.7"),
        ("train: 4", "train is 4, {path}, give a mapping"),
        ("- 1", "no mapping at top level, {path}, begin with train:"),
        ("train: [", "not YAML ("),
        ("train: !!python/object/apply:os.getcwd []", "not YAML ("),
    ],
)
def test_what_is_wrong_is_one_line_with_file_key_value_and_remedy(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert words.replace("{path}", f"{tmp_path}/line.yaml:1") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_named_is_as_in_the_base(tmp_path: Path) -> None:
    path = tmp_path / "changes.yaml"
    path.write_text("train: {epochs: 3}")
    base = TrainConfig(profile="paper", distribution="j")
    assert load_train_config(path, base) == base.model_copy(update={"epochs": 3})


def test_a_missing_binary_or_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    with pytest.raises(InputError, match="No such file"):
        load_train_config(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not YAML"):
        load_train_config(path)
    path.write_bytes(b" " * (2 << 20))
    with pytest.raises(InputError, match="over 1048576 bytes"):
        load_train_config(path)


def test_a_lines_file_may_be_trained_from_and_its_sections_are_known() -> None:
    assert set(TrainingFile.model_fields) == set(LineConfig.model_fields)


def test_a_section_that_no_file_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^unknown key tarin, .*line\.yaml:2, did you mean train; use one of train, line, "):
        load(tmp_path, "line: {name: loom}\ntarin: {epochs: 3}")
