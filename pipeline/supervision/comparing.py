"""The same footage through two models, engines or cards, before one takes the other's place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from calibration.threshold import CARD_FILE, load_card
from glass_core.events import keep_quiet
from pipeline.config.line import LineConfig
from pipeline.report.comparing import Comparison, Record, compare_records, read_record
from pipeline.supervision.replaying import judge, left_out, line_of, place_for_record


def compare(
    a: Path,
    b: Path,
    source: Path,
    *,
    config: LineConfig | None = None,
    out: Path | None = None,
    flips: int = 0,
    shift: float | None = None,
    report: Callable[[object], None] = keep_quiet,
) -> Comparison:
    """Judge a folder, data set, video or recording with A, in force, and with B, which is to replace it; say what differs.

    Each is a RUN or BUNDLE, or a card file in its folder, to compare cards. B is accepted where at most `flips` verdicts
    differ and 99 of 100 scores moved by no more than `shift` (None: any). Of `config` its worker and decision are used, and
    the geometry of each camera by its name; a source of one camera may have that of the first. Both records are left in `out`
    (None: a new folder in the temporary one). Raises InputError for a source, model or card that cannot be used.

    >>> found = compare(folder / "run", folder / "bundle_with_card", folder / "good", flips=12)
    >>> found.accepted, found.frames
    (True, 12)
    """
    base = config or LineConfig()
    if left := left_out(source):
        report(left)

    def judged(model: Path, record: Path) -> Record:
        with _card_in_force(model) as folder:
            load_card(folder)
            if not judge(line_of(source, folder, base, record), f"judging with {model}", report):
                raise KeyboardInterrupt  # half a record says nothing of the other
        return read_record(record, model)

    with place_for_record(out, "compare") as place:
        return compare_records(judged(a, place / "a"), judged(b, place / "b"), place, flips, shift)


@contextmanager
def _card_in_force(model: Path) -> Iterator[Path]:
    """The folder of a model; where a card file of it is named, a copy of the folder with that card in force."""
    if not model.is_file():
        yield model
        return
    with tempfile.TemporaryDirectory(prefix="glassline-compare-") as name:
        folder = Path(name) / "model"
        shutil.copytree(model.parent, folder)
        shutil.copyfile(model, folder / CARD_FILE)
        yield folder
