"""Good cloth out of a line's recording in MCAP: the frames that passed, as pictures that training and calibration read."""

from __future__ import annotations

import shutil
from pathlib import Path

from glass_core.errors import InputError
from glass_core.events import LeftOut
from glass_core.files.whole_file import refused_writes
from pipeline.cameras.protocol import Shot
from pipeline.cameras.recording import RecordingWriter
from pipeline.messages.states import FrameStatus, Result
from pipeline.recording.reading import McapRecording


def unpack_good(source: Path, out: Path) -> LeftOut | None:
    """Writes to `out`, whole or not at all, a recording of pictures: every frame with a verdict PASS, its place and its scale.

    `source` is a file in MCAP or a folder of them; an earlier `out` goes. What is left out was not judged, was a defect, or
    was seen before. Raises InputError where no frame passed, for a recording that cannot be read, and where the disk refuses.
    """
    recording = McapRecording(source)
    passed = {(v.camera, v.boot_id, v.seq) for v in recording.verdicts() if v.result is Result.PASS and not v.rescan}
    part = out.with_name(f".{out.name}.part")
    with refused_writes(out):
        shutil.rmtree(part, ignore_errors=True)
        try:
            kept, others = _write(recording, passed, part)
            if kept == 0:
                raise InputError(f"no frame that passed ({others} others), {source}, record with a `rate:`, or name another")
            shutil.rmtree(out, ignore_errors=True)
            part.rename(out)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return LeftOut(others, "they have no verdict PASS in the recording") if others else None


def _write(recording: McapRecording, passed: set[tuple[str, str, int | None]], out: Path) -> tuple[int, int]:
    """How many frames are kept, and how many are not."""
    kept = others = 0
    with RecordingWriter(out, "", 0) as writer:
        for camera, facts in recording.cameras.items():
            writer.add_camera(camera, facts)
            for file in recording.files:
                for recorded in recording.frames(file, camera):
                    frame = recorded.frame
                    if recorded.pixels is None or frame.status is not FrameStatus.OK or frame.key not in passed:
                        others += 1
                        continue
                    shot = Shot(
                        pixels=recorded.pixels, rows=frame.shape[0], block_id=kept, t_mono_ns=frame.t_mono_ns,
                        t_utc_ns=frame.t_utc_ns, encoder_count=frame.encoder_count,
                    )  # fmt: skip
                    writer.write(camera, shot, frame.start_mm, frame.end_mm)
                    kept += 1
    return kept, others
