"""The points of a sweep: every combination asked for, and what fits where nothing was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from tools.bench import sweep
from tools.bench.sweep import Asked, Mode, asked_of_line, measure_reaction, points, random_models


@pytest.fixture(scope="module")
def models() -> Iterator[list[Path]]:
    with random_models("embedded", [64, 96]) as models:
        yield models


def test_every_combination_is_a_point(models: list[Path]) -> None:
    found = points(models, Asked("forward", [1, 4], ["fp32", "bf16"], ["torch"]))
    assert [(p.model.name, p.precision, p.batch) for p in found] == [
        (size, precision, batch) for size in ("64", "96") for precision in ("fp32", "bf16") for batch in (1, 4)
    ]
    assert {(p.arch, p.backend) for p in found} == {("embedded", "torch")}


@pytest.mark.parametrize(("mode", "batch", "asked"), [("forward", 8, ()), ("pipeline", 16, ()), ("paper", 8, (3, 5))])
def test_what_was_not_asked_is_what_fits(mode: Mode, batch: int, asked: tuple[int, ...], models: list[Path]) -> None:
    (point,) = points(models[1:], Asked(mode, asked))
    assert (point.backend, point.precision, point.batch) == ("auto", "fp32", batch)


def test_a_bundle_has_its_own_engine(models: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "is_bundle", lambda model: model == models[0])
    found = points(models, Asked(backends=["torch", "openvino"], precisions=["bf16"]))
    assert [(p.model.name, p.backend, p.precision) for p in found] == [
        ("64", "auto", "auto"), ("96", "torch", "bf16"), ("96", "openvino", "bf16"),
    ]  # fmt: skip


def test_a_line_is_measured_as_its_worker_is_set(models: list[Path]) -> None:
    worker = {"max_batch": 3, "precision": "bf16", "backend": "torch"}
    line = LineConfig.model_validate({"model": models[0], "worker": worker})
    assert asked_of_line(line, Asked()) == (models[0], Asked("forward", [3], ["bf16"], ["torch"]))
    assert asked_of_line(line, Asked("pipeline", [5])) == (models[0], Asked("pipeline", [5], ["bf16"], ["torch"]))
    with pytest.raises(InputError, match="no model, the config"):
        asked_of_line(LineConfig(), Asked())
    with pytest.raises(InputError, match="no cameras, the config"):
        measure_reaction(LineConfig.model_validate({"model": models[0]}), 100.0)


def test_models_drawn_at_random_go_afterwards() -> None:
    with random_models("embedded", [64]) as models:
        assert all(folder.is_dir() for folder in models)
    assert not any(folder.exists() for folder in models)
