"""Pages quote what data/results holds, and nothing else that looks measured."""

import re

import pytest

from experiments import distance
from tools import pages

README, CARD = pages.PAGES
DECIMAL = re.compile(r"(?<![\w.])\d*\.\d+(?![\w.])")
NOT_MEASURED = {"3.11", "4.1", "2.0"}  # Python, SSE, a licence


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda p: p.parent.name)
def test_blocks_are_as_the_results_have_them(page):
    text = page.read_text("utf-8")
    assert pages.renewed(text) == text, "python -m tools.pages"


def test_every_block_stands_somewhere_once():
    found = [name for page in pages.PAGES for _, name, _ in pages.MARKS.findall(page.read_text())]
    assert sorted(found) == sorted(pages.BLOCKS)


def test_another_number_is_noticed():
    text = re.sub(r"\.\d{3} at", ".999 at", README.read_text("utf-8"), count=1)
    assert pages.renewed(text) != text


def test_outside_the_blocks_nothing_is_measured():
    text = pages.MARKS.sub("", README.read_text("utf-8"))
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)
    assert set(DECIMAL.findall(text)) <= NOT_MEASURED


def test_the_dashboard_and_a_notebook_quote_the_same():
    low, medium, high = re.findall(r"\d\.\d\d", pages.rates())
    help_ = (pages.ROOT / "dashboard" / "controls.py").read_text("utf-8")
    assert f"About {low}, {medium} and {high} bits per pixel on Kodak" in help_
    steps, hours = re.search(r"([\d,]+) steps in ([\d.]+) hours", pages.training()).groups()
    told = (pages.ROOT / "notebooks" / "08_training.py").read_text("utf-8")
    assert f"{hours} hours for {steps} steps" in " ".join(told.replace("\n# ", " ").split())


def test_the_committed_distance_follows_from_the_committed_tables(tmp_path):
    weights = pages.ROOT / "data" / "weights" / "compact.safetensors"
    found = distance.distances(pages.RESULTS, weights)
    fitted = distance.laws(distance.curve(pages.RESULTS), found)
    for rows, name in ((found, "distance.csv"), (fitted, "learning.csv")):
        distance.write(tmp_path / name, list(rows[0]), rows)
        assert (tmp_path / name).read_text() == (pages.RESULTS / name).read_text()


def test_a_power_law_is_found_again():
    steps = [1000, 3000, 10_000, 40_000]
    a, b = distance.power_law(steps, [2 * s**-0.25 for s in steps])
    assert (a, b) == (pytest.approx(2), pytest.approx(0.25))


def test_values_between_and_beyond_rates():
    assert distance.along([0.1, 0.4], [1, 3], 0.2) == pytest.approx(2)
    assert distance.along([0.4, 0.1], [3, 1], 0.8) == pytest.approx(4)
    assert distance.along([0.1, 0.2, 0.4], [1, 2, 5], 0.05) == pytest.approx(0)
