"""The page "Which is real?" in real browsers: a class votes at once, and no vote is lost."""

import re
import sqlite3
from contextlib import ExitStack, closing
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import LOOPBACK, again, serving
from studies import answer, made

from hfx.study import manifest, votes

pytestmark = pytest.mark.slow
PASSCODE = "open sesame"
LEFT, RIGHT = "ArrowLeft", "ArrowRight"
KEYS = {LEFT: "left", RIGHT: "right"}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Where the server's studies lie."""
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def address(studies, tmp_path_factory):
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with serving(log, HFX_STUDIES=str(studies), HFX_INSTRUCTOR=PASSCODE) as address:
        yield address


def probing(message):
    """Tell Streamlit's search for its server, which begins below the page's own address."""
    return "404" in message.text and "/study/_stcore/" in message.location["url"]


@pytest.fixture
def people(browser, address):
    """Open a page in a browser of its own, as often as called; errors fail the test."""
    away, errors = [], []
    with ExitStack() as stack:

        def visit(query, **more):
            more = {"viewport": {"width": 1440, "height": 900}} | more
            context = stack.enter_context(browser.new_context(**more))
            page = context.new_page()
            page.set_default_timeout(120_000)
            context.on("request", lambda r: r.url.startswith(LOOPBACK) or away.append(r.url))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on(
                "console",
                lambda m: (
                    m.type == "error" and not (again(m) or probing(m)) and errors.append(m.text)
                ),
            )
            page.goto(f"{address}/study?{query}")
            return page

        yield visit
        assert not away, f"asked elsewhere: {away}"
        assert not errors, errors


def start(page):
    page.get_by_role("button", name="Start").click()
    page.get_by_alt_text("Picture A").wait_for()


def at(page, number, total=12):
    """Wait until a pair can be answered, counting from 1."""
    page.locator(".count").filter(has_text=f"Pair {number} of {total}").wait_for()
    page.locator(".side button:enabled").first.wait_for()


def thanked(page):
    page.get_by_role("heading", name="Thank you").wait_for()


def me(page):
    (token,) = parse_qs(urlsplit(page.url).query)["me"]
    return token


def test_three_browsers_at_once_lose_no_vote(studies, people):
    study = made(studies / "three", code="THREE3")
    teacher = people("view=instructor")
    teacher.get_by_role("textbox", name="Passcode").fill(PASSCODE)
    teacher.get_by_role("button", name="Open").click()
    teacher.get_by_text("No vote yet").wait_for()

    pages = [people(f"study={code}") for code in ("THREE3", "three3", "THREE3")]
    for page in pages:
        start(page)
    pressed = [[(LEFT, RIGHT)[(who + trial) // 2 % 2] for trial in range(12)] for who in range(3)]
    for trial in range(12):
        for page in pages:
            at(page, trial + 1)
        for page, keys in zip(pages, pressed, strict=True):  # without waiting for each other
            page.keyboard.press(keys[trial])
            page.keyboard.press(keys[trial])  # once too often: it counts once
    for page in pages:
        thanked(page)

    with closing(sqlite3.connect(study.votes)) as base:
        kept = base.execute("SELECT participant, number, side FROM votes").fetchall()
        assert len(kept) == len(set(kept)) == 3 * 12
    for page, keys in zip(pages, pressed, strict=True):
        asked = votes.trials_of(study, me(page))
        assert [one.side for one in asked] == [KEYS[key] for key in keys]
        assert all(0 < one.seconds < 120 for one in asked)
        right = sum(one.trial.catch and not one.caught for one in asked)
        assert page.get_by_text("checks").inner_text().find(f"{right} of 2") > 0

    # the results came in meanwhile, on a page that nobody touched
    cards = teacher.get_by_test_id("stMetric")
    cards.filter(has_text="Votes").get_by_text("30", exact=True).wait_for()
    cards.filter(has_text="Finished").get_by_text("3", exact=True).wait_for()
    teacher.locator(".js-plotly-plot").wait_for()
    with teacher.expect_download() as waiting:
        teacher.get_by_role("button", name="Votes as CSV").click()
    assert len(waiting.value.path().read_text().splitlines()) == 1 + 36


def test_a_reload_goes_on_where_it_was(studies, people):
    study = made(studies / "reload", code="RELAD2")
    page = people("study=RELAD2")
    start(page)
    for trial in range(3):
        at(page, trial + 1)
        page.locator(".frame").first.click()
    at(page, 4)
    while votes.count(study)[1] < 3:
        page.wait_for_timeout(100)
    page.reload()
    for trial in range(3, 12):
        at(page, trial + 1)
        page.locator("button[data-side=right]").press("Enter")
    thanked(page)
    asked = votes.everything(study)
    assert [one.side for one in asked] == ["left"] * 3 + ["right"] * 9
    assert {one.participant for one in asked} == {1}


def test_nothing_on_the_page_tells_the_codec(studies, people):
    study = made(studies / "blind", code="BLND22")
    page = people("study=BLND22")
    start(page)
    images = page.locator(".frame img")
    assert images.evaluate_all("all => all.map(i => i.alt)") == ["Picture A", "Picture B"]
    shown = page.locator(".ballot").evaluate("ballot => ballot.outerHTML").lower()
    for word in (*study.codecs, "catch", "original.png", *(p.name for p in study.photographs)):
        assert word.lower() not in shown
    for source in images.evaluate_all("all => all.map(i => new URL(i.src).pathname)"):
        assert re.fullmatch(r"/media/[0-9a-f]{32,}\.png", source)
    assert page.get_by_role("button", name="Show the original").count() == 0


def test_the_original_is_shown_while_a_key_is_held(studies, people):
    made(studies / "reference", code="REFER2", reference=True)
    page = people("study=REFER2")
    start(page)
    at(page, 1)
    page.get_by_text("Which is closer to the original?").wait_for()
    originals = page.get_by_alt_text("The original")
    assert originals.count() == 2 and not originals.first.is_visible()
    page.keyboard.down("ArrowUp")
    originals.first.wait_for()
    boxes = page.locator(".frame img").evaluate_all(
        "all => all.map(i => JSON.stringify(i.getBoundingClientRect()))"
    )
    assert boxes[0] == boxes[1] != boxes[2] == boxes[3]  # in the very place of the pictures
    assert originals.last.is_visible() and not page.get_by_alt_text("Picture A").is_visible()
    page.keyboard.up("ArrowUp")
    page.get_by_alt_text("Picture A").wait_for()

    button = page.get_by_role("button", name="Show the original")
    button.click()
    assert button.get_attribute("aria-pressed") == "true" and originals.first.is_visible()
    page.keyboard.press(LEFT)
    at(page, 2)
    assert button.get_attribute("aria-pressed") == "false" and not originals.first.is_visible()


def test_on_a_telephone_pictures_stand_under_each_other(studies, people):
    made(studies / "phone", code="PHNE22", side=512)
    page = people("study=PHNE22", viewport={"width": 390, "height": 844}, has_touch=True)
    start(page)
    at(page, 1)
    above, below = (page.get_by_alt_text(f"Picture {x}").bounding_box() for x in "AB")
    assert above["y"] + above["height"] <= below["y"] and abs(above["x"] - below["x"]) < 2
    frames = page.locator(".frame").evaluate_all(
        "all => all.map(f => [f.scrollWidth, f.clientWidth])"
    )
    assert all(content <= room <= 390 for content, room in frames)
    page.locator("button[data-side=left]").tap()
    at(page, 2)


def test_a_study_is_set_up_and_its_code_is_what_joins_it(studies, people, shipped):
    teacher = people("view=instructor")
    teacher.get_by_role("textbox", name="Passcode").fill("wrong")
    teacher.get_by_role("button", name="Open").click()
    teacher.get_by_text("That is not the passcode").wait_for()
    teacher.get_by_role("textbox", name="Passcode").fill(PASSCODE)
    teacher.get_by_role("button", name="Open").click()
    teacher.get_by_role("radio", name="New study").click()
    teacher.get_by_role("textbox", name="Title").fill("Mine")
    for name in ("JPEG XL", "JPEG 2000", "AVIF"):
        option = teacher.get_by_role("button", name=name, exact=True)
        if option.count():
            option.click()
    for name in ("Astronaut", "Cup of coffee", "Rocket"):
        teacher.get_by_role("button", name=f"Remove {name}").click()
    teacher.get_by_role("spinbutton", name="Pairs each").fill("3")
    teacher.get_by_role("button", name="Prepare").click()
    teacher.get_by_text("No vote yet").wait_for(timeout=300_000)
    (study,) = (s for s in manifest.studies(studies) if s.title == "Mine")
    assert study.codecs == ("hfx", "JPEG", "WebP") and study.pairs == 3
    link = teacher.get_by_text(f"study?study={study.code}").inner_text()

    page = people(urlsplit(link).query)
    start(page)
    for trial in range(5):
        at(page, trial + 1, total=5)
        page.keyboard.press(LEFT)
    thanked(page)
    answer(study, votes.join(study), lambda a, b: "hfx" if "hfx" in (a, b) else a)
    cards = teacher.get_by_test_id("stMetric")
    cards.filter(has_text="Joined").get_by_text("2", exact=True).wait_for()
