"""What feeds the live pictures: a thread that listens for them only while somebody looks."""

from __future__ import annotations

import threading
import time
from contextlib import closing

from glass_core.errors import InputError
from pipeline.dashboard.live_pictures import LivePictures
from pipeline.link.protocol import portion
from pipeline.link.zmq_link import ZmqLink
from pipeline.supervision.runtime_folder import is_running, runtime_folder

WAIT_MS = 50
IDLE_S = 0.2
LOOK_S = 0.5
"""As often as it looks whether the line still runs."""


class PictureWatch(threading.Thread):
    """Apart from what the line says of its cloth, which must not wait behind pictures."""

    def __init__(self, line: str, pictures: LivePictures) -> None:
        super().__init__(name="pictures", daemon=True)
        self._line, self._pictures = line, pictures
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Listen no more; waits until the socket is closed."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stopped.wait(IDLE_S):
            if self._pictures.wanted and is_running(self._line):
                try:
                    with closing(ZmqLink(runtime_folder(self._line))) as link:
                        self._listen(link)
                except InputError:  # the folder went just now, or no more sockets can be had
                    self._stopped.wait(LOOK_S)

    def _listen(self, link: ZmqLink) -> None:
        inbox, look_due_s = link.watch(), time.monotonic() + LOOK_S
        while self._pictures.wanted and not self._stopped.is_set():
            link.wait(WAIT_MS)
            for message, payloads in portion(inbox):
                self._pictures.see(message, payloads)
            if time.monotonic() >= look_due_s:
                look_due_s = time.monotonic() + LOOK_S
                if not is_running(self._line):
                    return
