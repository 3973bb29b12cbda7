"""Pipeline mode: woven footage in at real grabbers, verdicts out of the real line, at saturation and at 70 % of it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from calibration.false_alarms import Budget
from calibration.good import GoodFrame
from calibration.threshold import Model, calibrate
from glass_core.engines import Engine, load_engine
from glass_core.engines.speed import timed
from glass_core.errors import InputError
from pipeline.cameras.synthetic.weave import render
from pipeline.config.cameras import WeaveConfig
from pipeline.config.line import LineConfig
from pipeline.config.worker import WorkerConfig
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.supervision.supervisor import Supervisor
from tools.bench.forward import Point

TILES_ACROSS = 4
PICTURES = 8
SATURATED, QUIET = 1.25, 0.7
"""Of the worker's own throughput: the rates that the cameras are set to."""
PAIRS = 5
"""Of line and engine alone in turn: a shared machine's speed changes by the minute."""
PATIENCE_S = 120.0


def measure_line(point: Point, cameras: int, seconds: float) -> dict[str, Any]:
    """Both loads. At saturation the line takes turns with its engine alone at the same batch; the median pair is told."""
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        folder = Path(name)
        model, tiles, engine = prepare(point, folder)
        canary = engine.canary
        assert canary is not None
        batch = np.resize(canary.tiles, (point.batch, *canary.tiles.shape[1:]))
        pairs = []
        for _ in range(PAIRS):
            alone = timed(lambda: engine.score(batch), point.batch, seconds).images_per_s
            full = run_line(point, model, folder, alone * SATURATED / tiles, cameras, seconds, tiles)
            pairs.append((full["images_per_s"] / alone, alone, full))
        share, alone, full = sorted(pairs, key=lambda pair: pair[0])[PAIRS // 2]
        quiet = run_line(point, model, folder, full["images_per_s"] * QUIET / tiles, cameras, seconds, tiles)
    bound_ms = WorkerConfig().batch_wait_ms + 2 * quiet["worker"]["infer_ms"]
    return {
        "cameras": cameras, "tiles_per_frame": tiles, "saturation": full, "at_70_percent": quiet, "forward": alone,
        "share_of_forward": share, "shares_of_forward": [share for share, _, _ in pairs], "p99_bound_ms": bound_ms,
    }  # fmt: skip


def prepare(point: Point, folder: Path) -> tuple[Path, int, Engine]:
    """Footage, and the model with a card that lets everything pass; the model, how many tiles a picture has, its engine."""
    model = folder / "model"
    shutil.copytree(point.model, model, ignore=shutil.ignore_patterns("card.json"))
    engine = load_engine(model, point.backend, point.precision)  # type: ignore[arg-type]
    tiling = engine.definition.tiling
    height, width = tiling.tile_px, tiling.tile_px + (TILES_ACROSS - 1) * (tiling.tile_px - tiling.overlap_px)
    layout = tiling.layout(height, width, engine.definition.inspect_x_px)
    of = Model(
        weights_sha=engine.weights_sha, engine_sha=engine.sha, backbone=point.arch, engine=engine.backend,
        score_definition=engine.definition,
    )  # fmt: skip
    certain = np.random.default_rng(0).uniform(0.999, 1, (200, layout.lanes))
    why = "the benchmark: no threshold for cloth"
    calibrate([GoodFrame(each) for each in certain], of, Budget(per_1000_frames=100), why).save(model)
    cloth = WeaveConfig(name="cloth", source="weave", width_px=width, frame_rows=height)
    (folder / "footage").mkdir()
    for number in range(PICTURES):
        grey = render(cloth, number * height, height)
        pixels = np.repeat(grey[..., None], 3, axis=2) if engine.pixel_format == "RGB8" else grey
        cv2.imwrite(str(folder / "footage" / f"{number}.bmp"), pixels)  # quicker to decode than a PNG
    return model, len(layout.tiles), engine


def run_line(
    point: Point, model: Path, folder: Path, frames_per_s: float, cameras: int, seconds: float, tiles: int
) -> dict[str, Any]:
    """Figures of `seconds` of a running line, after a third of that as warm-up; its record is thrown away."""
    camera = {"source": "replay", "path": folder / "footage", "loop": True, "rate": frames_per_s / cameras}
    config = LineConfig.model_validate({
        "line": {"name": "bench"}, "model": model,
        "cameras": [{"name": f"camera-{n}", **camera} for n in range(cameras)],
        "worker": {"backend": point.backend, "precision": point.precision, "max_batch": point.batch},
        "decision": {"budget_ms": 60_000, "recording_floor": 1}, "ledger": {"path": folder / "record" / "ledger.sqlite"},
    })  # fmt: skip
    started_s = time.monotonic()
    first_s: float | None = None
    latency_ms: list[float] = []
    judged_s: list[float] = []
    lost = 0
    with Supervisor(config) as line:
        begin_s = end_s = float("inf")
        while (now_s := time.monotonic()) < end_s:
            line.step()
            if first_s is None and now_s - started_s > PATIENCE_S:
                raise InputError(f"no verdict within {PATIENCE_S:.0f} s, the line, try on an idle machine")
            while received := line.events.receive():
                message = received[0]
                if not isinstance(message, Verdict) or message.seq is None:
                    continue
                if first_s is None and message.result is not Result.NOT_INSPECTED:
                    first_s = now_s
                    begin_s, end_s = now_s + seconds / 3, now_s + seconds / 3 + seconds
                if now_s < begin_s:
                    continue
                if message.result is Result.NOT_INSPECTED:
                    lost += 1
                elif message.latency_ms is not None:
                    judged_s.append(message.t_mono_ns / 1e9)
                    latency_ms.append(message.latency_ms)
        worker = line.progress["worker"].counters
    if len(judged_s) < 2:
        raise InputError("hardly a frame was judged in the time given, the line, give more --seconds")
    p50, p95, p99 = np.percentile(latency_ms, [50, 95, 99])
    shutil.rmtree(folder / "record", ignore_errors=True)
    return {
        "images_per_s": steady_per_s(judged_s) * tiles, "latency_ms": {"p50": p50, "p95": p95, "p99": p99},
        "frames": len(judged_s),
        "not_inspected": lost, "worker": worker, "offered_images_per_s": frames_per_s * tiles,
        "start_to_first_verdict_s": None if first_s is None else first_s - started_s,
    }  # fmt: skip


def steady_per_s(times_s: list[float]) -> float:
    """Events a second that come in bursts, a batch each: the slope of their count over time, by least squares."""
    slope, _ = np.polyfit(np.array(times_s) - times_s[0], np.arange(len(times_s)), 1)
    return float(slope)


@contextmanager
def _link() -> Iterator[ZmqLink]:
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        link = ZmqLink(Path(name))
        try:
            yield link
        finally:
            link.close()


def hop_ms(payload_bytes: int, times: int = 50) -> float:
    """A picture of that size over the line's own kind of socket, from the send to its receipt, the median; one process."""
    from pipeline.messages.frames import Frame

    frame = Frame(
        camera="a", boot_id="b", seq=0, t_mono_ns=0, t_utc_ns=0, block_id=0, shape=(1, payload_bytes), pixel_format="Mono8"
    )
    pixels, took_s = bytes(payload_bytes), list[float]()
    with _link() as link:
        inbox, outbox = link.inbox("worker"), link.outbox("worker")
        for _ in range(times):
            began_s = time.perf_counter()
            while not outbox.send(frame, pixels):
                link.wait(1)
            while not inbox.receive():
                link.wait(1)
            took_s.append(time.perf_counter() - began_s)
    return float(np.median(took_s) * 1e3)
