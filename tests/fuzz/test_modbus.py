"""Whatever a Modbus device answers: no traceback, no hang, no memory, and nothing believed that was not asked for."""

from tests.fuzz.modbus import fuzz


def test_spoiled_answers_are_lost_devices() -> None:
    found = fuzz(seed=1, count=200)
    assert {f"{kind} {end}" for kind in ("encoder", "contacts", "output") for end in ("well", "lost")} <= found.keys()
    assert fuzz(seed=1, count=3) == fuzz(seed=1, count=3)
