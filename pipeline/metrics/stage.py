"""The stage that answers Prometheus, and whoever asks for the line's health; nothing in the line waits for it."""

from __future__ import annotations

import json
import time
from http import HTTPStatus

from pipeline.config.line import LineConfig
from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.states import StageState, State
from pipeline.metrics.door import Door, Page, not_found
from pipeline.metrics.figures import CONTENT, Figures

PORTION = 512


class Metrics:
    """Hears what the line publishes, and by `reports` what the supervisor passes on of each process.

    /metrics: the figures. /health: 200 while the line is RUNNING, judges its cloth and its heartbeat is fresh, else 503; JSON.
    /trace: the latest sampled frames' times through all stages, for a trace viewer.
    /live: 200 while the heartbeat is fresh, whatever the state: a container whose cloth is at rest need not be started again.
    """

    idle_ms = 20

    def __init__(self, heard: Inbox, reports: Inbox, decision: Outbox, config: LineConfig, generation: int) -> None:
        self._inboxes = reports, heard
        assert config.metrics is not None
        self._figures = Figures(config)
        self._status = StatusReport(decision, "metrics", "metrics", generation)
        self._door = Door(config.metrics.address, self._answer)
        self.port = self._door.port
        self.state = StageState.READY
        self.handled = self.waiting = 0

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return {key: n for inbox in self._inboxes for key, n in inbox.refused.counters.items()}

    def step(self, now_ns: int) -> bool:
        """Hear, then answer."""
        moved = False
        for inbox in self._inboxes:
            for message, _ in portion(inbox, PORTION):
                self._figures.hear(message, now_ns)
                self.handled += 1
                moved = True
        self._door.step(now_ns)
        self._status.tell(now_ns, StageState.READY)
        return moved

    def close(self) -> None:
        """Close the door."""
        self._door.close()

    def _answer(self, path: str) -> Page:
        match path:
            case "/metrics":
                return Page(HTTPStatus.OK, CONTENT, self._figures.text())
            case "/trace":
                return Page(HTTPStatus.OK, "application/json", self._figures.traces.file())
            case "/health" | "/live":
                return self._health(path == "/health", time.monotonic_ns())
            case _:
                return not_found()

    def _health(self, running: bool, now_ns: int) -> Page:
        figures = self._figures
        state, heard_ns, fresh = figures.state, figures.beat_ns, figures.fresh(now_ns)
        age_s = None if heard_ns is None else round((now_ns - heard_ns) / 1e9, 3)
        good = fresh and (not running or (figures.present is State.RUNNING and figures.judging))
        body = {
            "state": figures.present, "inspection_ok": fresh and figures.judging,
            "detail": "" if state is None else state.detail, "heartbeat_age_s": age_s, "fresh": fresh,
        }  # fmt: skip
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        return Page(status, "application/json", json.dumps(body).encode() + b"\n")
