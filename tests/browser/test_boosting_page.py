"""The page "XGBoost lab" in a real browser: it opens, fits anew, and stays alive meanwhile."""

import re

import pytest

pytestmark = pytest.mark.slow


def test_trees_are_grown_and_drawn(page, server):
    page.goto(f"{server}/boosting?windows=480&rounds=3&depth=2")
    page.get_by_text(re.compile("trees grown on 480 windows")).wait_for(timeout=300_000)
    page.get_by_role("figure", name="Gain of each cell of the 7 by 7 window").wait_for()
    page.get_by_role("figure", name=re.compile(r"Tree 1 of \d for the decision")).wait_for()

    page.get_by_role("radio", name="3×3").click()
    page.get_by_role("slider", name="Windows to learn from (Y)").press("ArrowRight")
    page.get_by_role("button", name="Fit").click()
    page.get_by_text(re.compile("trees grown on 960 windows")).wait_for(timeout=300_000)
    page.get_by_role("figure", name="Gain of each cell of the 3 by 3 window").wait_for()
    assert "windows=960" in page.url and "side=3" in page.url
