"""Averages the trained weights over the latest iterations, which scatter around what they have learned."""

import copy

import torch

from glass_core.network.model import Glass

WARM_UP = 10
"""In the first iterations an average forgets sooner: what they started from is worth nothing."""


class WeightAverage:
    """`glass` is the network whose heads are an exponential moving average of those in training; with decay 0 it is that
    network itself.

    Running statistics of its batch norm are those of the network in training, until they are measured anew (after Polyak
    and Juditsky 1992, in the form of Tarvainen and Valpola 2017).
    """

    def __init__(self, training: Glass, decay: float) -> None:
        self._training, self._decay = training, decay
        shared = {id(training.backbone): training.backbone}
        self.glass: Glass = copy.deepcopy(training, shared) if decay else training

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        """Take in the weights after an iteration, counted from 1."""
        if not self._decay:
            return
        keep = min(self._decay, (1 + iteration) / (WARM_UP + iteration))
        for name in ("pre_projection", "discriminator"):
            mean, now = self.glass.get_submodule(name), self._training.get_submodule(name)
            for average, weight in zip(mean.parameters(), now.parameters(), strict=True):
                average.lerp_(weight, 1 - keep)
            for kept, buffer in zip(mean.buffers(), now.buffers(), strict=True):
                kept.copy_(buffer)
