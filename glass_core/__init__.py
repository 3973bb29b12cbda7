"""GLASS: learns good cloth, and scores pictures by how little they look like it. Importing this alone loads no torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glass_core.config import TrainConfig
    from glass_core.engines.compile import compile_bundle
    from glass_core.evaluation.evaluate import evaluate
    from glass_core.evaluation.figures import draw_map
    from glass_core.evaluation.scores import Scores, load
    from glass_core.training.train import train
else:
    _HOMES = {
        "Scores": "evaluation.scores",
        "TrainConfig": "config",
        "compile_bundle": "engines.compile",
        "draw_map": "evaluation.figures",
        "evaluate": "evaluation.evaluate",
        "load": "evaluation.scores",
        "train": "training.train",
    }

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Scores", "TrainConfig", "compile_bundle", "draw_map", "evaluate", "load", "train"]
