"""The loss of one GLASS iteration on feature rows: global synthesis by gradient ascent, local synthesis, hard examples.

Follows docs/explanation/glass.md#global-synthesis and #losses (paper equations 1, 2 and 5 to 8).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from glass_core.network.model import Adaptor, Discriminator
from glass_core.training.ascent import Arrived, ascend, offset_of, truncation

MANIFOLD_RADIUS = 0.5
FOCAL_SMOOTH = 1e-5


@dataclass(frozen=True)
class Method:
    """GLASS-m (`hypersphere` off) or GLASS-h; `mining` off leaves Gaussian noise alone (docs/explanation/glass.md#noise).

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
    if centre is not None and las_centre is not None:
        true_offset, las_offset = true - centre, fake - las_centre  # (N, d) each
        las_distance = las_offset.norm(dim=1, keepdim=True)  # (N, 1)
        with torch.no_grad():
            distances = torch.cat([_where(~changed, las_distance), true_offset.norm(dim=1)])  # (2 N,)
            log["r_t"] = torch.nanquantile(distances, method.radius)

    linear = discriminator.linear
    true_hidden = linear(true)  # (N, hidden)
    steps = method.step if method.mining else 0
    if method.hypersphere:
        if centre is None:
            raise ValueError("GLASS-h needs a centre")
        start, radius = true_offset + noise, log["r_t"]
        with torch.no_grad():
            centre_hidden = linear(centre)  # (N, hidden)
            inner = radius if method.projection else None
            hidden, projections = ascend(discriminator, true_hidden, centre_hidden, start, inner, steps)
            rows = offset_of(linear, start, projections) + centre  # (N, d)
        synthetic_hidden = Arrived.apply(hidden, centre_hidden, start, linear.weight, linear.bias, rows, linear, projections)
        before_distance = projections[-1].length if projections else start.norm(dim=1)
        if method.projection:
            factor, _ = truncation(las_distance, 2 * radius)
            fake = torch.addcmul(fake, las_offset, torch.where(changed, factor - 1, 0.0))
    else:
        # Noise, moves and projections about the row itself are constants: the Jacobian of g = t + offset is the identity.
        inner = true.new_tensor(MANIFOLD_RADIUS) if method.projection else None
        hidden, projections = ascend(discriminator, true_hidden, true_hidden, noise, inner, steps)
        offset = offset_of(linear, noise, projections)  # (N, d)
        synthetic_hidden = Arrived.apply(hidden, true_hidden, noise, linear.weight, None, offset, linear, [])
        if centre is not None:
            before = offset / projections[-1].factor if projections else offset
            before_distance = (true_offset + before).norm(dim=1)
    if projections:
        touched = (projections[0].factor - 1).abs() > 1e-6  # (N, 1)
        log["clamped"] = _share(touched, torch.ones_like(touched))

    p_true, p_synthetic = discriminator.classify(torch.cat([true_hidden, synthetic_hidden])).chunk(2)  # (N, 1) each
    p_fake = discriminator(fake)  # (N, 1), a batch norm pass of its own
    loss_normal = F.binary_cross_entropy(p_true, torch.zeros_like(p_true))
    loss_gas = F.binary_cross_entropy(p_synthetic, torch.ones_like(p_synthetic))
    loss_las = focal_loss(p_fake, mask, hard_weights(p_fake, mask, method.p))
    loss = method.gas * (loss_normal + loss_gas) + method.las * loss_las

    with torch.no_grad():
        log |= {"loss": loss, "loss_normal": loss_normal, "loss_gas": loss_gas, "loss_las": loss_las}
        whole = torch.ones_like(changed)
        log["p_true"] = _share(torch.cat([p_fake, p_true]) < 0.5, torch.cat([~changed, whole]))
        log["p_fake"] = _share(torch.cat([p_fake, p_synthetic]) >= 0.5, torch.cat([changed, whole]))
        if centre is not None:
            log["r_g"] = torch.quantile(before_distance, method.radius)
            log["r_f"] = torch.nanquantile(_where(changed, las_distance), method.radius)
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
    """Weight 1 for rows whose squared error is at or above its `fraction` quantile over the batch, else 0 (OHEM)."""
    error = (p.detach() - mask).square()  # (N, 1)
    if fraction <= 0:
        return torch.ones_like(error)
    return (error >= torch.quantile(error, fraction)).to(p.dtype)


def focal_loss(p: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Two-class focal loss, gamma 2, smoothed one-hot, as the weighted mean over rows (N, 1).

    See docs/explanation/glass.md#losses.
    """
    one_hot = torch.cat([1 - mask, mask], dim=1).float()  # (N, 2), clamped in float32 as by the authors
    one_hot = one_hot.clamp(FOCAL_SMOOTH, 1 - FOCAL_SMOOTH).to(p.dtype)
    matched = (one_hot * torch.cat([1 - p, p], dim=1)).sum(dim=1, keepdim=True) + FOCAL_SMOOTH  # (N, 1)
    return (weights * -(1 - matched).square() * matched.log()).sum() / weights.sum()


def _where(chosen: Tensor, distance: Tensor) -> Tensor:
    """Distances (N,) of the chosen rows (N, 1), of the others not a number: an index by mask would wait for the device."""
    return distance.where(chosen, torch.nan)[:, 0]


def _share(hits: Tensor, among: Tensor) -> Tensor:
    """Of the rows (N, 1) in question; not a number where there are none."""
    return (hits & among).sum(dtype=torch.float64) / among.sum()
