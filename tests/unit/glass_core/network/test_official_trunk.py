"""The trunk as the official program leaves it: its features and scores are those of the goldens, and no folded file will do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.network.checkpoint import load_model, save_model
from glass_core.network.model import Glass
from glass_core.network.official_trunk import batch_norms, make_official
from glass_core.paper.official import export_official, import_official
from glass_core.training.beginning import untrained
from tests.official import draw_heads, draw_trunk, heads
from tests.shared_data import shared

FOLDED = "resnet18-5c106cde-bnfolded-layer3.pth"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A trunk's file with statistics of its own."""
    glass = Glass("resnet18")
    draw_trunk(glass, 3)
    torch.save(glass.backbone.state_dict(), tmp_path / "resnet18.pth")
    return tmp_path / "resnet18.pth"


def statistics(glass: Glass) -> torch.Tensor:
    return torch.cat([value for norm in batch_norms(glass) for value in (norm.running_mean, norm.running_var)])


def test_rows_and_scores_are_the_authors() -> None:
    golden = np.load(shared("goldens/official_trunk.npz"))
    glass = Glass("resnet18")
    draw_trunk(glass, int(golden["seed"]))
    draw_heads(glass, int(golden["seed"]))
    make_official(glass.eval(), "drawn")
    np.testing.assert_allclose(glass.backbone.state_dict()["bn1.running_mean"], golden["bn1_running_mean"], atol=1e-6)
    tiles = torch.from_numpy(golden["pixels"])
    rows = glass.features(tiles).numpy().ravel()[golden["at"]]
    assert np.abs(rows - golden["rows_at"]).max() < 1e-5 * golden["rows_std"]
    with torch.no_grad():
        np.testing.assert_allclose(glass(tiles).numpy(), golden["cells"], atol=2e-6)


def test_each_statistic_moves_a_tenth_of_the_way_and_stays_there(weights: Path) -> None:
    before, after = Glass("resnet18"), Glass("resnet18")
    for glass in (before, after):
        glass.backbone.load(torch.load(weights, weights_only=True), "drawn")
    make_official(after, "drawn")
    own, moved = before.backbone.state_dict()["bn1.running_var"], after.backbone.state_dict()["bn1.running_var"]
    backbone: Any = after.backbone
    seen = backbone.conv1(torch.ones(1, 3, 288, 288)).var(dim=(0, 2, 3))  # unbiased
    torch.testing.assert_close(moved, 0.9 * own + 0.1 * seen)
    settled = statistics(after).clone()
    after.train()(torch.rand(1, 64, 96))
    assert torch.equal(statistics(after), settled), "the trunk is frozen again"


@pytest.mark.parametrize("trunk", ["clean", "as_official"])
def test_a_training_begins_with_the_trunk_that_is_asked_for(weights: Path, trunk: str) -> None:
    config = TrainConfig.model_validate({"backbone": "resnet18", "weights": weights, "levels": (2, 3), "trunk": trunk})
    begun, expected = untrained(config, torch.device("cpu"))[0], Glass("resnet18")
    draw_trunk(expected, 3)
    if trunk == "as_official":
        make_official(expected, "drawn")
    assert torch.equal(statistics(begun), statistics(expected))


def test_a_conversion_has_the_official_trunk_and_gives_no_other(weights: Path, tmp_path: Path) -> None:
    torch.save(heads(), tmp_path / "ckpt.pth")
    info = import_official(tmp_path / "ckpt.pth", "resnet18", weights, tmp_path / "run")
    expected = Glass("resnet18")
    draw_trunk(expected, 3)
    make_official(expected, "drawn")
    glass, _ = load_model(tmp_path / "run")
    assert torch.equal(statistics(glass), statistics(expected))
    for trunk in ("as_official", "clean"):
        config = TrainConfig(profile="paper", backbone="resnet18", trunk=trunk)
        save_model(
            tmp_path / trunk, {k: v.numpy() for k, v in glass.state_dict().items()}, info.model_copy(update={"config": config})
        )
    export_official(tmp_path / "as_official", tmp_path / "back.pth")
    with pytest.raises(InputError, match=r"^a model of the clean trunk, [^\n]+, train with trunk: as_official, [^\n]+$"):
        export_official(tmp_path / "clean", tmp_path / "clean.pth")
    assert not (tmp_path / "clean.pth").exists()


def test_a_folded_file_is_refused_where_statistics_are_needed(tmp_path: Path) -> None:
    folded = shared("weights") / FOLDED
    torch.save(heads(), tmp_path / "ckpt.pth")
    words = rf"^the official trunk needs batch-norm statistics, which were folded away, {folded}, give [^\n]+$"
    with pytest.raises(InputError, match=words):
        import_official(tmp_path / "ckpt.pth", "resnet18", folded, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    config = TrainConfig(profile="paper", backbone="resnet18", weights=folded)
    with pytest.raises(InputError, match=words):
        untrained(config, torch.device("cpu"))
    untrained(config.model_copy(update={"trunk": "clean"}), torch.device("cpu"))


def test_a_trunk_without_batch_norm_stays_as_it_is() -> None:
    glass = Glass("embedded")
    before = {key: value.clone() for key, value in glass.backbone.state_dict().items()}
    make_official(glass, "a formula")
    assert all(torch.equal(before[key], value) for key, value in glass.backbone.state_dict().items())
