"""The page "The paper" in a real browser: TeX, code and Figure 1, from this machine alone."""

import re

import pytest

pytestmark = pytest.mark.slow


def test_equations_are_set_beside_their_code(page, server):
    page.goto(f"{server}/paper")
    page.get_by_role("heading", name="Eq. 6: Rate, distortion and realism").wait_for()
    page.locator(".katex-display").nth(6).wait_for()
    assert page.locator(".katex-error").count() == 0
    page.get_by_text("def rate_distortion(").wait_for()
    page.get_by_role("tab", name="tests").first.click()
    page.get_by_text("def test_equation_1():").wait_for()


def test_the_figure_and_the_tables_are_drawn(page, server):
    page.goto(f"{server}/paper?part=Figure+1&preset=compact")
    page.get_by_role("figure", name="Figure 1 with the preset compact").wait_for()
    page.locator(".st-key-figure1").get_by_text("unshuffle ↓4").wait_for()
    page.get_by_role("radio", name="Tables").click()
    page.get_by_text(re.compile("KID = 0.06667 · FID .* computed from it")).wait_for()
    page.get_by_role("figure", name="Measured: PSNR over MSE").wait_for()
    assert "part=Tables" in page.url
