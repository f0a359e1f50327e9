"""Charts: well-formed, points where they belong, names that cannot break the page."""

from xml.etree import ElementTree

import pytest

from hfx.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart, colours, legend, ticks

SERIES = {"ours": [(0.1, 30.0), (0.4, 35.0)], "a <b> & c": [(0.2, 28.0)]}


@pytest.fixture
def drawn():
    return ElementTree.fromstring(chart("PSNR", "bpp", SERIES, colours(list(SERIES))))


def test_points_lie_inside_and_in_order(drawn):
    circles = drawn.findall("circle")
    assert len(circles) == 3
    places = [(float(c.get("cx")), float(c.get("cy"))) for c in circles]
    assert all(LEFT < x < WIDTH - RIGHT and TOP < y < HEIGHT - BOTTOM for x, y in places)
    (x0, y0), (x1, y1), (x2, y2) = places
    assert x0 < x2 < x1 and y1 < y0 < y2  # up is more


def test_values_are_told(drawn):
    told = [c.find("title").text for c in drawn.findall("circle")]
    assert told[0] == "ours: 30 at 0.100" and told[2] == "a <b> & c: 28 at 0.200"


def test_lines_and_colours(drawn):
    lines = [p for p in drawn.findall("path") if p.get("class") == "line"]
    assert len(lines) == 2 and lines[0].get("stroke") != lines[1].get("stroke")
    assert "&lt;b&gt;" in legend(colours(list(SERIES)))


@pytest.mark.parametrize(
    "low, high, wanted",
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (20, 31, [20, 25, 30]), (3, 3, [3])],
)
def test_ticks(low, high, wanted):
    assert ticks(low, high) == wanted


def test_nothing_and_a_single_point():
    assert chart("x", "y", {"a": []}, {"a": "red"}) == ""
    ElementTree.fromstring(chart("x", "y", {"a": [(0.0, 0.0)]}, {"a": "red"}))
