"""One training iteration as the official code makes it: the oracle of the fast form, and what it is timed against.

Slow on purpose. See docs/explanation/glass.md#one-iteration.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glass_core.paper.plain_network import PlainGlass
from glass_core.synthesis.samples import Batch
from glass_core.training.ascent import EPS, PROJECT_EVERY, STEP_LENGTH
from glass_core.training.gas import FOCAL_SMOOTH, MANIFOLD_RADIUS, Method
from glass_core.training.training_state import Optimisers


def plain_step(
    plain: PlainGlass,
    optimisers: Optimisers,
    batch: Batch,
    centre: Tensor,
    noise_std: float,
    method: Method,
    seed: np.random.SeedSequence,
) -> float:
    """One step of both optimisers on a batch, all rows; the loss before it. `centre` (cells, d) is that of one tile."""
    heads = (plain.glass.pre_projection, plain.glass.discriminator)
    with torch.no_grad():
        normal, las = (plain.features(torch.from_numpy(tiles)) for tiles in (batch.normal, batch.las))  # (N, d)
    generator = torch.Generator().manual_seed(int(seed.generate_state(1)[0]))
    noise = noise_std * torch.randn(normal.shape, generator=generator)
    mask = torch.from_numpy(batch.mask).reshape(-1, 1)  # (N, 1)
    rows = centre.repeat(len(batch.mask), 1)  # (N, d), image-major
    loss = torch.stack(plain_losses(*heads, normal, las, mask, noise, method, rows)).sum()
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss.backward()
    for optimiser in optimisers:
        optimiser.step()
    return float(loss.detach())


def plain_losses(
    adaptor: nn.Module,
    discriminator: nn.Module,
    normal: Tensor,
    las: Tensor,
    mask: Tensor,
    noise: Tensor,
    method: Method,
    centre: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """L_n, L_gas and L_las of embedding rows `normal` and `las` (N, d); `mask` (N, 1), `noise` and `centre` (N, d).

    Features themselves are moved and projected; 21 passes over normal and synthetic rows together, by autograd.
    """
    fake, true = adaptor(las), adaptor(normal)  # (N, d)
    changed = mask > 0.5  # (N, 1)
    with torch.no_grad():
        distances = torch.cat([(fake - centre).norm(dim=1)[~changed[:, 0]], (true - centre).norm(dim=1)])
        radius = torch.quantile(distances, method.radius)
    synthetic, origin = true + noise, centre if method.hypersphere else true
    inner = radius if method.hypersphere else torch.tensor(MANIFOLD_RADIUS, dtype=true.dtype, device=true.device)
    for step in range(method.step + 1):
        p_true, p_synthetic = discriminator(torch.cat([true, synthetic])).chunk(2)  # (N, 1) each
        loss_normal = F.binary_cross_entropy(p_true, torch.zeros_like(p_true))
        loss_gas = F.binary_cross_entropy(p_synthetic, torch.ones_like(p_synthetic))
        if step == method.step or not method.mining:
            break
        (gradient,) = torch.autograd.grad(loss_gas, synthetic, retain_graph=True)
        synthetic = synthetic + STEP_LENGTH * gradient / (gradient.norm(dim=1, keepdim=True) + EPS)
        if (step + 1) % PROJECT_EVERY == 0 and method.projection:
            synthetic = origin + _clamped(synthetic - origin, inner)
    if method.hypersphere and method.projection:
        fake = torch.where(changed, centre + _clamped(fake - centre, 2 * radius), fake)
    p = discriminator(fake)  # (N, 1)
    error = (p.detach() - mask) ** 2
    kept = error >= torch.quantile(error, method.p) if method.p > 0 else torch.ones_like(error, dtype=torch.bool)
    return loss_normal, loss_gas, _focal(p[kept], mask[kept])


def _clamped(way: Tensor, inner: Tensor) -> Tensor:
    length = way.norm(dim=1, keepdim=True)
    return length.clamp(inner, 2 * inner) / (length + EPS) * way


def _focal(p: Tensor, mask: Tensor) -> Tensor:
    """Of the kept rows (n,), by the columns of a clamped one-hot."""
    one_hot = torch.stack([1 - mask, mask], dim=1).float().clamp(FOCAL_SMOOTH, 1 - FOCAL_SMOOTH).to(p.dtype)  # (n, 2)
    pt = (one_hot * torch.stack([1 - p, p], dim=1)).sum(dim=1) + FOCAL_SMOOTH
    return (-((1 - pt) ** 2) * pt.log()).mean()
