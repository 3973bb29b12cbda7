"""Whoever watches a line that runs sees what its cameras see, and how that was scored."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from pipeline.dashboard.live_pictures import LivePictures
from pipeline.link.protocol import portion
from pipeline.link.zmq_link import ZmqLink
from pipeline.supervision.runtime_folder import runtime_folder
from tests.line.test_line import config, running


def test_pictures_and_heat_maps_of_each_camera_come_to_whoever_watches(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path, speed_mm_s=100.0, loop=True)
    pictures = LivePictures([c.name for c in line.cameras], judged=True)
    with running(line) as run, closing(ZmqLink(runtime_folder(line.line.name))) as link:
        inbox = link.watch()

        def all_seen() -> bool:
            for message, payloads in portion(inbox):
                pictures.see(message, payloads)
            return all(pictures.file(c.name, heat) for c in line.cameras for heat in (False, True))

        run.until(all_seen)
    for camera in line.cameras:
        shown = cv2.imdecode(np.frombuffer(pictures.file(camera.name, heat=False) or b"", np.uint8), cv2.IMREAD_GRAYSCALE)
        assert any(np.array_equal(shown, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) for path in footage.glob("*.png"))
