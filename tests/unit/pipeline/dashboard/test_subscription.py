"""The page hears a line without saying a word to it, and reads in the record what it came too late to hear."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.dashboard import subscription
from pipeline.dashboard.page import Page, of_line, of_record
from pipeline.dashboard.subscription import Subscription
from pipeline.ledger.reading import read_runs
from pipeline.ledger.store import Ledger
from pipeline.link.memory_link import MemoryQueue
from pipeline.supervision.runtime_folder import runtime_folder
from tests.browser.air import FRAME_MM, Air, roll, verdict, write_config

LIMIT_S = 30.0


def until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LIMIT_S
    while not done():
        assert time.monotonic() < end_s
        time.sleep(0.02)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LineConfig:
    monkeypatch.setattr(subscription, "SETTLE_S", 0.1)
    monkeypatch.setattr(subscription, "MIN_APART_S", 0.1)
    return load_config(write_config(tmp_path))


@pytest.fixture
def page(config: LineConfig) -> Iterator[Page]:
    page = of_line(config)
    listening = Subscription(page)
    listening.start()
    yield page
    listening.stop()


@contextmanager
def locked_folder(config: LineConfig) -> Iterator[None]:
    """A line has begun here, and its decision has not spoken yet."""
    folder = runtime_folder(config.line.name)
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def told(page: Page) -> dict[str, Any]:
    with page.lock:
        return page.view.told_cloth()


def state(page: Page) -> dict[str, Any]:
    with page.lock:
        return page.view.told()


def until_m(page: Page) -> float:
    return (told(page)["map"] or {"until": 0.0})["until"]


def recorded(config: LineConfig, *frames: int, pid: int | None = None, roll_id: str = "R-7") -> None:
    """A run that this process began, or another; with these frames of the left camera."""
    held = Ledger(
        config.ledger.path, {"line": "air", "parent_pid": pid or os.getpid(), "config": config.model_dump(mode="json")}
    )
    held.add(roll(roll_id))
    for n in frames:
        held.add(verdict(n, "left", FRAME_MM * n, roll_id, defect=n == 3))
    held.close()


def test_what_came_before_it_is_read_and_what_comes_is_heard(config: LineConfig, page: Page) -> None:
    recorded(config, *range(10))
    with Air(config) as air:
        until(lambda: len(told(page)["defects"]) == 1)
        air.say(*(verdict(n, "left", FRAME_MM * n, "R-7", defect=n == 12) for n in range(10, 20)))
        until(lambda: until_m(page) >= 20 * FRAME_MM / 1000)
    assert [d["key"] for d in told(page)["defects"]] == [(0, 3, 0), (0, 12, 0)]
    assert [run[2] for run in told(page)["map"]["strips"][0]["runs"]] == ["inspected"]
    assert air.told == [], "it says nothing to the line"


def test_what_it_heard_and_the_record_has_not_yet_stays(config: LineConfig, page: Page) -> None:
    recorded(config, *range(5))
    with Air(config) as air:
        until(lambda: not state(page)["silent"])
        air.say(*(verdict(n, "left", FRAME_MM * n, "R-7", defect=n == 6) for n in range(5, 8)))
        until(lambda: [d["key"] for d in told(page)["defects"]] == [(0, 3, 0), (0, 6, 0)])


def test_what_it_missed_is_read_again(config: LineConfig, page: Page) -> None:
    recorded(config, *range(5))
    with Air(config) as air:
        until(lambda: [d["key"] for d in told(page)["defects"]] == [(0, 3, 0)])
        held = Ledger(config.ledger.path, run_id=page.run_id)
        for n in range(5, 30):
            held.add(verdict(n, "left", FRAME_MM * n, "R-7", defect=n == 20))
        held.close()
        air.say(*(verdict(n, "left", FRAME_MM * n, "R-7", defect=False) for n in range(30, 32)))
        until(lambda: [d["key"] for d in told(page)["defects"]] == [(0, 3, 0), (0, 20, 0)])


def test_the_record_of_another_run_is_not_this_lines(config: LineConfig, page: Page) -> None:
    recorded(config, *range(10), pid=os.getpid() + 1)
    with Air(config) as air:
        until(lambda: not state(page)["silent"])
        air.say(verdict(0, "left", 0.0, "R-7", defect=False))
        until(lambda: until_m(page) > 0)
        time.sleep(1.0)
        assert page.run_id is None and told(page)["defects"] == []


def test_each_start_of_the_line_is_a_run_of_its_own(config: LineConfig, page: Page) -> None:
    for n in range(3):
        recorded(config, *range(4), roll_id=f"R-{n}")
        with Air(config, roll_id=f"R-{n}"):
            until(lambda n=n: told(page)["roll"] == f"R-{n}" and len(told(page)["defects"]) == 1)  # type: ignore[misc]
            with page.lock:
                assert page.view.told()["running"] and len(page.view.told()["processes"]) == 5
        until(lambda: not page.view.running)


def test_a_restart_at_once_is_noticed_and_the_record_of_a_reused_process_number_is_not_this_lines(
    config: LineConfig, page: Page
) -> None:
    recorded(config, *range(4), roll_id="R-0")
    with Air(config, roll_id="R-0"):
        until(lambda: len(told(page)["defects"]) == 1)
        before = page.run_id
    with Air(config, roll_id="R-1", begun_s=time.time_ns() / 1e9) as air:
        until(lambda: told(page)["roll"] == "R-1" and state(page)["state"] == "RUNNING")
        air.say(verdict(0, "left", 0.0, "R-1", defect=False))
        until(lambda: until_m(page) > 0)
        time.sleep(1.0)
        assert page.run_id is None and told(page)["defects"] == []
        recorded(config, *range(10), roll_id="R-1")
        until(lambda: len(told(page)["defects"]) == 1)
        assert page.run_id not in (None, before)


def test_a_line_that_goes_on_with_a_run_goes_on_with_its_record(config: LineConfig, page: Page) -> None:
    recorded(config, *range(4))
    with Air(config, begun_s=time.time_ns() / 1e9, generation=1):
        until(lambda: len(told(page)["defects"]) == 1)


def test_a_line_that_starts_again_with_another_config_is_shown_by_that_one(config: LineConfig, page: Page) -> None:
    path = config.ledger.path.parent / "line.yaml"
    path.write_text(path.read_text().replace("name: right", "name: other").replace("mm_per_px_y: 0.2", "mm_per_px_y: 0.4"))
    other = load_config(path)
    assert [c["name"] for c in state(page)["cameras"]] == ["left", "right"]
    recorded(other, *range(4))
    with Air(other):
        until(lambda: [c["name"] for c in state(page)["cameras"]] == ["left", "other"])
        until(lambda: len(told(page)["defects"]) == 1)
        assert page.config is not None and page.config.sha == other.sha
        assert not any(n["key"] == "other_config" for n in state(page)["next"])
        assert {p["name"] for p in state(page)["processes"]} >= {"left", "other"}
        assert [c["name"] for c in page.pictures.told()["cameras"]] == ["left", "other"]


def test_a_line_with_another_place_for_its_record_is_told(
    config: LineConfig, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "FIND_S", 0.7)
    path = config.ledger.path.parent / "line.yaml"
    path.write_text(path.read_text().replace("ledger.sqlite", "other.sqlite"))
    with Air(load_config(path)):
        until(lambda: any(n["key"] == "other_config" for n in state(page)["next"]))
    until(lambda: [n["key"] for n in state(page)["next"]] == ["not_running"])
    with Air(config):
        until(lambda: not state(page)["silent"])
        time.sleep(1.5)
        assert not any(n["key"] == "other_config" for n in state(page)["next"])


def test_what_is_missed_while_the_record_is_read_is_read_again(config: LineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    page = of_line(config)
    listening = Subscription(page)
    recorded(config, *range(5))
    page.run_id = next(iter(read_runs(config.ledger.path)))
    heard = [verdict(n, "left", FRAME_MM * n, "R-7", defect=False) for n in (5, 9)]

    def slow(*which: Any) -> Iterator[Any]:
        for one in heard:
            listening._hear(one)
        heard.clear()
        return iter(())

    monkeypatch.setattr(subscription, "read_events", slow)
    listening._hear(roll("R-7"))
    listening._read(MemoryQueue(9))
    assert listening._read_due_s is not None  # 6 to 8 are missing
    assert told(page)["map"]["strips"][0]["runs"][0][1] > 5.8 * FRAME_MM / 1000  # of 4, and of 5, which was only heard
    held = Ledger(config.ledger.path, run_id=page.run_id)
    for n in range(5, 9):
        held.add(verdict(n, "left", FRAME_MM * n, "R-7", defect=n == 7))
    held.close()
    listening._read(MemoryQueue(9))
    assert listening._read_due_s is None
    assert [d["key"] for d in told(page)["defects"]] == [(0, 3, 0), (0, 7, 0)]
    assert [run[2] for run in told(page)["map"]["strips"][0]["runs"]] == ["inspected"]
    assert until_m(page) > 9.8 * FRAME_MM / 1000


def test_at_its_end_nothing_stands_as_if_it_ran(config: LineConfig, page: Page) -> None:
    with Air(config) as air:
        until(lambda: not state(page)["silent"])
        air.bypass = True
        air.stop(4)
        air.count(9)
        until(lambda: state(page)["bypass"] and state(page)["open"]["listed"] and state(page)["totals"])
        assert state(page)["totals"]["speed_m_min"] == 30.0 and state(page)["processes"]
    until(lambda: not state(page)["running"])
    told = state(page)
    assert [n["key"] for n in told["next"]] == ["not_running"] and not told["bypass"] and told["open"]["listed"] == []
    assert told["processes"] == [] and told["totals"]["speed_m_min"] is None and told["totals"]["inspected_m"] > 0


def test_a_line_whose_decision_says_nothing_is_not_taken_for_none(config: LineConfig, page: Page) -> None:
    with locked_folder(config):
        until(lambda: state(page)["running"])
        assert [n["key"] for n in state(page)["next"]] == ["silent"] and not state(page)["ok"]


def test_a_finished_record_shows_its_last_roll_whole(config: LineConfig) -> None:
    held = Ledger(config.ledger.path, {"line": "air", "config": config.model_dump(mode="json")})
    for n, roll_id in enumerate(("R-1", "R-2", "")):
        held.add(roll(roll_id, start_mm=FRAME_MM * 4 * n).model_copy(update={"number": n, "t_mono_ns": n}))
        for k in range(4 * n, 4 * n + 4):
            held.add(verdict(k, "left", FRAME_MM * k, roll_id, defect=k == 5).model_copy(update={"t_mono_ns": n}))
    held.close()
    page = of_record(config.ledger.path)
    cloth = told(page)
    assert cloth["roll"] == "R-2" and cloth["map"]["until"] == pytest.approx(4 * FRAME_MM / 1000, abs=0.02)
    (row,) = cloth["defects"]
    assert row["closed"] and row["from_m"] == pytest.approx((FRAME_MM + 4) / 1000)
