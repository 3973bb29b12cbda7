"""Engines kept on the machine that made them: a process which starts again need not convert a run, nor compile a bundle.

What is kept is a bundle without a card for one shape of tiles. It is used only where it is the very engine that would be made
now. Its key holds all that an engine follows from. Golden tiles are scored again when it is loaded, its own or the bundle's.
It was kept only because it scored them as the fresh one did, bit for bit. What does not fit is thrown away and made again.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from glass_core.engines.backend import Exportable, Runner, backend
from glass_core.engines.bundle import Bundle, check_files, load_manifest, seal
from glass_core.engines.canary import MIN_TOLERANCE, drawn_tiles
from glass_core.errors import InputError
from glass_core.events import Note, keep_quiet
from glass_core.files.private_folder import make_private
from glass_core.files.whole_folder import whole_folder
from glass_core.network.checkpoint import INFO_FILE, ModelInfo

MAX_KEPT = 16
"""Engines on one machine; beyond that, those that were not used for longest are removed."""
_USED_UP = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""What this process lacks for the moment: it says nothing of the engine."""
_PRIVATE = "folder of engines", "point XDG_CACHE_HOME at your own"


def cache_folder() -> Path | None:
    """Where this user's engines are kept: below $XDG_CACHE_HOME, or ~/.cache; None for a user without a home."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    return Path(base) / "glassline" / "engines"


@dataclass(frozen=True)
class Wanted:
    """The engine of a run or a bundle for tiles of one shape; `sha` is that of the model's engine."""

    model: Path
    info: ModelInfo
    sha: str
    backend: str
    precision: str
    shape: tuple[int, ...]
    threads: int | None
    built: bool = False
    """It is a bundle, whose files are read; a run is converted."""

    def make(self) -> Runner:
        """Make it ready now."""
        module = backend(self.backend)
        return (module.read if self.built else module.prepare)(self.model, self.shape, self.precision, self.threads)

    def read(self, place: Path) -> Runner:
        """The one that is kept there; InputError where it is damaged."""
        if not self.built:
            return Bundle(place, threads=self.threads).score
        check_files(place, load_manifest(place))
        return backend(self.backend).read(place, self.shape, self.precision, self.threads)

    @property
    def key(self) -> str:
        """All that the engine follows from: model, score definition, libraries, this machine's device, and our own code."""
        code = hashlib.sha256()
        for source in sorted(Path(__file__).parents[1].rglob("*.py")):
            code.update(source.read_bytes())
        device, definition = backend(self.backend).device(), self.info.score.model_dump_json()
        parts = (self.sha, definition, _torch(), str(device), str(self.shape), str(self.threads), code.hexdigest())
        return hashlib.sha256("|".join(parts).encode()).hexdigest()


class EngineCache:
    """The engines of one user; a folder that cannot be used keeps nothing: `report` hears why, and nobody fails by that."""

    def __init__(self, folder: Path, report: Callable[[object], None] = keep_quiet) -> None:
        self._folder, self._report = folder, report

    def runner(self, wanted: Wanted) -> Runner:
        """The engine that was kept, or one made now. Raises what making one raises."""
        place = self._folder / wanted.key
        kept = self._read(place, wanted)
        if kept is not None:
            return kept
        fresh = wanted.make()
        if isinstance(fresh, Exportable):
            try:
                with self._alone():
                    if not place.is_dir():  # a sound one that could not be read stays
                        with whole_folder(place) as part:
                            _keep(wanted, fresh, fresh.export(part), part)
                            self._make_room()
            except InputError as refused:
                self._report(Note(f"engine not kept: {refused}"))
            except OSError:  # somebody else keeps one
                pass
        return fresh

    def has(self, wanted: Wanted) -> bool:
        """Whether it was kept, sound or not."""
        try:
            return (self._folder / wanted.key).is_dir()
        except OSError:
            return False

    def drop(self, wanted: Wanted) -> None:
        """Throw away the one that was kept: it loads, and does not score as it must."""
        shutil.rmtree(self._folder / wanted.key, ignore_errors=True)

    def _read(self, place: Path, wanted: Wanted) -> Runner | None:
        """The engine that was kept there; one that is damaged goes."""
        try:
            if not place.is_dir():
                return None
            make_private(self._folder, *_PRIVATE)
        except (InputError, OSError):  # told when one is to be kept
            return None
        try:
            kept = wanted.read(place)
        except InputError as damaged:
            if not (isinstance(damaged.__context__, OSError) and damaged.__context__.errno in _USED_UP):
                shutil.rmtree(place, ignore_errors=True)
            return None
        except OSError:
            return None
        with suppress(OSError):
            os.utime(place)
        return kept

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else keeps an engine; OSError where somebody does, InputError where the folder is not this user's."""
        make_private(self._folder, *_PRIVATE)
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def _make_room(self) -> None:
        """Remove the oldest engines until there is room for one more."""
        kept = [p for p in self._folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
        for oldest in sorted(kept, key=lambda p: p.stat().st_mtime)[: max(0, len(kept) + 1 - MAX_KEPT)]:
            shutil.rmtree(oldest, ignore_errors=True)


def _keep(wanted: Wanted, fresh: Runner, files: Sequence[str], part: Path) -> None:
    """Make a bundle of the exported `files` in the folder `part`; InputError where it does not score as the fresh one does."""
    module, tiles = backend(wanted.backend), drawn_tiles(wanted.shape)
    shutil.copyfile(wanted.model / INFO_FILE, part / INFO_FILE)
    seal(part, wanted.info, wanted.backend, wanted.precision, tiles, fresh(tiles), MIN_TOLERANCE, {}, tuple(files))
    written = Bundle(part, threads=wanted.threads)
    for bucket in module.BUCKETS:
        among_others = np.resize(tiles, (bucket, *wanted.shape))
        if not np.array_equal(written.score(among_others), fresh(among_others)):
            raise InputError(f"an engine scores otherwise once it was exported, {wanted.model}, it is made at each start")


def _torch() -> str:
    """The version of what converts a network, found without loading it."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""
