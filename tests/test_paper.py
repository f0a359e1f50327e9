"""The paper, element by element: a docstring, a test and a notebook's cell for each."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from hfx import losses, paper
from hfx.paper import Element, elements, resolve

ROOT = Path(__file__).parents[1]
EQUATIONS = [f"Eq. {number}" for number in range(1, 7)]
TABLES = [f"Table {number}" for number in range(1, 4)]
FIGURE = {  # what section 3.3 and Figure 1 draw, and what section 3.1 asks for between Q and G
    "encoder", "generator", "discriminator", "condition", "spectralnorm", "channelnorm", "strides",
    "quantiser", "hyperprior", "coder", "xgboost",
}  # fmt: skip
EVERY = pytest.mark.parametrize("element", elements(), ids=lambda element: element.key)


def named(kind):
    return [element.name for element in elements() if element.kind == kind]


@cache
def functions(path):
    """Names of the tests of a file, as pytest collects them."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name for name in names if name.startswith("test_")}


@cache
def cells(notebook):
    """The cells of a notebook's master, in jupytext's percent format; none if it is not there."""
    path = ROOT / "notebooks" / f"{notebook}.py"
    if not path.exists():
        return []
    return re.split(r"^# %%.*$", path.read_text("utf-8"), flags=re.MULTILINE)[1:]


def lost(element):
    """What the element's list promises and the package does not keep."""
    found = []
    for name in element.objects:
        said = " ".join((resolve(name).__doc__ or "").split())
        found += [f"{name} does not say {word!r}" for word in element.says if word not in said]
    for test in element.tests:
        path, _, function = test.partition("::")
        if not (ROOT / path).exists() or function not in functions(path):
            found.append(f"there is no {test}")
    return found


def unshown(element):
    """What is wrong with the element's cell."""
    there = cells(element.notebook)
    if not there:
        return f"notebooks/{element.notebook}.py is not there"
    if not any(element.mark in cell for cell in there):
        return f"notebooks/{element.notebook}.py has no cell with {element.mark!r}"
    return None


# --- the list is whole


def test_every_equation_and_table_is_listed_once():
    assert named("equation") == EQUATIONS
    assert named("constraint") == ["Constrained Rate"]
    assert named("table") == TABLES


def test_every_part_of_figure_1_is_listed_once():
    keys = [element.key for element in elements() if element.kind == "figure"]
    assert sorted(keys) == sorted(f"fig1-{part}" for part in FIGURE)


def test_keys_are_unique():
    keys = [element.key for element in elements()]
    assert len(set(keys)) == len(keys)


# --- and what it says is there


@EVERY
def test_code_and_tests_are_there(element):
    assert lost(element) == []


@EVERY
def test_a_notebook_shows_it(element):
    assert unshown(element) is None


def test_a_docstring_that_loses_its_equation_is_noticed(monkeypatch):
    first = elements()[0]
    monkeypatch.setattr(losses.fooling, "__doc__", "The generator's side.")
    assert lost(first) == ["hfx.losses.fooling does not say 'Eq. 1'"]


def made(**changes):
    fields = dict(
        key="k", kind="table", name="T", title="t", objects=("hfx.losses.fooling",),
        says=("Eq. 1",), tests=("tests/test_losses.py::test_equation_1",),
        notebook="01_conditional_gan", mark="Eq. 1", text="words",
    )  # fmt: skip
    return Element(**(fields | changes))


def test_what_is_not_there_is_noticed():
    assert lost(made()) == [] and unshown(made()) is None
    assert lost(made(tests=("tests/test_losses.py::test_equation_9",))) != []
    assert lost(made(tests=("tests/test_nothing.py::test_equation_1",))) != []
    assert "no cell with" in unshown(made(mark="Eq. 9"))
    assert "is not there" in unshown(made(notebook="99_nothing"))
    with pytest.raises(AttributeError):
        lost(made(objects=("hfx.losses.nothing",)))


@pytest.mark.parametrize(
    "changes", [{"kind": "theorem"}, {"objects": ()}, {"tests": ()}, {"mark": ""}, {"text": ""}]
)
def test_elements_that_lead_nowhere_are_refused(changes):
    with pytest.raises(ValueError, match="^k: "):
        made(**changes)


def test_the_list_travels_with_the_package():
    assert paper.LIST.parent == Path(paper.__file__).parent
    for element in elements():
        assert element.resolve()
