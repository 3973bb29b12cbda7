"""The scores and maps of a test set on disk, so that one code computes the figures of any system."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glass_core.errors import InputError
from glass_core.evaluation.measure import Protocol, Scored, System
from glass_core.evaluation.scores import Scores
from glass_core.files.kept_json import read_json
from glass_core.files.whole_file import whole_file
from glass_core.network.checkpoint import read_tensors, write_tensors
from glass_core.pictures.datasets import TestImage, images_in
from glass_core.pictures.reading import IMAGE_SUFFIXES

SCORES_FILE = "scores.csv"
MAPS = "maps"
EVALUATION_FILE = "evaluation.json"
_Words = Annotated[str, Field(max_length=1000)]


class Origin(BaseModel):
    """What evaluation.json says of how the scores beside it came about: it must not be lost with their figures."""

    model_config = ConfigDict(frozen=True)  # the figures in it are not read, they are computed again

    schema_version: Literal[1] = Field(alias="schema")
    protocol: Protocol
    selection: _Words | None
    deviations: tuple[_Words, ...] = Field(default=(), max_length=100)
    map_median_share: float | None = Field(default=None, ge=0, le=1)


class ScoreFolder:
    """scores.csv and maps/ of a test set: written by an evaluation, or by any other system that is to be compared.

    scores.csv has the columns picture (path below the test set), label, score; maps/<picture without suffix>.safetensors
    holds `map`, float32 of the picture's size (official: 288 x 288), NaN where it was not inspected. Where two pictures of a
    folder differ in their suffix alone, their maps are named with it: maps/<picture>.safetensors.
    """

    def __init__(self, folder: Path, test_set: Path) -> None:
        self._folder, self._test_set = folder, test_set
        self._stems: dict[Path, Counter[str]] = {}

    def write(self, image: TestImage, scores: Scores) -> None:
        """Writes the map of one picture."""
        write_tensors(self._map_of(image), {"map": scores.map}, {})

    def close(self, scored: Sequence[Scored]) -> None:
        """Writes scores.csv, which vouches for the maps; what was said of earlier scores goes."""
        (self._folder / EVALUATION_FILE).unlink(missing_ok=True)
        with whole_file(self._folder / SCORES_FILE) as part, part.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("picture", "label", "score"))
            table.writerows((self._name(each.image), each.image.label, repr(each.score)) for each in scored)

    def origin(self) -> Origin | None:
        """How the scores came about; None where another system left them. InputError for a damaged evaluation.json."""
        return read_json(self._folder / EVALUATION_FILE, Origin, "evaluate the model again")

    def system(self) -> System:
        """Scores read back; InputError for a picture that is not among them."""
        found = dict(self._rows())

        def score(image: TestImage, picture: NDArray[np.uint8]) -> Scores:
            if self._name(image) not in found:
                raise InputError(f"no score of {self._name(image)}, {self._folder / SCORES_FILE}, score every test picture")
            return Scores(found[self._name(image)], (), self.map(image))

        return score

    def map(self, image: TestImage) -> NDArray[np.float32]:
        """The map of one picture."""
        path = self._map_of(image)
        tensors, _ = read_tensors(path)
        if "map" not in tensors or tensors["map"].ndim != 2 or tensors["map"].dtype != np.float32:
            raise InputError(f"no tensor `map` of float32 (H, W), {path}, write the maps again")
        return tensors["map"]

    def _rows(self) -> Iterator[tuple[str, float]]:
        path = self._folder / SCORES_FILE
        try:
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    yield row["picture"], float(row["score"])
        except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise InputError(f"scores not readable ({error!r}), {path}, give columns picture, label, score") from None

    def _name(self, image: TestImage) -> str:
        """The picture's path below the test set; of VisA, whose pictures lie in the folder above too, below that."""
        path, root = image.path.absolute(), self._test_set.absolute()  # not where a link leads: that may be anywhere
        return str(path.relative_to(root if path.is_relative_to(root) else root.parent))

    def _map_of(self, image: TestImage) -> Path:
        folder, name = image.path.parent, Path(self._name(image))
        if folder not in self._stems:
            self._stems[folder] = Counter(path.stem for path in images_in(folder))
        # A stem that looks like a picture's name is taken for none: it could be that of another one.
        alone = self._stems[folder][name.stem] < 2 and Path(name.stem).suffix.lower() not in IMAGE_SUFFIXES
        return self._folder / MAPS / name.with_name(f"{name.stem if alone else name.name}.safetensors")
