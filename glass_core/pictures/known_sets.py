"""Public data sets whose sizes are published, so that an incomplete copy is noticed before hours are spent on it."""

from pathlib import Path

from glass_core.errors import InputError
from glass_core.pictures.datasets import list_images, list_test_images

# Pictures for training, good and defective ones for testing, of each class.
# Bergmann et al. 2019 (MVTec AD), Zou et al. 2022 (VisA, 1cls split), Jezek et al. 2021 (MPDD).
_PUBLISHED: dict[str, dict[str, tuple[int, int, int]]] = {
    "MVTec AD": {
        "carpet": (280, 28, 89),
        "grid": (264, 21, 57),
        "leather": (245, 32, 92),
        "tile": (230, 33, 84),
        "wood": (247, 19, 60),
        "bottle": (209, 20, 63),
        "cable": (224, 58, 92),
        "capsule": (219, 23, 109),
        "hazelnut": (391, 40, 70),
        "metal_nut": (220, 22, 93),
        "pill": (267, 26, 141),
        "screw": (320, 41, 119),
        "toothbrush": (60, 12, 30),
        "transistor": (213, 60, 40),
        "zipper": (240, 32, 119),
    },
    "VisA": {
        "candle": (900, 100, 100),
        "capsules": (542, 60, 100),
        "cashew": (450, 50, 100),
        "chewinggum": (453, 50, 100),
        "fryum": (450, 50, 100),
        "macaroni1": (900, 100, 100),
        "macaroni2": (900, 100, 100),
        "pcb1": (904, 100, 100),
        "pcb2": (901, 100, 100),
        "pcb3": (905, 101, 100),
        "pcb4": (904, 101, 100),
        "pipe_fryum": (450, 50, 100),
    },
    "MPDD": {
        "bracket_black": (289, 32, 47),
        "bracket_brown": (185, 26, 51),
        "bracket_white": (110, 30, 30),
        "connector": (128, 30, 14),
        "metal_plate": (54, 26, 71),
        "tubes": (122, 32, 69),
    },
}
_MAD_MAN = (2, 6)


def known_set(path: Path) -> str | None:
    """What is to be said of a data set that goes by the name of a published class: complete, or how it differs.

    A folder may bear such a name by chance, so a difference is no error. None for other names. MAD-man's test pictures
    (2 good, 6 defective for each class of MVTec AD) are known by the parent folder Person_<n>; for WFDD and MAD-sys no
    figures by class are published.
    """
    published = next(((name, counts[path.name]) for name, counts in _PUBLISHED.items() if path.name in counts), None)
    if published is None or path.parent.name.startswith("Beta_"):
        return None
    name, wanted = published[0], list(published[1])
    try:
        training = len(list_images(path))
    except InputError:
        training = 0
    try:
        test = list_test_images(path)
    except InputError:
        test = []
    found = [training, sum(not image.defective for image in test), sum(image.defective for image in test)]
    if path.parent.name.startswith("Person_"):
        name, wanted, found = "MAD-man", list(_MAD_MAN), found[1:]
    if found == wanted:
        return f"data: {path.name} of {name}, complete"
    parts = ("training", "good test", "defective test")[-len(wanted) :]
    pairs = zip(parts, found, wanted, strict=True)
    differences = ", ".join(f"{has} {part} pictures instead of {should}" for part, has, should in pairs if has != should)
    return f"data: {path} is named as {path.name} of {name}, but has {differences}"
