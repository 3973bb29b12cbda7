"""The paper's presets equal the official scripts, and every difference is said.

See docs/explanation/glass.md#the-profile-paper.
"""

import pytest

from glass_core.config import TrainConfig, load_train_config
from glass_core.evaluation.deviations import deviations
from glass_core.network.checkpoint import EpochFigures, ModelInfo, WeightsOrigin
from glass_core.pictures.scoring import ScoreDefinition
from tests.shared_data import ROOT

PRESETS = ROOT / "configs"
OFFICIAL = {
    **{"backbone": "wide_resnet50_2", "epochs": 640, "mining": True, "noise": 0.015, "radius": 0.75, "p": 0.5, "step": 20},
    **{"beta_mean": 0.5, "beta_std": 0.1, "batch_tiles": 8, "tile_px": 288, "lr": 1e-4, "seed": 0, "input": "crop"},
    **{"las": True, "gas": True, "projection": True, "adaptor": True, "weave_share": 0, "border_px": 0},
    **{
        "trunk": "as_official",
        "rows_per_tile": None,
        "iterations_per_epoch": None,
        "averaging": 0,
        "select": "last",
        "recalibrate_bn": False,
    },
}
SCRIPTS = {  # distribution, foreground, resize_px
    "mvtec": ("j", "fg_mask", 288),
    "mvtec_zoomed": ("j", "fg_mask", 329),
    "visa": ("j", "fg_mask", 288),
    "mpdd": ("j", "none", 288),
    "wfdd": ("j", "fg_mask", 288),
    "custom": ("m", "none", 288),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_preset_is_its_script(name: str) -> None:
    config = load_train_config(PRESETS / f"paper_{name}.yaml")
    assert {key: getattr(config, key) for key in OFFICIAL} == OFFICIAL
    assert (config.distribution, config.foreground, config.resize_px) == SCRIPTS[name]
    assert config.split.train == 1


def test_there_is_one_for_each_script_that_trains() -> None:
    assert {path.stem.removeprefix("paper_") for path in PRESETS.glob("paper_*.yaml")} == set(SCRIPTS)


def info(**settings: object) -> ModelInfo:
    config = TrainConfig.model_validate({"profile": "paper", **settings})
    return ModelInfo.model_validate(
        {
            **{"schema": 1, "arch": config.backbone, "weights_sha": "", "score": ScoreDefinition(tiling=config.tiling)},
            **{"config": config, "split_digest": "", "weights": None, "textures": "images: 5640 photographs"},
            **{"curve": (EpochFigures(epoch=1, loss=1, p_true=1, p_fake=1),), "selected_epoch": 1, "distribution": "m"},
            "versions": {},
        }
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "epoch: last epoch, officially the best of all epochs on the test set"),
        ({}, "manifold by the judge"),
        ({"epochs": 3}, "epochs 3, officially 640"),
        ({"backbone": "resnet18"}, "backbone resnet18, officially wide_resnet50_2"),
        ({"trunk": "clean"}, "trunk clean, officially as_official"),
        ({"adaptor": False}, "adaptor False, officially True"),
        ({"foreground": "generated"}, "foreground masks by a generator of our own"),
        ({"split": {"train": 0.8, "calibration": 0.1, "selection": 0.1}}, "trained on a part of 80%"),
    ],
)
def test_what_differs_is_said(settings: dict[str, object], words: str) -> None:
    assert any(words in said for said in deviations(info(**settings)))
    count = len(deviations(info()))
    assert len(deviations(info(**settings))) == count + bool(settings)


def test_what_the_scripts_differ_in_is_always_told() -> None:
    told = "distribution m, foreground none, resize_px 300: not compared, each official script has its own"
    assert told in deviations(info(distribution="m", resize_px=300))
    rest = deviations(info(distribution="m", resize_px=300), {"distribution", "foreground", "resize_px"})
    assert rest == tuple(words for words in deviations(info(distribution="m", resize_px=300)) if words != told)


def test_what_the_caller_has_compared_is_left_to_it() -> None:
    assert not any(words.startswith("epochs") for words in deviations(info(epochs=3), {"epochs"}))


def test_a_trunk_of_another_file_is_told() -> None:
    file = {"arch": "wide_resnet50_2", "path": "/w/wide_resnet50_2.pth"}
    own = info().model_copy(update={"weights": WeightsOrigin(**file, sha256="95faca4c" + "0" * 56)})
    words = "weights /w/wide_resnet50_2.pth (sha256 95faca4c), officially wide_resnet50_2-95faca4d.pth"
    assert words in deviations(own)
    published = info().model_copy(update={"weights": WeightsOrigin(**file, sha256="95faca4d" + "0" * 56)})
    assert not any(words.startswith("weights") for words in deviations(published))


def test_other_profiles_promise_nothing() -> None:
    other = info().model_copy(update={"config": TrainConfig()})
    assert deviations(other) == ()
    textures = info().model_copy(update={"textures": "procedural"})
    assert "textures procedural, officially the folder images of DTD" in deviations(textures)
