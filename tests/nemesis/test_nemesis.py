"""A short run of the suite; `make nemesis` makes a long one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.nemesis.known import reason
from tests.nemesis.play import Stage, violations
from tests.nemesis.schedule import draw

PORTIONS, SCHEDULES = 8, 200


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_whatever_fails_the_promise_holds(stage: Stage, portion: int) -> None:
    broken = []
    for seed in range(portion, SCHEDULES, PORTIONS):
        schedule = draw(seed)
        broken += [str(v) for v in violations(stage.play(schedule)) if not reason(v, schedule)]
    assert not broken, "\n".join([*broken, "once more: python -m tests.nemesis --trace --seed SEED"])


def test_a_seed_plays_exactly_again(stage: Stage) -> None:
    first, again = (stage.play(draw(7)) for _ in range(2))
    assert first.published == again.published and first.exposures == again.exposures and first.gate == again.gate


def test_seeds_reach_every_fault_and_every_kind_of_line() -> None:
    drawn = [draw(seed) for seed in range(400)]
    assert len({f.kind for s in drawn for f in s.faults}) >= 25
    lines = {(s.motion, s.cameras[0].mm_per_px is not None, s.cameras[0].actuator_mm is not None) for s in drawn}
    assert len(lines) == 5 and {len(s.cameras) for s in drawn} == {1, 2, 3}
    assert {c.kind for s in drawn for c in s.cameras} == {"rate", "self", "cloth", "rows"}
