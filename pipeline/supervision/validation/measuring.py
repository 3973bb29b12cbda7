"""Loads a line's models as its worker does, in a process of its own, and measures them: pylon bears no engine beside it.

`python -m pipeline.supervision.validation.measuring` reads the configuration from stdin and writes Measured to stdout.
"""

from __future__ import annotations

import subprocess
import sys

from pydantic import BaseModel, ConfigDict

from glass_core.engines.canary import EngineFault
from glass_core.errors import InputError, ToldError
from pipeline.config.line import LineConfig
from pipeline.supervision.child import environment

PATIENCE_S = 600.0
"""A GPU's engine takes minutes to be built where none is kept."""


class Measured(BaseModel):
    """The slowest of the line's engines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tiles_per_s: float = 0.0
    engine: str = ""
    trouble: str = ""
    """Why there is none; empty: there is one."""


def measure_engines(line: LineConfig) -> Measured:
    """In a process of its own; InputError with its reason where a model cannot judge on this machine."""
    words = [sys.executable, "-m", "pipeline.supervision.validation.measuring"]
    try:
        done = subprocess.run(
            words, env=environment(), input=line.model_dump_json(), capture_output=True, text=True, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"no engine within {PATIENCE_S:.0f} s, the worker, compile the model with `glassline compile`"
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise InputError(f"its engine cannot be loaded ({last}), the worker, see `glassline doctor`")
    measured = Measured.model_validate_json(done.stdout.splitlines()[-1])
    if measured.trouble:
        raise InputError(measured.trouble)
    return measured


def main() -> None:
    """See above."""
    from glass_core.engines.speed import quick_tiles_per_s
    from pipeline.supervision.loaded_models import load_models

    line = LineConfig.model_validate_json(sys.stdin.read())
    try:
        engines = [loaded.engine for loaded in load_models(line, observe=False).values()]
        speeds = [quick_tiles_per_s(engine, line.worker.max_batch) for engine in engines]
    except EngineFault as fault:
        measured = Measured(trouble=f"{fault}, the engine, compile or train the model again")
    except ToldError as error:
        measured = Measured(trouble=str(error))
    else:
        slowest = min(range(len(speeds)), key=speeds.__getitem__)
        engine = engines[slowest]
        measured = Measured(tiles_per_s=speeds[slowest], engine=f"{engine.backend} {engine.precision} on {engine.device}")
    print(measured.model_dump_json())


if __name__ == "__main__":
    main()
