"""The trunk: torchvision's names, its numbers against a plain forward pass, and what is refused."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from glass_core.backbones import backbone
from glass_core.backbones.resnet import ResNet
from glass_core.errors import InputError
from glass_core.network.normalise import IMAGENET_MEAN, IMAGENET_STD, Normalise
from glass_core.network.weights import load_weights
from tests.shared_data import shared

CHANNELS = {"resnet18": (128, 256), "resnet50": (512, 1024), "wide_resnet50_2": (512, 1024)}


def plain_resnet18(state: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """He et al.'s figure, written out on the state dict: layer1 to layer3."""

    def conv_bn(x: Tensor, conv: str, bn: str, stride: int, padding: int) -> Tensor:
        x = F.conv2d(x, state[f"{conv}.weight"], None, stride, padding)
        mean, var, weight, bias = (state[f"{bn}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias, training=False)

    x = F.max_pool2d(conv_bn(x, "conv1", "bn1", 2, 3).relu(), 3, 2, 1)
    outputs = []
    for layer in (1, 2, 3):
        for block in (0, 1):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = conv_bn(x, f"{name}.conv1", f"{name}.bn1", stride, 1).relu()
            y = conv_bn(y, f"{name}.conv2", f"{name}.bn2", 1, 1)
            if stride == 2:
                x = conv_bn(x, f"{name}.downsample.0", f"{name}.downsample.1", 2, 0)
            x = (x + y).relu()
        outputs.append(x)
    return outputs


def random_resnet18(levels: tuple[int, ...] = (2, 3)) -> ResNet:
    torch.manual_seed(0)
    trunk = backbone("resnet18").build(levels)
    assert isinstance(trunk, ResNet)
    for name, buffer in trunk.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return trunk


@pytest.mark.parametrize("arch", CHANNELS)
def test_levels_have_the_channels_and_strides_of_the_architecture(arch: str) -> None:
    with torch.device("meta"):  # shapes alone
        trunk = backbone(arch).build((2, 3))
        fine, coarse = trunk(torch.empty(1, 3, 64, 96))
    assert trunk.level_channels == CHANNELS[arch]
    assert fine.shape == (1, CHANNELS[arch][0], 8, 12)
    assert coarse.shape == (1, CHANNELS[arch][1], 4, 6)
    assert not fine.requires_grad


@pytest.mark.parametrize("levels", [(2, 3), (1,), (3,), (1, 3), (1, 2, 3)])
def test_resnet18_equals_the_plain_forward_pass(levels: tuple[int, ...]) -> None:
    trunk, x = random_resnet18(levels), torch.rand(2, 3, 64, 64)
    every = plain_resnet18(trunk.state_dict(), x)
    for got, wanted in zip(trunk(x), [every[level - 1] for level in levels], strict=True):
        torch.testing.assert_close(got, wanted)
    assert trunk.level_channels == tuple(level.shape[1] for level in trunk(x))


@pytest.mark.parametrize(  # parameters: torchvision's published totals less layer4 and fc
    ("arch", "parameters", "key", "shape"),
    [
        ("resnet18", 2_782_784, "layer3.0.downsample.1.running_var", (256,)),
        ("resnet50", 8_543_296, "layer2.3.conv3.weight", (512, 128, 1, 1)),
        ("wide_resnet50_2", 24_862_528, "layer3.5.conv2.weight", (512, 512, 3, 3)),
    ],
)
def test_names_and_sizes_are_torchvisions(arch: str, parameters: int, key: str, shape: tuple[int, ...]) -> None:
    with torch.device("meta"):
        trunk = backbone(arch).build((2, 3))
    assert sum(p.numel() for p in trunk.parameters()) == parameters
    assert trunk.state_dict()[key].shape == shape


def test_the_trunk_stays_in_eval_mode() -> None:
    trunk, x = random_resnet18(), torch.rand(2, 3, 64, 64)
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    trunk.train()
    trunk(x)
    assert not any(module.training for module in trunk.modules())
    assert all(torch.equal(before[key], value) for key, value in trunk.state_dict().items())


def test_a_full_torchvision_file_loads_and_its_head_is_left_out() -> None:
    state = random_resnet18().state_dict()
    state = {key: value + 1 for key, value in state.items() if not key.endswith("num_batches_tracked")}
    trunk = random_resnet18()
    trunk.load({**state, "layer4.0.conv1.weight": torch.zeros(1), "fc.weight": torch.zeros(1)}, "a.pth")
    assert all(torch.equal(trunk.state_dict()[key], value) for key, value in state.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer1.0.conv1.weight": None}, "layer1.0.conv1.weight is missing, a.pth, "),
        ({"layer5.weight": torch.zeros(1)}, "layer5.weight is unknown, a.pth, "),
        ({"bn1.bias": torch.zeros(3)}, r"bn1.bias is \(3,\), not \(64,\), a.pth, "),
    ],
)
def test_a_file_of_another_network_is_refused_by_key(change: dict[str, Tensor | None], words: str) -> None:
    trunk = random_resnet18()
    state = {key: value for key, value in {**trunk.state_dict(), **change}.items() if value is not None}
    with pytest.raises(InputError, match=words):
        trunk.load(state, "a.pth")


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(InputError, match="resnet34"):
        backbone("resnet34")


def test_normalise_undoes_to_grey_levels_and_treats_grey_as_equal_colours() -> None:
    grey = torch.randint(0, 256, (2, 8, 8), dtype=torch.uint8)
    planes = Normalise()(grey)
    back = planes * torch.tensor(IMAGENET_STD).view(3, 1, 1) + torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    torch.testing.assert_close(back * 255, grey.unsqueeze(1).float().expand(2, 3, 8, 8))
    torch.testing.assert_close(Normalise()(grey.unsqueeze(-1).repeat(1, 1, 1, 3)), planes)
    torch.testing.assert_close(Normalise()(grey.float()), planes)


def test_real_weights_give_live_features_on_a_picture() -> None:
    state, origin = load_weights("resnet18", shared("weights"))
    trunk = backbone("resnet18").build((2, 3))
    assert isinstance(trunk, ResNet)
    trunk.load(state, origin.path)
    ramp = torch.arange(64 * 64, dtype=torch.float32).view(1, 64, 64) % 251
    fine, coarse = trunk(Normalise()(ramp))
    for level in (fine, coarse):
        assert 0.05 < level.mean() < 2  # ImageNet features after ReLU; a wrong file explodes or dies
        assert (level.amax(dim=(0, 2, 3)) > 0).float().mean() > 0.8
