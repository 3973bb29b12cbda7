"""Serves the page, as a process of its own that gives way to all others."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from glass_core.errors import InputError
from pipeline.dashboard.app import make_app
from pipeline.dashboard.events import Viewers
from pipeline.dashboard.gate import Gate
from pipeline.dashboard.page import Page
from pipeline.dashboard.picture_watch import PictureWatch
from pipeline.dashboard.subscription import Subscription
from pipeline.dashboard.terms import Terms
from pipeline.supervision.signals import handled

MAX_CONNECTIONS = 200
QUEUE_BYTES = 65_536
"""Of what was said and a viewer has not read: in the system, and as much again here."""


def serve(page: Page, terms: Terms, said: Callable[[str], None]) -> None:
    """Serve the page until it is stopped by SIGINT or SIGTERM; `said` hears its address once it can be opened.

    It gives way to whatever else wants the processor. Raises InputError where it cannot be served there.
    """
    terms.check()
    if terms.tls is not None:
        _check_tls(*terms.tls)
    viewers = Viewers()
    app = make_app(page, Gate(terms.users, terms.hosts), terms, viewers)
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, lifespan="off", ws="none", http="h11", loop="asyncio", server_header=False,
        timeout_graceful_shutdown=1, timeout_keep_alive=15, limit_concurrency=MAX_CONNECTIONS,
        proxy_headers=terms.behind_proxy, forwarded_allow_ips="127.0.0.1",
        ssl_certfile=terms.tls[0] if terms.tls else None, ssl_keyfile=terms.tls[1] if terms.tls else None,
    )  # fmt: skip
    server = _Server(config, viewers)
    with _bound(terms) as listener:
        os.nice(10)
        ears: list[Subscription | PictureWatch] = []
        if page.config is not None:
            ears = [Subscription(page), PictureWatch(page.config.line.name, page.pictures)]
        for ear in ears:
            ear.start()
        try:
            host = f"[{terms.host}]" if ":" in terms.host else terms.host
            said(f"http{'s' if terms.tls else ''}://{host}:{listener.getsockname()[1]}/")
            server.run(sockets=[listener])
        finally:
            for ear in ears:
                ear.stop()


class _Server(uvicorn.Server):
    """Tells those who look that it ends, so that nobody holds it up."""

    def __init__(self, config: uvicorn.Config, viewers: Viewers) -> None:
        super().__init__(config)
        self._viewers = viewers

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal asks for the end, which is no failure."""

        def end() -> None:
            self._viewers.ending = self.should_exit = True

        with handled({signal.SIGINT: end, signal.SIGTERM: end}):
            yield


def _bound(terms: Terms) -> socket.socket:
    listener: socket.socket | None = None
    try:
        family = socket.getaddrinfo(terms.host, terms.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE_BYTES)
        listener.bind((terms.host, terms.port))
        listener.listen()  # who comes before the server has begun waits for it
    except OSError as e:
        if listener is not None:
            listener.close()
        raise InputError(f"address not free, {terms.host}:{terms.port}, {e.strerror}: choose another with --bind") from None
    return listener


def _check_tls(certificate: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as e:
        raise InputError(f"certificate and key not usable ({e.strerror or e}), {certificate}, give two PEM files") from None
