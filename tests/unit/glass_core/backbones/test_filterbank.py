"""The trunk without a file: deterministic, oriented, colour-blind to grey, and awake to what goes wrong in a weave."""

import math

import torch
from torch import Tensor

from glass_core.backbones.filterbank import FilterBank
from glass_core.network.normalise import Normalise


def levels(picture: Tensor) -> tuple[Tensor, Tensor]:
    return FilterBank()(Normalise()(picture.unsqueeze(0)))


def weave(size_px: int = 128, period_px: float = 6.0) -> Tensor:
    """Plain weave: warp and weft waves on mid grey."""
    x = torch.arange(size_px) * (2 * math.pi / period_px)
    return 128 + 30 * x.cos().unsqueeze(0) + 30 * x.cos().unsqueeze(1)  # (size, size)


def inner(level: Tensor) -> Tensor:
    """Mean over the cells away from the border, one number a channel."""
    return level[0, :, 2:-2, 2:-2].mean(dim=(1, 2))


def test_levels_have_the_channels_and_strides_of_a_resnet18() -> None:
    fine, coarse = FilterBank()(torch.rand(2, 3, 64, 96))
    assert fine.shape == (2, 128, 8, 12)
    assert coarse.shape == (2, 256, 4, 6)


def test_no_random_state_is_used_or_moved() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = FilterBank().state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert all(torch.equal(value, first[key]) for key, value in FilterBank().state_dict().items())


def test_features_have_the_scale_of_relu_features() -> None:
    """Training adds noise of 0.015: features must be far above it, and not so far that it means nothing."""
    for level in levels(weave()):
        assert 0.05 < level.mean() < 1
        assert (level >= 0).all()
        assert level.max() < 10


def test_the_first_orientation_sees_vertical_lines_and_the_fifth_horizontal_ones() -> None:
    stripes = 128 + 40 * (torch.arange(128) * (2 * math.pi / 4)).cos().expand(128, 128)  # (y, x), varying along x
    vertical, horizontal = inner(levels(stripes)[0]), inner(levels(stripes.T)[0])
    assert vertical[0] > 2 * vertical[4]
    assert horizontal[4] > 2 * horizontal[0]
    torch.testing.assert_close(vertical[0], horizontal[4])


def test_bright_and_dark_lines_are_told_apart() -> None:
    bright = torch.full((128, 128), 128.0)
    bright[:, 60:62] = 200
    dark = 256 - bright
    # The second octave's 26 channels (8 px waves) in the cell that the line crosses: 0..8 bright, 9..17 dark.
    on_bright, on_dark = (level[0, 26:52, 8, 7] for level in (levels(bright)[0], levels(dark)[0]))
    assert on_bright[0] > 1.3 * on_bright[9]
    torch.testing.assert_close(on_bright[:9], on_dark[9:18], atol=1e-3, rtol=1e-3)


def test_grey_has_no_colour_and_a_colour_cast_has() -> None:
    grey = weave().unsqueeze(-1).repeat(1, 1, 3)
    cast = grey + torch.tensor([12.0, 0.0, -12.0])
    colour = [104 + k for k in (1, 2, 13, 14)]  # red-green and yellow-blue, both halves
    assert levels(grey)[0][0, colour].max() < 1e-4
    assert levels(cast)[0][0, colour].amax(dim=(1, 2)).max() > 0.1


def test_a_missing_yarn_a_stain_and_a_float_stand_out_from_the_noise_of_good_cloth() -> None:
    """A cell's distance to the mean good cell, over the largest such distance in good cloth with yarn noise."""
    torch.manual_seed(3)
    good = weave() + 4 * torch.randn(128, 128)
    missing, stain, floated = (weave() + 4 * torch.randn(128, 128) for _ in range(3))
    missing[:, 63:66] -= 30
    stain[40:72, 40:72] -= 8
    floated[48:66, 60:66] = 158 + 4 * torch.randn(18, 6)
    for name, defective in {"missing": missing, "stain": stain, "float": floated}.items():
        reference = levels(good)[0][0].flatten(1)  # (128, cells)
        mean, spread = reference.mean(dim=1, keepdim=True), reference.std(dim=1, keepdim=True) + 0.01
        distance_good = ((reference - mean) / spread).square().mean(dim=0).max()
        distance = ((levels(defective)[0][0].flatten(1) - mean) / spread).square().mean(dim=0).max()
        assert distance > 1.5 * distance_good, name
