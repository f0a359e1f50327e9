"""A course from the notebooks: for each a version with solutions, one without, and a grader.

    python -m tools.course [--only-exercises] [-o build/course] [01 ...]

`otter assign` does the work; here a master is told to it in its own language, each exercise
becoming a question whose hidden answer is marked by `hfx.check`. Then otter grades both versions:
the solutions must earn every point, the notebook that students get not one. To hand out are
NN/student/, to grade with NN/autograder/.
"""

import argparse
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell
from otter.api import grade_submission
from otter.assign import main as assign

from tools.notebooks import ROOT, Exercise, exercises, masters, read, tagged

_CONFIG = """# ASSIGNMENT CONFIG
name: {name}
solutions_pdf: false
generate: true
run_tests: false
export_cell: false
check_all_cell: false
"""


def question(exercise: Exercise) -> list[NotebookNode]:
    """Return an exercise as the cells that otter calls a question, worth one point."""
    test = new_code_cell(
        f"from hfx.check import passes\npasses({exercise.name!r}, {exercise.answer})",
        outputs=[new_output("execute_result", {"text/plain": "True"}, execution_count=1)],
        execution_count=1,
    )
    return [
        new_raw_cell(f"# BEGIN QUESTION\nname: q{exercise.name.replace('.', '_')}\npoints: 1"),
        new_markdown_cell(f"Exercise {exercise.name}"),  # a question needs words of its own
        new_raw_cell("# BEGIN SOLUTION"),
        new_code_cell(exercise.solved),
        new_raw_cell("# END SOLUTION"),
        new_raw_cell("# BEGIN TESTS"),
        test,
        new_raw_cell("# END TESTS"),
        new_raw_cell("# END QUESTION"),
    ]


def for_otter(path: Path, only_exercises: bool) -> NotebookNode:
    """Return a master in otter's language.

    Args:
        path: The master.
        only_exercises: Leave out all code that exercises do not need, to grade in seconds.
    """
    notebook = read(path)
    found = {exercise.solved: exercise for exercise in exercises(notebook)}
    needed = tagged(notebook, "setup")
    cells = [new_raw_cell(_CONFIG.format(name=path.stem))]
    for cell in notebook.cells:
        if cell.source in found:
            cells += question(found[cell.source])
        elif cell.cell_type != "code" or cell in needed or not only_exercises:
            cells.append(cell)
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number:02d}"
    notebook.cells = cells
    return notebook


def build(path: Path, out: Path, only_exercises: bool = False) -> tuple[float, float, float]:
    """Build a notebook's two versions and grade them: points possible, with, and without."""
    folder = out / path.name[:2]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    master = folder / f"{path.stem}.ipynb"
    nbformat.write(for_otter(path, only_exercises), master)
    assign(str(master), str(folder))
    master.unlink()
    (grader,) = (folder / "autograder").glob("*.zip")
    solved, unsolved = (
        grade_submission(str(folder / kind / master.name), str(grader), quiet=True)
        for kind in ("autograder", "student")
    )
    return solved.possible, solved.total, unsolved.total


def main() -> None:
    """Answer the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", help="01, 02, ...; default: all")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "build" / "course")
    parser.add_argument("--only-exercises", action="store_true", help="leave the lessons out")
    asked = parser.parse_args()
    bad = 0
    for path in masters(asked.numbers):
        possible, solved, unsolved = build(path, asked.out.resolve(), asked.only_exercises)
        print(f"{path.stem}: solutions {solved:g} of {possible:g}, student version {unsolved:g}")
        bad += solved != possible or unsolved != 0 or not possible
    sys.exit(f"{bad} notebooks are graded wrongly" if bad else 0)


if __name__ == "__main__":
    main()
