"""The one graph: equal to the trained network, and to the plain form of the official code; its map is the map of pictures."""

import numpy as np
import pytest
import torch

from glass_core.backbones.resnet import ResNet
from glass_core.errors import InputError
from glass_core.network.graph import ScoreGraph
from glass_core.network.model import Glass
from glass_core.paper.plain_network import PlainGlass
from glass_core.pictures.anomaly_map import smooth_map, smoothing

ARCHITECTURES = ("embedded", "resnet18", "resnet50", "wide_resnet50_2")


def drawn(arch: str, levels: tuple[int, ...] = (2, 3)) -> Glass:
    """A network of random weights whose batch norms have statistics that matter."""
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(3)
    glass = Glass(arch, levels=levels)
    glass.init_heads(generator)
    norms = [module for module in glass.modules() if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d)]
    for norm in norms:
        for value in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
            assert value is not None
            value.uniform_(0.4, 1.2, generator=generator)
    return glass.eval().requires_grad_(False)


def tiles(colour: bool = False, count: int = 2) -> torch.Tensor:
    shape = (count, 64, 96, 3) if colour else (count, 64, 96)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize(
    ("arch", "colour"), [*((arch, False) for arch in ARCHITECTURES), ("embedded", True), ("resnet18", True)]
)
def test_it_is_the_trained_network(arch: str, colour: bool) -> None:
    glass = drawn(arch)
    wanted = glass(tiles(colour))
    assert wanted.std() > 0
    torch.testing.assert_close(ScoreGraph(glass)(tiles(colour))[0], wanted, rtol=0, atol=1e-5)
    exact = glass.double()
    cells, highest = ScoreGraph(exact, torch.float64)(tiles(colour))
    torch.testing.assert_close(cells, exact(tiles(colour)), rtol=0, atol=1e-13)
    torch.testing.assert_close(highest, cells.flatten(1).max(dim=1).values)


@pytest.mark.parametrize(("levels", "cell_px"), [((1,), 4), ((2,), 8), ((3,), 16), ((1, 3), 4), ((1, 2, 3), 4)])
def test_other_levels_have_other_cells_and_are_as_exact(levels: tuple[int, ...], cell_px: int) -> None:
    glass = drawn("resnet18", levels).double()
    wanted = glass(tiles())
    assert wanted.shape == (2, 64 // cell_px, 96 // cell_px) and wanted.std() > 0
    torch.testing.assert_close(PlainGlass(glass).double()(tiles()), wanted, rtol=0, atol=1e-7)
    cells, _, maps = ScoreGraph(glass, torch.float64, map_px=(64, 96))(tiles())
    torch.testing.assert_close(cells, wanted, rtol=0, atol=1e-13)
    np.testing.assert_allclose(maps[0], smooth_map(wanted[0].numpy(), cell_px), rtol=0, atol=1e-5)


@pytest.mark.parametrize("colour", [False, True])
def test_a_network_that_shrinks_pictures_sees_the_means_of_their_pixels(colour: bool) -> None:
    small, large = Glass("embedded"), Glass("embedded", shrink=2)
    small.init_heads(torch.Generator().manual_seed(1))
    large.load_state_dict(small.state_dict())
    picture = torch.cat([tiles(colour), tiles(colour).flip(2)], dim=1).repeat_interleave(2, dim=2)  # (2, 128, 192[, 3])
    rows, cols = picture.shape[1] // 2, picture.shape[2] // 2
    means = picture.float().reshape(2, rows, 2, cols, 2, *picture.shape[3:]).mean(dim=(2, 4))
    wanted = small.eval()(means)
    assert wanted.shape == (2, 8, 12) and wanted.std() > 0
    torch.testing.assert_close(large.eval()(picture), wanted, rtol=0, atol=1e-6)
    cells, _, maps = ScoreGraph(large, map_px=(128, 192))(picture)
    torch.testing.assert_close(cells, wanted, rtol=0, atol=1e-5)
    assert maps.shape == (2, 128, 192)
    np.testing.assert_allclose(maps[0], smooth_map(cells[0].numpy(), 16), atol=1e-5)


def test_the_network_it_was_made_from_stays_as_it_is() -> None:
    glass = drawn("resnet18")
    before = {key: value.clone() for key, value in glass.state_dict().items()}
    ScoreGraph(glass, torch.bfloat16)
    assert before.keys() == glass.state_dict().keys()
    assert all(torch.equal(value, before[key]) for key, value in glass.state_dict().items())


def test_batch_norms_are_folded_before_the_weights_are_rounded() -> None:
    glass = drawn("resnet18")
    half, single = ScoreGraph(glass, torch.bfloat16), ScoreGraph(glass)
    for got, wanted in zip(half.backbone.parameters(), single.backbone.parameters(), strict=True):
        assert torch.equal(got, wanted.to(torch.bfloat16))


def test_no_batch_norm_is_left() -> None:
    graph = ScoreGraph(drawn("wide_resnet50_2"))
    assert isinstance(graph.backbone, ResNet)
    assert not [module for module in graph.modules() if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d)]


def test_in_half_precision_scores_are_near_and_still_told_apart() -> None:
    glass = drawn("embedded")
    cells = ScoreGraph(glass, torch.bfloat16)(tiles())[0]
    assert cells.dtype == torch.float32
    torch.testing.assert_close(cells, glass(tiles()), rtol=0, atol=0.05)
    assert len(cells.unique()) > 0.9 * cells.numel()  # of bfloat16's own steps there would be far fewer


@pytest.mark.parametrize(("arch", "colour"), [("resnet18", True), ("wide_resnet50_2", False)])
def test_the_plain_form_scores_the_same(arch: str, colour: bool) -> None:
    glass = drawn(arch).double()
    # 1/12, a weight of the fused embedding, is rounded to float32
    torch.testing.assert_close(PlainGlass(glass).double()(tiles(colour)), glass(tiles(colour)), rtol=0, atol=1e-7)


def test_the_filter_bank_has_no_plain_form() -> None:
    with pytest.raises(InputError, match="embedded"):
        PlainGlass(drawn("embedded"))


def test_its_map_is_the_map_of_pictures() -> None:
    glass = drawn("embedded")
    cells, _, maps = ScoreGraph(glass, map_px=(64, 96))(tiles())
    for one, smooth in zip(cells, maps, strict=True):
        np.testing.assert_allclose(smooth, smooth_map(one.numpy()), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 5), (36, 36), (13, 4)])
def test_the_smoothing_is_linear_and_separable(rows: int, cols: int) -> None:
    cells = np.random.default_rng(rows).random((rows, cols), dtype=np.float32)
    product = smoothing(rows, 8) @ cells @ smoothing(cols, 8).T
    np.testing.assert_allclose(product, smooth_map(cells), rtol=0, atol=1e-5)
    np.testing.assert_allclose(smoothing(rows, 8).sum(axis=1), 1, rtol=1e-12)
