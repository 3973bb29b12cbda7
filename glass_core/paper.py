"""What a training differs in from the official scripts (glass.md 9.3), so that no figure stands without it."""

from glass_core.checkpoint import ModelInfo
from glass_core.config import TrainConfig

_NOT_METHOD = frozenset({"profile", "weights", "textures", "split", "select", "recalibrate_bn", "evaluate_every", "overlap_px"})
"""Settings whose difference is nothing, or said below in words of its own."""
ALWAYS = (
    "random streams are not those of the official code",
    "the centre is the mean over pictures, officially over batch means (a short last batch counts more)",
    "good features are rounded to half precision",
)


def deviations(info: ModelInfo) -> tuple[str, ...]:
    """In words, every difference of a model of the profile `paper` from its official script; empty for other profiles.

    The scripts differ among themselves in `distribution`, `foreground` and `resize_px`; those are said, not compared.
    """
    config = info.config
    if config is None or config.profile != "paper":
        return ()
    official = TrainConfig(profile="paper")
    scripts = {"distribution", "foreground", "resize_px"}
    found = [
        f"{name} {getattr(config, name)}, officially {getattr(official, name)}"
        for name in TrainConfig.model_fields
        if name not in _NOT_METHOD | scripts and getattr(config, name) != getattr(official, name)
    ]
    if config.distribution == "j":
        chosen = {"m": "manifold", "h": "hypersphere"}.get(info.distribution or "", "not known")
        found.append(f"{chosen} by the judge on this run's pictures, officially read from a file of the authors' judgements")
    if config.foreground == "generated":
        found.append("foreground masks by a generator of our own, officially hand-made or none")
    if config.split != official.split:
        found.append(f"trained on a part of {config.split.train:.0%} of the good pictures, officially on all")
    if info.textures and not info.textures.startswith("images"):
        found.append(f"textures {info.textures}, officially the folder images of DTD")
    if config.recalibrate_bn:
        found.append("batch-norm statistics recalibrated, officially those of the last batches")
    found.append(f"epoch: {info.selection}, officially the best of all epochs on the test set")
    return (*found, *ALWAYS)
