"""The track of pictures of a video file through FFmpeg: what becomes of each packet, and what the file says of itself."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice, pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from glass_core.errors import InputError
from glass_core.pictures.headers import FORMATS
from glass_core.pictures.reading import MAX_PIXELS
from pipeline.cameras.packets import check_packet, is_sealed

_CONTAINERS = "asf,avi,dv,flv,gif,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,mxf,nut,ogg,webp_pipe,yuv4mpegpipe"
"""No others: FFmpeg also plays texts, and lists that name other files."""
_ANIMATIONS = ("gif", "webp_pipe")
"""Their times say how long a frame is shown, not when it was taken."""
_UNTIMED = ("avi", "h264", "hevc", "m4v", "mpegvideo")
"""They say in which order frames were coded, not when each is shown."""
_BOUND = {"max_pixels": str(MAX_PIXELS)}
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode", **_BOUND}
_STEADY, _OFF_STEP = 0.8, 0.2
"""At a steady rate so many of the times between frames are multiples of the usual one, nearly: lost frames leave these."""
_MEASURED_PACKETS = 256
_MAX_READY = 32
_MAX_FAULTS = 100
"""Errors of the container in a row before the rest of it is given up."""
_HOLE_BYTES = 256
"""So many bytes between two packets are none of the container's own: a packet stood there."""
_HEAD_BYTES = 65536
"""The same before the first packet."""

av.logging.set_libav_level(av.logging.PANIC)


@dataclass(frozen=True)
class Decoded:
    """What became of a packet: (H, W, 3) RGB uint8, or why there is none; `key`: it builds upon no frame before."""

    time: int
    pixels: np.ndarray | None = None
    key: bool = False
    error: str = ""


@dataclass(frozen=True)
class Beginning:
    """What the first packets tell."""

    step: float
    """The usual time from frame to frame, in units of the track: a rate that is written in a file may be a mean, or a guess."""
    widest: float
    """The longest time between two frames that is no loss: the usual one, or at a variable rate the longest that is seen."""
    sealed: bool
    """There are checksums of FFV1."""


@contextmanager
def open_track(path: Path) -> Iterator[Track]:
    """The only track of pictures of a file; InputError where it is no video that can be read, or one of several such tracks."""
    try:
        container = av.open(
            f"file:{path}",
            container_options={"protocol_whitelist": "file", "format_whitelist": _CONTAINERS},
            options=_BOUND,
            metadata_errors="replace",
        )
    except PermissionError as error:
        raise InputError(f"video not readable ({error.strerror}), {path}, check its permissions") from None
    except (av.FFmpegError, MemoryError):
        kinds = ", ".join(each.name for each in FORMATS)
        raise InputError(
            f"neither image nor video that can be read, {path}, "
            f"name a picture ({kinds}), a folder of them, a recording, or a video (mkv, mp4, avi)"
        ) from None
    with container:
        streams = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
        if len(streams) != 1:
            raise InputError(
                f"file with {len(streams)} tracks of pictures, {path}, save that of one camera as a file of its own"
            )
        codec = streams[0].codec_context
        if codec is None or not codec.height:
            what = "video of an unknown codec" if codec is None else f"{codec.name} that cannot be decoded"
            raise InputError(f"{what}, {path}, save it as an mkv or mp4 file, or as single pictures")
        yield Track(container, streams[0])


class Track:
    """The pictures of a file that is open; it is gone through once. Times are in units of the track."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self._codec, self._format = stream.codec_context, container.format.name
        self._codec.options = _STRICT
        self._unit_s = float(stream.time_base or 1)
        self._in_order = self._format in _UNTIMED and self._codec.has_b_frames
        """Nobody knows when a packet's frame is shown: frames have the times of all packets in order."""
        self._packets = 0
        self._others_end_s = 0.0
        self.torn = False
        """Bytes were found missing before a packet since this was last set to False."""
        self._indexed: dict[int, int] = {}
        if self._format == "avi":  # whose packets have no times of their own: after a hole FFmpeg would count on
            self._indexed = {entry.pos + 8: entry.timestamp for entry in stream.index_entries}

    def measure(self) -> Beginning:
        """Look at the first packets; the track is then used up."""
        times, sealed = [], False
        with suppress(av.FFmpegError):
            for packet in islice(self._container.demux(self._stream), _MEASURED_PACKETS):
                time = self._time(packet)
                times += [] if time is None else [time]
                sealed = sealed or (self._codec.name == "ffv1" and is_sealed(bytes(packet)))
        apart = [after - before for before, after in pairwise(sorted(times)) if after > before]
        declared = 1 / float(self._stream.average_rate or 25) / self._unit_s
        step = statistics.median_low(apart) if apart else declared
        steady = sum(abs(each / step - round(each / step)) < _OFF_STEP for each in apart) >= _STEADY * len(apart)
        return Beginning(step, step if steady else max(apart), sealed)

    def frames_per_s(self, step: float) -> float:
        """The rate of frames that are `step` apart."""
        return 1 / (step * self._unit_s)

    @property
    def counted(self) -> int | None:
        """How many frames its header counts; None where it has no count."""
        return self._stream.frames or None

    def announced(self, step: float) -> int | None:
        """How many frames the file says it has; None where it does not."""
        return self._stream.frames or round(self._duration() / step) or None

    def decode(self, beginning: Beginning) -> Iterator[Decoded]:
        """What becomes of each packet, in the order of showing."""
        waiting: list[int] = []  # a heap of the times of packets that nothing is said of yet
        ready: list[tuple[int, int, av.VideoFrame]] = []  # a heap: after damage decoders give frames out of order
        errors: dict[int, str] = {}
        coded, serial = -round(beginning.step), count()
        for packet in self._demux():
            time = self._time(packet)
            coded = coded + round(beginning.step) if time is None else time
            if packet.size and not packet.is_discard:
                heapq.heappush(waiting, coded)
            try:
                frames = self._decode(packet, beginning.sealed)
            except (av.FFmpegError, ValueError, MemoryError) as error:
                frames, errors[coded] = [], _words(error)
                if self._in_order and waiting:
                    yield _lost(heapq.heappop(waiting), errors)
            for frame in frames:
                if self._in_order and waiting:
                    yield _seen(frame, heapq.heappop(waiting))
                elif not self._in_order:
                    time = frame.dts if frame.pts is None else frame.pts
                    heapq.heappush(ready, (coded if time is None else time, next(serial), frame))
            # no packet to come is shown before it is decoded
            while ready and (not packet.size or len(ready) > _MAX_READY or ready[0][0] <= (packet.dts or 0)):
                time, _, frame = heapq.heappop(ready)
                while waiting and waiting[0] < time:
                    yield _lost(heapq.heappop(waiting), errors)
                if waiting and waiting[0] == time:  # else it comes after its turn, and was said to be lost
                    yield _seen(frame, heapq.heappop(waiting))
        while waiting:
            yield _lost(heapq.heappop(waiting), errors)

    def count_before(self, first: int, step: float) -> int:
        """How many frames are missing before the first; of Matroska, which may begin after 0, only where bytes are."""
        if self._indexed or (self._format == "matroska,webm" and self.torn):
            return round(first / step)
        return 0

    def count_steps(self, time: int, later: int, step: float) -> int:
        """How many frames on a later time is."""
        return 1 if self._format in _ANIMATIONS else round((later - time) / step)

    def count_short(self, last: int, step: float) -> int:
        """How many frames the file announces after the last that it has."""
        if self._format == "avi":  # it begins at 0 and counts empty frames, too, each a unit of time
            end = float(self._stream.frames)
        elif self._format == "matroska,webm":  # it begins at 0 and has no count
            end = self._duration()
        else:
            return max(0, self._stream.frames - self._packets)
        if self._others_end_s >= (end - step) * self._unit_s:
            return 0  # it is the sound that lasts longer
        return max(0, round((end - last) / step) - 1)

    def _time(self, packet: av.Packet) -> int | None:
        return packet.dts if self._in_order or packet.pts is None else packet.pts

    def _decode(self, packet: av.Packet, sealed: bool) -> list[av.VideoFrame]:
        if packet.is_corrupt:
            raise ValueError("the container says so")
        if packet.size:
            check_packet(self._codec.name, bytes(packet), sealed)
        return self._codec.decode(packet if packet.size else None)

    def _demux(self) -> Iterator[av.Packet]:
        """The packets of the pictures, the last of them empty; errors of the container are stepped over."""
        end, faults = 0, 0
        packets = self._container.demux()
        while faults < _MAX_FAULTS:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                faults, packets, self.torn = faults + 1, self._container.demux(), True
                continue
            if packet is None:
                return
            faults = 0
            if packet.pos is not None:
                self.torn = self.torn or packet.pos - end > (_HOLE_BYTES if end else _HEAD_BYTES)
                end = packet.pos + packet.size
            if packet.stream.index == self._stream.index:
                if packet.pos in self._indexed:
                    packet.pts = packet.dts = self._indexed[packet.pos]
                self._packets += packet.size > 0
                yield packet
            elif packet.pts is not None:
                self._others_end_s = max(self._others_end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))

    def _duration(self) -> float:
        if self._stream.duration is not None:
            return self._stream.duration
        return (self._container.duration or 0) / av.time_base / self._unit_s


def _seen(frame: av.VideoFrame, time: int) -> Decoded:
    if frame.is_corrupt:
        return Decoded(time, error="damaged video: its decoder says so")
    try:
        pixels = frame.to_ndarray(format="rgb24", interpolation="BICUBIC")
    except (av.FFmpegError, ValueError, MemoryError) as error:
        return Decoded(time, error=_words(error))
    return Decoded(time, np.ascontiguousarray(np.rot90(pixels, frame.rotation // 90)), frame.key_frame)


def _lost(time: int, errors: dict[int, str]) -> Decoded:
    return Decoded(time, error=errors.pop(time, "damaged video: its decoder made no picture of it"))


def _words(error: Exception) -> str:
    return f"damaged video: {error.strerror if isinstance(error, av.FFmpegError) else str(error) or 'not enough memory'}"
