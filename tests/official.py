"""What the official code starts from and would save, drawn at random."""

import zlib

import numpy as np
import torch

from glass_core.network.model import Glass

Heads = dict[str, dict[str, torch.Tensor]]


def heads(seed: int = 0) -> Heads:
    """A checkpoint's content, with running statistics that matter."""
    rng = torch.Generator().manual_seed(seed)
    shapes = {
        "pre_projection": {"layers.0fc.weight": (1536, 1536), "layers.0fc.bias": (1536,)},
        "discriminator": {
            "body.block1.0.weight": (1024, 1536),
            "body.block1.0.bias": (1024,),
            **{f"body.block1.1.{name}": (1024,) for name in ("weight", "bias", "running_mean", "running_var")},
            "tail.0.weight": (1, 1024),
        },
    }
    made = {part: {k: 0.02 * torch.randn(s, generator=rng) for k, s in keys.items()} for part, keys in shapes.items()}
    made["discriminator"]["body.block1.1.running_var"] = torch.rand(1024, generator=rng) + 0.5
    made["discriminator"]["body.block1.1.num_batches_tracked"] = torch.tensor(22)
    return made


def draw_trunk(glass: Glass, seed: int) -> None:
    """Fills the trunk as goldens/README.md draws it: each tensor by its key and the seed."""
    state = glass.backbone.state_dict()
    for key, tensor in state.items():
        if tensor.is_floating_point():
            random = np.random.RandomState((zlib.crc32(key.encode()) ^ seed) & 0x7FFFFFFF)
            if key.endswith("running_var"):
                drawn = random.uniform(0.5, 1.5, tensor.shape)
            elif key.endswith(("running_mean", "bias")):
                drawn = 0.1 * random.standard_normal(tensor.shape)
            elif tensor.ndim == 1:
                drawn = random.uniform(0.4, 1.1, tensor.shape)
            else:
                drawn = random.standard_normal(tensor.shape) * np.sqrt(2 / np.prod(tensor.shape[1:]))
            tensor.copy_(torch.from_numpy(drawn))


def draw_heads(glass: Glass, seed: int) -> None:
    """Fills adaptor and discriminator as goldens/README.md draws them, in its order."""
    random = np.random.RandomState(seed)
    d, hidden = 1536, 1024

    def normal(*shape: int) -> np.ndarray:
        return random.standard_normal(shape)

    adaptor = {"weight": np.eye(d) + 0.3 / np.sqrt(d) * normal(d, d), "bias": 0.1 * normal(d)}
    drawn = {f"pre_projection.layers.0fc.{key}": value for key, value in adaptor.items()}
    block = "discriminator.body.block1"
    drawn[f"{block}.0.weight"] = normal(hidden, d) * np.sqrt(2 / (d + hidden))
    drawn[f"{block}.0.bias"] = 0.1 * normal(hidden)
    drawn[f"{block}.1.weight"] = random.uniform(0.5, 1.5, hidden)
    drawn[f"{block}.1.bias"] = 0.1 * normal(hidden)
    drawn[f"{block}.1.running_mean"] = 0.1 * normal(hidden)
    drawn[f"{block}.1.running_var"] = random.uniform(0.5, 1.5, hidden)
    drawn["discriminator.tail.0.weight"] = normal(1, hidden) * np.sqrt(2 / (hidden + 1))
    state = glass.state_dict()
    for key, value in drawn.items():
        state[key].copy_(torch.from_numpy(value))
