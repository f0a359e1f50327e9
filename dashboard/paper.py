"""What the page "The paper" shows of the code, and of the printed tables beside measured ones."""

import ast
import csv
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from statistics import mean
from types import ModuleType
from typing import Any

from hfx import audit, results, table3, tables
from hfx.audit import Finding
from hfx.paper import Element, elements

ROOT = Path(__file__).parent.parent
FOLDER = results.PUBLISHED.parent
MEASURE = "`hfx tables KODAK -o data/results` measures them"
EQUATIONS, FIGURE, TABLES = "Equations", "Figure 1", "Tables"
PARTS = {EQUATIONS: ("equation", "constraint"), FIGURE: ("figure",), TABLES: ("table",)}
TIERS = ("low", "medium", "high")
Rows = list[dict[str, Any]]
Step = Callable[[], None]


def of_part(part: str) -> list[Element]:
    """Return the elements of a part of the page."""
    return [element for element in elements() if element.kind in PARTS[part]]


# --- code


def source_of(thing: object) -> str:
    """Return the source of a class or a function as it runs here."""
    assert isinstance(thing, type | ModuleType) or callable(thing)
    return inspect.getsource(thing)


def doc_of(thing: object) -> str:
    """Return the first paragraph of a docstring as Markdown with TeX."""
    first = (inspect.getdoc(thing) or "").partition("\n\n")[0]
    first = re.sub(r":math:`([^`]*)`", r"$\1$", " ".join(first.split()))
    return re.sub(r"(?<!\$)\*(?!\$)", r"\*", first)


@cache
def source_of_test(name: str) -> str:
    """Return the source of a test named file::function; empty where tests are not installed."""
    path, _, function = name.partition("::")
    if not (ROOT / path).exists():
        return ""
    text = (ROOT / path).read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            lines = text.splitlines()[first - 1 : node.end_lineno]
            return textwrap.dedent("\n".join(lines))
    return ""


def has_notebook(element: Element) -> bool:
    """Say whether the notebook is in this checkout."""
    return (ROOT / "notebooks" / f"{element.notebook}.ipynb").exists()


# --- Table 1


def printed1() -> Rows:
    """Return Table 1 as the paper prints it, a row a file, with what it comes to in bpp."""
    if not tables.PUBLISHED.exists():
        return []
    with open(tables.PUBLISHED, newline="", encoding="utf-8") as file:
        rows: Rows = list(csv.DictReader(file))
    for row in rows:
        row["megabytes"] = float(row["megabytes"])
        row["bpp"] = 8e6 * row["megabytes"] / (int(row["width"]) * int(row["height"]))
    return rows


def measured1(folder: Path = FOLDER) -> Rows:
    """Return Table 1 as measured, a row a file; nothing where it was not.

    Raises:
        HfxError: the table is damaged.
    """
    return [asdict(row) for row in tables.load(folder / "table1.csv")]


def table1(printed: Rows, measured: Rows) -> Rows:
    """Return means by tier and neighbour model, printed ones beside measured ones."""
    shown: Rows = []
    for tier in TIERS:
        for kind in tables.KINDS.values():
            theirs, ours = (_of(rows, tier=tier, kind=kind) for rows in (printed, measured))
            base, own = (_of(rows, tier=tier, kind="HiFi") for rows in (printed, measured))
            shown.append(
                {
                    "tier": tier,
                    "coded by": kind,
                    "printed: MB": _mean(theirs, "megabytes", ".2f"),
                    "bpp": _mean(theirs, "bpp", ".2f"),
                    "to HiFi": _share(theirs, base, "megabytes"),
                    "measured: bytes": _mean(ours, "bytes", ",.0f"),
                    "bpp ": _mean(ours, "bpp", ".3f"),  # a second column of the name
                    "to HiFi ": _share(ours, own, "bytes"),
                }
            )
    return shown


# --- Table 3


def measured3(folder: Path = FOLDER) -> Rows:
    """Return Table 3 as measured, a row a picture and tier; nothing where it was not.

    Raises:
        HfxError: the table is damaged.
    """
    return [asdict(row) for row in table3.load(folder / "table3.csv")]


def compared3(printed: Rows, measured: Rows) -> Rows:
    """Return means by tier, printed ones above measured ones."""
    return [
        {"tier": tier, "": whose, "pictures": str(len(own))}
        | {name.upper(): _mean(own, name, digits) for name, digits in table3.COLUMNS.items()}
        for tier in TIERS
        for whose, rows in (("printed", printed), ("measured", measured))
        if (own := _of(rows, tier=tier))
    ]


def findings(name: str, rows: Rows) -> list[Finding]:
    """Audit a Table 3; nothing where rows lack a column or are too few."""
    whole = [row for row in rows if all(row[key] is not None for key in table3.COLUMNS)]
    return audit.audit(name, whole) if len(whole) >= 3 else []


def in_words(one: Finding) -> str:
    """Say what a finding means."""
    y, _, x = (word.upper() for word in one.check.split())
    if one.slope is None or one.intercept is None:
        said = f"{y} is 10 log₁₀(255² / {x}) to within {one.largest:.4f} dB"
        if one.largest > 0.05:
            said = f"{y} and {x} disagree by up to {one.largest:.1f} dB"
        return f"{said} (correlation {one.correlation:.3f}, {one.rows} rows)."
    sign = "−" if one.intercept < 0 else "+"
    line = f"{one.slope:.5f} · {x} {sign} {abs(one.intercept):.4f}"
    if one.correlation > 0.99999:
        return (
            f"{y} = {line} in all {one.rows} rows, to within {one.largest:.4f}: computed from it."
        )
    return f"{y} is no line of {x}: correlation {one.correlation:.3f} over {one.rows} rows."


# --- columns of numbers


def _of(rows: Iterable[Mapping[str, Any]], **wanted: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _mean(rows: Sequence[Mapping[str, Any]], name: str, digits: str) -> str:
    values = [row[name] for row in rows]
    return f"{mean(values):{digits}}" if values and None not in values else "–"


def _share(rows: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], name: str) -> str:
    if not rows or not base:
        return "–"
    return f"{mean(row[name] for row in rows) / mean(row[name] for row in base):.3f}"
