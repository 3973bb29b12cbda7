"""The moving average of the heads: its weights by the plain formula, nothing shared with those in training but the trunk."""

import torch

from glass_core.network.model import Glass
from glass_core.training.averaging import WARM_UP, WeightAverage


def small() -> Glass:
    glass = Glass("embedded")
    glass.init_heads(torch.Generator().manual_seed(0))
    return glass


def test_the_average_is_that_of_the_plain_formula_and_training_goes_on_by_itself() -> None:
    glass = small()
    average = WeightAverage(glass, 0.9)
    weight = glass.pre_projection.linear.weight
    mean = weight.detach().double()
    for iteration in range(1, 101):
        with torch.no_grad():
            weight += torch.full_like(weight, 0.02 * iteration)
            glass.discriminator.norm.get_buffer("running_mean").fill_(iteration)
        average.update(iteration)
        keep = min(0.9, (1 + iteration) / (WARM_UP + iteration))
        mean = keep * mean + (1 - keep) * weight.detach().double()
    assert torch.allclose(average.glass.pre_projection.linear.weight.double(), mean, rtol=1e-5)
    assert average.glass.discriminator.norm.get_buffer("running_mean").eq(100).all()
    assert average.glass.backbone is glass.backbone
    assert not torch.equal(average.glass.pre_projection.linear.weight, weight)


def test_without_decay_it_is_the_network_itself() -> None:
    glass = small()
    average = WeightAverage(glass, 0.0)
    average.update(1)
    assert average.glass is glass
