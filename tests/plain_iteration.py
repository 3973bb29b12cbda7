"""One training iteration of the plain form in float64 on rows that a formula makes, and its numbers as they were kept.

The fast form is compared with the plain one elsewhere, but both take their step length and their radii from one place. So
numbers are kept beside: `python -m tests.plain_iteration > tests/plain_iteration.json` makes them anew. That is right only
where the method itself is to change.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from glass_core.network.model import Adaptor, Discriminator
from glass_core.paper.plain_training import plain_losses
from glass_core.training.gas import Method

KEPT: dict[str, dict[str, list[float]]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8") or "{}")
ROWS, DIM, HIDDEN = 10, 6, 5
METHODS = {
    "manifold": Method(),
    "hypersphere": Method(hypersphere=True, step=15),
    "noise alone": Method(mining=False, p=0.3),
}


def waves(shape: tuple[int, ...], pace: float, height: float = 1.0) -> Tensor:
    """Numbers between -height and height that no random generator has a part in."""
    count = torch.arange(int(torch.tensor(shape).prod()), dtype=torch.float64)
    return (height * torch.sin(pace * (count + 1) + 0.3 * (count % 7) ** 2)).reshape(shape)


def heads() -> tuple[Adaptor, Discriminator]:
    """Adaptor and discriminator in train mode."""
    adaptor, discriminator = Adaptor(DIM).double().train(), Discriminator(DIM, HIDDEN).double().train()
    with torch.no_grad():
        for number, parameter in enumerate([*adaptor.parameters(), *discriminator.parameters()]):
            parameter.copy_(waves(tuple(parameter.shape), 1.1 + 0.37 * number, 0.8))
    return adaptor, discriminator


def rows() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Normal rows, LAS rows, their mask, noise whose length lies on both sides of the manifold's inner radius, the centre."""
    normal, las, centre = (waves((ROWS, DIM), pace) for pace in (0.61, 0.83, 0.47))
    noise = waves((ROWS, DIM), 0.29, 0.2) * torch.linspace(0.3, 4.0, ROWS, dtype=torch.float64)[:, None]
    mask = (torch.arange(ROWS) % 3 == 1).double()[:, None]
    return normal, las, mask, noise, centre


def told(losses: tuple[Tensor, ...], total: Tensor, *modules: nn.Module) -> dict[str, list[float]]:
    """Losses of normal, GAS and LAS rows, each parameter's gradient by its length and along a wave, running statistics."""
    found = {"losses": [float(loss.detach()) for loss in losses]}
    total.backward()
    for module in modules:
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None
            found[f"gradient of {name}"] = [
                float(parameter.grad.norm()), float((parameter.grad * waves(tuple(parameter.shape), 0.9)).sum()),
            ]  # fmt: skip
        found |= {name: value.double().reshape(-1).tolist() for name, value in module.named_buffers()}
    return found


def plain(name: str) -> dict[str, list[float]]:
    """What the plain form says of a method."""
    adaptor, discriminator = heads()
    normal, las, mask, noise, centre = rows()
    losses = plain_losses(adaptor, discriminator, normal, las, mask, noise, METHODS[name], centre)
    return told(losses, torch.stack(losses).sum(), adaptor, discriminator)


if __name__ == "__main__":
    print(json.dumps({name: plain(name) for name in METHODS}, indent=1))
