"""The network: official state keys, initial weights, and its scores."""

import math

import pytest
import torch

from glass_core.network.model import Discriminator, Glass, Product


@pytest.fixture(scope="module")
def glass() -> Glass:
    """An embedded-trunk network whose batch norm has statistics that matter."""
    model = Glass("embedded")
    generator = torch.Generator().manual_seed(3)
    model.init_heads(generator)
    norm = model.discriminator.norm
    for value in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
        assert value is not None
        value.uniform_(0.2, 1.4, generator=generator)
    return model.eval().requires_grad_(False)


def tiles(colour: bool = False) -> torch.Tensor:
    shape = (2, 64, 96, 3) if colour else (2, 64, 96)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(4))


def test_state_keys_and_shapes_are_those_of_the_official_checkpoints(glass: Glass) -> None:
    heads = {key: tuple(value.shape) for key, value in glass.state_dict().items() if not key.startswith("backbone.")}
    block = "discriminator.body.block1"
    assert heads == {
        "pre_projection.layers.0fc.weight": (1536, 1536),
        "pre_projection.layers.0fc.bias": (1536,),
        f"{block}.0.weight": (1024, 1536),
        f"{block}.0.bias": (1024,),
        f"{block}.1.weight": (1024,),
        f"{block}.1.bias": (1024,),
        f"{block}.1.running_mean": (1024,),
        f"{block}.1.running_var": (1024,),
        f"{block}.1.num_batches_tracked": (),
        "discriminator.tail.0.weight": (1, 1024),
    }


def test_trainable_parameters_are_counted_in_glass_md(glass: Glass) -> None:
    assert sum(p.numel() for p in glass.pre_projection.parameters()) == 2_360_832
    assert sum(p.numel() for p in glass.discriminator.parameters()) == 1_576_960


def test_initial_weights_follow_their_laws_and_the_generator() -> None:
    first, second, other = Glass("embedded"), Glass("embedded"), Glass("embedded")
    first.init_heads(torch.Generator().manual_seed(5))
    torch.rand(7)
    second.init_heads(torch.Generator().manual_seed(5))
    other.init_heads(torch.Generator().manual_seed(6))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    weight, bias = first.pre_projection.linear.weight, first.pre_projection.linear.bias
    assert not torch.equal(weight, other.pre_projection.linear.weight)
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 3072), rel=0.01)
    assert bias.abs().max().item() <= 1 / math.sqrt(1536)


@pytest.mark.parametrize("colour", [False, True])
def test_scores_are_probabilities_one_for_each_cell(glass: Glass, colour: bool) -> None:
    scores = glass(tiles(colour))
    assert scores.shape == (2, 8, 12)
    assert (scores > 0).all()
    assert (scores < 1).all()
    assert scores.std() > 0


def test_grey_tiles_score_as_equal_colours_and_tiles_do_not_see_each_other(glass: Glass) -> None:
    grey = tiles()
    scores = glass(grey)
    torch.testing.assert_close(glass(grey.unsqueeze(-1).repeat(1, 1, 1, 3)), scores)
    torch.testing.assert_close(glass(grey[1:]), scores[1:])
    torch.testing.assert_close(glass(grey.float()), scores)


def test_products_in_bf16_are_for_training_alone_and_return_float32() -> None:
    torch.manual_seed(0)
    layer, rows = Product(64, 32), torch.randn(200, 64)
    exact = layer(rows)
    layer.bf16 = True
    rounded = layer(rows)
    assert rounded.dtype is torch.float32
    # eight binary digits of inputs, and of outputs up to 2.7
    assert 1e-4 < float((rounded - exact).detach().abs().max()) < 2**-6
    torch.testing.assert_close(layer.of_difference(rows) + layer.bias, rounded, rtol=2**-7, atol=2**-7)
    back = layer.of_gradient(exact.detach())
    assert back.dtype is torch.float32
    away = float((back - exact.detach() @ layer.weight.detach()).abs().max())
    assert 1e-4 < away < 2**-6
    rounded.sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.dtype is torch.float32
    torch.testing.assert_close(layer.eval()(rows), exact, rtol=0, atol=0)
    torch.testing.assert_close(layer.of_gradient(exact), exact @ layer.weight.detach(), rtol=0, atol=0)


@pytest.mark.parametrize("arch", ["resnet18", "embedded"])
def test_features_in_bf16_are_for_training_alone_and_for_no_filter_bank(arch: str) -> None:
    torch.manual_seed(0)
    network, pixels = Glass(arch).eval(), tiles() // 16 + 200  # bright and of low contrast, where rounding shows most
    exact = network.features(pixels)
    network.multiply_in_bf16()
    assert torch.equal(network.features(pixels), exact)
    rounded = network.train().features(pixels)
    assert rounded.dtype is torch.float32
    error = (rounded - exact).square().mean(dim=0).sqrt() / exact.std(dim=0)  # (1536,), over what cells differ by
    assert torch.equal(rounded, exact) if arch == "embedded" else 1e-4 < float(error.nanmedian()) < 0.05


def test_classify_is_forward_after_the_first_layer() -> None:
    discriminator = Discriminator(16, 8).eval()
    rows = torch.randn(5, 16)
    torch.testing.assert_close(discriminator.classify(discriminator.linear(rows)), discriminator(rows))
