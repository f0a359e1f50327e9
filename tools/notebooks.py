"""Notebooks: from one master each to what readers open, with outputs; and exercises to seals.

    python -m tools.notebooks build [01 ...]   run and write notebooks/*.ipynb, print timings
    python -m tools.notebooks seal [01 ...]    fill in hfx/checks/*.json from the solutions

A master is `notebooks/NN_name.py` in jupytext's percent format. Cells tagged "exercise" hold a
solution, one line that ends in `# SOLUTION` or several between `# BEGIN SOLUTION` and
`# END SOLUTION`, and end in `check("NN.k", answer)`. They depend on the cell tagged "setup" only.
The notebook is the master without its solutions.
"""

import argparse
import ast
import base64
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

from tools.kernels import Kernel

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
CHECKS = ROOT / "hfx" / "checks"
OFFLINE = Path(__file__).parent / "offline"
MANY_COLOURS = 10_000  # a chart with its soft edges has a few thousand, a photograph more


@dataclass(frozen=True)
class Exercise:
    """One exercise of a master.

    Attributes:
        name: "01.3".
        solved: The cell as it stands in the master.
        answer: The expression that `check` is given.
    """

    name: str
    solved: str
    answer: str

    @property
    def open(self) -> str:
        """The cell as a student gets it."""
        return without_solutions(self.solved)


def masters(wanted: list[str] | None = None) -> list[Path]:
    """Paths of all masters, or of those whose numbers are wanted."""
    found = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.py"))
    return [path for path in found if not wanted or path.name[:2] in wanted]


def read(master: Path) -> NotebookNode:
    """Return a master as a notebook, solutions included."""
    notebook = jupytext.read(master, fmt="py:percent")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"  # random by default: every build would differ
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def without_solutions(source: str) -> str:
    """Put dots where a solution was, by the marks that otter-grader also knows."""
    source = re.sub(r"^(.*?=) .*  # SOLUTION$", r"\1 ...", source, flags=re.MULTILINE)
    block = r"^([ \t]*)# BEGIN SOLUTION\n.*?^[ \t]*# END SOLUTION$"
    return re.sub(block, r"\1...", source, flags=re.DOTALL | re.MULTILINE)


def student(master: Path) -> NotebookNode:
    """Return the notebook that readers get, without outputs."""
    notebook = read(master)
    for cell in notebook.cells:
        cell.source = without_solutions(cell.source)
    return notebook


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """Return the cells with a tag."""
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """Return the exercises of a master read by `read`."""
    return [_exercise(cell.source) for cell in tagged(notebook, "exercise")]


def _exercise(source: str) -> Exercise:
    last = ast.parse(source).body[-1]
    match last:
        case ast.Expr(ast.Call(ast.Name("check"), [ast.Constant(str(name)), answer])):
            return Exercise(name, source, ast.unparse(answer))
    raise SystemExit(f'an exercise must end in check("NN.k", answer):\n{source}')


def execute(notebook: NotebookNode, refused: Path | None = None) -> tuple[float, float]:
    """Run a notebook in place, in a fresh kernel without a network.

    Returns seconds by the clock, and processor seconds, which a busy machine does not stretch.

    Args:
        notebook: What to run; it gets outputs.
        refused: Where attempts to reach a network are noted.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    env = os.environ | {"PYTHONPATH": str(OFFLINE), "HFX_REFUSED": str(refused or os.devnull)}
    env.pop("MPLBACKEND", None)  # Streamlit sets it at import; figures would not be shown
    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    start, before = time.perf_counter(), os.times()
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        kernel_manager_class=Kernel,
        resources=resources,
        coalesce_streams=True,
    ).execute(env=env)
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return time.perf_counter() - start, used


def lighten(notebook: NotebookNode) -> None:
    """Keep of a run only what reads well in a file and does not change with every build."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the time of day
        if cell.cell_type == "code":
            # A slider without its kernel is an error message: the reader's run brings it back.
            cell.outputs = [out for out in cell.outputs if not _is_widget(out)]
            for out in cell.outputs:
                if "image/png" in out.get("data", {}):
                    out.data["image/png"] = _palette(out.data["image/png"])
    notebook.metadata.pop("widgets", None)


def _palette(png: str) -> str:
    """Store a drawing, which has few colours, with a palette; leave photographs as they are."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    if picture.getcolors(MANY_COLOURS) is None:
        return png
    out = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def _is_widget(out: NotebookNode) -> bool:
    return "application/vnd.jupyter.widget-view+json" in out.get("data", {})


def solve(notebook: NotebookNode, which: Callable[[Exercise], str]) -> Iterator[tuple[str, Any]]:
    """Run setup and exercises here and now: the name and the answer of each exercise."""
    space: dict[str, Any] = {}
    for cell in tagged(notebook, "setup"):
        exec(cell.source, space)
    answers: list[tuple[str, Any]] = []
    space["check"] = lambda name, answer: answers.append((name, answer))
    for exercise in exercises(notebook):
        exec(which(exercise), space)
        yield answers[-1]


def build(path: Path) -> None:
    """Write the notebook of a master, with outputs."""
    notebook = student(path)
    try:
        clock, used = execute(notebook)
    except CellExecutionError as error:
        sys.exit(f"{path.name}: {error}")
    lighten(notebook)
    target = path.with_suffix(".ipynb")
    nbformat.write(notebook, target)
    size = target.stat().st_size / 1024
    print(
        f"{target.name:28} {clock:6.1f} s, {used:5.1f} s of processor, {size:4.0f} KB", flush=True
    )


def fill(path: Path) -> None:
    """Write the seals of a master's exercises."""
    from hfx.check import Exercise as Asked
    from hfx.check import seal

    number = path.name[:2]
    target = CHECKS / f"{number}.json"
    book = json.loads(target.read_text("utf-8"))
    for name, answer in solve(read(path), lambda exercise: exercise.solved):
        asked = book["exercises"][name.partition(".")[2]]
        asked["seals"] = seal(Asked(name, book["salt"], **asked), answer)
    target.write_text(_json(book), "utf-8")
    print(f"{target.relative_to(ROOT)}: {len(book['exercises'])} exercises")


def _json(book: dict[str, Any]) -> str:
    """JSON with one line a call and a seal: to be read in a diff."""
    text = json.dumps(book, indent=2, ensure_ascii=False)
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text) + "\n"


def main() -> None:
    """Answer the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=("build", "seal"))
    parser.add_argument("numbers", nargs="*", help="01, 02, ...; default: all")
    asked = parser.parse_args()
    paths = masters(asked.numbers)
    if not paths:
        sys.exit(f"no such notebook in {NOTEBOOKS}")
    for path in paths:
        {"build": build, "seal": fill}[asked.verb](path)


if __name__ == "__main__":
    main()
