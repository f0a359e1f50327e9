"""The page "Train lab" in a real browser: a run starts, learns, pauses, steps and goes on."""

import re

import pytest

pytest.importorskip("skimage", reason="the photographs come with scikit-image")
pytestmark = pytest.mark.slow

LINK = "train?k_P=0&steps=5000"  # no network but its own, and longer than the test


def step_in(text):
    return int(re.search(r"step ([\d,]+)", text).group(1).replace(",", ""))


def state(page, word):
    """Wait until the run is so, and return the step."""
    return step_in(page.get_by_text(re.compile(rf"^{word}.* step")).inner_text(timeout=300_000))


def told(page, chart):
    """From where to where a chart goes, and after how many steps."""
    name = page.get_by_role("figure", name=re.compile(f"^{chart}")).get_attribute("aria-label")
    return tuple(map(float, re.search(r"from (.*) to (.*) after (\d+) steps", name).groups()))


def test_a_run_starts_learns_pauses_and_goes_on(page, server):
    page.goto(f"{server}/{LINK}")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("figure", name=re.compile("^Loss, run 1")).wait_for(timeout=300_000)
    page.get_by_role("img", name=re.compile("^A woman's face: now, step")).wait_for()
    chart = page.get_by_role("figure", name=re.compile("^Loss, run 1"))
    line = chart.locator(".scatterlayer .js-line").nth(1)
    drawn = line.get_attribute("d")
    chart.evaluate("element => { element.isStill = 'the same' }")
    page.get_by_text(re.compile(r"^Training: step (\d,)?\d\d\d of")).wait_for(timeout=300_000)
    page.wait_for_function("([line, before]) => line.getAttribute('d') !== before",
                           arg=[line.element_handle(), drawn])  # fmt: skip
    assert chart.evaluate("element => element.isStill") == "the same"

    page.get_by_role("link", name="Which is real?").click()  # it goes on without anybody looking
    page.get_by_role("heading", name="Which is real?").wait_for()
    page.goto(f"{server}/train")
    before = state(page, "Training")
    assert before >= 100
    page.get_by_role("button", name="Pause").click()
    paused = state(page, "Paused")
    assert paused >= before
    (first, last, steps), (dull, sharp, _) = told(page, "Loss"), told(page, "PSNR")
    assert last < 0.8 * first and sharp > dull + 1 and steps == paused

    page.get_by_role("button", name="Step", exact=True).click()
    page.get_by_text(f"Paused at step {paused + 1:,} of").wait_for()
    page.get_by_role("button", name="Resume").click()
    assert state(page, "Training") > paused
    page.get_by_role("button", name="Pause").click()
    assert state(page, "Paused") > paused

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete it").click()
    page.get_by_text("No run yet").wait_for()
