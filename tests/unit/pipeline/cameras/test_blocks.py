"""The camera's counter: losses show, wraps do not, and what comes late was lost already."""

from __future__ import annotations

import pytest

from pipeline.cameras.blocks import Blocks


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([(1, 0), (2, 0), (5, 0)], [1, 2, 5]),
        ([(65534, 0), (65535, 0), (1, 0), (3, 0)], [65534, 65535, 65536, 65538]),
        ([(Blocks.NONE, 0), (Blocks.NONE, 0), (Blocks.NONE, 2)], [0, 1, 4]),
        ([(100000, 0), (100002, 7)], [100000, 100002]),
    ],
)
def test_block_numbers_show_losses_and_no_wraps(seen: list[tuple[int, int]], expected: list[int]) -> None:
    blocks = Blocks(8)
    assert [blocks.count(*each) for each in seen] == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([10, 12, 11, 13], [10, 12, None, 13]),
        ([20, 12, 21], [20, None, 21]),  # as late as there are buffers
        ([20, 11, 12], [20, 65546, 65547]),  # later than that: it began anew, and what is not known is lost
        ([65534, 1, 65535, 2], [65534, 65536, None, 65537]),  # across the wrap
        ([70010, 70005, 70011], [70010, None, 70011]),
        ([5, 5, 6], [5, 65540, 65541]),  # a whole turn without a word
    ],
)
def test_a_block_that_comes_after_newer_ones_is_none(seen: list[int], expected: list[int | None]) -> None:
    blocks = Blocks(8)
    assert [blocks.count(block) for block in seen] == expected
