"""From and to across the cloth of what the cameras of a line judge (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.config.cameras import CameraBase, Pixels

Edges = tuple[float, float]


def judged_mm(
    cameras: Sequence[CameraBase],
    of_model: Pixels | None,
    shapes: Mapping[str, tuple[int, ...]],
    cloth: Mapping[str, Edges],
) -> Edges | None:
    """The outermost edges over all cameras, mm; null where a camera's scale or picture is not known.

    `shapes` are their pictures', `cloth` the edges of the cloth that they saw where they look for them: the selvages inside
    these are not judged. An edge of the picture is no edge of the cloth, and has no selvage.
    """
    judged = []
    for camera in cameras:
        shape, scale, offset_mm = shapes.get(camera.name), camera.mm_per_px_x, camera.x_offset_mm
        if scale is None or shape is None:
            return None
        first, last = camera.inspected_px(shape[1], of_model) or (0, shape[1])
        left, right = offset_mm + first * scale, offset_mm + last * scale
        if camera.selvage_mm is not None and camera.name in cloth:
            edges, px = cloth[camera.name], 0.5 * scale
            left = max(left, edges[0] + camera.selvage_mm * (edges[0] > offset_mm + px))
            right = min(right, edges[1] - camera.selvage_mm * (edges[1] < offset_mm + shape[1] * scale - px))
        judged.append((left, right))
    if not judged:
        return None
    outer = min(left for left, _ in judged), max(right for _, right in judged)
    return outer if outer[0] < outer[1] else None
