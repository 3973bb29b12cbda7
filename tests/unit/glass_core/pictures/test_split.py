"""The split goes by content: disjoint, stable, and written down."""

import json
from pathlib import Path

import pytest

from glass_core.config import SplitFractions
from glass_core.errors import InputError
from glass_core.pictures.split import Split, load_split, split

PARTS = ("train", "calibration", "selection")
FRACTIONS = SplitFractions(train=0.6, calibration=0.2, selection=0.2)


def make(folder: Path, count: int, first: int = 0) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{index:03d}.png" for index in range(first, first + count)]
    for path in paths:
        path.write_text(f"content of {path.name}")
    return paths


def contents(found: Split) -> dict[str, set[str]]:
    return {part: {image.sha256 for image in getattr(found, part)} for part in PARTS}


@pytest.mark.parametrize(
    ("count", "sizes"), [(3, (1, 1, 1)), (4, (2, 1, 1)), (5, (3, 1, 1)), (20, (12, 4, 4)), (101, (61, 20, 20))]
)
def test_parts_are_disjoint_and_of_the_sizes_asked_for(tmp_path: Path, count: int, sizes: tuple[int, ...]) -> None:
    found = split(make(tmp_path, count), FRACTIONS, seed=0)
    assert tuple(len(getattr(found, part)) for part in PARTS) == sizes
    assert len(set().union(*contents(found).values())) == count


def test_names_folders_and_order_do_not_matter_but_the_seed_does(tmp_path: Path) -> None:
    paths = make(tmp_path / "a", 30)
    (tmp_path / "b").mkdir()
    renamed = [path.rename(tmp_path / "b" / f"x{29 - index:02d}.png") for index, path in enumerate(list(paths))]
    originals = make(tmp_path / "a", 30)
    first, second = split(originals, FRACTIONS, seed=1), split(renamed[::-1], FRACTIONS, seed=1)
    assert contents(first) == contents(second) and first.digest == second.digest
    assert split(originals, FRACTIONS, seed=2).digest != first.digest


@pytest.mark.parametrize("seed", range(5))
def test_copies_always_land_in_the_same_part(tmp_path: Path, seed: int) -> None:
    paths = make(tmp_path, 12)
    copies = []
    for path in paths[:6]:
        copies.append(path.with_stem(f"copy-{path.stem}"))
        copies[-1].write_bytes(path.read_bytes())
    found = split(paths + copies, FRACTIONS, seed)
    assert sum(len(getattr(found, part)) for part in PARTS) == 18
    assert sum(len(hashes) for hashes in contents(found).values()) == 12
    assert found.digest == split(paths, FRACTIONS, seed).digest


def test_a_share_of_zero_gives_no_selection_part(tmp_path: Path) -> None:
    fractions = SplitFractions(train=0.8, calibration=0.2, selection=0)
    assert [len(getattr(split(make(tmp_path, 10), fractions, 0), part)) for part in PARTS] == [8, 2, 0]


def test_too_few_pictures_are_one_clear_line(tmp_path: Path) -> None:
    paths = make(tmp_path, 2)
    paths.append(paths[0])  # the same picture again is not a third one
    with pytest.raises(InputError, match=r"^only 2 different good pictures, [^\n]+ at least 3$"):
        split(paths, FRACTIONS, 0)
    with pytest.raises(InputError, match=r"unreadable picture"):
        split([tmp_path / "gone.png"], FRACTIONS, 0)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    found = split(make(tmp_path / "data", 9), FRACTIONS, 0)
    found.save(tmp_path)
    assert load_split(tmp_path) == found
    assert [path.name for path in tmp_path.glob("*.part")] == []


def overlap(record: dict) -> None:
    record["calibration"].append(record["train"][0])


def edit(record: dict) -> None:
    record["calibration"].append(record["train"].pop())


def forget(record: dict) -> None:
    del record["digest"]


@pytest.mark.parametrize(("spoil", "words"), [(overlap, "in two parts"), (edit, "own digest"), (forget, "damaged split.json")])
def test_a_record_that_was_tampered_with_is_refused(tmp_path: Path, spoil: object, words: str) -> None:
    split(make(tmp_path / "data", 9), FRACTIONS, 0).save(tmp_path)
    record = json.loads((tmp_path / "split.json").read_text())
    assert callable(spoil)
    spoil(record)
    (tmp_path / "split.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=words):
        load_split(tmp_path)


@pytest.mark.parametrize(("content", "words"), [(None, "no split.json"), (b"\xff{", "damaged split.json")])
def test_no_record_or_a_damaged_one_is_one_clear_line(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "split.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"^{words}[^\n]*$"):
        load_split(tmp_path)
