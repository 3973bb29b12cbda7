"""What a training differs in from the official scripts, so that no figure stands without it.

See docs/explanation/glass.md#the-profile-paper.
"""

from collections.abc import Collection

from glass_core.config import TrainConfig
from glass_core.network.checkpoint import ModelInfo

NOTHING_OF_THE_METHOD = frozenset({"profile", "weights", "textures", "evaluate_every", "overlap_px"})
"""Settings whose difference is nothing; files are judged by what they hold, not by where they lie."""
_NOT_METHOD = NOTHING_OF_THE_METHOD | {"split", "select", "recalibrate_bn"}
"""Those, and what is said below in words of its own."""
ALWAYS = (
    "random streams are not those of the official code",
    "the centre is the mean over pictures, officially over batch means (a short last batch counts more)",
    "features are rounded to half precision",
)


_OF_A_SCRIPT = ("distribution", "foreground", "resize_px")
"""The official scripts differ among themselves in these."""


def deviations(info: ModelInfo, said: Collection[str] = ()) -> tuple[str, ...]:
    """In words, every difference of a model of the profile `paper` from its official script; empty for other profiles.

    Which script that is, a model does not know: where the scripts differ, its settings are told, and compared with none.
    `said`: settings that the caller has compared.
    """
    config = info.config
    if config is None or config.profile != "paper":
        return ()
    official = TrainConfig(profile="paper")
    settings = [
        (name, f"{name} {getattr(config, name)}, officially {getattr(official, name)}")
        for name in TrainConfig.model_fields
        if name not in {*_NOT_METHOD, *_OF_A_SCRIPT} and getattr(config, name) != getattr(official, name)
    ]
    if config.distribution == "j":
        chosen = {"m": "manifold", "h": "hypersphere"}.get(info.distribution or "", "not known")
        words = f"{chosen} by the judge on this run's pictures, officially read from a file of the authors' judgements"
        settings.append(("distribution", words))
    if config.foreground == "generated":
        settings.append(("foreground", "foreground masks by a generator of our own, officially hand-made or none"))
    if config.split != official.split:
        words = f"trained on a part of {config.split.train:.0%} of the good pictures, officially on all"
        settings.append(("split", words))
    if config.recalibrate_bn:
        settings.append(("recalibrate_bn", "batch-norm statistics recalibrated, officially those of the last batches"))
    found = [words for name, words in settings if name not in said]
    if chosen_here := [f"{name} {getattr(config, name)}" for name in _OF_A_SCRIPT if name not in said]:
        found.append(f"{', '.join(chosen_here)}: not compared, each official script has its own")
    return (*found, *_of_files(info), f"epoch: {info.selection}, officially the best of all epochs on the test set", *ALWAYS)


def _of_files(info: ModelInfo) -> list[str]:
    """What the files were; the settings only say where they lay."""
    from glass_core.network.weights import is_published, published_file

    found = []
    if info.textures and not info.textures.startswith("images"):
        found.append(f"textures {info.textures}, officially the folder images of DTD")
    if (origin := info.weights) and not is_published(origin):
        found.append(f"weights {origin.path} (sha256 {origin.sha256[:8]}), officially {published_file(origin.arch)}")
    return found
