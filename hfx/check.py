r"""Exercises that mark themselves, for the notebooks: a clear message, and a hint after two tries.

    from hfx.check import check

    check("01.3", answer)

An answer is a number, a text, a truth value, an array of these, or a function, which is then
called on inputs of its own. What is expected lies in `hfx/checks/`, one file a notebook, as salted
hashes of rounded values: enough to mark an answer, too little to read one.

.. math:: key = round(value / tolerance), \quad \text{right if key, key - 1 or key + 1 is sealed}
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

import numpy as np

from hfx.errors import HfxError

HINT_AFTER = 2  # failures

_failures: Counter[str] = Counter()


@dataclass(frozen=True)
class Exercise:
    """What one exercise asks for.

    Attributes:
        name: Notebook and number, "01.3".
        salt: Goes into every hash.
        hint: Shown after HINT_AFTER failures.
        calls: Arguments to call a function with, one list a call; None: the answer is a value.
        tolerance: How far a number may be off; None: not at all.
        seals: One a call (or one): kind, shape and hashes of the result's elements.
    """

    name: str
    salt: str
    hint: str
    calls: list[list[Any]] | None = None
    tolerance: float | None = None
    seals: list[dict[str, Any]] | None = None


class _Wrong(Exception):  # noqa: N818
    """Why an answer is not right."""


def check(name: str, answer: object) -> None:
    """Mark an answer and say so in one line; after two failures a hint follows.

    Raises:
        HfxError: there is no such exercise.
    """
    exercise = find(name)
    try:
        _mark(exercise, answer)
    except _Wrong as why:
        _failures[name] += 1
        print(f"✗ {name} not yet: {why}")
        if _failures[name] >= HINT_AFTER:
            print(f"  Hint: {exercise.hint}")
    else:
        del _failures[name]
        print(f"✓ {name} is right.")


def passes(name: str, answer: object) -> bool:
    """Mark an answer in silence: what an automatic grader asks.

    Raises:
        HfxError: there is no such exercise.
    """
    try:
        _mark(find(name), answer)
    except _Wrong:
        return False
    return True


def seal(exercise: Exercise, answer: object) -> list[dict[str, Any]]:
    """Turn a right answer into what the exercise's file keeps of it: `seals`.

    Raises:
        HfxError: the answer cannot be marked: it fails, or is of a kind that is not known.
    """
    try:
        return [
            {"kind": kind, "shape": shape, "hashes": [_hash(exercise, at, k[0]) for at, k in keys]}
            for kind, shape, keys in (
                _canonical(exercise, number, result)
                for number, (_, result) in enumerate(_results(exercise, answer))
            )
        ]
    except _Wrong as why:
        raise HfxError(f"{exercise.name} cannot be sealed: {why}") from why


def find(name: str) -> Exercise:
    """Return an exercise by its name; raises HfxError where there is none."""
    notebook, _, number = name.partition(".")
    known = _book(notebook)
    if number not in known.get("exercises", {}):
        raise HfxError(f"there is no exercise {name!r}; names look like '01.3'")
    return Exercise(name, known["salt"], **known["exercises"][number])


@cache
def _book(notebook: str) -> dict[str, Any]:
    """All exercises of a notebook, {} where it has none."""
    path = files("hfx") / "checks" / f"{notebook}.json"
    return json.loads(path.read_text("utf-8")) if notebook.isdigit() and path.is_file() else {}


def _mark(exercise: Exercise, answer: object) -> None:
    """Raise `_Wrong` unless the answer is right."""
    for number, (asked, result) in enumerate(_results(exercise, answer)):
        kind, shape, keys = _canonical(exercise, number, result)
        expected = (exercise.seals or [])[number]
        if (kind, shape) != (expected["kind"], expected["shape"]):
            wanted = _describe(expected["kind"], expected["shape"])
            raise _Wrong(f"{asked} should be {wanted}, not {_describe(kind, shape)}.")
        for (at, near), sealed in zip(keys, expected["hashes"], strict=True):
            if sealed not in [_hash(exercise, at, key) for key in near]:
                where = f", element {at[1]}" if shape else f" = {_short(result)}"
                raise _Wrong(f"{asked}{where} is off.")


def _results(exercise: Exercise, answer: object) -> Iterator[tuple[str, object]]:
    """What is to be compared, each with words for it: the answer, or what a function returns."""
    if answer is ... or answer is None:
        raise _Wrong("no answer yet; replace the dots.")
    if exercise.calls is None:
        yield "the answer", answer
        return
    if not callable(answer):
        raise _Wrong("a function is asked for.")
    for arguments in exercise.calls:
        asked = f"{_name(answer)}({', '.join(map(_short, arguments))})"
        given = [np.array(a) if isinstance(a, list) else a for a in arguments]
        try:
            result = answer(*given)
        except Exception as error:  # noqa: BLE001  whatever a student's function raises
            raise _Wrong(f"{asked} raises {type(error).__name__}: {error}") from error
        if result is None or result is ...:
            raise _Wrong(f"{asked} returns nothing yet; replace the dots.")
        yield asked, result


Keys = list[tuple[tuple[int, int], list[str]]]
"""Of every element: (call, place), and the keys that count as equal, its own first."""


def _canonical(exercise: Exercise, call: int, value: object) -> tuple[str, list[int], Keys]:
    """Reduce a value to kind, shape and keys."""
    if hasattr(value, "detach"):  # a torch tensor, with or without gradient
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise _Wrong(f"rows of different lengths: {error}") from error
    kind = {"b": "truth", "i": "number", "u": "number", "f": "number", "U": "text"}.get(
        array.dtype.kind
    )
    if kind is None:
        raise _Wrong(f"a {type(value).__name__} is nothing that can be marked.")
    near = _near(exercise.tolerance)[kind]
    keys = [((call, place), near(item)) for place, item in enumerate(array.ravel().tolist())]
    return kind, list(array.shape), keys


def _near(tolerance: float | None) -> dict[str, Callable[[Any], list[str]]]:
    """Return the keys of an element that count as equal, its own first, by kind."""

    def number(value: float) -> list[str]:
        if not np.isfinite(value):
            return [str(value)]
        if tolerance is None:
            return [str(int(value)) if value == int(value) else repr(float(value))]
        middle = round(value / tolerance)
        return [str(middle), str(middle - 1), str(middle + 1)]

    return {
        "truth": lambda value: [str(value)],
        "text": lambda value: [" ".join(value.casefold().split())],
        "number": number,
    }


def _hash(exercise: Exercise, at: tuple[int, int], key: str) -> str:
    """Hash one key; where it stands goes in, so that equal elements do not look equal."""
    text = f"{exercise.salt}/{exercise.name}/{at[0]}/{at[1]}/{key}"
    return blake2b(text.encode(), digest_size=6).hexdigest()


def _describe(kind: str, shape: list[int]) -> str:
    """Put kind and shape into words."""
    if not shape:
        return {"truth": "True or False"}.get(kind, f"a {kind}")
    return f"{' x '.join(map(str, shape))} {kind}s"


def _name(function: Callable[..., object]) -> str:
    name = getattr(function, "__name__", "")
    return name if name.isidentifier() else "the function"


def _short(value: object) -> str:
    """Write a value in a few characters."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
