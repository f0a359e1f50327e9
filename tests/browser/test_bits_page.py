"""The page "Where the bits go" in a real browser: drag a region, click a place, open a link."""

from urllib.parse import parse_qs, urlparse

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def bits(page, server):
    """The page, with its last part in sight."""

    def open_page(query=""):
        page.goto(f"{server}/bits{query}")
        page.get_by_role("figure", name="The interval from 0 to 1").wait_for(timeout=300_000)
        return page

    return open_page


def heat(page):
    """Where the map is, once it is drawn for good."""
    page.wait_for_selector("[data-test-script-state=notRunning]")
    page.wait_for_timeout(1500)
    box = page.locator('[class*="st-key-heat"] .nsewdrag').bounding_box()

    def at(x, y):
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    return at


def link(page, **wanted):
    """Wait until the address says what the page shows."""

    def said(url):
        query = parse_qs(urlparse(url).query)
        return all(query.get(key) == [str(value)] for key, value in wanted.items())

    page.wait_for_url(said)


def test_a_region_is_dragged_and_a_symbol_clicked(bits):
    page = bits()
    card = page.get_by_test_id("stMetric").filter(has_text="of the area")
    at = heat(page)
    page.mouse.move(*at(0.26, 0.04))
    page.mouse.down()
    page.mouse.move(*at(0.99, 0.49), steps=8)
    page.mouse.up()
    link(page, y0=1, y1=16, x0=8, x1=32)  # the astronaut is 32 places wide and high
    card.filter(has_text="35.2%").wait_for()

    page.get_by_role("radio", name="Symbol").click()
    link(page, pick="Symbol")
    at = heat(page)
    page.mouse.move(*at(10.5 / 32, 20.5 / 32))
    page.locator(".hoverlayer").get_by_text("row 20, column 10").wait_for()
    page.mouse.click(*at(10.5 / 32, 20.5 / 32))
    link(page, row=20, column=10)
    page.get_by_role("spinbutton", name="Row").and_(page.locator("[value='20']")).wait_for()


def test_a_link_opens_what_it_names(bits):
    page = bits("?sample=Cat&coder=None&map=z&channel=5&row=3&column=9")
    page.get_by_text("coded with the hyperprior alone").wait_for()
    page.get_by_text("written without a neighbour model").wait_for()
    page.get_by_role("figure", name="Map over the picture: z").wait_for()
    page.get_by_role("figure", name="cut 1 times: symbol").wait_for()
