"""How the command line speaks: results on stdout, progress and trouble on stderr, a line each."""

import functools
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hfx.errors import HfxError

P = ParamSpec("P")
R = TypeVar("R")

# Names of files come from strangers: nothing in them is markup, and lines are never folded.
out = Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
err = Console(markup=False, highlight=False, emoji=False, soft_wrap=True, stderr=True)
USER_ERROR, INTERNAL_ERROR = 2, 1


class State:
    """What holds for the whole command."""

    debug = False  # show tracebacks


def one_line(text: object) -> str:
    """Make text safe to print: no line breaks, no control codes, no broken Unicode."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))


def complain(message: object) -> None:
    """Say on stderr, in one line, what is wrong."""
    err.print(f"hfx: {one_line(message)}")


def about(name: object, error: Exception) -> str:
    """Say which file an error is about, unless its message does."""
    return str(error) if str(name) in str(error) else f"{name}: {error}"


def show_trace(error: BaseException) -> None:
    """Print the traceback of an error, if the user asked for it."""
    if State.debug:
        err.print("".join(traceback.format_exception(error)))


def reported(command: Callable[P, R]) -> Callable[P, R]:
    """Turn whatever goes wrong in a command into one line and an exit code: 2, or 1 for a bug."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with _plain_warnings():
                return command(*args, **kwargs)
        except (typer.Exit, BrokenPipeError):
            raise
        except HfxError as error:
            show_trace(error)
            complain(error)
            raise typer.Exit(USER_ERROR) from None
        except Exception as error:
            show_trace(error)
            hint = "" if State.debug else " (run with --debug)"
            complain(f"internal error: {type(error).__name__}: {error}{hint}")
            raise typer.Exit(INTERNAL_ERROR) from None

    return run


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show each warning as one line without the place in the code that gave it."""
    with warnings.catch_warnings():
        warnings.simplefilter("once", UserWarning)
        warnings.showwarning = lambda message, *_, **__: complain(f"warning: {message}")
        yield


@contextmanager
def progress(title: str, total: int, shown: bool = True) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr, where that is a terminal; yield what to call after each item."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = not (shown and err.is_terminal)
    with Progress(*columns, console=err, disable=hidden, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
