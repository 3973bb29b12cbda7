"""The page over HTTP: the only module that knows a web framework."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glass_core.errors import InputError
from pipeline.dashboard.acts import AnyWish, NotDone, do
from pipeline.dashboard.gate import Gate, Session
from pipeline.dashboard.subscription import Page, Subscription
from pipeline.dashboard.users import User
from pipeline.ledger.acts import read_acts
from pipeline.ledger.crops import kept_path, map_path
from pipeline.supervision.signals import handled

STATIC = Path(__file__).with_name("static")
KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".json": "application/json",
         ".svg": "image/svg+xml"}  # fmt: skip
COOKIE = "glassline"
MAX_BODY_BYTES = 16_384
MAX_VIEWERS = 32
MAX_CONNECTIONS = 200
QUEUE_BYTES = 65_536
"""Of what was said and a viewer has not read: in the system, and as much again here."""
TICK_S, BEAT_S, STALL_S = 0.2, 1.0, 10.0
"""A viewer hears of changes five times a second at most, else once a second. Who reads nothing for so long is cut off."""
ACTS_SHOWN = 20
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
}  # fmt: skip


@dataclass(frozen=True)
class Terms:
    """Where the page is served, to whom, and in which words."""

    host: str
    port: int
    users: Path
    tls: tuple[Path, Path] | None = None
    """Certificate and its key."""
    behind_proxy: bool = False
    """Another program, which is trusted, speaks TLS with browsers."""
    names: tuple[str, ...] = ()
    """By which browsers reach it, beside its address."""
    strings: Path | None = None
    """A translation of static/strings.json; what it lacks stays English."""

    def check(self) -> None:
        """InputError for what would be open to a network without TLS."""
        if not is_loopback(self.host) and self.tls is None and not self.behind_proxy:
            raise InputError(
                f"tokens would cross the network as plain text, --bind {self.host}, give --tls CERT KEY, or say --behind-proxy "
                "where a proxy on this machine speaks TLS"
            )

    @property
    def hosts(self) -> frozenset[str]:
        """The names that a browser may ask for."""
        own = (
            {"localhost", "127.0.0.1", "::1"} if is_loopback(self.host) or self.behind_proxy else {socket.gethostname().lower()}
        )
        return frozenset({self.host.lower(), *own, *(name.lower() for name in self.names)})


class Token(BaseModel):
    """What signs a user in."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(max_length=200)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Turns away what no page of ours would send, before anything else sees it, and limits what a browser does with ours."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if (no := self._refuses(scope)) is not None:
            await JSONResponse({"error": no[1]}, no[0])(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _refuses(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._gate.is_host(host):
            return 421, "this page has another name: give it with --name"
        if scope["method"] in ("GET", "HEAD"):
            return None
        if (
            not self._gate.is_own(headers.get("origin", ""), host)
            or headers.get("sec-fetch-site", "same-origin") != "same-origin"
        ):
            return 403, "this request does not come from the page itself"
        if not headers.get("content-length", "").isdigit() or int(headers["content-length"]) > MAX_BODY_BYTES:
            return 413, "this request is too large"
        if self._gate.too_often(scope["client"][0] if scope.get("client") else ""):
            return 429, "too many requests, wait ten seconds"
        return None


class Events(Response):
    """The small state, whole, as often as it changes: a slow viewer is told less often, and holds up nobody."""

    def __init__(self, state: Callable[[], bytes], ends: Callable[[], bool], stall_s: float = STALL_S) -> None:
        super().__init__(media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._state, self._ends, self._stall_s = state, ends, stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until the viewer leaves, or reads nothing any more; his browser asks again by itself."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        gone = asyncio.ensure_future(_gone(receive))
        try:
            last, beat_due_s = b"", 0.0
            while not gone.done() and not self._ends():
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


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass
class Viewers:
    """How many look, so that no crowd uses up what the line needs."""

    count: int = 0
    ending: bool = False
    boot: str = field(default_factory=lambda: secrets.token_hex(4))
    """Of this start of the page: a browser that knows another loads everything again."""


def make_app(page: Page, gate: Gate, terms: Terms, viewers: Viewers | None = None) -> ASGIApp:
    """The page as an ASGI application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    viewers = viewers or Viewers()
    files = _static(terms.strings)
    secure = terms.tls is not None or terms.behind_proxy

    @app.exception_handler(InputError)
    def input_error(request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 500)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)

    def who(request: Request) -> tuple[User, Session]:
        if (found := gate.who(request.cookies.get(COOKIE, ""))) is None:
            raise HTTPException(401, "sign in first: nobody may act here without a name")
        if not gate.same(request.headers.get("x-csrf", ""), found[1].csrf):
            raise HTTPException(403, "this request does not come from the page itself")
        return found

    @app.get("/events")
    async def events() -> Response:
        if viewers.count >= MAX_VIEWERS:
            raise HTTPException(503, "too many look at this page, close one of its windows")
        return _Counted(state, viewers)

    def state() -> bytes:
        return b'{"page":"%s",%s' % (viewers.boot.encode(), page.state()[1:])

    @app.get("/state")
    def once() -> Response:
        return Response(state(), media_type="application/json")

    @app.get("/cloth")
    def cloth() -> Response:
        return Response(page.cloth(), media_type="application/json")

    @app.get("/acts")
    def acts() -> dict[str, Any]:
        shown = read_acts(page.folder, ACTS_SHOWN)
        return {"acts": [a.model_dump(mode="json", include={"by", "role", "act", "done", "outcome", "at"}) for a in shown]}

    @app.get("/crop/{generation}-{number}-{region}")
    def crop(generation: int, number: int, region: int, heat: bool = False) -> Response:
        found = page.find((generation, number, region))
        kept = kept_path(page.folder, page.run_id, found[0]) if found and page.run_id else None
        if kept is None:
            raise HTTPException(404, "no picture was kept of it")
        return FileResponse(map_path(kept) if heat else kept, media_type="image/png")

    @app.get("/me")
    def me(request: Request) -> dict[str, Any]:
        found = gate.who(request.cookies.get(COOKIE, ""))
        return {"name": None} if found is None else {"name": found[0].name, "role": found[0].role, "csrf": found[1].csrf}

    @app.post("/sign-in")
    def sign_in(token: Token) -> Response:
        if (made := gate.sign_in(token.token.strip())) is None:
            raise HTTPException(403, "nobody has this token: make one with `glassline keys user NAME --role operator`")
        answer = JSONResponse({"name": made[1].name})
        answer.set_cookie(COOKIE, made[0], httponly=True, samesite="strict", secure=secure, path="/")
        return answer

    @app.post("/sign-out")
    def sign_out(request: Request) -> Response:
        who(request)
        gate.sign_out(request.cookies.get(COOKIE, ""))
        answer = JSONResponse({})
        answer.delete_cookie(COOKIE, path="/")
        return answer

    @app.post("/acts")
    def act(request: Request, wish: Annotated[AnyWish, Field()]) -> Response:
        user, _ = who(request)
        try:
            return JSONResponse({"outcome": do(page, wish, user)})
        except NotDone as e:
            raise HTTPException(409, str(e)) from None

    @app.get("/")
    def index() -> Response:
        return _file(files, "index.html")

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        return _file(files, name)

    return Guard(app, gate)


class _Counted(Events):
    """One viewer among those who look."""

    def __init__(self, state: Callable[[], bytes], viewers: Viewers) -> None:
        super().__init__(state, lambda: viewers.ending)
        self._viewers = viewers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._viewers.count += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._viewers.count -= 1


def _static(strings: Path | None) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in KINDS}
    if strings is not None:
        try:
            told = json.loads(strings.read_bytes())
        except (OSError, ValueError):
            raise InputError(f"no words in it, {strings}, give a translation of {STATIC / 'strings.json'}") from None
        english = json.loads(files["strings.json"])
        if (
            not isinstance(told, dict)
            or not all(isinstance(v, str) for v in told.values())
            or not told.keys() <= english.keys()
        ):
            raise InputError(f"words that the page does not have, {strings}, give a translation of {STATIC / 'strings.json'}")
        files["strings.json"] = json.dumps({**english, **told}).encode()
    return files


def _file(files: Mapping[str, bytes], name: str) -> Response:
    if name not in files:
        raise HTTPException(404, "no such page")
    return Response(files[name], media_type=KINDS[Path(name).suffix], headers={"Cache-Control": "no-cache"})


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
        subscription = Subscription(page) if page.config is not None else None
        if subscription is not None:
            subscription.start()
        try:
            host = f"[{terms.host}]" if ":" in terms.host else terms.host
            said(f"http{'s' if terms.tls else ''}://{host}:{listener.getsockname()[1]}/")
            server.run(sockets=[listener])
        finally:
            if subscription is not None:
                subscription.stop()


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
