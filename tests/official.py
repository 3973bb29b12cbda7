"""What the official code would save, drawn at random."""

import torch

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
