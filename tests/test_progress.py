import io
import math

import pytest

from hfx import progress
from hfx.progress import Progress
from tests.synthetic import run_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(scope="module")
def run():
    run = run_of(steps=100)
    run.rate.rates = [0.2, None, 0.4]
    return run


def feed(shown, run, steps, **row):
    for run.step in range(1, steps + 1):
        run.seconds = 3.0 * run.step
        shown.step(run, row or {"mse": 50.0, "lpips": 0.25}, logged=run.step % 10 == 0)


def test_elsewhere_there_is_a_plain_line_per_logged_row(run):
    stream = io.StringIO()
    feed(Progress(stream), run, 20)
    first, second = stream.getvalue().splitlines()
    assert first.startswith("step 10/100 | bpp low 0.200/0.14 medium -/0.3 high 0.400/0.45 | ")
    assert "mse 50 | lpips 0.25" in first
    assert second.endswith("1.0 min, 4 left")
    assert "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue()


def test_in_a_terminal_one_line_is_rewritten(run, monkeypatch):
    monkeypatch.setattr(progress, "BLINK", -1.0)
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    shown = Progress(stream)
    feed(shown, run, 3)
    text = stream.getvalue()
    assert text.count("\r") == 3 and "\n" not in text
    assert all(len(line) <= 39 + len("\x1b[K") for line in text.split("\r"))
    shown.say("saved")
    assert stream.getvalue().endswith("\rsaved\x1b[K\n")


def test_silence(run):
    shown = Progress(None)
    feed(shown, run, 10)
    shown.say("nothing")


def test_the_time_left_is_the_nearer_of_both_ends(run):
    shown = Progress(None)
    feed(shown, run, 20)
    assert shown.minutes_left(run) == pytest.approx(80 * 3 / 60)
    shown.max_minutes = 1.0
    assert 0.9 < shown.minutes_left(run) <= 1.0
    shown.max_minutes = -1.0
    assert shown.minutes_left(run) == 0


def test_numbers_are_running_means_and_forget_what_is_none(run):
    shown = Progress(None)
    feed(shown, run, 1, mse=100.0)
    feed(shown, run, 1, mse=0.0)
    assert shown.means["mse"] == pytest.approx(90)
    feed(shown, run, 1, mse=math.nan)
    assert shown.means["mse"] == pytest.approx(90)
