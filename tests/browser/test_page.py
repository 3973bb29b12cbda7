"""The operator's page in a real browser: alarms first, acts with a name, and never old news as new."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.cards import load_config
from pipeline.ledger.acts import read_acts
from pipeline.ledger.dispositions import dispose, read_dispositions
from pipeline.ledger.proposals import ProposedKind, write_proposals
from pipeline.ledger.store import Ledger
from pipeline.messages.commands import Acknowledge, Bypass, Reset, RollStart
from pipeline.messages.states import ActionKind, State
from pipeline.report.sheet import read_roll
from tests.browser.air import FRAME_MM, Air, roll, verdict, write_config
from tests.browser.conftest import LIMIT_MS, Served, banner, serving, sign_in, until
from tests.reviewed_run import record
from tests.shared_data import ROOT

AXE = ROOT / "tests" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
NASTY = "<img src=x onerror=window.hacked=1>"
Window = Callable[..., Any]


def text_of(page: Any, selector: str, words: str) -> None:
    page.locator(selector, has_text=words).first.wait_for()


def test_it_shows_the_line_as_it_runs(window: Window, air: Air) -> None:
    page = window()
    banner(page, "Nothing to do")
    air.inspect(40, defects=[10])
    text_of(page, "#now", "RUNNING, inspection ok")
    text_of(page, "#now", "30.0")
    text_of(page, "#map svg", "mm across the cloth")
    text_of(page, "#defects .card", "0.260 m, left")
    text_of(page, "#cameras", "right")
    text_of(page, "#processes", "ready")
    air.be(State.DEGRADED, ok=False, detail="right: gone")
    assert "right: gone" in banner(page, "Cloth passes that is not inspected").inner_text()


def test_an_open_stop_is_the_first_thing_seen_while_all_looks_well(window: Window, air: Air) -> None:
    page = window()
    banner(page, "Nothing to do")
    for event in (1, 2, 3):
        air.stop(event)
    found = banner(page, "STOP: 3 open")
    assert "3.000 m, camera left" in found.inner_text()
    box = page.locator("#banners .banner").first.bounding_box()
    assert box["y"] < 200 and "STOP" in page.locator("#banners .banner").first.inner_text()
    size = found.locator("strong").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 34, "read at two metres"
    assert page.title().startswith("■")


def test_without_a_token_nothing_can_be_pressed(window: Window, air: Air) -> None:
    page = window()
    air.stop(1)
    assert banner(page, "STOP").locator("button").is_disabled()
    assert page.evaluate("document.getElementById('forms').disabled") and page.locator("#read-only").is_visible()


def test_two_viewers_and_one_acknowledges(window: Window, air: Air, served: Served) -> None:
    ada, bob = window(), window()
    air.stop(1)
    sign_in(ada, served.token("Ada"))
    for page in (ada, bob):
        banner(page, "STOP: 1 open")
    banner(ada, "STOP: 1 open").locator("button").click()
    for page in (ada, bob):
        banner(page, "Nothing to do")
        text_of(page, "#acts", "Ada: acknowledged")
    assert air.told == [Acknowledge(event=None)]


def test_a_second_fault_with_the_same_words_has_a_button_of_its_own(window: Window, air: Air, served: Served) -> None:
    page = window()
    sign_in(page, served.token("Ada"))
    detail = "recorder: disk full (gone: reset it)"
    for number, kind in ((1, State.FAULT), (2, State.RUNNING), (3, State.FAULT)):
        air.state = air.state.model_copy(update={"number": number})
        air.be(kind, ok=kind is State.RUNNING, detail=detail if kind is State.FAULT else "")
        button = banner(page, "FAULT: reset it" if kind is State.FAULT else "Nothing to do").locator("button")
        if number == 1:
            page.evaluate("window.old = document.querySelector('#banners button')")
    until(page, "document.querySelector('#banners button')?.dataset.wish.includes('0-3')")
    assert page.evaluate("window.old.isConnected") is False
    page.evaluate("window.old.disabled = false; window.old.click()")
    text_of(page, "#said", "another stands now")
    button.click()
    banner(page, "Nothing to do")
    assert air.told == [Reset()]


def test_who_acknowledges_second_hears_why_not(window: Window, air: Air, served: Served) -> None:
    ada, bob = window(), window()
    sign_in(ada, served.token("Ada"))
    sign_in(bob, served.token("Bob"))
    air.stop(7)
    wish = "({act: 'acknowledge', event: 7})"
    ada.locator("#open button").wait_for()
    bob.locator("#open button").wait_for()
    ask = f"import('./static/acting.js').then(m => m.act({wish}))"
    assert [page.evaluate(ask) for page in (ada, bob)] == [True, False]
    text_of(bob, "#said", "no event 7 is open")


def test_the_connection_goes_and_comes_back(window: Window, air: Air, served: Served) -> None:
    page = window()
    banner(page, "Nothing to do")
    served.stop()
    banner(page, "Connection to the page lost")
    text_of(page, "#now", "CONNECTION LOST")
    assert page.title().startswith("■ CONNECTION LOST") and "inspection ok" not in page.inner_text("#now")
    served.start()
    banner(page, "Nothing to do")
    assert page.locator("#banners", has_text="Connection").count() == 0


def test_a_page_that_does_not_learn_who_sits_there_still_says_that_it_is_cut_off(
    window: Window, air: Air, served: Served
) -> None:
    page = window(before="const ask = fetch; fetch = (path, more) => path === 'me' ? new Promise(() => {}) : ask(path, more)")
    banner(page, "Nothing to do")
    served.stop()
    banner(page, "Connection to the page lost")
    served.start()
    banner(page, "Nothing to do")


def test_a_page_left_open_over_three_restarts_of_the_line(window: Window, served: Served) -> None:
    page = window()
    banner(page, "The line does not run")
    for n in range(3):
        with Air(served.config, roll_id=f"R-{n}") as air:
            banner(page, "Nothing to do")
            air.inspect(5 + n)
            text_of(page, "#now", f"R-{n}")
        banner(page, "The line does not run")
        assert page.locator("#banners .banner").count() == 1


def test_a_day_on_a_clock_of_its_own_over_three_restarts_of_the_line(window: Window, served: Served) -> None:
    page = window(clock=True)
    sign_in(page, served.token("Ada"))
    page.evaluate("window.sameLoad = true")
    for n in range(3):
        with Air(served.config, roll_id=f"R-{n}") as air:
            banner(page, "Nothing to do")
            air.inspect(5, defects=[2])
            text_of(page, "#now", f"R-{n}")
            until(page, "document.querySelectorAll('#defects .card').length === 1")
            page.clock.fast_forward("08:00:00")  # nobody has touched it for a shift
            banner(page, "Nothing to do")
            air.stop(n)
            banner(page, "STOP: 1 open").locator("button").click()
            banner(page, "Nothing to do")
            assert air.told == [Acknowledge(event=None)]
        banner(page, "The line does not run")
        page.clock.fast_forward("00:20:00")
        banner(page, "The line does not run")
    until(page, "document.querySelectorAll('#banners .banner').length === 1")  # a moment ago the last word was hours old
    assert page.evaluate("window.sameLoad")
    assert page.locator("#pictures figure").count() == 2


def test_without_event_streams_a_day_over_restarts_is_shown_too(window: Window, served: Served) -> None:
    page = window(before="delete window.EventSource", clock=True)
    for n in range(2):
        with Air(served.config, roll_id=f"R-{n}"):
            banner(page, "Nothing to do")
            text_of(page, "#now", f"R-{n}")
            page.clock.fast_forward("08:00:00")
            banner(page, "Nothing to do")
        banner(page, "The line does not run")
    served.stop()
    banner(page, "Connection to the page lost")
    served.start()
    banner(page, "The line does not run")


def test_a_thousand_defects(window: Window, air: Air) -> None:
    page = window()
    banner(page, "Nothing to do")
    air.inspect(1000, defects=range(1000))  # so many that the queues hold them
    until(page, "document.querySelectorAll('#map .mark').length >= 1001")  # one is in the legend
    cards = page.locator("#defects .card")
    assert cards.count() == 12
    first = cards.first.inner_text()
    page.click("#older")
    until(page, "words => document.querySelector('#defects .card').innerText !== words", first)
    assert cards.count() == 12


def test_names_from_outside_are_text(window: Window, served: Served) -> None:
    with Air(served.config, roll_id=NASTY) as air:
        page = window()
        air.be(State.DEGRADED, ok=False, detail=f"left: {NASTY}")
        air.inspect(5)
        assert NASTY in banner(page, "Cloth passes").inner_text()
        text_of(page, "#now", NASTY)
        assert page.evaluate("[window.hacked === undefined, document.querySelectorAll('img[src=x]').length]") == [True, 0]


def test_a_defect_is_reviewed_by_keys_and_taken_back(window: Window, air: Air, served: Served) -> None:
    page = window()
    sign_in(page, served.token("Ada"))
    air.inspect(400, defects=[20, 60])
    text_of(page, "#unreviewed", "2 wait")
    until(page, "!document.querySelector('#defects').innerText.includes('still under')")
    page.locator("#defects .card").last.click()
    page.keyboard.press("g")
    text_of(page, "#unreviewed", "1 wait")
    text_of(page, "#defects .card", "good, says Ada")
    page.keyboard.press("u")
    text_of(page, "#unreviewed", "2 wait")
    page.keyboard.press("Escape")
    assert [a.act["word"] for a in read_acts(served.config.ledger.path.parent, 9)] == [None, "acceptable"]


def test_a_proposal_is_agreed_to_and_another_kind_is_typed(window: Window, served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    rows = read_roll(record(folder, ["bar", "spot", "patch"])).rows.values()
    nasty = f"a {NASTY}"
    kinds = zip(rows, (nasty, None, "slub {n}"), (0.84, 0.61, 0.5), strict=True)
    write_proposals(folder, "run", [ProposedKind(key=r.key, kind=k, confidence=c) for r, k, c in kinds])
    dispose(folder, "run before", (0, 1, 0), "defect", "Float {x}", "Bob", "")
    with serving(folder, served.users) as url:
        page = window()
        page.goto(url)
        sign_in(page, served.token("Ada"))
        text_of(page, "#defects .card", f"perhaps: {nasty} (0.8)")
        text_of(page, "#defects .card", "perhaps: a kind not known (0.6)")
        text_of(page, "#defects .card", "perhaps: slub {n} (0.5)")
        page.locator("#defects .card", has_text=nasty).click()
        page.keyboard.press("y")
        text_of(page, "#defects .card", f"{nasty}, says Ada")
        page.keyboard.press("Escape")
        page.locator("#defects .card", has_text="a kind not known").click()
        assert page.is_disabled("#review-words button:text('As proposed')")
        page.fill("#review-kind input", "=1+1")
        page.keyboard.press("Enter")
        text_of(page, "#said", "begins with a letter")
        assert page.input_value("#review-kind input") == "=1+1", "what was refused can be mended"
        page.fill("#review-kind input", "dull")
        page.keyboard.type(" hemp")  # letters are no keys of the review here
        page.keyboard.press("Enter")
        text_of(page, "#defects .card", "dull hemp, says Ada")
        until(page, "document.activeElement.id === 'review'")  # letters are keys again
        assert page.input_value("#review-kind input") == ""
        offered = page.evaluate("[...document.querySelectorAll('#review-kinds option')].map(o => o.value)")
        assert offered == [nasty.lower(), "dull hemp", "float {x}", "slub {n}"], "also of another run"
        page.click("#review-words button:text('As proposed')")
        text_of(page, "#acts", "slub {n}")  # now the page takes the next word
        assert page.is_disabled("#review-words button:text('As proposed')")
        page.keyboard.press("h")  # is heard, though what was pressed before cannot be pressed again
        text_of(page, "#defects .card", "hole, says Ada")
        assert page.evaluate("[window.hacked === undefined, document.querySelectorAll('img[src=x]').length]") == [True, 0]
    said = [("defect", nasty.lower()), ("defect", "dull hemp"), ("defect", "slub {n}"), ("defect", "hole")]
    assert [(d.word, d.kind) for d in read_dispositions(folder, "run")] == said


def test_rolls_and_bypass_are_told_by_those_who_may(window: Window, air: Air, served: Served) -> None:
    page = window()
    banner(page, "Nothing to do")
    sign_in(page, served.token("Bob", "engineer"))
    page.fill("#roll-form [name=roll_id]", "R-8")
    page.select_option("#roll-form [name=style]", "satin")
    page.click("#roll-form button:not([type=button])")
    text_of(page, "#now", "R-8")
    page.click("#bypass-on")
    assert "Every defect from here on passes to the customer" in page.inner_text("#bypass-dialog")
    page.click("#bypass-no")
    assert air.told == [RollStart(roll_id="R-8", style="satin")] and not air.bypass
    page.click("#bypass-on")
    page.click("#bypass-yes")
    banner(page, "BYPASS: nothing is rejected").locator("button").click()
    banner(page, "Nothing to do")
    assert air.told[1:] == [Bypass(on=True), Bypass(on=False)]


def test_the_cameras_are_seen_and_their_heat_map_on_demand(window: Window, air: Air) -> None:
    page = window()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    banner(page, "Nothing to do")
    page.locator("#watch").scroll_into_view_if_needed()
    until(page, "document.querySelectorAll('#pictures img').length === 2")
    until(page, "[...document.querySelectorAll('#pictures img')].every(i => i.complete && i.naturalWidth === 160)")
    before = page.locator("#pictures img").first.get_attribute("src")
    until(page, "words => document.querySelector('#pictures img').getAttribute('src') !== words", before)
    assert page.locator("#roll-choice").is_hidden()  # a line has one roll
    assert not any("heat" in url for url in asked) and page.locator("#heat-legend").is_hidden()
    page.locator("#heat").press("Enter")
    until(page, "[...document.querySelectorAll('#pictures img')].every(i => i.complete && i.naturalWidth === 480)")
    assert page.get_attribute("#heat", "aria-pressed") == "true" and page.locator("#heat-legend").is_visible()
    page.locator("#acts").scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    count = len([url for url in asked if "/picture" in url])
    page.wait_for_timeout(2500)
    assert len([url for url in asked if "/picture" in url]) == count


def test_a_picture_that_is_old_says_so(window: Window, served: Served) -> None:
    with Air(served.config):
        page = window()
        page.locator("#watch").scroll_into_view_if_needed()
        until(page, "[...document.querySelectorAll('#pictures img')].some(i => i.naturalWidth === 160)")
    text_of(page, "#pictures", "s old")


def test_an_operator_cannot_begin_a_bypass(window: Window, air: Air, served: Served) -> None:
    page = window()
    sign_in(page, served.token("Ada"))
    until(page, "!document.getElementById('forms').disabled")
    assert page.locator("#bypass-on").is_disabled()


def test_a_browser_without_event_streams_asks_instead(window: Window, air: Air) -> None:
    page = window(before="delete window.EventSource")
    banner(page, "Nothing to do")
    air.stop(2, kind=ActionKind.LAMP)
    banner(page, "Lamp: 1 open")


def test_a_wrong_token_is_said_at_its_field(window: Window, air: Air, served: Served) -> None:
    page = window()
    banner(page, "Nothing to do")
    page.click("#sign")
    page.fill("#sign-form [name=token]", "guess")
    page.keyboard.press("Enter")
    text_of(page, "#sign-error", "nobody has this token")
    assert page.locator("#sign-dialog").is_visible()


def test_everything_that_can_be_pressed_is_large_enough_for_a_finger(window: Window, air: Air, served: Served) -> None:
    page = window(has_touch=True)
    sign_in(page, served.token("Ada"))
    air.stop(1)
    banner(page, "STOP")
    sizes = page.evaluate(
        "[...document.querySelectorAll('main button, main input, main select')].map(e => e.getBoundingClientRect().height)"
    )
    assert len(sizes) > 8 and min(s for s in sizes if s) >= 44
    page.locator("#banners button").tap()
    banner(page, "Nothing to do")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(window: Window, air: Air, served: Served, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("needs axe-core: npm install --prefix tests/browser --no-save --no-package-lock axe-core@4.10")
    page = window(color_scheme=scheme, reduced_motion="reduce")
    sign_in(page, served.token("Bob", "engineer"))
    air.inspect(400, defects=[20, 60])
    air.stop(1)
    air.be(State.DEGRADED, detail="plc: gone")
    banner(page, "STOP")
    text_of(page, "#defects .card", "no word yet")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then(r => r.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html)}`))")
    page.locator("#defects .card").first.click()
    found += page.evaluate("axe.run('#review').then(r => r.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html)}`))")
    page.keyboard.press("Escape")
    page.click("#bypass-on")
    found += page.evaluate("axe.run('#bypass-dialog').then(r => r.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html)}`))")
    assert found == []


def test_a_finished_record_has_the_same_page_and_lets_one_choose_its_roll(chromium: Any, served: Served) -> None:
    path = served.config.ledger.path
    held = Ledger(path, {"line": "air", "config": served.config.model_dump(mode="json")}, run_id="two-rolls")
    for n in range(40):
        name = "R-1" if n < 25 else "R-2 ?&"
        if n in (0, 25):
            held.add(roll(name, start_mm=FRAME_MM * n).model_copy(update={"number": n, "t_mono_ns": n}))
        held.add(verdict(n, "left", FRAME_MM * n, name, n in (3, 9, 30)).model_copy(update={"t_mono_ns": n}))
    held.close()
    with ExitStack() as stack:
        url = stack.enter_context(serving(path, served.users))
        page = stack.enter_context(chromium.new_page())
        page.goto(url)
        banner(page, "This is a record")
        until(page, "document.querySelectorAll('#defects .card').length === 1")
        assert page.input_value("#chosen") == "R-2 ?&" and page.locator("#watch").is_hidden()
        page.select_option("#chosen", "R-1")
        until(page, "document.querySelectorAll('#defects .card').length === 2")
        text_of(page, "#now", "R-1")
        page.reload()
        until(page, "document.querySelectorAll('#defects .card').length === 2")
        assert page.input_value("#chosen") == "R-1"


def test_a_finished_record_shows_its_proposed_cut(chromium: Any, tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path)).model_dump(mode="json")
    config["cut"] = {"lengths_m": [1.0], "remnant_m": 0.5}
    held = Ledger(tmp_path / "ledger.sqlite", {"line": "air", "config": config})
    for n in range(100):  # 2.56 m with a defect at 1.3 m
        for k, camera in enumerate(("left", "right")):
            held.add(verdict(2 * n + k, camera, FRAME_MM * n, "R-7", n == 51 and k == 0))
    held.close()
    with serving(tmp_path, tmp_path / "users.json") as url:
        page = chromium.new_page()
        page.set_default_timeout(LIMIT_MS)
        page.goto(url)
        rows = page.locator("#pieces tbody tr")
        rows.first.wait_for()
        assert [row.split("\t")[:5] for row in rows.all_inner_texts()] == [
            ["1", "0.000", "1.000", "1.000", "first"], ["2", "1.000", "1.560", "0.560", "remnant"],
            ["3", "1.560", "2.560", "1.000", "first"],
        ]  # fmt: skip
        assert page.locator("#map line.cut").count() == 4 + 1, "four places, and the legend"
        assert "0.000 m given up" in page.locator("#cut-sum").inner_text()
        page.close()


def test_a_live_line_has_no_cut(window: Window, air: Air) -> None:
    page = window()
    banner(page, "Nothing to do")
    air.inspect(40, defects=[10])
    text_of(page, "#defects .card", "0.260 m, left")
    assert page.locator("#cut").is_hidden() and page.locator("#map line.cut").count() == 0
