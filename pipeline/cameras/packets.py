"""Whether a packet of a video is whole, where FFmpeg's decoders do not ask or only grumble about it."""

from __future__ import annotations

import zlib

import numpy as np

from glass_core.pictures.reading import check_jpeg

_DENSE = frozenset({"av1", "ffv1", "h264", "hevc", "mpeg4", "vp8", "vp9"})
"""They leave no zeros in a row, four at most in frames of one colour: their codes are dense, or must not look like a start."""
_LOST = bytes(16)
_MIRRORED = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], np.uint8)


def check_packet(codec: str, packet: bytes, sealed: bool) -> None:
    """ValueError in words where bytes are lost or changed; `sealed`: the packets of this FFV1 track carry checksums."""
    if codec == "mjpeg":
        check_jpeg(packet)
    if codec in _DENSE and _LOST in packet:
        raise ValueError("bytes of it are lost")
    if sealed and not is_sealed(packet):
        raise ValueError("its checksum is wrong")


def is_sealed(packet: bytes) -> bool:
    """Whether each slice of an FFV1 frame ends with its right checksum (RFC 9043, sections 4.9 and 4.9.3).

    A slice ends with 3 bytes of size, 1 of status and 4 that make the slice's CRC 0. That CRC takes the highest bit of a
    byte first and zlib the lowest, so zlib is given the bytes mirrored.
    """
    end = len(packet)
    while end >= 8:
        start = end - 8 - int.from_bytes(packet[end - 8 : end - 5], "big")
        if start < 0:
            return False
        mirrored = _MIRRORED[np.frombuffer(packet[start:end], np.uint8)].tobytes()
        if zlib.crc32(mirrored, 0xFFFFFFFF) != 0xFFFFFFFF:  # zlib's form of beginning and ending with 0
            return False
        end = start
    return end == 0 and len(packet) > 0
