"""Where the paper lives in this package: each equation, figure and table, its code and its tests.

The list is `paper.toml`, beside this file; `tests/test_paper.py` holds it to what is there.
"""

import importlib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LIST = Path(__file__).with_suffix(".toml")
KINDS = ("equation", "constraint", "figure", "table")


@dataclass(frozen=True)
class Element:
    """One equation, part of a figure, or table of the paper.

    Attributes:
        key: Names it in links.
        kind: One of KINDS.
        name: As the paper calls it.
        title: A few words.
        objects: Dotted names of what implements it, the most telling one first.
        says: What the docstring of each of them holds.
        tests: As file::function, from the root of the repository.
        notebook: Its master in notebooks/, without ending.
        mark: What the cell that shows it holds.
        tex: What the paper says, in TeX; empty where it says it in words alone.
        text: What it says in words.
        reading: How we take it where it is silent, unclear or wrong.
    """

    key: str
    kind: str
    name: str
    title: str
    objects: tuple[str, ...]
    says: tuple[str, ...]
    tests: tuple[str, ...]
    notebook: str
    mark: str
    tex: str = ""
    text: str = ""
    reading: str = ""

    def __post_init__(self) -> None:
        """Refuse an element that leads nowhere."""
        if self.kind not in KINDS:
            raise ValueError(f"{self.key}: no kind {self.kind!r}; use one of {', '.join(KINDS)}")
        if not (self.objects and self.says and self.tests and self.notebook and self.mark):
            raise ValueError(f"{self.key}: code, tests and a notebook are needed")
        if not (self.tex or self.text):
            raise ValueError(f"{self.key}: what does the paper say?")

    def resolve(self) -> list[Any]:
        """Return the objects themselves."""
        return [resolve(name) for name in self.objects]


@cache
def elements() -> tuple[Element, ...]:
    """Return all of the list, in the paper's order.

    Raises:
        ValueError, TypeError: an entry of the list is not what it should be.
    """
    with open(LIST, "rb") as file:
        entries = tomllib.load(file)["element"]
    return tuple(map(_element, entries))


def _element(entry: dict[str, Any]) -> Element:
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v.strip() for k, v in entry.items()
    }
    return Element(**values)


def resolve(name: str) -> Any:  # noqa: ANN401 (whatever it names)
    """Import what a dotted name names: a module, or something in one.

    Raises:
        ImportError, AttributeError: there is no such thing.
    """
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)
