"""Whatever goes wrong is one line on stderr and an exit code."""

import warnings

import pytest
import typer

from hfx.console import State, about, complain, one_line, progress, reported
from hfx.errors import HfxError


def failing(error):
    @reported
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines", "two lines"),
        ("\x1b[31mred\x07", "?[31mred?"),
        ("broken \udcff name", "broken ? name"),
        ("[bold]brackets[/bold] :smile:", "[bold]brackets[/bold] :smile:"),
        ("größe 图", "größe 图"),
    ],
)
def test_names_cannot_play_tricks(capsys, text, shown):
    assert one_line(text) == shown
    complain(text)
    assert capsys.readouterr().err == f"hfx: {shown}\n"


def test_long_lines_are_not_folded(capsys):
    complain("word " * 100)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (HfxError("no\nsuch thing"), 2, "hfx: no such thing\n"),
        (OSError("oh"), 1, "hfx: internal error: OSError: oh (run with --debug)\n"),
    ],
)  # fmt: skip
def test_errors_are_one_line(capsys, error, code, line):
    with pytest.raises(typer.Exit) as caught:
        failing(error)()
    assert caught.value.exit_code == code
    assert capsys.readouterr() == ("", line)


def test_debug_shows_the_trace(capsys, monkeypatch):
    monkeypatch.setattr(State, "debug", True)
    with pytest.raises(typer.Exit):
        failing(HfxError("no"))()
    shown = capsys.readouterr().err
    assert "Traceback" in shown and shown.endswith("hfx: no\n")


def test_exits_and_interrupts_pass():
    for error in (typer.Exit(7), KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(error)):
            failing(error)()


def test_warnings_are_one_line_each(capsys):
    @reported
    def command():
        for _ in range(2):
            warnings.warn("several frames", stacklevel=1)
        return 5

    assert command() == 5
    assert capsys.readouterr().err == "hfx: warning: several frames\n"


def test_errors_name_their_file_once():
    assert about("a.png", HfxError("is bad")) == "a.png: is bad"
    assert about("a.png", HfxError("cannot read a.png")) == "cannot read a.png"


def test_no_bar_where_nobody_looks(capsys):
    with progress("working", 3) as step:
        for _ in range(3):
            step()
    assert capsys.readouterr() == ("", "")
