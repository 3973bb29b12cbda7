"""A browser without a network: one request to an ASGI application, with the headers that a real one sends."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

HOST = "127.0.0.1:8420"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


@dataclass
class Browser:
    """Keeps its cookie; `csrf` goes along once it is known."""

    app: ASGIApp
    host: str = HOST
    origin: str | None = f"http://{HOST}"
    address: str = "127.0.0.1"
    cookie: str = ""
    csrf: str = ""
    more: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, body: Any) -> Answer:
        data = json.dumps(body).encode()
        return self.ask("POST", path, data, {"content-type": "application/json", "content-length": str(len(data))})

    def sign_in(self, token: str) -> Answer:
        answer = self.post("/sign-in", {"token": token})
        if answer.status == 200:
            self.csrf = self.get("/me").told["csrf"]
        return answer

    def ask(self, method: str, path: str, data: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        sent = {"host": self.host, **(headers or {}), **self.more}
        if method == "POST" and self.origin is not None:
            sent["origin"] = self.origin
        sent |= {"cookie": self.cookie} if self.cookie else {}
        sent |= {"x-csrf": self.csrf} if self.csrf else {}
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "client": (self.address, 50000),
            "server": ("127.0.0.1", 8420), "headers": [(k.encode(), v.encode()) for k, v in sent.items()],
        }  # fmt: skip
        said = asyncio.run(self._one(scope, data))
        start = next(m for m in said if m["type"] == "http.response.start")
        found = {k.decode(): v.decode() for k, v in start["headers"]}
        if "set-cookie" in found:
            self.cookie = found["set-cookie"].split(";")[0]
        return Answer(start["status"], found, b"".join(m.get("body", b"") for m in said[1:]))

    async def _one(self, scope: dict[str, Any], data: bytes) -> list[Message]:
        said: list[Message] = []
        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                await asyncio.sleep(3600)
            given = True
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Message) -> None:
            said.append(message)

        await self.app(scope, receive, send)
        return said
