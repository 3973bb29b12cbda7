"""GLASS: learns good cloth, and scores pictures by how little they look like it. Importing this alone loads no torch."""

from typing import TYPE_CHECKING

from glass_core.lazy import lazy_exports

if TYPE_CHECKING:
    from glass_core.config import TrainConfig
    from glass_core.engines.compile import compile_bundle
    from glass_core.evaluation.evaluate import evaluate
    from glass_core.evaluation.figures import draw_map
    from glass_core.evaluation.scores import Scores, load
    from glass_core.paper.convert import convert
    from glass_core.training.train import train
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Scores": "evaluation.scores",
            "TrainConfig": "config",
            "compile_bundle": "engines.compile",
            "convert": "paper.convert",
            "draw_map": "evaluation.figures",
            "evaluate": "evaluation.evaluate",
            "load": "evaluation.scores",
            "train": "training.train",
        },
    )


__all__ = ["Scores", "TrainConfig", "compile_bundle", "convert", "draw_map", "evaluate", "load", "train"]
