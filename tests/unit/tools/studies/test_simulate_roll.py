"""The simulated roll: what is written, what is known to be in it, and how errors are counted."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from glass_core.errors import InputError
from glass_core.pictures.reading import read_image
from pipeline.config.motion import Segment, SimulatedMotion
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.motion.played import SimulatedCourse
from pipeline.report import Comparison, Injected
from pipeline.report.roll import find_defects
from tools.studies.simulate_roll import BITS, COUNTS_PER_MM, Encoder, errors, line_of
from tools.studies.simulated_cloth import aitex_cloth, weave_cloth

QUIET = Console(quiet=True)


def strips(folder: Path) -> Path:
    """A good strip and a defective one, 640 x 64 px, with two marks of which one is in two parts."""
    mask = np.zeros((64, 640), np.uint8)
    mask[10:20, 100:110] = mask[10:20, 114:120] = mask[40:44, 400:440] = 255
    cloth = np.full((64, 640), 100, np.uint8)
    cloth[10:20, 100:120] = 80
    for kind, name, picture in (
        ("good", "0001_000_02", np.full_like(cloth, 90)), ("defect", "0002_002_02", cloth), ("mask", "0002_002_02", mask)
    ):  # fmt: skip
        (folder / kind).mkdir(parents=True)
        cv2.imwrite(str(folder / kind / f"{name}.png"), picture)
    return folder


def test_strips_are_laid_end_to_end_and_cut_for_two_cameras(tmp_path: Path) -> None:
    cloth = aitex_cloth(tmp_path / "out", strips(tmp_path / "in"), 0.5, (32, 640), False, QUIET)
    assert (cloth.frames, cloth.rows, cloth.width_mm, cloth.length_m) == (2, 64, 320, 0.064)
    (_, zero), (_, second_px) = cloth.cameras
    assert zero == 0 and cloth.inspect_x_px == ((32, 640 - second_px), (0, 640 - second_px))
    assert read_image(tmp_path / "out" / "right" / "000000.png").shape == (64, 640 - second_px)
    assert [(t.x0_mm, t.x1_mm, t.y0_mm, t.y1_mm) for t in cloth.truth] == [(50, 60, 5, 10), (200, 220, 20, 22)]
    assert [t.kind for t in cloth.truth] == ["broken end, contrast over 15 %", "broken end, contrast under 5 %"]
    assert cloth.seam_mm == (64 + 32) * 0.5, "in the good strip, which is the second"
    assert read_image(tmp_path / "out" / "left" / "000001.png")[32].max() < 90
    config = line_of(cloth, tmp_path, tmp_path, 0, 9999)
    assert config.cameras[1].x_offset_mm == second_px * 0.5 and config.motion is not None
    with pytest.raises(InputError, match="no strips"):
        aitex_cloth(tmp_path / "out", tmp_path / "nowhere", 0.5, (0, 640), False, QUIET)


def test_strips_of_another_light_can_be_left_out(tmp_path: Path) -> None:
    folder = strips(tmp_path / "in")
    for level, name in ((92, "0003_019_02"), (88, "0004_019_02"), (84, "0005_019_02")):  # the good strip has 90
        cv2.imwrite(str(folder / "defect" / f"{name}.png"), np.full((64, 640), level, np.uint8))
    cloth = aitex_cloth(tmp_path / "out", folder, 0.5, (32, 640), True, QUIET)
    assert cloth.frames == 3 and cloth.truth == ()


def test_generated_cloth_is_the_same_for_both_cameras_where_they_overlap(tmp_path: Path) -> None:
    cloth = weave_cloth(tmp_path, 9, 1, QUIET, width_px=416, rows=224)
    left, right = (read_image(tmp_path / name / "000003.png") for name, _ in cloth.cameras)
    shift = cloth.cameras[1][1]
    assert (left[:, shift:] == right[:, : left.shape[1] - shift]).all() and left.shape[1] > shift
    assert cloth.truth and all(t.x1_mm <= cloth.width_mm and t.y1_mm <= 1000 * cloth.length_m for t in cloth.truth)


def test_the_encoder_turns_with_the_web_and_wraps() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as shaft:
        shaft.bind(("127.0.0.1", 0))
        shaft.settimeout(5)
        course = SimulatedCourse(
            SimulatedMotion(source="simulated", speed_mm_s=0, segments=(Segment(seconds=0.04, speed_mm_s=1e5),))
        )
        encoder = Encoder(course, shaft.getsockname()[1])
        told = []
        for turning in (False, True, True):
            encoder.tell(turning)
            told.append(int(shaft.recv(64)))
            time.sleep(0.05 * turning)  # its course is over then
        encoder.close()
    assert told[0] == told[1] == 0 and told[2] == 4000 * COUNTS_PER_MM % 2**BITS


def test_errors_are_those_of_defects_found_once() -> None:
    place = Region(x0_px=0, y0_px=0, x1_px=100, y1_px=50, score=0.9, x0_mm=10, x1_mm=30, y0_mm=100, y1_mm=110)
    verdict = Verdict(
        number=0, generation=0, camera="c", boot_id="b", seq=0, result=Result.DEFECT, regions=(place,), t_mono_ns=0, t_utc_ns=0
    )
    (found,) = find_defects([verdict])
    known = Injected(camera="c", kind="hole", x0_mm=11, x1_mm=27, y0_mm=101, y1_mm=105)
    told = errors(Comparison((known, known, known), ((found,), (), (found, found)), ()), px_mm=0.2, cell_mm=1.6)
    assert told["position_error_along_mm"]["median"] == 2 and told["position_error_across_mm"]["median"] == 1
    assert told["position_error_along_mm"]["asked"] == 3.4, "two cells and a row"
    assert told["size_error_over_5_mm"] == {
        "median": 0.25, "p95": 0.25, "sides": 1, "bias_px": 20, "within_10_percent_or_2_cells": 0,
        "of_each_type": {"hole": "0 of 1"},
    }  # fmt: skip
    assert errors(Comparison((known,), ((),), ()), 0.2, 1.6)["size_error_over_5_mm"]["bias_px"] is None
