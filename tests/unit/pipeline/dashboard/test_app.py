"""The page over HTTP: everybody may look, only a user with a token may act, and no other site can act through his browser."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import ASGIApp, Message

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.dashboard import acts
from pipeline.dashboard.app import STATIC, make_app
from pipeline.dashboard.events import MAX_VIEWERS, Events, Viewers
from pipeline.dashboard.gate import TRIES, Gate
from pipeline.dashboard.guard import MAX_BODY_BYTES
from pipeline.dashboard.page import CLOTH_S, REST, Page, of_line, of_record
from pipeline.dashboard.terms import Terms
from pipeline.dashboard.users import make_user
from pipeline.ledger.acts import read_acts
from pipeline.ledger.dispositions import in_force, read_dispositions
from pipeline.ledger.store import Ledger
from pipeline.messages.cloth import Roll
from pipeline.messages.commands import Acknowledge, Bypass, Command, Reset, RollStart
from pipeline.messages.frames import Frame
from pipeline.messages.line import LineState
from pipeline.messages.message import Message as Said
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Region, Verdict
from pipeline.supervision.telling import NotConfirmed
from tests.unit.pipeline.dashboard.browser import Browser
from tests.unit.pipeline.dashboard.test_roll_so_far import defect, verdict
from tests.unit.pipeline.dashboard.test_view import action, state

NASTY = "<img src=x onerror=alert(1)>"
CAMERAS = [{"name": "left", "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}]


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def terms(tmp_path: Path) -> Terms:
    return Terms(host="127.0.0.1", port=8420, users=tmp_path / "users.json")


@pytest.fixture
def record(tmp_path: Path) -> Page:
    """One defect on a roll with a hostile name; two kept pictures."""
    folder = tmp_path / "record"
    folder.mkdir()
    held = Ledger(folder / "ledger.sqlite", {"line": "loom", "config": {"cameras": CAMERAS}}, run_id="r")
    region = Region(x0_px=0, y0_px=0, x1_px=20, y1_px=50, score=0.9, x0_mm=0, x1_mm=4, y0_mm=10, y1_mm=20)
    facts = {"generation": 0, "t_mono_ns": 0, "t_utc_ns": 0, "roll_id": NASTY}
    held.add(Roll(number=0, style="", start_mm=0.0, cause="command", **facts))
    held.add(Verdict(
        number=3, camera="left", boot_id="b", seq=7, result=Result.DEFECT, score=0.9, regions=(region,), start_mm=0.0,
        end_mm=100.0, frame_shape=(500, 1000), cells_shape=(60, 120), **facts,
    ), (bytes(4 * 60 * 120), bytes(500 * 1000)))  # fmt: skip
    held.close()
    crops = folder / "crops" / "r"
    crops.mkdir(parents=True)
    (crops / "0-3_left_7_0.png").write_bytes(b"\x89PNG picture")
    (crops / "0-3_left_7_0_map.png").write_bytes(b"\x89PNG map")
    return of_record(folder / "ledger.sqlite")


@pytest.fixture
def line(tmp_path: Path) -> Page:
    config = LineConfig.model_validate({
        "line": {"name": "loom"}, "cameras": [{"source": "replay", "path": "x", **CAMERAS[0]}],
        "ledger": {"path": str(tmp_path / "ledger.sqlite")},
    })  # fmt: skip
    return of_line(config)


def test_a_new_defect_is_told_at_once_and_other_cloth_once_a_second(line: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, told_cloth, takes_s = Clock(), line.view.told_cloth, 0.0

    def slow(roll: str | None = None) -> dict[str, Any]:
        clock.s += takes_s
        return told_cloth(roll)

    monkeypatch.setattr("pipeline.dashboard.page.time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(line.view, "told_cloth", slow)

    def seen(number: int, is_defect: bool) -> tuple[int, int]:
        """Defects that a browser has after one more frame, and the frame that it knows of."""
        line.view.hear(defect(number, 300.0 * number) if is_defect else verdict(number, 300.0 * number))
        told = json.loads(line.cloth())
        assert line.view.told()["found"] == line.view.cloth.found and told["found"] == len(told["defects"])
        return len(told["defects"]), int(told["version"].split("-")[2])

    assert seen(1, False) == (0, 1)
    assert seen(2, False) == (0, 1), "it may wait"
    assert seen(3, True) == (1, 3)
    assert seen(4, False) == (1, 3)
    clock.s += CLOTH_S
    takes_s = 0.02
    assert seen(5, False) == (1, 5)
    assert seen(6, True) == (1, 5), "making it took a while: no more than a twentieth of a core"
    clock.s += REST * takes_s
    assert seen(7, False) == (2, 7)


def test_the_cut_of_a_record_is_that_of_the_roll_shown_and_a_live_line_has_none(tmp_path: Path, line: Page) -> None:
    cut = {"lengths_m": [1.0], "cost_of_cut": 0.0}
    held = Ledger(tmp_path / "ledger.sqlite", {"line": "loom", "config": {"cameras": CAMERAS, "cut": cut}}, run_id="r")
    facts: dict[str, Any] = {"generation": 0, "t_mono_ns": 0, "t_utc_ns": 0}
    for number, (roll_id, start_mm) in enumerate((("R1", 0.0), ("R2", 3000.0))):
        held.add(Roll(number=number, style="", roll_id=roll_id, start_mm=start_mm, cause="command", **facts))
    for n in range(55):
        held.add(Verdict(
            number=n, camera="left", boot_id="b", seq=n, result=Result.PASS, score=0.1, start_mm=100.0 * n,
            end_mm=100.0 * n + 100, frame_shape=(500, 1000), roll_id="R1" if n < 30 else "R2", **facts,
        ))  # fmt: skip
    held.close()
    page = of_record(tmp_path / "ledger.sqlite")
    before = json.loads(page.cloth("R1"))["cut"]
    assert [p["to_m"] for p in before["pieces"]] == [1, 2, 3] and before["given_up_m"] == 0
    told = json.loads(page.cloth())
    assert told["roll"] == "R2" and (told["cut"]["given_up_m"], told["cut"]["map_from_m"]) == (0.5, 0.0)
    assert [(p["kind"], p["from_m"], p["to_m"]) for p in told["cut"]["pieces"]] == [("first", 0, 1), ("first", 1, 2)]
    assert line.view.told_cloth()["cut"] is None


def test_a_cut_lies_on_the_map_where_it_lies_on_the_cloth(tmp_path: Path) -> None:
    """The roll was told to begin at 0.4 m, when its first frames were taken already."""
    cut = {"lengths_m": [1.0]}
    held = Ledger(tmp_path / "ledger.sqlite", {"line": "loom", "config": {"cameras": CAMERAS, "cut": cut}}, run_id="r")
    facts: dict[str, Any] = {"generation": 0, "t_mono_ns": 0, "t_utc_ns": 0, "roll_id": "R1"}
    held.add(Roll(number=0, style="", start_mm=400.0, cause="command", **facts))
    for n in range(12):
        held.add(Verdict(
            number=n, camera="left", boot_id="b", seq=n, result=Result.PASS, score=0.1, start_mm=100.0 * n,
            end_mm=100.0 * n + 100, frame_shape=(500, 1000), **facts,
        ))  # fmt: skip
    held.close()
    told = json.loads(of_record(tmp_path / "ledger.sqlite").cloth())
    assert told["cut"]["map_from_m"] == -0.4 and told["cut"]["pieces"][0]["from_m"] == 0


def app_of(page: Page, terms: Terms, clock: Clock | None = None) -> ASGIApp:
    return make_app(page, Gate(terms.users, terms.hosts, clock or Clock()), terms)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """What the line is told; a second acknowledgement of an event it refuses, as decision does."""
    heard: list[Command] = []

    def tell(config: LineConfig, word: Command) -> list[Said]:
        if isinstance(word, Acknowledge) and word in heard:
            raise NotConfirmed(f"refused: no event {word.event} is open")
        heard.append(word)
        return []

    monkeypatch.setattr(acts, "tell", tell)
    return heard


def test_everybody_may_look(record: Page, terms: Terms) -> None:
    browser = Browser(app_of(record, terms))
    assert browser.get("/state").told["line"] == "loom" and browser.get("/cloth").told["roll"] == NASTY
    page = browser.get("/")
    assert page.status == 200 and b"page.js" in page.body and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert browser.get("/static/page.js").headers["content-type"].startswith("text/javascript")
    assert browser.get("/static/../server.py").status == 404 and browser.get("/static/%2e%2e").status == 404


def test_pictures_are_found_by_key_and_only_those_of_defects(record: Page, terms: Terms) -> None:
    browser = Browser(app_of(record, terms))
    assert browser.get("/crop/0-3-0").body == b"\x89PNG picture" and browser.get("/crop/0-3-0?heat=1").body == b"\x89PNG map"
    assert browser.get("/crop/0-4-0").status == 404 and browser.get("/crop/..-3-0").status in (404, 422)


def test_everybody_may_watch_the_cameras_of_a_line(line: Page, terms: Terms) -> None:
    browser = Browser(app_of(line, terms))
    assert browser.get("/pictures").told["cameras"] == [{"name": "left", "plain": None, "heat": None}]
    assert (
        browser.get("/picture/left").status == browser.get("/picture/..").status == browser.get("/picture/right").status == 404
    )
    frame = Frame(camera="left", boot_id="b", seq=0, t_mono_ns=0, t_utc_ns=0, block_id=0, shape=(2, 3), pixel_format="Mono8")
    line.pictures.see(frame, (bytes(6),))
    shown = browser.get("/picture/left?number=1")
    assert shown.headers["content-type"] == "image/png" and shown.body.startswith(b"\x89PNG")
    assert browser.get("/pictures").told["cameras"][0]["plain"]["number"] == 1
    assert browser.get("/picture/left?heat=1").status == 404


def test_what_comes_from_outside_is_sent_as_data_alone(record: Page, terms: Terms) -> None:
    browser = Browser(app_of(record, terms))
    for path in ("/cloth", "/state", "/acts"):
        answer = browser.get(path)
        assert answer.headers["content-type"] == "application/json" and answer.headers["x-content-type-options"] == "nosniff"
    script = "".join(path.read_text() for path in STATIC.glob("*.js"))
    assert not any(word in script for word in ("innerHTML =", "insertAdjacentHTML", "document.write", "eval("))


@pytest.mark.parametrize("token", ["", "wrong", "x" * 200])
def test_a_wrong_token_opens_nothing(record: Page, terms: Terms, token: str) -> None:
    make_user(terms.users, "Ada", "operator")
    browser = Browser(app_of(record, terms))
    answer = browser.sign_in(token)
    assert answer.status == 403 and "keys user" in answer.told["error"] and browser.cookie == ""
    assert browser.get("/me").told == {"name": None}


def test_without_a_token_nothing_is_done(line: Page, terms: Terms, told: list[Command]) -> None:
    answer = Browser(app_of(line, terms)).post("/acts", {"act": "acknowledge"})
    assert answer.status == 401 and "sign in" in answer.told["error"] and told == []


def test_who_acted_is_on_record_with_what_became_of_it(line: Page, terms: Terms, told: list[Command]) -> None:
    browser = Browser(app_of(line, terms))
    assert browser.sign_in(make_user(terms.users, "Ada", "operator")).status == 200
    assert browser.get("/me").told | {"csrf": ""} == {"name": "Ada", "role": "operator", "csrf": ""}
    assert browser.post("/acts", {"act": "acknowledge", "event": 4}).status == 200
    assert browser.post("/acts", {"act": "roll_start", "roll_id": NASTY, "style": None}).status == 200
    twice = browser.post("/acts", {"act": "acknowledge", "event": 4})
    assert twice.status == 409 and "no event 4 is open" in twice.told["error"]
    assert told == [Acknowledge(event=4), RollStart(roll_id=NASTY)]
    noted = read_acts(line.folder, 10)
    assert [(a.by, a.role, a.act["act"], a.done) for a in noted] == [
        ("Ada", "operator", "acknowledge", False),
        ("Ada", "operator", "roll_start", True),
        ("Ada", "operator", "acknowledge", True),
    ]
    assert "no event 4 is open" in noted[0].outcome and browser.get("/acts").told["acts"][1]["act"]["roll_id"] == NASTY


def test_two_viewers_acknowledge_and_the_second_hears_why_not(line: Page, terms: Terms, told: list[Command]) -> None:
    app = app_of(line, terms)
    ada, bob = Browser(app), Browser(app)
    ada.sign_in(make_user(terms.users, "Ada", "operator"))
    bob.sign_in(make_user(terms.users, "Bob", "engineer"))
    assert [b.post("/acts", {"act": "acknowledge", "event": 1}).status for b in (ada, bob)] == [200, 409]
    assert told == [Acknowledge(event=1)] and [a.by for a in read_acts(line.folder, 10)] == ["Bob", "Ada"]


def test_what_nobody_has_read_is_not_acknowledged(line: Page, terms: Terms, told: list[Command]) -> None:
    browser = Browser(app_of(line, terms))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    for event in (8, 3):  # an event that was announced earlier may act later
        line.view.hear(action(event))
    shown = line.view.told()["open"]["seen"]
    line.view.hear(action(8))  # said again: no other stop
    line.view.hear(action(5))
    answer = browser.post("/acts", {"act": "acknowledge", "seen": shown})
    assert answer.status == 409 and "has opened since" in answer.told["error"] and told == []
    shown = line.view.told()["open"]["seen"]
    assert browser.post("/acts", {"act": "acknowledge", "seen": shown}).status == 200 and told == [Acknowledge(event=None)]
    assert [a.done for a in read_acts(line.folder, 9)] == [True, False]


@pytest.mark.parametrize(
    ("stands", "right"),
    [
        (state(State.FAULT, False, "recorder: disk full (gone: reset it)"), "fault"),
        (state(State.DEGRADED, False, "not the cloth of the card: left: darker"), "unlike"),
        (state(State.RUNNING), None), (None, None),
    ],
)  # fmt: skip
def test_a_reset_is_of_what_stands(
    line: Page, terms: Terms, told: list[Command], stands: LineState | None, right: str | None
) -> None:
    browser = Browser(app_of(line, terms))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    if stands is not None:
        line.view.hear(stands)
    for of in ("fault", "unlike"):
        wish = {"act": "reset", "of": of, "since": since(line)}
        assert browser.post("/acts", wish).status == (200 if of == right else 409)
    assert told == [Reset()] * (right is not None)


def since(line: Page) -> str:
    line.view.running = True
    return next((n["since"] for n in line.view.told()["next"] if "since" in n), "")


@pytest.mark.parametrize(
    ("stands", "of"),
    [
        (state(State.FAULT, False, "recorder: disk full (gone: reset it)"), "fault"),
        (state(State.DEGRADED, False, "not the cloth of the card: left: darker"), "unlike"),
    ],
)
def test_a_reset_is_not_of_another_with_the_same_words(
    line: Page, terms: Terms, told: list[Command], stands: LineState, of: str
) -> None:
    browser = Browser(app_of(line, terms))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    line.view.hear(stands.model_copy(update={"number": 4}))
    read = {"act": "reset", "of": of, "since": since(line)}
    line.view.hear(stands.model_copy(update={"number": 5}))  # told again: it is the same one
    assert since(line) == read["since"]
    line.view.hear(state(State.RUNNING).model_copy(update={"number": 6}))
    line.view.hear(stands.model_copy(update={"number": 7}))
    answer = browser.post("/acts", read)
    assert answer.status == 409 and "but another stands now" in answer.told["error"] and told == []
    assert browser.post("/acts", {**read, "since": since(line)}).status == 200 and told == [Reset()]


def test_only_an_engineer_sets_rejects_aside_and_anybody_takes_that_back(line: Page, terms: Terms, told: list[Command]) -> None:
    app = app_of(line, terms)
    operator, engineer = Browser(app), Browser(app)
    operator.sign_in(make_user(terms.users, "Ada", "operator"))
    engineer.sign_in(make_user(terms.users, "Bob", "engineer"))
    assert operator.post("/acts", {"act": "bypass", "on": True}).status == 409
    assert engineer.post("/acts", {"act": "bypass", "on": True}).status == 200
    assert operator.post("/acts", {"act": "bypass", "on": False}).status == 200
    assert told == [Bypass(on=True), Bypass(on=False)]


@pytest.mark.parametrize(
    "change",
    [
        {"origin": None}, {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
        {"more": {"sec-fetch-site": "cross-site"}}, {"csrf": "wrong"}, {"csrf": ""},
    ],
)  # fmt: skip
def test_no_other_site_acts_through_a_users_browser(
    line: Page, terms: Terms, told: list[Command], change: dict[str, Any]
) -> None:
    browser = Browser(app_of(line, terms))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    for name, value in change.items():
        setattr(browser, name, value)
    answer = browser.post("/acts", {"act": "acknowledge"})
    assert answer.status == 403 and told == [] and read_acts(line.folder, 10) == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8420", "", "[", "10.0.0.1:8420"])
def test_another_name_that_leads_here_does_not_work(record: Page, terms: Terms, host: str) -> None:
    assert Browser(app_of(record, terms), host=host).get("/state").status == 421


def test_names_that_are_given_work(record: Page, tmp_path: Path) -> None:
    terms = Terms("127.0.0.1", 8420, tmp_path / "u", behind_proxy=True, names=("Loom7.mill.example",))
    assert Browser(app_of(record, terms), host="loom7.mill.example").get("/state").status == 200


def test_the_cookie_is_of_no_use_to_scripts_and_other_sites(line: Page, tmp_path: Path) -> None:
    for terms, secure in (
        (Terms("127.0.0.1", 1, tmp_path / "u"), False),
        (Terms("127.0.0.1", 1, tmp_path / "u", behind_proxy=True), True),
    ):
        answer = Browser(app_of(line, terms)).sign_in(make_user(terms.users, "Ada", "operator"))
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and ("secure" in cookie) is secure


def test_who_tries_too_often_waits_and_others_do_not(record: Page, terms: Terms) -> None:
    clock = Clock()
    app = app_of(record, terms, clock)
    browser, other = Browser(app), Browser(app, address="10.1.1.1")
    answers = [browser.post("/sign-in", {"token": "guess"}).status for _ in range(TRIES + 2)]
    assert answers == [403] * TRIES + [429, 429]
    assert other.post("/sign-in", {"token": "guess"}).status == 403 and browser.get("/state").status == 200
    clock.s += 11
    assert browser.post("/sign-in", {"token": "guess"}).status == 403


def test_whoever_has_a_new_token_or_is_deleted_is_out_at_once(line: Page, terms: Terms, told: list[Command]) -> None:
    clock = Clock()
    browser = Browser(app_of(line, terms, clock))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    make_user(terms.users, "Ada", "operator")
    assert browser.post("/acts", {"act": "acknowledge"}).status == 401 and told == []


def test_a_shift_ends(line: Page, terms: Terms) -> None:
    clock = Clock()
    browser = Browser(app_of(line, terms, clock))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    clock.s += 13 * 3600
    assert browser.get("/me").told == {"name": None}


def test_signing_out_ends_it_on_this_side(line: Page, terms: Terms) -> None:
    browser = Browser(app_of(line, terms))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    kept = browser.cookie
    assert browser.post("/sign-out", {}).status == 200
    browser.cookie = kept
    assert browser.get("/me").told == {"name": None}


def test_users_that_others_can_read_are_refused_in_words(line: Page, terms: Terms) -> None:
    browser = Browser(app_of(line, terms))
    token = make_user(terms.users, "Ada", "operator")
    terms.users.chmod(0o644)
    answer = browser.sign_in(token)
    assert answer.status == 500 and "chmod 600" in answer.told["error"]


@pytest.mark.parametrize(
    "wish",
    [
        {}, {"act": "explode"}, {"act": "acknowledge", "event": -1}, {"act": "roll_start", "roll_id": ""},
        {"act": "roll_start", "roll_id": "a\nb"}, {"act": "event", "kind": "SEAM", "length_mm": 0}, {"act": "bypass"},
        {"act": "review", "key": [0, 0], "word": "defect"}, {"act": "review", "key": [0, 3, 0], "word": "great"}, [], "x",
        {"act": "reset"}, {"act": "reset", "of": "fault"}, {"act": "reset", "of": "bypass", "since": ""},
    ],
)  # fmt: skip
def test_what_cannot_be_wished_is_refused(line: Page, terms: Terms, told: list[Command], wish: Any) -> None:
    browser = Browser(app_of(line, terms))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    assert browser.post("/acts", wish).status == 422 and told == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sign-in", r'{"token": "secret\ud800"}'), ("/sign-in", r'{"token": "x", "\ud800": 1}'),
        ("/sign-in", '{"token": ["secret"]}'), ("/acts", '{"act": "event", "kind": "SEAM", "length_mm": NaN}'),
        ("/acts", '{"act": "event", "kind": "SEAM", "length_mm": 1e999}'), ("/acts", r'{"act": "\ud800"}'), ("/acts", "{"),
        ("/acts", r'{"act": "review", "key": [0, 3, 0], "word": "lint", "note": "\ud800"}'),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line_without_its_secrets(line: Page, terms: Terms, path: str, body: str) -> None:
    browser = Browser(app_of(line, terms))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    answer = browser.ask("POST", path, body.encode(), headers)
    assert answer.status == 422 and answer.told.keys() == {"error"} and answer.told["error"].startswith("not understood: body")
    assert "secret" not in answer.told["error"]


def test_two_pages_on_one_host_leave_each_other_signed_in(record: Page, line: Page, terms: Terms) -> None:
    one, other = Browser(app_of(record, terms)), Browser(app_of(line, replace(terms, port=8421)))
    for browser in (one, other):
        browser.sign_in(make_user(terms.users, "Ada", "operator"))
    assert one.cookie.split("=")[0] != other.cookie.split("=")[0]


def test_a_flood_of_bytes_is_not_read(line: Page, terms: Terms) -> None:
    browser = Browser(app_of(line, terms))
    large = {"content-type": "application/json", "content-length": str(MAX_BODY_BYTES + 1)}
    assert browser.ask("POST", "/acts", b"", large).status == 413
    assert browser.ask("POST", "/acts", b"{}", {"content-type": "application/json"}).status == 413, "of no stated length"


@pytest.mark.parametrize("length", ["²", "-1", "1e3", "+2", "9" * 5000, "", " "])
def test_no_body_of_unknown_length_is_let_in(line: Page, terms: Terms, length: str) -> None:
    browser = Browser(app_of(line, terms))
    sent = {"content-type": "application/json", "content-length": length}
    assert browser.ask("POST", "/sign-in", b"{}", sent).status == 413


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_in_chunks_is_refused_whatever_length_it_states(line: Page, terms: Terms, method: str) -> None:
    browser = Browser(app_of(line, terms))
    sent = {"content-type": "application/json", "content-length": "2", "transfer-encoding": "chunked"}
    assert browser.ask(method, "/sign-in", b"{}", sent).status == 413


def test_no_more_is_read_than_may_be_sent(line: Page, terms: Terms) -> None:
    token = make_user(terms.users, "Ada", "operator")
    body = json.dumps({"token": token}).encode() + b" " * MAX_BODY_BYTES
    sent = {"content-type": "application/json", "content-length": "2"}
    assert Browser(app_of(line, terms)).ask("POST", "/sign-in", body, sent).status == 400


def test_a_word_on_a_defect_has_its_name_and_is_taken_back(record: Page, terms: Terms) -> None:
    browser = Browser(app_of(record, terms))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    wish = {"act": "review", "key": [0, 3, 0], "word": "defect", "kind": "hole", "note": NASTY}
    assert browser.post("/acts", wish).status == 200
    (row,) = browser.get("/cloth").told["defects"]
    assert (row["word"], row["kind"], row["by"]) == ("defect", "hole", "Ada")
    assert browser.post("/acts", {"act": "review", "key": [0, 3, 0], "word": None}).status == 200
    assert browser.get("/cloth").told["defects"][0]["word"] is None
    said = read_dispositions(record.folder, "r")
    assert [(d.word, d.by) for d in said] == [("defect", "Ada"), (None, "Ada")] and in_force(said) == {}
    assert browser.post("/acts", {"act": "review", "key": [0, 9, 0], "word": "lint"}).status == 409


def test_a_record_has_no_line_to_tell(record: Page, terms: Terms) -> None:
    browser = Browser(app_of(record, terms))
    browser.sign_in(make_user(terms.users, "Bob", "engineer"))
    assert "no line runs" in browser.post("/acts", {"act": "reset", "of": "fault", "since": ""}).told["error"]


def test_an_act_whose_record_is_lost_is_done_and_says_so(
    line: Page, terms: Terms, told: list[Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(acts, "note_act", full)
    browser = Browser(app_of(line, terms))
    browser.sign_in(make_user(terms.users, "Ada", "operator"))
    answer = browser.post("/acts", {"act": "acknowledge"})
    assert answer.status == 200 and "not on record" in answer.told["outcome"] and len(told) == 1


def test_beyond_this_machine_only_with_tls(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.168.0.7", "::", "loom7"):
        with pytest.raises(InputError, match="--tls"):
            Terms(host, 8420, tmp_path).check()
        with pytest.raises(InputError, match="proxy"):
            Terms(host, 8420, tmp_path, behind_proxy=True).check()
        Terms(host, 8420, tmp_path, tls=(tmp_path, tmp_path)).check()
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        Terms(host, 8420, tmp_path).check()
        Terms(host, 8420, tmp_path, behind_proxy=True).check()


def test_a_translation_leaves_what_it_lacks_in_english(record: Page, terms: Terms, tmp_path: Path) -> None:
    strings = tmp_path / "de.json"
    strings.write_text(json.dumps({"state.RUNNING": "LÄUFT"}))
    shown = Browser(make_app(record, Gate(terms.users, terms.hosts), Terms("127.0.0.1", 1, terms.users, strings=strings)))
    words = shown.get("/static/strings.json").told
    assert (words["state.RUNNING"], words["state.FAULT"]) == ("LÄUFT", "FAULT")
    for bad in ('{"state.RUNING": "x"}', "[]", '{"state.RUNNING": 1}', "{"):
        strings.write_text(bad)
        with pytest.raises(InputError, match="strings"):
            make_app(record, Gate(terms.users, terms.hosts), Terms("127.0.0.1", 1, terms.users, strings=strings))


def stream(states: list[bytes], stalls: bool = False, leaves_after: int | None = None) -> list[bytes]:
    """What a viewer of these states is sent; one that stalls takes the first and then nothing."""
    sent: list[bytes] = []
    viewers = Viewers()

    async def run() -> None:
        gone = asyncio.Event()

        async def receive() -> Message:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                if stalls and sent:
                    await asyncio.sleep(3600)
                sent.append(message["body"])
                if leaves_after is not None and len(sent) >= leaves_after:
                    gone.set()

        left = iter(states)
        await Events(lambda: next(left, states[-1]), viewers, stall_s=0.3)({"type": "http"}, receive, send)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert viewers.count == 0
    return sent


def test_a_viewer_hears_changes_whole_and_otherwise_a_beat() -> None:
    sent = stream([b'{"n":1}', b'{"n":1}', b'{"n":2}'], leaves_after=3)
    assert sent[:2] == [b'data: {"n":1}\n\n', b'data: {"n":2}\n\n'] and sent[2] == b"event: beat\ndata: -\n\n"


def test_a_viewer_that_stalls_is_cut_off() -> None:
    assert stream([b"%d" % n for n in range(100)], stalls=True) == [b"data: 0\n\n"]


def test_no_crowd_of_viewers_is_let_in(record: Page, terms: Terms) -> None:
    viewers = Viewers(count=MAX_VIEWERS)
    answer = Browser(make_app(record, Gate(terms.users, terms.hosts), terms, viewers)).get("/events")
    assert answer.status == 503 and "too many" in answer.told["error"]


def test_every_word_that_the_page_asks_for_is_there() -> None:
    words = json.loads((STATIC / "strings.json").read_bytes())
    page = (STATIC / "index.html").read_text()
    asked = {part.split('"')[0] for part in page.split('data-t="')[1:]}
    for path in STATIC.glob("*.js"):
        asked |= {part.split('"')[0] for part in path.read_text().split(' t("')[1:]}
    assert len(asked) > 60 and asked <= words.keys()
