"""What the module of a backbone gives: a trunk that is frozen for good."""

from collections.abc import Mapping
from typing import Self

from torch import Tensor, nn

from glass_core.errors import InputError


class Trunk(nn.Module):
    """From pictures normalised as for ImageNet, (B, 3, H, W), to levels, finest first: of level n (B, C, H/2^(n+1), W/2^(n+1)).

    A subclass ends its constructor with `freeze`.
    """

    level_channels: tuple[int, ...]
    """C of each level that it gives."""
    bf16 = True
    """Whether it may compute in bf16 while the heads learn."""
    unread: tuple[str, ...] = ()
    """Keys of the publisher's file that begin so belong to layers that the trunk is without."""

    def freeze(self) -> None:
        """Nothing in it is trained from now on."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode whatever is asked: the trunk's batch statistics are frozen.

        See docs/explanation/glass.md#the-trunk.
        """
        return super().train(False)

    def load(self, state: Mapping[str, Tensor], source: str) -> None:
        """Copy the publisher's state dict; layers that the trunk is without are left out by name, all else must match.

        Raises InputError naming `source` and the first key that is missing, unknown, or of another shape.
        """
        state = {key: value for key, value in state.items() if not key.startswith(self.unread)}
        wanted = self.state_dict()
        for key in sorted(wanted.keys() | state.keys()):
            advice = "give the torchvision file of this backbone"
            if key not in state:
                if key.endswith("num_batches_tracked"):  # older torchvision files are without, and eval mode does not ask
                    continue
                raise InputError(f"weight {key} is missing, {source}, {advice}")
            if key not in wanted:
                raise InputError(f"weight {key} is unknown, {source}, {advice}")
            if state[key].shape != wanted[key].shape:
                shapes = f"{tuple(state[key].shape)}, not {tuple(wanted[key].shape)}"
                raise InputError(f"weight {key} is {shapes}, {source}, {advice}")
        self.load_state_dict(state, strict=False)
