"""The backbones: one table. A new one is a row here and its own module; settings, weights and verbs read the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glass_core.errors import InputError

if TYPE_CHECKING:
    from glass_core.backbones.trunk import Trunk

Levels = tuple[int, ...]


@dataclass(frozen=True)
class Backbone:
    """What is known of a backbone before its network is built."""

    build: Callable[[Levels], Trunk]
    """Its trunk, which gives these levels; weights are still to be loaded. Imports its module only when it is called."""
    file: str | None = None
    """The publisher's name for its weights, which ends with the first digits of their sha256; null: it needs no file."""
    refused_file: str | None = None
    """Weights of the same shape that GLASS cannot use: ImageNet V2."""
    levels: Levels | None = None
    """The only levels that it has; null: any of 1, 2 and 3."""
    title: str = "network trained on ImageNet"


def _resnet18(levels: Levels) -> Trunk:
    from glass_core.backbones.resnet import BasicBlock, ResNet

    return ResNet(BasicBlock, (2, 2, 2), 64, levels)


def _bottlenecks(layer3_depth: int, base_width: int) -> Callable[[Levels], Trunk]:
    def build(levels: Levels) -> Trunk:
        from glass_core.backbones.resnet import Bottleneck, ResNet

        return ResNet(Bottleneck, (3, 4, layer3_depth), base_width, levels)

    return build


def _filterbank(levels: Levels) -> Trunk:
    from glass_core.backbones.filterbank import FilterBank

    return FilterBank()


# Files are torchvision's IMAGENET1K_V1; published GLASS figures and checkpoints depend on them.
# See docs/explanation/glass.md#the-trunk.
BACKBONES: dict[str, Backbone] = {
    "resnet18": Backbone(_resnet18, "resnet18-f37072fd.pth"),
    "resnet50": Backbone(_bottlenecks(6, 64), "resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth"),
    "resnet101": Backbone(_bottlenecks(23, 64), "resnet101-63fe2227.pth", "resnet101-cd907fc2.pth"),
    "wide_resnet50_2": Backbone(_bottlenecks(6, 128), "wide_resnet50_2-95faca4d.pth", "wide_resnet50_2-9ba9bcbe.pth"),
    "embedded": Backbone(_filterbank, levels=(2, 3), title="embedded filter bank"),
}


def backbone(name: str) -> Backbone:
    """The row of that name. Raises InputError for one that is not in the table."""
    if name not in BACKBONES:
        raise InputError(f"unknown backbone {name!r}, backbone, use one of {', '.join(BACKBONES)}")
    return BACKBONES[name]


def untrained_title(name: str) -> str | None:
    """The title of a backbone that needs no weights; null for one that does, and for a name that is not in the table."""
    row = BACKBONES.get(name)
    return row.title if row and row.file is None else None
