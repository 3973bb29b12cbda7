"""The loss of one GLASS iteration on feature rows: global synthesis by gradient ascent, local synthesis, hard examples.

Follows glass.md 3 (paper equations 1, 2 and 5 to 8). The ascent runs in the space of the discriminator's first layer, where
a row costs 1024 numbers instead of 1536 and the normal rows are passed once, not in every step (glass.md S6 and S7).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glass_core.model import LEAKY_SLOPE, Adaptor, Discriminator

STEP_LENGTH = 0.001
PROJECT_EVERY = 5
MANIFOLD_RADIUS = 0.5
EPS = 1e-10
BLOCK_ROWS = 1024  # 4 MiB of float32
FOCAL_SMOOTH = 1e-5


@dataclass(frozen=True)
class Method:
    """GLASS-m (`hypersphere` off) or GLASS-h, with the names of glass.md 9.3; `mining` off leaves Gaussian noise alone.

    `gas` and `las` off leave their losses out, `projection` off the truncated projections (table 4); the passes are made.
    """

    hypersphere: bool = False
    mining: bool = True
    step: int = 20
    radius: float = 0.75
    p: float = 0.5
    gas: bool = True
    las: bool = True
    projection: bool = True


def glass_loss(
    adaptor: Adaptor,
    discriminator: Discriminator,
    normal: Tensor,
    las: Tensor,
    mask: Tensor,
    noise: Tensor,
    method: Method,
    centre: Tensor | None = None,
    las_centre: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Total loss of one iteration and the figures to log, both modules in train mode (22 batch norm updates, 2 without mining).

    `normal` and `las` are embedding rows (N, d), `mask` (N, 1) marks the rows that LAS changed, `noise` (N, d) is already
    scaled, `centre` (N, d) is the adapted mean of each row's position, which only GLASS-h and the logged radii need;
    `las_centre` (N, d) is that of the LAS rows where they are of other positions. Nothing here waits for the device. `r_f` is
    not a number where no row was changed: rows drawn from tiles may miss every synthetic defect.
    """
    las_centre = centre if las_centre is None else las_centre
    true = adaptor(normal)  # (N, d)
    fake = adaptor(las)  # (N, d)
    changed = mask > 0.5  # (N, 1)
    log: dict[str, Tensor] = {}
    radius = None
    if centre is not None and las_centre is not None:
        with torch.no_grad():
            distances = torch.cat([_where(~changed, fake - las_centre), (true - centre).norm(dim=1)])  # (2 N,)
            log["r_t"] = radius = torch.nanquantile(distances, method.radius)

    true_hidden = discriminator.linear(true)  # (N, hidden)
    if method.hypersphere:
        if centre is None or las_centre is None or radius is None:
            raise ValueError("GLASS-h needs a centre")
        start = true + noise - centre
        moves, factors = _ascent(discriminator, true_hidden, discriminator.linear(centre), start, radius, method)
        offset = before = start
        for move in moves:  # once more with gradient: each projection bends the way back to the adaptor
            before = offset + discriminator.linear.of_gradient(move)
            offset = _project(before, radius) if method.projection else before
        synthetic_hidden = discriminator.linear(centre + offset)  # (N, hidden)
        before_distance = before.norm(dim=1)
        beyond = las_centre + _project(fake - las_centre, 2 * radius)
        fake_projected = torch.where(changed, beyond, fake) if method.projection else fake
    else:
        # Noise, moves and projections about the row itself are constants: the Jacobian of g = t + offset is the identity.
        moves, factors = _ascent(discriminator, true_hidden, true_hidden, noise, true.new_tensor(MANIFOLD_RADIUS), method)
        offset = _compose(noise, moves, factors, discriminator)  # (N, d)
        synthetic_hidden = true_hidden + discriminator.linear.of_difference(offset)  # (N, hidden)
        if centre is not None:
            before_distance = (true + (offset / factors[-1] if factors else offset) - centre).norm(dim=1)
        fake_projected = fake
    if factors:
        touched = (factors[0] - 1).abs() > 1e-6  # (N, 1)
        log["clamped"] = _share(touched, torch.ones_like(touched))

    p_true, p_synthetic = discriminator.classify(torch.cat([true_hidden, synthetic_hidden])).chunk(2)  # (N, 1) each
    p_fake = discriminator(fake_projected)  # (N, 1), a batch norm pass of its own
    loss_normal = F.binary_cross_entropy(p_true, torch.zeros_like(p_true))
    loss_gas = F.binary_cross_entropy(p_synthetic, torch.ones_like(p_synthetic))
    loss_las = focal_loss(p_fake, mask, hard_weights(p_fake, mask, method.p))
    loss = method.gas * (loss_normal + loss_gas) + method.las * loss_las

    with torch.no_grad():
        log |= {"loss": loss, "loss_normal": loss_normal, "loss_gas": loss_gas, "loss_las": loss_las}
        whole = torch.ones_like(changed)
        log["p_true"] = _share(torch.cat([p_fake, p_true]) < 0.5, torch.cat([~changed, whole]))
        log["p_fake"] = _share(torch.cat([p_fake, p_synthetic]) >= 0.5, torch.cat([changed, whole]))
        if centre is not None and las_centre is not None:
            log["r_g"] = torch.quantile(before_distance, method.radius)
            log["r_f"] = torch.nanquantile(_where(changed, fake - las_centre), method.radius)
    return loss, {name: value.detach() for name, value in log.items()}


def las_loss(
    adaptor: Adaptor, discriminator: Discriminator, las: Tensor, mask: Tensor, fraction: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """What is left of GLASS-m's loss where its global synthesis counts for nothing: one pass of the LAS rows (N, d).

    Gradients are those of `glass_loss` with `gas` off; the batch norm's running statistics see this pass alone. `p_fake` is
    not a number where no row was changed.
    """
    p = discriminator(adaptor(las))  # (N, 1)
    loss = focal_loss(p, mask, hard_weights(p, mask, fraction))
    changed, found = mask > 0.5, p.detach() >= 0.5  # (N, 1)
    log = {
        "loss": loss.detach(),
        "loss_las": loss.detach(),
        "p_true": _share(~found, ~changed),
        "p_fake": _share(found, changed),
    }
    return loss, log


def hard_weights(p: Tensor, mask: Tensor, fraction: float) -> Tensor:
    """Weight 1 for rows whose squared error is at or above its `fraction` quantile over the batch, else 0 (OHEM, S18)."""
    error = (p.detach() - mask).square()  # (N, 1)
    if fraction <= 0:
        return torch.ones_like(error)
    return (error >= torch.quantile(error, fraction)).to(p.dtype)


def focal_loss(p: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Two-class focal loss, gamma 2, smoothed one-hot (glass.md 3, step 9), as the weighted mean over rows (N, 1)."""
    one_hot = torch.cat([1 - mask, mask], dim=1).float()  # (N, 2), clamped in float32 as by the authors
    one_hot = one_hot.clamp(FOCAL_SMOOTH, 1 - FOCAL_SMOOTH).to(p.dtype)
    matched = (one_hot * torch.cat([1 - p, p], dim=1)).sum(dim=1, keepdim=True) + FOCAL_SMOOTH  # (N, 1)
    return (weights * -(1 - matched).square() * matched.log()).sum() / weights.sum()


@torch.no_grad()
def _ascent(
    discriminator: Discriminator, true_hidden: Tensor, origin_hidden: Tensor, start: Tensor, radius: Tensor, method: Method
) -> tuple[list[Tensor], list[Tensor]]:
    """Gradient ascent of BCE(D(g), 1) from g = origin + start, in terms of the first layer's output.

    Returns, for each stretch between projections, the moves (N, hidden) and the projection's factor (N, 1):
    offset <- factor * (offset + move @ weight). Both lists are empty without mining.
    """
    moves: list[Tensor] = []
    factors: list[Tensor] = []
    if not method.mining:
        return moves, factors
    weight = discriminator.linear.weight
    gram = discriminator.linear.rounded(weight @ weight.T)  # (hidden, hidden)
    true_var, true_mean = torch.var_mean(true_hidden, dim=0, correction=0)  # (hidden,) each
    origin = origin_hidden - true_mean  # (N, hidden); batch norm does not see the shift, and sums of squares keep digits
    hidden = origin + discriminator.linear.of_difference(start)  # (N, hidden)
    square = start.square().sum(dim=1, keepdim=True)  # (N, 1), the squared length of g - origin
    climb = _compiled_climb() if hidden.device.type == "cuda" else _climb
    for _ in range(method.step // PROJECT_EVERY):
        before, move = hidden.clone(), torch.zeros_like(hidden)
        for _ in range(PROJECT_EVERY):
            climb(discriminator, hidden, move, gram, true_mean, true_var)
        # |offset + move W|^2 - |offset|^2, for the image of the move is the way that `hidden` went (nearly, in bf16)
        square += (move * (before + hidden - 2 * origin)).sum(dim=1, keepdim=True)
        length = square.sqrt()
        factor = length.clamp(radius, 2 * radius) / (length + EPS) if method.projection else torch.ones_like(length)
        hidden = torch.lerp(origin, hidden, factor)
        square *= factor.square()
        moves.append(move)
        factors.append(factor)
    return moves, factors


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


def _compose(start: Tensor, moves: list[Tensor], factors: list[Tensor], discriminator: Discriminator) -> Tensor:
    """All moves and projections about the origin at once, so that one product recovers the features (N, d)."""
    if not moves:
        return start
    share = torch.ones_like(factors[0])  # (N, 1)
    total = torch.zeros_like(moves[0])  # (N, hidden)
    for move, factor in zip(moves, factors, strict=True):
        share = share * factor
        total = factor * (total + move)
    return share * start + discriminator.linear.of_gradient(total)  # (N, d)


def _project(offset: Tensor, radius: Tensor) -> Tensor:
    """Truncated projection (equation 2): clamp the rows' lengths to [radius, 2 radius]."""
    length = offset.norm(dim=1, keepdim=True)  # (N, 1)
    return length.clamp(radius, 2 * radius) / (length + EPS) * offset


def _where(chosen: Tensor, offset: Tensor) -> Tensor:
    """Lengths (N,) of the chosen rows (N, 1), of the others not a number: an index by mask would wait for the device."""
    return offset.norm(dim=1).where(chosen[:, 0], torch.nan)


def _share(hits: Tensor, among: Tensor) -> Tensor:
    """Of the rows (N, 1) in question; not a number where there are none."""
    return (hits & among).sum(dtype=torch.float64) / among.sum()
