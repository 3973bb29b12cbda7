"""The page's addresses, and what each answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from glass_core.errors import InputError
from pipeline.dashboard.acts import AnyWish, NotDone, do
from pipeline.dashboard.events import MAX_VIEWERS, Events, Viewers
from pipeline.dashboard.gate import Gate, Session
from pipeline.dashboard.guard import Guard
from pipeline.dashboard.page import Page
from pipeline.dashboard.terms import Terms
from pipeline.dashboard.users import User
from pipeline.ledger.acts import read_acts
from pipeline.ledger.crops import kept_path, map_path

STATIC = Path(__file__).with_name("static")
KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".json": "application/json",
         ".svg": "image/svg+xml"}  # fmt: skip
ACTS_SHOWN = 20
MAX_SAID = 300


class Token(BaseModel):
    """What signs a user in."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(max_length=200)


def make_app(page: Page, gate: Gate, terms: Terms, viewers: Viewers | None = None) -> ASGIApp:
    """The page as an ASGI application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    viewers = viewers or Viewers()
    files = _static(terms.strings)
    cookie = f"glassline-{terms.port}"  # a browser sends it to every port of this host: two pages must not take each other's
    secure = terms.tls is not None or terms.behind_proxy

    @app.exception_handler(InputError)
    def input_error(request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 500)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)

    @app.exception_handler(RequestValidationError)
    def not_understood(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        said = f"not understood: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        return JSONResponse({"error": said[:MAX_SAID].encode(errors="replace").decode()}, 422)

    def who(request: Request) -> tuple[User, Session]:
        if (found := gate.who(request.cookies.get(cookie, ""))) is None:
            raise HTTPException(401, "sign in first: nobody may act here without a name")
        if not gate.same(request.headers.get("x-csrf", ""), found[1].csrf):
            raise HTTPException(403, "this request does not come from the page itself")
        return found

    @app.get("/events")
    async def events() -> Response:
        if viewers.count >= MAX_VIEWERS:
            raise HTTPException(503, "too many look at this page, close one of its windows")
        return Events(state, viewers)

    def state() -> bytes:
        return b'{"page":"%s",%s' % (viewers.boot.encode(), page.state()[1:])

    @app.get("/state")
    def once() -> Response:
        return Response(state(), media_type="application/json")

    @app.get("/cloth")
    def cloth(roll: str | None = None) -> Response:
        return Response(page.cloth(roll), media_type="application/json")

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

    @app.get("/pictures")
    def pictures() -> dict[str, Any]:
        return page.pictures.told()

    @app.get("/picture/{camera}")
    def picture(camera: str, heat: bool = False) -> Response:
        if (file := page.pictures.file(camera, heat)) is None:
            raise HTTPException(404, "no picture of this camera has come yet")
        return Response(file, media_type="image/png")

    @app.get("/me")
    def me(request: Request) -> dict[str, Any]:
        found = gate.who(request.cookies.get(cookie, ""))
        return {"name": None} if found is None else {"name": found[0].name, "role": found[0].role, "csrf": found[1].csrf}

    @app.post("/sign-in")
    def sign_in(token: Token) -> Response:
        if (made := gate.sign_in(token.token.strip())) is None:
            raise HTTPException(403, "nobody has this token: make one with `glassline keys user NAME --role operator`")
        answer = JSONResponse({"name": made[1].name})
        answer.set_cookie(cookie, made[0], httponly=True, samesite="strict", secure=secure, path="/")
        return answer

    @app.post("/sign-out")
    def sign_out(request: Request) -> Response:
        who(request)
        gate.sign_out(request.cookies.get(cookie, ""))
        answer = JSONResponse({})
        answer.delete_cookie(cookie, path="/")
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
