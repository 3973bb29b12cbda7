"""Slabs: every row once as new, carried rows equal to the rows before, whatever the buffers' sizes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grabber.slabs import SlabBuilder


def cloth(rows: int) -> np.ndarray:
    """Rows that differ from each other."""
    return np.arange(rows, dtype=np.uint32).view(np.uint8).reshape(rows, 4)


@given(
    st.integers(8, 40),
    st.integers(0, 7),
    st.lists(st.integers(1, 90), min_size=1, max_size=8),
)
def test_slabs_do_not_depend_on_the_buffers(rows: int, overlap_rows: int, buffers: list[int]) -> None:
    whole = cloth(sum(buffers))
    builder = SlabBuilder(rows, overlap_rows)
    slabs, first = [], 0
    for n in buffers:
        slabs += builder.add(whole[first : first + n])
        first += n
    slabs += builder.flush()
    end = 0
    for i, slab in enumerate(slabs):
        assert np.array_equal(slab.pixels, whole[slab.row : slab.row + len(slab.pixels)])
        assert slab.row == max(0, end - overlap_rows)
        new = slab.row + len(slab.pixels) - end
        assert new == rows or (i == len(slabs) - 1 and 0 < new < rows)
        end = slab.row + len(slab.pixels)
    assert end == len(whole)


def test_lost_rows_break_the_carry() -> None:
    builder = SlabBuilder(8, 4)
    assert [s.row for s in builder.add(cloth(10))] == [0]
    (rest,) = builder.skip(8)
    assert (rest.row, len(rest.pixels)) == (4, 6)
    assert [(s.row, len(s.pixels)) for s in builder.add(cloth(8))] == [(18, 8)]


def test_a_change_of_width_ends_the_slab() -> None:
    builder = SlabBuilder(8, 0)
    assert builder.add(cloth(5)) == []
    (short,) = builder.add(np.zeros((3, 7), np.uint8))
    assert short.pixels.shape == (5, 4)
    assert [s.row for s in builder.add(np.zeros((5, 7), np.uint8))] == [5]


def test_an_area_camera_gives_one_slab_a_picture() -> None:
    builder = SlabBuilder(None, 0)
    assert [(s.row, len(s.pixels)) for s in builder.add(cloth(11)) + builder.add(cloth(3))] == [(0, 11), (11, 3)]
    assert builder.flush() == []
