"""Pairs pictures with the masks of another folder, one to one, by their names alone."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

Name = tuple[str, str]
"""Stem and suffix; an empty suffix stands for any."""


@dataclass(frozen=True)
class Pairs:
    """The mask of each picture, and what is left over on either side."""

    masks: dict[Path, Path]
    pictures_alone: tuple[Path, ...]
    masks_alone: tuple[Path, ...]


def pair(pictures: Iterable[Path], masks: Iterable[Path]) -> Pairs:
    """A picture's mask has its name, or its stem with _mask; where no other picture has its stem, it may have any suffix.

    The case of a suffix does not matter. Nothing is guessed: of two masks that would do equally well none is taken.
    """
    alone, unused, found = sorted(pictures), sorted(masks), dict[Path, Path]()
    stems = Counter(picture.stem for picture in alone)
    for of_picture, of_mask in RULES:
        sure = [picture for picture in alone if stems[picture.stem] == 1 or of_picture(picture)[1]]
        by_name, masks_by_name = _grouped(sure, of_picture), _grouped(unused, of_mask)
        for name, (picture, *others) in by_name.items():
            candidates = masks_by_name.get(name, [])
            if len(candidates) == 1 and not others:
                found[picture] = candidates[0]
        taken = set(found.values())
        alone, unused = [p for p in alone if p not in found], [m for m in unused if m not in taken]
    return Pairs(found, tuple(alone), tuple(unused))


def _whole(path: Path) -> Name:
    return path.stem, path.suffix


def _any_case(path: Path) -> Name:
    return path.stem, path.suffix.lower()


def _any_suffix(path: Path) -> Name:
    return path.stem, ""


def _marked(name: Callable[[Path], Name]) -> Callable[[Path], Name]:
    """The name of the picture whose mask ends with _mask; that of no picture where it does not."""
    return lambda mask: name(mask.with_stem(mask.stem.removesuffix("_mask"))) if mask.stem.endswith("_mask") else ("", "none")


RULES: Sequence[tuple[Callable[[Path], Name], Callable[[Path], Name]]] = (
    (_whole, _whole),
    (_whole, _marked(_whole)),
    (_any_case, _any_case),
    (_any_case, _marked(_any_case)),
    (_any_suffix, _any_suffix),
    (_any_suffix, _marked(_any_suffix)),
)
"""From the surest to the least sure: what a picture and its mask are called."""


def _grouped(paths: Iterable[Path], name: Callable[[Path], Name]) -> dict[Name, list[Path]]:
    groups = defaultdict[Name, list[Path]](list)
    for path in paths:
        groups[name(path)].append(path)
    return groups
