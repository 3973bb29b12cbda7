"""The page's door: turns away what no page of ours would send, and says what a browser may do with ours."""

from __future__ import annotations

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.dashboard.gate import Gate

MAX_BODY_BYTES = 16_384
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
}  # fmt: skip


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
            await self._app(scope, _bounded(receive), guarded)

    def _refuses(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._gate.is_host(host):
            return 421, "this page has another name: give it with --name"
        length = headers.get("content-length", "0" if scope["method"] in ("GET", "HEAD") else "")
        plain = length.isascii() and length.isdecimal() and len(length) < 10
        if "transfer-encoding" in headers or not plain or int(length) > MAX_BODY_BYTES:
            return 413, "this request is too large, or does not say how large it is"
        if scope["method"] in ("GET", "HEAD"):
            return None
        if (
            not self._gate.is_own(headers.get("origin", ""), host)
            or headers.get("sec-fetch-site", "same-origin") != "same-origin"
        ):
            return 403, "this request does not come from the page itself"
        if self._gate.too_often(scope["client"][0] if scope.get("client") else ""):
            return 429, "too many requests, wait ten seconds"
        return None


def _bounded(receive: Receive) -> Receive:
    """Whoever sends more than he may has left: what a server lets through is counted here once more."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        return message if received <= MAX_BODY_BYTES else {"type": "http.disconnect"}

    return counted
