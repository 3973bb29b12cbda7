"""The trunk as the official program leaves it: its batch norms have seen one picture of ones.

See docs/explanation/glass.md#the-official-trunk.
"""

import torch
from torch import nn

from glass_core.errors import InputError
from glass_core.network.model import Glass

SIDE_PX = 288


def batch_norms(glass: Glass) -> list[nn.BatchNorm2d]:
    """Those of the trunk; the embedded filter bank has none."""
    return [module for module in glass.backbone.modules() if isinstance(module, nn.BatchNorm2d)]


def make_official(glass: Glass, source: str) -> None:
    """Moves the trunk's running statistics a tenth of the way to those of one picture of ones, as the official program does.

    It asks the trunk for its dimensions while that is still in train mode, before training, testing and export alike, so
    published checkpoints expect the trunk that this leaves. A trunk without batch norm stays as it is. Raises InputError
    naming `source` where batch norm was folded into the convolutions: its statistics are gone.
    """
    norms = batch_norms(glass)
    if any(norm.running_mean is not None and not norm.running_mean.any() for norm in norms):
        advice = "give the publisher's file, or train with trunk: clean"
        raise InputError(f"the official trunk needs batch-norm statistics, which were folded away, {source}, {advice}")
    for norm in norms:
        norm.train()  # the trunk itself stays in eval mode whatever it is told
    with torch.no_grad():
        glass.backbone(torch.ones(1, 3, SIDE_PX, SIDE_PX))
    glass.backbone.eval()
