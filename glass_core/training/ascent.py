"""The gradient ascent of global synthesis in the space of the discriminator's first layer, and the way back through it.

There a row costs 1024 numbers instead of 1536, and the normal rows are passed once, not in every step.
See docs/explanation/glass.md#the-fast-ascent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glass_core.network.model import LEAKY_SLOPE, Discriminator, Product

STEP_LENGTH = 0.001
PROJECT_EVERY = 5
EPS = 1e-10
BLOCK_ROWS = 1024  # 4 MiB of float32


@dataclass(frozen=True)
class Projection:
    """A truncated projection of the offsets b = share * start + moves @ weight; share, length, factor and the rest (N, 1)."""

    share: Tensor
    moves: Tensor  # (N, hidden)
    image: Tensor  # (N, hidden), b @ weight.T
    length: Tensor
    along_start: Tensor
    """b by start, row by row."""
    factor: Tensor
    """What b is multiplied by."""
    bend: Tensor
    """d factor / d length, over the length."""


@torch.no_grad()
def ascend(
    discriminator: Discriminator, true_hidden: Tensor, origin_hidden: Tensor, start: Tensor, radius: Tensor | None, steps: int
) -> tuple[Tensor, list[Projection]]:
    """Gradient ascent of BCE(D(g), 1) from g = origin + start, where `origin_hidden` (N, hidden) is the first layer's output.

    Returns that output for where the rows arrive (N, hidden), and a projection to [radius, 2 radius] about the origin for each
    PROJECT_EVERY steps (equation 2); without `radius` they change nothing. `true_hidden` is of the normal rows, which share
    the batch norm.
    """
    linear = discriminator.linear
    true_var, true_mean = torch.var_mean(true_hidden, dim=0, correction=0)  # (hidden,) each
    origin = origin_hidden - true_mean  # (N, hidden); batch norm does not see the shift, and sums of squares keep digits
    start_image = linear.of_difference(start)  # (N, hidden)
    hidden = origin + start_image
    projections: list[Projection] = []
    if steps:
        gram = linear.rounded(linear.weight @ linear.weight.T)  # (hidden, hidden)
        square = start.square().sum(dim=1, keepdim=True)  # (N, 1)
        share, moves = torch.ones_like(square), torch.zeros_like(hidden)
        climb = _compiled_climb() if hidden.device.type == "cuda" else _climb
    for _ in range(steps // PROJECT_EVERY):
        for _ in range(PROJECT_EVERY):
            climb(discriminator, hidden, moves, gram, true_mean, true_var)
        image = hidden - origin
        cross = _by_rows(moves, start_image)
        # |b|^2, for the image of the moves is the way that `hidden` went (nearly, in bf16)
        length = (share * (share * square + cross) + _by_rows(moves, image)).clamp_min(0).sqrt()
        factor, bend = truncation(length, radius)
        projections.append(Projection(share, moves, image, length, share * square + cross, factor, bend))
        hidden = torch.addcmul(origin, image, factor)
        share, moves = factor * share, factor * moves
    return hidden.add_(true_mean), projections


def offset_of(linear: Product, start: Tensor, projections: list[Projection]) -> Tensor:
    """Where the ascent ends, about its origin (N, d): one product for all moves."""
    if not projections:
        return start
    last = projections[-1]
    return linear.of_gradient(last.factor * last.moves).addcmul_(last.factor * last.share, start)


class Arrived(torch.autograd.Function):
    """The first layer's output for synthetic rows, which the ascent knows already, as a function of what it comes from.

    `apply(hidden, origin_hidden, start, weight, bias, rows, linear, projections)` is `hidden` (N, hidden); projections are
    needed only where `start` is differentiated. The moves count as constants; back to `start` (N, d) each projection bends
    the gradient e to factor * e + bend * (e . b) * b. With e = way @ weight + straight * start, and the images of all b
    known, that costs one product, not one for each projection.
    The weight's gradient is by `rows` (N, d): those of which `hidden` is the output, or their offset if `origin_hidden` is
    differentiated, too.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, *inputs: Any) -> Tensor:
        _, start, _, _, rows, ctx.linear, ctx.projections = inputs
        ctx.save_for_backward(start, rows)
        return hidden

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        _, to_origin, to_start, to_weight, to_bias, *rest = ctx.needs_input_grad
        start, rows = ctx.saved_tensors
        linear: Product = ctx.linear
        return (
            None,
            gradient if to_origin else None,
            _back_to_start(linear, gradient, start, ctx.projections) if to_start else None,
            linear.of_weight(gradient, rows) if to_weight else None,
            gradient.sum(dim=0) if to_bias else None,
            *(None for _ in rest),
        )


def _back_to_start(linear: Product, gradient: Tensor, start: Tensor, projections: list[Projection]) -> Tensor:
    """The gradient (N, d) at the start of that (N, hidden) at the first layer's output."""
    way, straight = gradient, torch.zeros_like(gradient[:, :1])  # (N, hidden), (N, 1)
    for each in reversed(projections):
        bent = each.bend * (_by_rows(way, each.image) + straight * each.along_start)  # (N, 1)
        way = torch.addcmul(each.factor * way, bent, each.moves)
        straight = each.factor * straight + bent * each.share
    return linear.of_gradient(way).addcmul_(straight, start)


def truncation(length: Tensor, radius: Tensor | None) -> tuple[Tensor, Tensor]:
    """Factor and bend (N, 1) of a truncated projection (equation 2) of rows of such length (N, 1): to [radius, 2 radius]."""
    if radius is None:
        return torch.ones_like(length), torch.zeros_like(length)
    clamped = length.clamp(radius, 2 * radius)
    factor = clamped / (length + EPS)
    slope = ((clamped == length).to(length.dtype) - factor) / (length + EPS)
    return factor, slope / (length + EPS)


def _by_rows(a: Tensor, b: Tensor) -> Tensor:
    """Inner products (N, 1)."""
    return (a * b).sum(dim=1, keepdim=True)


def _climb(
    discriminator: Discriminator, hidden: Tensor, move: Tensor, gram: Tensor, true_mean: Tensor, true_var: Tensor
) -> None:
    """One step, in place: `hidden` (N, hidden, less `true_mean`) is where the rows are, `move` gathers the gradient's weights.

    Counts as one training pass of the batch norm over the union of normal and synthetic rows, of which the normal ones
    enter by their mean and variance. Rows go by in blocks that stay in a processor's cache.
    """
    norm, direction = discriminator.norm, discriminator.direction[0]  # (hidden,)
    block = BLOCK_ROWS if hidden.device.type == "cpu" else len(hidden)
    hidden_blocks, rows = hidden.split(block), 2 * len(hidden)

    synthetic_mean = sum(x.sum(dim=0) for x in hidden_blocks) / len(hidden)  # (hidden,)
    synthetic_var = sum(x.square().sum(dim=0) for x in hidden_blocks) / len(hidden) - synthetic_mean.square()
    mean = synthetic_mean / 2
    var = (synthetic_var + true_var) / 2 + mean.square()
    _track(norm, true_mean + mean, var * rows / (rows - 1))
    inverse = (var + norm.eps).rsqrt()
    gain = norm.weight * inverse
    shift = norm.bias - mean * gain

    active_blocks = []
    total, along = torch.zeros_like(mean), torch.zeros_like(mean)
    for x in hidden_blocks:
        y = F.leaky_relu_(torch.addcmul(shift, x, gain), LEAKY_SLOPE)  # (block, hidden)
        to_logit = (torch.sigmoid(-(y @ direction)) * (-2 / rows)).unsqueeze(1)  # (block, 1), mean BCE by the logit
        # Equal to torch.where(y > 0, to_logit, LEAKY_SLOPE * to_logit), which a processor computes one number at a time.
        active = torch.ops.aten.leaky_relu_backward(to_logit.expand_as(y), y, LEAKY_SLOPE, True)  # (block, hidden)
        total += active.sum(dim=0)
        along += (active * x).sum(dim=0)
        active_blocks.append(active)

    # Batch norm backward: take off the mean and the part along the normalised rows; normal rows have no gradient.
    factor = gain * direction
    slant = factor * inverse.square() * (along - mean * total) / rows
    constant = slant * mean - factor * total / rows
    for x, moved, active in zip(hidden_blocks, move.split(block), active_blocks, strict=True):
        slope = torch.addcmul(constant, active, factor).addcmul_(x, slant, value=-1)  # (block, hidden)
        pull = (slope.to(gram.dtype) @ gram).to(slope.dtype)  # (block, hidden), the gradient's image in feature space
        length = (slope * pull).sum(dim=1, keepdim=True).clamp_min(0).sqrt()  # (block, 1)
        rate = STEP_LENGTH / (length + EPS)
        x.addcmul_(rate, pull)
        moved.addcmul_(rate, slope)


@cache
def _compiled_climb() -> Callable[..., None]:
    """`_climb` as fused kernels, for a GPU; where the compiler cannot make them, it runs as it is written.

    Of any number of rows: the last batch of an epoch may be short, and which kernels a run gets must not depend on where it
    was taken up.
    """
    return torch._dynamo.config.patch(suppress_errors=True)(torch.compile(_climb, dynamic=True))


def _track(norm: nn.BatchNorm1d, mean: Tensor, unbiased_var: Tensor) -> None:
    """What a training pass of torch's batch norm does to its running statistics."""
    momentum = norm.momentum or 0.0
    norm.get_buffer("running_mean").lerp_(mean, momentum)
    norm.get_buffer("running_var").lerp_(unbiased_var, momentum)
    norm.get_buffer("num_batches_tracked").add_(1)
