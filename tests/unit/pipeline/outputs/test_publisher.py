"""What everybody hears: newcomers are told how the line is, and a crowd of them does not make it speak for ever."""

from pipeline.messages.line import LineState
from pipeline.messages.states import State
from pipeline.outputs.publisher import WELCOME_NS, Publisher
from tests.fakes import Box


def test_a_crowd_of_newcomers_is_welcomed_a_few_times_a_second_and_the_last_of_them_too() -> None:
    air = Box()
    publisher = Publisher(air, 3)
    state = LineState(number=0, generation=3, state=State.READY, inspection_ok=False, t_mono_ns=0, t_utc_ns=0)
    publisher.publish(state)
    air.queue.clear()
    begin_ns = 5_000_000_000
    for ms in range(1000):
        air.newcomer = ms < 900
        publisher.welcome((), begin_ns + ms * 1_000_000)
    assert air.take(LineState) == [state] * 4
    air.newcomer = True
    publisher.welcome((), begin_ns + 900 * 1_000_000)  # no welcome is due yet
    assert air.take(LineState) == []
    publisher.welcome((), begin_ns + 750 * 1_000_000 + WELCOME_NS)
    assert air.take(LineState) == [state]
    publisher.welcome((), begin_ns * 2)
    assert air.take(LineState) == []
