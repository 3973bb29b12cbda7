"""Tiling: every inspected pixel is covered, and cells come back where they belong."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from glass_core.errors import InputError
from glass_core.pictures.continuation import continued
from glass_core.pictures.tiling import Layout, Region, Tiling

# height, width, inspected range, tiling
PICTURES = [
    (256, 4096, None, Tiling()),
    (256, 4096, (430, 4096), Tiling()),
    (256, 4096, (5, 4001), Tiling(overlap_px=64)),
    (1024, 1024, None, Tiling()),
    (513, 700, (13, 699), Tiling()),
    (264, 264, None, Tiling()),
    (100, 90, None, Tiling()),
    (257, 600, (0, 255), Tiling(overlap_px=0)),
    (40, 333, (7, 300), Tiling(tile_px=32, overlap_px=16)),
    (1, 1, None, Tiling(tile_px=32, overlap_px=8)),
    (256, 4096, (352, 4096), Tiling(tile_px=288, border_px=16)),
    (300, 500, (3, 471), Tiling(tile_px=96, overlap_px=40, border_px=16)),
    (20, 20, None, Tiling(tile_px=64, overlap_px=32, border_px=8)),
]


@pytest.fixture(params=PICTURES, ids=lambda p: f"{p[0]}x{p[1]}-{p[2]}-{p[3].tile_px}/{p[3].overlap_px}/{p[3].border_px}")
def layout(request: pytest.FixtureRequest) -> Layout:
    height, width, inspect_x_px, tiling = request.param
    return tiling.layout(height, width, inspect_x_px)


def numbered(layout: Layout) -> np.ndarray:
    """A picture whose cells (counted from the inspected range's corner) each hold one random grey level."""
    rng = np.random.default_rng(layout.width)
    cells = rng.integers(1, 256, (layout.rows, layout.cols), dtype=np.uint8)
    picture = np.zeros((layout.height, layout.width), np.uint8)
    inside = np.kron(cells, np.ones((8, 8), np.uint8))
    picture[:, layout.x0_px : layout.x1_px] = inside[: layout.height, : layout.x1_px - layout.x0_px]
    return picture


def corners(tiles: np.ndarray) -> np.ndarray:
    """The top left pixel of every cell of every tile."""
    return tiles[:, ::8, ::8].astype(np.float32)


def test_every_inspected_pixel_is_in_a_tile_and_no_tile_leaves_the_padded_picture(layout: Layout) -> None:
    size = layout.tiling.scored_px
    covered = np.zeros((layout.height, layout.x1_px - layout.x0_px), bool)
    for y, x in layout.tiles:
        covered[y : y + size, x : x + size] = True
        assert y % 8 == 0 and x % 8 == 0
        assert y + size <= max(size, -(-layout.height // 8) * 8)
        assert x + size <= max(size, -(-covered.shape[1] // 8) * 8)
    assert covered.all()


def test_stitching_what_was_cut_is_the_identity(layout: Layout) -> None:
    picture = numbered(layout)
    stitched = layout.stitch(corners(layout.cut(picture)))
    assert stitched.dtype == np.float32
    np.testing.assert_array_equal(stitched, picture[::8, layout.x0_px : layout.x1_px : 8])


def test_cut_continues_the_cloth_and_keeps_colours() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    tiles = Tiling(tile_px=64, overlap_px=16, border_px=8).layout(40, 50).cut(picture)
    assert tiles.shape == (2, 64, 64, 3) and tiles.flags.c_contiguous
    np.testing.assert_array_equal(tiles[0, 8:48, 8:56], picture[:, :48])
    np.testing.assert_array_equal(tiles, Tiling(tile_px=64, overlap_px=16).layout(64, 72).cut(continued(picture, 8, 16, 8, 14)))


def test_a_tile_border_is_seen_and_not_scored() -> None:
    layout = Tiling(tile_px=64, overlap_px=16, border_px=8).layout(48, 96)
    cells = np.full((2, 8, 8), 0.9, np.float32)
    cells[:, 1:7, 1:7] = [[[0.1]], [[0.2]]]
    np.testing.assert_array_equal(layout.stitch(cells), np.tile(np.array([0.1] * 6 + [0.2] * 6, np.float32), (6, 1)))


def test_overlapping_cells_merge_by_maximum() -> None:
    layout = Tiling(tile_px=32, overlap_px=16).layout(32, 48)
    cells = np.stack([np.full((4, 4), 0.2, np.float32), np.full((4, 4), 0.7, np.float32)])
    for tiles, row in ((cells, [0.2, 0.2, 0.7, 0.7, 0.7, 0.7]), (cells[::-1], [0.7, 0.7, 0.7, 0.7, 0.2, 0.2])):
        np.testing.assert_array_equal(layout.stitch(tiles), np.tile(np.array(row, np.float32), (4, 1)))


def test_lanes_partition_the_columns_with_one_lane_for_each_tile_column(layout: Layout) -> None:
    lane_of_column = layout.lane_of_column
    assert lane_of_column.shape == (layout.cols,)
    assert set(lane_of_column) == set(range(layout.lanes))
    assert (np.diff(lane_of_column) >= 0).all()
    edges = layout.lane_edges_px
    assert len(edges) == layout.lanes + 1 and edges[0] == layout.x0_px and edges[-1] == layout.x1_px
    for lane, (left, right) in enumerate(pairwise(edges)):
        columns = np.flatnonzero(lane_of_column == lane)
        assert left == layout.x0_px + 8 * columns[0]
        assert right == min(layout.x0_px + 8 * (columns[-1] + 1), layout.x1_px)
        assert left >= layout.x0_px + layout.tile_cols_px[lane]  # a lane lies inside its own tile
        assert right <= layout.x0_px + layout.tile_cols_px[lane] + layout.tiling.scored_px


@pytest.mark.parametrize(
    ("width", "inspect_x_px", "tiling", "edges"),
    [
        (200, None, Tiling(tile_px=64, overlap_px=16), (0, 56, 104, 144, 200)),  # tiles from 0, 48, 96, 136
        (230, (30, 206), Tiling(tile_px=64, overlap_px=16), (30, 86, 134, 166, 206)),  # from 0, 48, 96, 112: the last is near
        (230, (30, 201), Tiling(tile_px=64, overlap_px=16), (30, 86, 134, 166, 201)),
        (200, None, Tiling(tile_px=96, overlap_px=48, border_px=16), (0, 56, 104, 144, 200)),  # 64 px of a tile are scored
        (200, None, Tiling(tile_px=64, overlap_px=0), (0, 64, 128, 160, 200)),  # no overlap until the last
        (50, None, Tiling(tile_px=64, overlap_px=16), (0, 50)),
    ],
)
def test_lanes_meet_in_the_middle_of_what_two_tiles_share(
    width: int, inspect_x_px: tuple[int, int] | None, tiling: Tiling, edges: tuple[int, ...]
) -> None:
    assert tiling.layout(64, width, inspect_x_px).lane_edges_px == edges


def test_lane_scores_are_the_maxima_and_never_hide_a_nan(layout: Layout) -> None:
    score_map = np.random.default_rng(1).random((layout.rows, layout.cols), dtype=np.float32)
    scores = layout.lane_scores(score_map)
    for lane in range(layout.lanes):
        assert scores[lane] == score_map[:, layout.lane_of_column == lane].max()
    score_map[-1, -1] = np.nan
    scores = layout.lane_scores(score_map)
    assert np.isnan(scores[-1]) and np.isfinite(scores[:-1]).all()


def test_patches_lie_in_one_lane_each_and_leave_nothing_out(layout: Layout) -> None:
    score_map = np.random.default_rng(1).random((layout.rows, layout.cols), dtype=np.float32)
    side = 64 // layout.tiling.cell_px
    expected = [
        score_map[row : row + side, columns[first : first + side]].max()
        for row in range(0, layout.rows, side)
        for lane in range(layout.lanes)
        for columns in [np.flatnonzero(layout.lane_of_column == lane)]
        for first in range(0, len(columns), side)
    ]
    np.testing.assert_array_equal(layout.patch_scores(score_map), expected)


@pytest.mark.parametrize(("cell_px", "side"), [(4, 16), (8, 8), (12, 5), (24, 2), (64, 1)])
def test_a_patch_is_of_whole_cells(cell_px: int, side: int) -> None:
    layout = Tiling(tile_px=960, overlap_px=192, cell_px=cell_px).layout(960, 960)
    assert layout.lanes == 1 and layout.rows == layout.cols == 960 // cell_px
    assert len(layout.patch_scores(np.zeros((layout.rows, layout.cols), np.float32))) == (-(-layout.rows // side)) ** 2


def test_a_nan_cell_survives_the_merge() -> None:
    layout = Tiling(tile_px=32, overlap_px=16).layout(32, 48)
    cells = np.zeros((2, 4, 4), np.float32)
    cells[0, 0, 3] = np.nan  # the same cell of the picture is finite in the second tile
    assert np.isnan(layout.stitch(cells)[0, 3])


def test_there_is_a_region_exactly_when_a_lane_is_above_its_threshold(layout: Layout) -> None:
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(60):
        score_map = rng.random((layout.rows, layout.cols), dtype=np.float32)
        scores = layout.lane_scores(score_map)
        thresholds = np.where(rng.random(layout.lanes) < 0.7, scores, rng.uniform(0.9, 1.0, layout.lanes)).astype(float)
        every = layout.regions(score_map, thresholds, 10_000)
        regions = every.strongest
        assert every.total == len(regions)
        assert layout.regions(score_map, thresholds, 3) == replace(every, strongest=regions[:3])
        assert bool(regions) == bool((scores > thresholds).any())
        found += bool(regions)
        if regions:
            peaks = [region.score for region in regions]
            assert peaks == sorted(peaks, reverse=True)
            assert {region.score > thresholds[region.lane] for region in regions} == {True}
            assert all(layout.x0_px <= r.x0_px < r.x1_px <= layout.x1_px for r in regions)
            assert all(0 <= r.y0_px < r.y1_px <= layout.height for r in regions)
            assert every.rows_px == (min(r.y0_px for r in regions), max(r.y1_px for r in regions))
    assert found > 0


def test_regions_join_diagonal_cells_and_carry_their_own_peak() -> None:
    layout = Tiling().layout(256, 1003, (3, 1003))
    score_map = np.zeros((layout.rows, layout.cols), np.float32)
    score_map[2, 10] = score_map[3, 11] = 0.6
    score_map[4, 10] = 0.8
    score_map[31, 124] = 0.9  # the last cell ends with the picture, and is another lane
    corner, bent = layout.regions(score_map, np.full(layout.lanes, 0.5), 12).strongest
    assert corner == Region(995, 248, 1003, 256, pytest.approx(0.9), layout.lanes - 1, 1, corner.extent_px)  # type: ignore[arg-type]
    assert bent == Region(83, 16, 99, 40, pytest.approx(0.8), 0, 3, bent.extent_px)  # type: ignore[arg-type]
    assert corner.extent_px[2:] == (1003, 256), "it goes on beyond the picture for all that is known"
    assert bent.extent_px == pytest.approx((83, 16, 99, 40), abs=4)


def test_each_lane_has_its_own_threshold() -> None:
    layout = Tiling().layout(256, 512)
    score_map = np.full((layout.rows, layout.cols), 0.5, np.float32)
    thresholds = np.ones(layout.lanes)
    thresholds[1] = 0.4
    (region,) = layout.regions(score_map, thresholds, 12).strongest
    assert (region.x0_px, region.x1_px) == layout.lane_edges_px[1:3] and region.lane == 1


@pytest.mark.parametrize(
    ("height", "width", "inspect_x_px"), [(0, 10, None), (10, 10, (0, 11)), (10, 10, (5, 5)), (10, 10, (-1, 5))]
)
def test_a_range_outside_the_picture_is_one_clear_line(height: int, width: int, inspect_x_px: tuple[int, int] | None) -> None:
    with pytest.raises(InputError, match=r"^[^\n]+, [^\n]+$"):
        Tiling().layout(height, width, inspect_x_px)


@pytest.mark.parametrize(
    "bad",
    [
        {"tile_px": 250},
        {"overlap_px": 12},
        {"tile_px": 64, "overlap_px": 40},
        {"overlap_px": 24, "border_px": 16},
        {"stride": 1},
    ],
)
def test_a_tiling_that_cannot_be_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Tiling.model_validate(bad)


def test_a_picture_or_cells_of_another_size_are_refused() -> None:
    layout = Tiling().layout(256, 512)
    with pytest.raises(ValueError, match="image is"):
        layout.cut(np.zeros((256, 511), np.uint8))
    with pytest.raises(ValueError, match="cells are"):
        layout.stitch(np.zeros((1, 32, 32), np.float32))
