"""`glassline compile`: build a run's engine ahead, prove it, and give it a threshold card of its own."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from rich.console import Console
from rich.progress import track

from calibration.threshold import ThresholdCard, load_card
from glass_core.config import TrainConfig
from glass_core.engines.backend import backend, check_precision, choose
from glass_core.engines.bundle import ForeignDevice, Manifest, check_device, is_bundle, load_manifest
from glass_core.errors import InputError
from glass_core.network.checkpoint import INFO_FILE, MODEL_FILE, read_info
from glass_core.pictures.datasets import list_images
from glass_core.pictures.exclusions import EXCLUDE_FILE
from glass_core.pictures.split import SPLIT_FILE, load_split
from pipeline.config.line import LineConfig
from tools.verbs.calibrate import calibrate_run, held_out
from tools.verbs.train import refused_writes

RUN_FILES = (INFO_FILE, MODEL_FILE, SPLIT_FILE, EXCLUDE_FILE)
BACKENDS = ("auto", "torch", "openvino", "tensorrt")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("compile", help="build a run's engine ahead for this machine")
    p.add_argument("run", type=Path, metavar="RUN", help="a trained and calibrated run, or a converted official model")
    p.add_argument(
        "--good", type=Path, metavar="FOLDER",
        help="good pictures to prove and calibrate a converted model on; a run has its own",
    )  # fmt: skip
    p.add_argument("--backend", choices=BACKENDS, default="auto", help="default: the fastest this machine has")
    p.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default: fp32")
    p.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to make")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with a proven engine and its card in BUNDLE, or without BUNDLE."""
    if args.out.exists():
        raise InputError(f"already there, {args.out}, choose another --out")
    console = Console(stderr=True)
    with building(args.out) as part:
        manifest, card = compile_run(args.run, args.backend, args.precision, part, console, args.good)
    if args.json:
        facts = manifest.model_dump(mode="json", by_alias=True)
        print(json.dumps({**facts, "bundle": str(args.out), "card_sha": card.sha, "thresholds": card.thresholds}))
        return 0
    print(f"bundle: {args.out}, {manifest.backend} {manifest.precision} for {manifest.device}")
    print(
        f"against the model in float32: scores moved by {manifest.guard['moved_q99']:.2g} at most in 99 of 100 tiles, "
        f"{manifest.guard['flips']:.0f} of {manifest.guard['tiles']:.0f} verdicts flipped"
    )
    print(f"next: `model: {args.out}` in the line's config")
    return 0


@contextmanager
def building(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes it at the end, or goes when anything fails."""
    part = out.with_name(f".{out.name}.part")
    with refused_writes(out):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            part.rename(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def compile_run(
    model: Path, backend_name: str, precision: str, out: Path, console: Console, good: Path | None = None
) -> tuple[Manifest, ThresholdCard]:
    """Builds and proves the engine of a RUN, or again that of a BUNDLE, into the folder `out`, and calibrates it.

    Its scores are compared with those of the trained model on good tiles that it was not trained on (held out, or of the
    folder `good`) and on the same tiles with synthetic defects, at the thresholds of the run's own card.
    """
    from glass_core.engines.building import GUARD_PAIRS, RANGE_PAIRS, build, draw_pairs

    info, card = read_info(model), load_card(model)
    assert card is not None
    if info.config is None and good is None:
        why = "a model that was not trained here has no good pictures of its own"
        raise InputError(f"{why}, {model}, run `glassline compile {model} --good FOLDER --out NEW`")
    if info.config is not None and good is not None:
        raise InputError(f"a run has good pictures of its own, {model}, leave --good out")
    config = info.config or TrainConfig(backbone=info.arch, tile_px=info.score.tiling.tile_px)
    if card.weights_sha != info.weights_sha:
        raise InputError(f"the threshold card is of another model, {model}, run `glassline calibrate threshold {model}`")
    name, why = choose(backend_name, built_ahead=True)
    check_precision(name, precision)
    console.print(f"engine: {name} {precision} ({why}) for {backend(name).device()}", soft_wrap=True, highlight=False)
    pictures = [image.path for image in held_out(model)] if good is None else list_images(good)
    if precision == "int8":  # ranges from pictures that the guard does not look at
        others = [image.path for image in load_split(model).train] if good is None else pictures[1::2]
        pictures = pictures if good is None else pictures[::2]
    guard = draw_pairs(pictures, config, GUARD_PAIRS)
    examples = draw_pairs(others, config, RANGE_PAIRS) if precision == "int8" else guard
    for file in RUN_FILES:
        if (model / file).exists():
            shutil.copyfile(model / file, out / file)

    def shown(numbers: Sequence[int], title: str) -> Iterable[int]:
        return track(numbers, title, console=console, transient=True)

    with redirect_stdout(sys.stderr):  # libraries speak while they build
        manifest = build(out, name, precision, guard, examples.all, card.thresholds, shown)
    anew = calibrate_run(out, good, card.budget_per_1000, console)
    if anew.unit != card.unit:
        console.print(
            f"[yellow]the new card counts {anew.unit}, the run's {card.unit}[/]: the pictures have no known length; "
            f"{card.budget_per_1000:g} in 1000 is another allowance; collect cloth by `run --observe` and calibrate the bundle",
            soft_wrap=True,
        )
    return manifest, anew


def made_for_here(config: LineConfig, console: Console) -> None:
    """Compiles a line's bundles anew where they were made for another device and the config says so; the old one stays beside
    it as BUNDLE.previous. Raises ForeignDevice where the config does not say so."""
    for model in config.models:
        if is_bundle(model):
            _made_for_here(model.resolve(), config, console)  # a link to it goes on leading to it


def _made_for_here(bundle: Path, config: LineConfig, console: Console) -> None:
    manifest = load_manifest(bundle)
    try:
        check_device(bundle, manifest, backend(manifest.backend))
        return
    except ForeignDevice as foreign:
        if config.worker.on_foreign_device == "refuse":
            raise
        console.print(f"{str(foreign).split(', ')[0]}: compiling again", soft_wrap=True, highlight=False)
    previous = bundle.with_name(f"{bundle.name}.previous")
    anew = bundle.with_name(f"{bundle.name}.anew")
    shutil.rmtree(anew, ignore_errors=True)
    with building(anew) as part:
        compile_run(bundle, manifest.backend, manifest.precision, part, console)
    shutil.rmtree(previous, ignore_errors=True)
    bundle.rename(previous)
    anew.rename(bundle)
