"""What stands in the record about a run as a whole: its configuration, and the model and card in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibration.threshold import load_card
from glass_core.errors import InputError
from glass_core.network.checkpoint import read_info
from glass_core.version import program_version
from pipeline.config.line import LineConfig


def run_facts(config: LineConfig, model: Path) -> dict[str, Any]:
    """By key, as JSON takes them."""
    return {
        "line": config.line.name,
        "version": program_version(),
        "config": config.model_dump(mode="json"),
        "config_sha": config.sha,
        **_model_facts(model),
        "styles": {name: _model_facts(style.model) for name, style in config.styles.items() if style.model is not None},
    }


def _model_facts(model: Path) -> dict[str, Any]:
    card = load_card(model, required=False)
    return {
        "model": str(model),
        "model_info": _model_info(model),
        "card": card.model_dump(mode="json") if card else None,
        "weights_sha": card.weights_sha if card else None,
        "engine_sha": card.engine_sha if card else None,
        "card_sha": card.sha if card else None,
        "card_provisional": card.provisional if card else None,
    }


def _model_info(model: Path) -> dict[str, Any] | None:
    """What the model's folder says about it, without the training curve; null where the worker will refuse it anyway."""
    try:
        return read_info(model).model_dump(mode="json", exclude={"curve"})
    except InputError:
        return None
