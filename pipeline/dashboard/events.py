"""What a viewer hears, as server-sent events: the whole state as it changes, never a queue of old ones."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

MAX_VIEWERS = 32
TICK_S, BEAT_S, STALL_S = 0.2, 1.0, 10.0
"""A viewer hears of changes five times a second at most, else once a second. Who reads nothing for so long is cut off."""


@dataclass
class Viewers:
    """How many look, so that no crowd uses up what the line needs."""

    count: int = 0
    ending: bool = False
    boot: str = field(default_factory=lambda: secrets.token_hex(4))
    """Of this start of the page: a browser that knows another loads everything again."""


class Events(Response):
    """The small state, whole, as often as it changes: a slow viewer is told less often, and holds up nobody."""

    def __init__(self, state: Callable[[], bytes], viewers: Viewers, stall_s: float = STALL_S) -> None:
        super().__init__(media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._state, self._viewers, self._stall_s = state, viewers, stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until the viewer leaves, or reads nothing any more; his browser asks again by itself."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        gone = asyncio.ensure_future(_gone(receive))
        self._viewers.count += 1
        try:
            last, beat_due_s = b"", 0.0
            while not gone.done() and not self._viewers.ending:
                state, now_s = self._state(), time.monotonic()
                if state != last or now_s >= beat_due_s:
                    body = b"data: " + state + b"\n\n" if state != last else b"event: beat\ndata: -\n\n"
                    last, beat_due_s = state, now_s + BEAT_S
                    said = send({"type": "http.response.body", "body": body, "more_body": True})
                    await asyncio.wait_for(said, self._stall_s)
                await asyncio.wait({gone}, timeout=TICK_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), 1.0)
        except TimeoutError:
            return
        finally:
            gone.cancel()
            self._viewers.count -= 1


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
