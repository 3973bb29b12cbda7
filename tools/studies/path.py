"""What the line costs besides the model, and how its memory behaves: `python -m tools.studies.path`.

Four processes as on the line, over ipc sockets: decision and recorder are the line's own; grabber and worker are the
real stages, handed stand-ins. The camera copies one picture from memory, as pylon's grab result is copied, so no decoding of
files is measured; the engine answers at once, so the worker's figure is tiling, batching and stitching. The camera waits for
the worker, hence the path runs as fast as it can. One frame in a hundred is a DEFECT and takes its pixels to the recorder.

CPU time comes from /proc/PID/stat and holds user, system and ZeroMQ's own threads. Nothing here is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import numpy as np

from calibration.false_alarms import Budget
from calibration.good import GoodFrame
from calibration.threshold import Model, calibrate
from glass_core.config import TrainConfig
from glass_core.engines.canary import Canary
from glass_core.errors import InputError
from glass_core.pictures.scoring import ScoreDefinition
from pipeline.cameras.protocol import Shot
from pipeline.cameras.synthetic.weave import render
from pipeline.config.cameras import WeaveConfig
from pipeline.config.line import LineConfig
from pipeline.config.styles import Scalar
from pipeline.link.protocol import Link
from pipeline.link.stage import Stage
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.line import Totals
from pipeline.messages.message import Message
from pipeline.messages.stages import Progress
from pipeline.supervision.builders import ROLES, build
from pipeline.supervision.loop import loop
from pipeline.supervision.process import Reporter, die_with_parent
from pipeline.supervision.spec import Spec
from tools.cli import one_line

T = TypeVar("T", bound=Message)

SHAPES = ((256, 4096), (1024, 1024))
"""Height and width in px: a slab of a line-scan camera, a picture of an area camera."""
DEFECT_EVERY = 100
WARM_FRAMES = 1000
STANDSTILL_S = 3.0
SILENT_S = 60.0
SCORED_FRAMES = 8
NAMES = ("grabber", "worker", "decision", "recorder")


class StillCamera:
    """Gives copies of one picture, `frames` times, and then nothing, as over cloth at rest."""

    self_timed = False
    noisy = False

    def __init__(self, config: WeaveConfig) -> None:
        shape = (config.frame_rows, config.width_px)
        self._picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)  # a loom would count as memory
        self._frames = config.frames or 0

    def open(self) -> dict[str, Any]:
        """What it is."""
        return {"source": "still"}

    def trigger(self) -> None:
        """Nothing: the next picture is always ready."""

    def adjust(self, features: dict[str, Scalar]) -> None:
        """Nothing."""

    def switch(self, on: bool) -> None:
        """Nothing: it has no output."""

    def shots(self) -> Iterator[Shot | None]:
        """The picture again and again."""
        for number in range(self._frames):
            yield Shot(self._picture.copy(), len(self._picture), number, time.monotonic_ns(), time.time_ns())
        while True:
            yield None

    def close(self) -> None:
        """Nothing to release."""


class StillEngine:
    """Scores every cell 0.1 without looking, but one of a batch 0.2, and one cell of each hundredth frame 1."""

    sha = "bench"
    weights_sha = "bench"
    backend = precision = device = "none"
    definition = ScoreDefinition(tiling=TrainConfig().tiling)
    pixel_format: str | None = None
    canary: Canary | None = None

    def __init__(self, tiles_per_frame: int) -> None:
        self._period, self._seen = DEFECT_EVERY * tiles_per_frame, 0

    def score(self, tiles: np.ndarray) -> np.ndarray:
        """Cells (B, h/c, w/c) of tiles (B, h, w)."""
        b, h, w = tiles.shape
        cell_px = self.definition.tiling.cell_px
        cells = np.full((b, h // cell_px, w // cell_px), 0.1, np.float32)
        inner = cells[:, h // cell_px // 2, w // cell_px // 2]  # (B,) clear of the border, which is not scored
        inner[-1] = 0.2  # an engine whose cells are all the same would be taken for broken
        until_defect = self._period - 1 - self._seen % self._period
        if until_defect < b:
            inner[until_defect] = 1
        self._seen += b
        return cells


def grabber_stage(spec: Spec, link: Link) -> Stage:
    """The real grabber over a StillCamera; one without a rate waits for the worker, and its frames have no budget."""
    from pipeline.grabber.stage import Grabber, GrabberBoxes, GrabberTerms, OpenCamera

    camera = next(c for c in spec.config.cameras if c.name == spec.name)
    assert isinstance(camera, WeaveConfig)
    free = camera.rate is None
    budget_ms = None if free else spec.config.decision.budget_ms
    terms = GrabberTerms("bench", 0, budget_ms=budget_ms, lossless=free, position_known=True)
    still = StillCamera(camera)
    boxes = GrabberBoxes(link.outbox("worker"), link.outbox("decision"), link.outbox("recorder"))
    return Grabber(OpenCamera(still, camera, still.open()), terms, boxes, time.time_ns)


def worker_stage(spec: Spec, link: Link) -> Stage:
    """The real worker over a StillEngine."""
    from pipeline.worker.job import Model
    from pipeline.worker.stage import Worker

    config, tiling, camera = spec.config.worker, StillEngine.definition.tiling, spec.config.cameras[0]
    assert isinstance(camera, WeaveConfig)
    engine = StillEngine(len(tiling.layout(camera.frame_rows, camera.width_px).tiles))
    models = {"": Model(engine, spec.config.decision.recording_floor)}
    wait_ns = int(config.batch_wait_ms * 1e6)
    return Worker(link.inbox("worker"), link.outbox("decision"), models, config.max_batch, wait_ns, 0)


STAND_INS = {"grabber": grabber_stage, "worker": worker_stage}


def run_stage(path: Path, link_of: Callable[[Path], ZmqLink] = ZmqLink) -> int:
    """Be the stage that a spec describes, grabber and worker over their stand-ins, until SIGTERM."""
    die_with_parent()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, frame: stopped.append(signum))
    spec = Spec.model_validate_json(path.read_text(encoding="utf-8"))
    with ExitStack() as stack:
        link = link_of(spec.folder)
        stack.callback(link.close)
        stage = STAND_INS.get(spec.role, build)(spec, link)
        stack.callback(stage.close)
        loop([stage], link.wait, lambda: bool(stopped), Reporter(stage, spec, link.outbox("supervisor"), link.strangers))
    return 0


@dataclass(frozen=True)
class Reading:
    """The processes at one moment: verdicts so far, CPU seconds and resident MiB of each."""

    frames: int
    at_s: float
    cpu_s: dict[str, float]
    rss_mib: dict[str, float]


class Processes(Generic[T]):
    """The processes of a path over a link, and what they publish of one kind; used as a context manager.

    `module_of` gives the module that runs a role's stage, and its words before the path of the spec.
    """

    def __init__(self, config: LineConfig, link: ZmqLink, hears: type[T], module_of: Callable[[str], list[str]]) -> None:
        self._config, self._link, self._hears, self._module_of = config, link, hears, module_of
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.progress: dict[str, Progress] = {}

    def __enter__(self) -> Self:
        self._inbox = self._link.inbox("supervisor")
        self._events = self._link.subscribe(self._config.publisher.bind, self._hears.__name__)
        home = str(Path(__file__).parents[2])
        for role in reversed(NAMES):
            for name in ROLES[role].names(self._config):
                spec = Spec(role=role, name=name, generation=0, folder=self._link.folder, config=self._config)
                path = self._link.folder.parent / f"{name}.json"
                path.write_text(spec.model_dump_json(), encoding="utf-8")
                words = [sys.executable, "-m", *self._module_of(role), str(path)]
                env = {**os.environ, "PYTHONPATH": home}
                self._children[name] = subprocess.Popen(words, env=env, start_new_session=True)
        return self

    def __exit__(self, *failure: object) -> None:
        for child in reversed(self._children.values()):
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._link.close()

    def heard(self) -> Iterator[T]:
        """What decision publishes of that kind."""
        end_s, known = time.monotonic() + SILENT_S, -1
        while True:
            self._link.wait(50)
            while received := self._inbox.receive():
                if isinstance(received[0], Progress):
                    self.progress[received[0].name] = received[0]
            worker = self.progress.get("worker")
            if worker is not None and worker.handled > known:
                end_s, known = time.monotonic() + SILENT_S, worker.handled
            for name, child in self._children.items():
                if child.poll() is not None:
                    raise InputError(f"the {name} ended with status {child.returncode}, the path, see the lines above")
            if time.monotonic() > end_s:
                raise InputError(f"no score for {SILENT_S:.0f} s, the path, try on an idle machine")
            while received := self._events.receive():
                if isinstance(received[0], self._hears):
                    yield received[0]

    def read(self, frames: int) -> Reading:
        """The processes now."""
        ticks_per_s = os.sysconf("SC_CLK_TCK")
        cpu_s, rss_mib = {}, {}
        for role, child in self._children.items():
            fields = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
            cpu_s[role] = (int(fields[11]) + int(fields[12])) / ticks_per_s
            status = Path(f"/proc/{child.pid}/status").read_text()
            rss_mib[role] = int(status.split("VmRSS:")[1].split()[0]) / 1024
        return Reading(frames, time.monotonic(), cpu_s, rss_mib)


def path_config(height: int, width: int, folder: Path, *cameras: dict[str, object], **more: object) -> LineConfig:
    """A line of such cameras, with a card for the stand-in engine."""
    model = folder / "model"
    model.mkdir()
    of = Model(
        weights_sha=StillEngine.weights_sha, engine_sha=StillEngine.sha, backbone="none", engine="none",
        score_definition=StillEngine.definition,
    )  # fmt: skip
    lanes = StillEngine.definition.tiling.layout(height, width).lanes
    scores = list(np.random.default_rng(0).uniform(0.05, 0.4, (200, lanes)))  # as the engine's, else it were another cloth
    calibrate([GoodFrame(each) for each in scores], of, Budget(per_1000_frames=100), source="bench").save(model)
    common = {"source": "weave", "width_px": width, "frame_rows": height, "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}
    body = {
        "line": {"name": "bench"}, "model": model, "cameras": [{**common, **camera} for camera in cameras],
        "ledger": {"path": folder / "record" / "ledger.sqlite"},
    }  # fmt: skip
    return LineConfig.model_validate({**body, **more})


def own_module(role: str) -> list[str]:
    """This one for the stand-ins, and the line's own for the others."""
    return ["tools.studies.path", "--stage"] if role in STAND_INS else ["pipeline.supervision.process"]


def measure_path(height: int, width: int, frames: int) -> dict[str, Any]:
    """CPU time of each process for a frame, resident memory on the way, and CPU time at a standstill."""
    warm = min(WARM_FRAMES, frames // 2)
    readings: list[Reading] = []
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        folder = Path(name)
        config = path_config(height, width, folder, {"name": "grabber", "frames": frames})
        with Processes(config, ZmqLink(folder / "ipc"), Totals, own_module) as processes:
            for totals in processes.heard():
                if totals.verdicts >= warm:
                    readings.append(processes.read(totals.verdicts))
                if totals.verdicts >= frames:
                    break
            time.sleep(0.5)  # the last pictures are written
            rest = processes.read(frames)
            time.sleep(STANDSTILL_S)
            after = processes.read(frames)
    running = [r for r in readings if r.frames < frames] or readings
    first, last = running[0], running[-1]
    n = max(1, last.frames - first.frames)
    cpu_us = {role: (last.cpu_s[role] - first.cpu_s[role]) / n * 1e6 for role in NAMES}
    return {
        "width_px": width,
        "height_px": height,
        "frames": frames,
        "pass": totals.passed,
        "defect": totals.defect,
        "not_inspected": totals.not_inspected,
        "frames_per_s": n / (last.at_s - first.at_s) if last is not first else None,
        "cpu_us_per_frame": {**cpu_us, "all": sum(cpu_us.values())},
        "cpu_ms_per_s_at_rest": {role: (after.cpu_s[role] - rest.cpu_s[role]) / STANDSTILL_S * 1e3 for role in NAMES},
        "rss_frames": [first.frames, rest.frames],
        "rss_mib": {role: [first.rss_mib[role], rest.rss_mib[role]] for role in NAMES},
        "rss_kib_per_1000_frames": {role: growth(readings, role) for role in NAMES},
    }


def growth(readings: list[Reading], role: str) -> float | None:
    """Slope of the resident memory over the second half of the run, KiB for 1000 frames."""
    half = readings[len(readings) // 2 :]
    frames = np.array([r.frames for r in half], float)
    if np.ptp(frames) == 0:
        return None
    return float(np.polyfit(frames, [r.rss_mib[role] * 1024 for r in half], 1)[0] * 1000)


def measure_scoring(run: Path, height: int, width: int) -> dict[str, Any]:
    """Time of the run's engine for the tiles of one whole frame, batched as the worker does; median wall, mean CPU."""
    from glass_core.engines import load_engine

    engine, most = load_engine(run), LineConfig().worker.max_batch
    cloth = WeaveConfig(name="cloth", source="weave", width_px=width, frame_rows=height)
    tiles = engine.definition.tiling.layout(height, width).cut(render(cloth, 0, height))  # (T, tile, tile)
    batches = [tiles[i : i + most] for i in range(0, len(tiles), most)]
    walls_s: list[float] = []
    cpu_s = 0.0
    for attempt in range(SCORED_FRAMES + 1):
        wall_s, began_s = time.perf_counter(), time.process_time()
        for batch in batches:
            engine.score(batch)
        if attempt:  # at its first call an engine still makes itself ready
            walls_s.append(time.perf_counter() - wall_s)
            cpu_s += time.process_time() - began_s
    return {
        "backend": engine.backend, "precision": engine.precision, "device": engine.device, "tiles": len(tiles),
        "wall_us": statistics.median(walls_s) * 1e6, "cpu_us": cpu_s / SCORED_FRAMES * 1e6,
    }  # fmt: skip


def shares(path: dict[str, Any], scoring: dict[str, Any] | None) -> dict[str, Any]:
    """The path's CPU time as a share of the engine's time for the same frame: of its wall time, and of its CPU time."""
    cost_us = path["cpu_us_per_frame"]
    return {
        "scoring": scoring,
        "share_of_scoring_wall": scoring and {role: us / scoring["wall_us"] for role, us in cost_us.items()},
        "share_of_scoring_cpu": scoring and {role: us / scoring["cpu_us"] for role, us in cost_us.items()},
    }


def measure(model: Path | None, frames: int) -> dict[str, Any]:
    """Every figure, shown on stderr as soon as it is known."""
    from rich.console import Console  # the stages are to hold neither this nor torch

    from tools.bench.machine import machine
    from tools.studies.path_tables import show_path, show_training
    from tools.studies.training import iteration_seconds

    console, of, paths = Console(stderr=True), machine(), []
    versions = ", ".join(f"{name} {v}" for name, v in of["versions"].items())
    console.print(f"{of['cpu']}, {of['cores']} cores, load {of['load']:.1f}; {versions}", highlight=False)
    for height, width in SHAPES:
        path = measure_path(height, width, frames)
        paths.append({**path, **shares(path, measure_scoring(model, height, width) if model else None)})
        show_path(paths[-1], console)
    training = [iteration_seconds(b, ascent) for b in ("embedded", "resnet18") for ascent in (False, True)]
    show_training(training, console)
    return {"schema": 1, "machine": of, "path": paths, "training": training}


@one_line
def main() -> int:
    """Exit as the command line does."""
    p = argparse.ArgumentParser(prog="python -m tools.studies.path", description="What the line costs besides the model.")
    p.add_argument("--model", type=Path, metavar="RUN", help="a model, whose scoring time the path is compared with")
    p.add_argument("--frames", type=int, default=20_000, help="frames of each shape (default: 20000)")
    p.add_argument("--json", action="store_true", help="also print one JSON object on stdout")
    p.add_argument("--stage", type=Path, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.stage:
        return run_stage(args.stage)
    if args.frames < 100:
        p.error("--frames: at least 100")
    result = measure(args.model, args.frames)
    if args.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
