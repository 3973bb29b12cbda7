"""Finding the pictures of data sets; bad input is one clear line."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.pictures.datasets import (
    TestImage,
    check_test_images,
    images_in,
    left_below,
    list_classes,
    list_images,
    list_test_images,
    read_mask,
)
from glass_core.pictures.known_sets import known_set


def write(path: Path, image: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((4, 4), np.uint8) if image is None else image)
    return path


def names(paths: list[Path], root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in paths]


def test_a_plain_folder_gives_its_pictures_sorted(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.bmp", "d.tiff", "deeper/e.png", ".hidden.png"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    assert names(list_images(tmp_path), tmp_path) == ["a.JPG", "b.png", "c.bmp", "d.tiff"]


def test_an_mvtec_data_set_gives_train_good(tmp_path: Path) -> None:
    for name in ("train/good/1.png", "train/good/0.png", "test/good/2.png", "test/hole/3.png"):
        write(tmp_path / name)
    assert names(list_images(tmp_path), tmp_path) == ["train/good/0.png", "train/good/1.png"]


def test_a_recording_gives_the_frames_of_all_cameras(tmp_path: Path) -> None:
    for name in ("left/000000001.png", "left/000000000.png", "right/000000000.png"):
        write(tmp_path / name)
    (tmp_path / "left/frames.jsonl").write_text("{}\n")
    (tmp_path / "recording.json").write_text('{"schema": 1, "cameras": {"left": {}, "right": {}}}')
    expected = ["left/000000000.png", "left/000000001.png", "right/000000000.png"]
    assert names(list_images(tmp_path), tmp_path) == expected


def test_test_pictures_come_with_label_and_mask_by_stem(tmp_path: Path) -> None:
    for name in ("test/good/0.png", "test/hole/1.png", "test/hole/2.png", "test/slub/7.png"):
        write(tmp_path / name)
    for name in ("ground_truth/hole/2_mask.png", "ground_truth/hole/1_mask.png", "ground_truth/slub/7.bmp"):
        write(tmp_path / name)
    found = [(t.path.name, t.label, t.mask and t.mask.name) for t in list_test_images(tmp_path)]
    assert found == [
        ("0.png", "good", None),
        ("1.png", "hole", "1_mask.png"),
        ("2.png", "hole", "2_mask.png"),
        ("7.png", "slub", "7.bmp"),
    ]


@pytest.mark.parametrize("kind", ["missing", "empty", "file", "empty recording"])
def test_a_place_without_pictures_is_one_clear_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "data"
    if kind == "file":
        path.write_text("text")
    elif kind != "missing":
        path.mkdir()
    if kind == "empty recording":
        (path / "recording.json").write_text("{}")
    with pytest.raises(InputError, match=rf"^no [^\n]+, {path}, [^\n]+$"):
        list_images(path)
    with pytest.raises(InputError, match="no test pictures"):
        list_test_images(path)


@pytest.fixture
def visa(tmp_path: Path) -> Path:
    rows = ["object,split,label,image,mask"]
    for index, (split, label) in enumerate([("train", "normal")] * 2 + [("test", "normal"), ("test", "anomaly")]):
        folder = {"normal": "Normal", "anomaly": "Anomaly"}[label]
        image = f"candle/Data/Images/{folder}/{index:03d}.JPG"
        write(tmp_path / image)
        mask = f"candle/Data/Masks/Anomaly/{index:03d}.png" if label == "anomaly" else ""
        rows += [f"candle,{split},{label},{image},{mask}", f"cashew,{split},{label},{image.replace('candle', 'cashew')},{mask}"]
    few = np.zeros((4, 4), np.uint8)
    few[1, 1:3] = 1, 2  # kinds of defect
    write(tmp_path / "candle/Data/Masks/Anomaly/003.png", few)
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text("\n".join(rows))
    return tmp_path


def test_a_class_of_visa_is_read_by_its_split_file(visa: Path) -> None:
    assert names(list_images(visa / "candle"), visa) == [f"candle/Data/Images/Normal/00{n}.JPG" for n in (0, 1)]
    defective, good = list_test_images(visa / "candle")
    assert (good.path.name, good.label, good.mask) == ("002.JPG", "good", None)
    assert (defective.path.name, defective.label) == ("003.JPG", "anomaly")
    mask = read_mask(defective, 4, 4)
    assert mask is not None and mask.sum() == 2 * 255  # every kind counts
    with pytest.raises(InputError, match=rf"several classes, {visa}, .*: candle, cashew"):
        list_images(visa)


HEAD = "object,split,label,image,mask"


@pytest.mark.parametrize(
    ("text", "row"),
    [("object,split\na,b\n", 1), (f"{HEAD}\ncandle,test\n", 1), (f"{HEAD}\ncandle,train,normal,a.JPG,\ncandle,train\n", 2)],
)
def test_a_damaged_split_file_is_one_clear_line(visa: Path, text: str, row: int) -> None:
    (visa / "split_csv/1cls.csv").write_text(text)
    for find in (list_images, list_test_images):
        with pytest.raises(InputError, match=f"split file without the columns .* in row {row}, "):
            find(visa / "candle")


def test_the_folder_of_all_classes_is_told_from_that_of_one(tmp_path: Path) -> None:
    write(tmp_path / "bottle/train/good/0.png")
    write(tmp_path / "cable/test/good/0.png")
    for find in (list_images, list_test_images):
        with pytest.raises(InputError, match=r"several classes, .*: bottle, cable"):
            find(tmp_path)


def test_masks_are_scaled_and_their_colours_do_not_matter(tmp_path: Path) -> None:
    ones = np.zeros((4, 4), np.uint8)
    ones[2, 2] = 1
    for image in (ones, 255 * ones, np.repeat(255 * ones[:, :, None], 3, axis=2)):
        mask = read_mask(TestImage(tmp_path / "a.png", "hole", write(tmp_path / "m.png", image)), 4, 4)
        np.testing.assert_array_equal(mask, 255 * ones)
    np.testing.assert_array_equal(read_mask(TestImage(tmp_path / "a.png", "good", None), 3, 5), np.zeros((3, 5)))
    assert read_mask(TestImage(tmp_path / "a.png", "hole", None), 3, 5) is None


def test_pictures_of_one_stem_have_each_their_own_mask(tmp_path: Path) -> None:
    for folder in ("test/hole", "ground_truth/hole"):
        for name in ("000.png", "000.bmp"):
            write(tmp_path / folder / name)
    write(tmp_path / "test/slub/000.png")
    write(tmp_path / "ground_truth/slub/000_mask.PNG")
    found = [(t.path.relative_to(tmp_path / "test"), t.mask and t.mask.name) for t in list_test_images(tmp_path)]
    assert found == [
        (Path("hole/000.bmp"), "000.bmp"), (Path("hole/000.png"), "000.png"), (Path("slub/000.png"), "000_mask.PNG"),
    ]  # fmt: skip


def test_what_is_left_over_on_either_side_is_named(tmp_path: Path) -> None:
    for name in ("test/good/0.png", "test/hole/1.png", "ground_truth/hole/1.png", "ground_truth/good/0.png"):
        write(tmp_path / name)
    assert len(list_test_images(tmp_path)) == 2, "what lies beside a good picture is nobody's mask"
    write(tmp_path / "ground_truth/hole/1_mask.png")
    write(tmp_path / "ground_truth/slub/4.png")
    with pytest.raises(InputError, match=r"^a mask without its picture \(hole/1_mask\.png, slub/4\.png\), [^\n]*, name it"):
        list_test_images(tmp_path)
    for n in range(2, 9):
        write(tmp_path / f"test/hole/{n}.bmp")
    with pytest.raises(
        InputError,
        match=r"^7 pictures of defects without their masks \(hole/2\.bmp, hole/3\.bmp, hole/4\.bmp, hole/5\.bmp, hole/6\.bmp "
        r"and 2 more\), with hole/1_mask\.png, slub/4\.png belonging to no picture: [^\n]*2\.bmp, put it at [^\n]*hole/2\.bmp$",
    ):
        list_test_images(tmp_path)


def test_pictures_in_subfolders_are_told(tmp_path: Path) -> None:
    for name in ("1.png", "run/2.png", "run/deep/3.JPG", "run/.hidden.png", "run/notes.txt"):
        write(tmp_path / name) if not name.endswith("txt") else (tmp_path / name).touch()
    left = left_below({image.parent for image in list_images(tmp_path)})
    assert left is not None and left.count == 2
    assert str(left) == f"2 pictures are left out: they lie in subfolders, the first is {tmp_path / 'run/2.png'}"
    assert left_below([tmp_path, tmp_path / "run", tmp_path / "run/deep"]) is None
    assert left_below([tmp_path / "run/deep"]) is None


def test_a_mask_on_its_side_is_told_from_one_of_another_size(tmp_path: Path) -> None:
    image = TestImage(tmp_path / "a.png", "hole", write(tmp_path / "m.png", np.full((4, 7), 255, np.uint8)))
    with pytest.raises(
        InputError, match=r"^a mask lying on its side \(7 x 4 px, its picture 4 x 7\), [^\n]*m\.png, [^\n]*a\.png"
    ):
        read_mask(image, 7, 4)
    with pytest.raises(InputError, match=r"^a mask of another size \(7 x 4 px, its picture 4 x 8\)"):
        read_mask(image, 8, 4)


def test_how_the_values_of_masks_were_read_is_said(tmp_path: Path) -> None:
    write(tmp_path / "test/good/0.png")
    write(tmp_path / "test/hole/1.png")
    mask = write(tmp_path / "ground_truth/hole/1.png", np.array([[0, 0, 1, 2], *[[0, 0, 0, 0]] * 3], np.uint8))
    told = f"masks that hold numbers of classes: every value above 0 marks a defect: 1, the first is {mask}"
    assert check_test_images(list_test_images(tmp_path)) == [told]
    assert len(check_test_images(list_test_images(tmp_path), floored=True)) == 2


def test_a_missing_foreign_or_empty_mask_is_one_clear_line(tmp_path: Path) -> None:
    write(tmp_path / "test/hole/1.png")
    assert list_test_images(tmp_path)[0].mask is None  # no masks at all: figures of pictures only
    write(tmp_path / "ground_truth/hole/2.png")
    with pytest.raises(
        InputError,
        match=r"^a picture of a defect without its mask, with hole/2\.png [^\n]*1\.png, put it at [^\n]*/1\.png$",
    ):
        list_test_images(tmp_path)
    mask = write(tmp_path / "ground_truth/hole/1.png")
    image = TestImage(tmp_path / "test/hole/1.png", "hole", mask)
    with pytest.raises(InputError, match=rf"^a mask that marks nothing, {mask}, [^\n]+$"):
        read_mask(image, 4, 4)
    with pytest.raises(InputError, match=rf"^a mask of another size \(4 x 4 px, its picture 8 x 6\), {mask}, [^\n]+$"):
        read_mask(image, 6, 8)


def test_a_test_set_is_checked_before_it_is_used(tmp_path: Path) -> None:
    write(tmp_path / "test/good/0.png")
    write(tmp_path / "test/hole/1.png")
    write(tmp_path / "ground_truth/hole/1.png", np.full((4, 4), 255, np.uint8))
    check_test_images(list_test_images(tmp_path))
    (tmp_path / "test/hole/1.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"^damaged picture [^\n]*hole/1\.png, [^\n]+$"):
        check_test_images(list_test_images(tmp_path))


def test_classes_are_folders_with_a_test_part_or_those_of_the_split_file(tmp_path: Path, visa: Path) -> None:
    for name in ("b/test/good/0.png", "a/test/good/0.png", "fg_mask/a/0.png"):
        write(tmp_path / "mvtec" / name)
    assert list_classes(tmp_path / "mvtec") == ["a", "b"]
    assert list_classes(tmp_path / "nothing") == []
    assert list_classes(visa) == ["candle", "cashew"]


def test_a_published_data_set_is_counted(tmp_path: Path, visa: Path) -> None:
    toothbrush = tmp_path / "mvtec/toothbrush"
    for part, count in (("train/good", 60), ("test/good", 12), ("test/defective", 29)):
        for index in range(count):
            (toothbrush / part).mkdir(parents=True, exist_ok=True)
            (toothbrush / part / f"{index}.png").touch()
    assert "toothbrush of MVTec AD, but has 29 defective test pictures instead of 30" in str(known_set(toothbrush))
    (toothbrush / "test/defective/29.png").touch()
    assert known_set(toothbrush) == "data: toothbrush of MVTec AD, complete"
    assert "has 2 training pictures instead of 900, 1 good test" in str(known_set(visa / "candle"))
    assert known_set(tmp_path / "mvtec") is None


def test_test_pictures_alone_are_counted_under_any_name(tmp_path: Path) -> None:
    for name in ("bottle", "candle"):
        write(tmp_path / name / "test/good/0.png")
        assert "but has 0 training pictures instead of" in str(known_set(tmp_path / name))
        assert "1 good test pictures instead of" in str(known_set(tmp_path / name))


def test_mad_man_is_known_by_its_person(tmp_path: Path) -> None:
    for name in ("good/0", "good/1", *(f"bad/{n}" for n in range(6))):
        write(tmp_path / f"Person_1/grid/test/{name}.png")
    assert known_set(tmp_path / "Person_1/grid") == "data: grid of MAD-man, complete"


@pytest.mark.parametrize("name", ["clip.gif", "roll.MP4", "one.webp"])
def test_a_film_among_pictures_is_refused_by_name(tmp_path: Path, name: str) -> None:
    for file in ("0.png", "notes.txt", ".hidden.gif"):
        (tmp_path / file).write_bytes(b"x")
    assert [file.name for file in images_in(tmp_path)] == ["0.png"]
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=rf"^not a picture that is read, {tmp_path / name}, [^\n]+$"):
        images_in(tmp_path)
