"""Exercises mark themselves: right answers pass in any dress, wrong ones get words and a hint."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hfx import HfxError, check

BOOKS = sorted((files("hfx") / "checks").iterdir(), key=lambda path: path.name)


@pytest.fixture
def exercise(monkeypatch):
    """Put one exercise, 99.1, into the book; returns what makes it from its right answer."""
    monkeypatch.setattr(check, "_failures", check.Counter())

    def make(answer, **asked):
        asked = {"hint": "think again"} | asked
        seals = check.seal(check.Exercise("99.1", "salt", **asked), answer)
        book = {"salt": "salt", "exercises": {"1": asked | {"seals": seals}}}
        monkeypatch.setattr(check, "_book", lambda number: {"99": book}.get(number, {}))

    return make


def said(capsys, answer):
    check.check("99.1", answer)
    return capsys.readouterr().out


@pytest.mark.parametrize("other", [2.5, np.float32(2.5), np.array(2.5), torch.tensor(2.5)])
def test_a_number_passes_in_any_dress(exercise, other, capsys):
    exercise(2.5, tolerance=0.01)
    assert said(capsys, other) == "✓ 99.1 is right.\n"
    assert check.passes("99.1", other)


def test_a_tensor_with_a_gradient_passes(exercise):
    exercise([1.0, 2.0], tolerance=0.01)
    assert check.passes("99.1", torch.tensor([1.0, 2.0], requires_grad=True))


@given(st.floats(-1e6, 1e6), st.floats(-0.49, 0.49), st.floats(2.01, 100))
def test_tolerance(value, inside, outside):
    asked = check.Exercise("99.1", "salt", "", tolerance=0.5)
    marked = check.Exercise("99.1", "salt", "", tolerance=0.5, seals=check.seal(asked, value))
    check._mark(marked, value + 0.5 * inside)
    for wrong in (value + 0.5 * outside, value - 0.5 * outside):
        with pytest.raises(check._Wrong):
            check._mark(marked, wrong)


def test_without_tolerance_a_number_must_be_exact(exercise):
    exercise(3)
    assert check.passes("99.1", 3) and check.passes("99.1", 3.0)
    assert not check.passes("99.1", 3.0001)


def test_text_and_truth(exercise):
    exercise("Mode  collapse")
    assert check.passes("99.1", " mode collapse")
    exercise((True, False))
    assert check.passes("99.1", [True, False])
    assert not check.passes("99.1", [True, True])
    assert not check.passes("99.1", [1, 0])


@pytest.mark.parametrize(
    "answer", [float("nan"), float("inf"), 2.6, "2.5", True, [2.5], {}, [[1], 2]]
)
def test_wrong_answers_fail(exercise, answer):
    exercise(2.5, tolerance=0.01)
    assert not check.passes("99.1", answer)


def test_nothing_is_no_answer(exercise, capsys):
    exercise(2.5, tolerance=0.01)
    assert "no answer yet; replace the dots" in said(capsys, ...)
    assert not check.passes("99.1", None)


def test_the_words_say_what_is_wrong(exercise, capsys):
    exercise([1.0, 2.0, 3.0], tolerance=0.01)
    assert "should be 3 numbers, not 2 numbers" in said(capsys, [1, 2])
    assert "the answer, element 1 is off" in said(capsys, [1, 5, 3])


def test_hint_after_two_failures_and_again_after_success(exercise, capsys):
    exercise(1)
    assert "Hint" not in said(capsys, 2)
    assert "Hint: think again" in said(capsys, 2)
    assert "Hint" in said(capsys, 3)
    assert "✓" in said(capsys, 1)
    assert "Hint" not in said(capsys, 2)


def test_functions_are_called_on_their_own_inputs(exercise, capsys):
    exercise(lambda x, k: x.sum() * k, calls=[[[1.0, 2.0], 3], [[4.0], 5]], tolerance=1e-6)
    assert "✓" in said(capsys, lambda x, k: sum(x) * k)

    def only_the_first(x, k):
        return 9.0

    assert "only_the_first([4.0], 5) = 9 is off" in said(capsys, only_the_first)

    def broken(x, k):
        return x / "k"

    assert "broken([1.0, 2.0], 3) raises" in said(capsys, broken)
    assert "returns nothing yet" in said(capsys, lambda x, k: None)
    assert "a function is asked for" in said(capsys, 5)


def test_a_function_cannot_spoil_the_inputs(exercise):
    def spoils(x):
        x += 1
        return x.sum()

    exercise(lambda x: x.sum() + len(x), calls=[[[1.0, 2.0]]], tolerance=1e-6)
    assert check.passes("99.1", spoils) and check.passes("99.1", spoils)


@pytest.mark.parametrize("name", ["99.2", "98.1", "1", "", "../99.1", "nonsense.1"])
def test_unknown_exercise(exercise, name):
    exercise(1)
    with pytest.raises(HfxError, match="no exercise"):
        check.check(name, 1)


def test_names_are_looked_up_nowhere_but_in_the_book():
    with pytest.raises(HfxError, match="no exercise"):
        check.find("../../pyproject.1")


def test_what_cannot_be_marked_cannot_be_sealed():
    with pytest.raises(HfxError, match="cannot be sealed"):
        check.seal(check.Exercise("99.1", "salt", ""), {"a": 1})


def test_equal_elements_do_not_look_equal():
    (seal,) = check.seal(check.Exercise("99.1", "salt", ""), [7, 7])
    assert len(set(seal["hashes"])) == 2
    (other,) = check.seal(check.Exercise("99.1", "another", ""), [7, 7])
    assert not set(seal["hashes"]) & set(other["hashes"])


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.name)
def test_books_hold_no_answer_in_plain_sight(path):
    book = json.loads(path.read_text("utf-8"))
    assert set(book) == {"salt", "exercises"}
    for asked in book["exercises"].values():
        assert {"hint", "seals"} <= set(asked) <= {"hint", "calls", "tolerance", "seals"}
        assert len(asked["seals"]) == len(asked.get("calls", "1"))
        for seal in asked["seals"]:
            assert set(seal) == {"kind", "shape", "hashes"}
            assert len(seal["hashes"]) == np.prod(seal["shape"], dtype=int)
            assert all(re.fullmatch("[0-9a-f]{12}", one) for one in seal["hashes"])


def test_every_notebook_has_its_book():
    assert {path.name for path in BOOKS} >= {"01.json", "02.json", "03.json"}
