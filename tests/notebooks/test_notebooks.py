"""Notebooks: they run, offline and soon; what is committed is their source; exercises work."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

pytest.importorskip("nbclient", reason="notebooks need the extra `notebooks`")

from hfx.check import passes
from tools import notebooks

MASTERS = notebooks.masters()
LIMIT = 120  # seconds
LIGHT = 300 * 1024  # bytes

# Run behind a notebook, in its kernel: every slider at both ends, every button, and the seconds.
TOUCH = """
import json, time
from ipywidgets import Button, interactive
from ipywidgets.widgets import widget
_seconds = []
for _one in list(widget._instances.values()):
    _acts = []
    if isinstance(_one, interactive):
        for _end in ("min", "max"):
            _values = {c._kwarg: getattr(c, _end, c.value) for c in _one.kwargs_widgets}
            _values = {k: 10 ** v if type(c).__name__ == "FloatLogSlider" else v
                       for (k, v), c in zip(_values.items(), _one.kwargs_widgets)}
            _acts.append(lambda f=_one.f, v=_values: f(**v))
    elif isinstance(_one, Button):
        _acts.append(_one.click)
    for _act in _acts:
        _start = time.process_time()
        _act()
        _seconds.append(time.process_time() - _start)
print("TOUCHED", json.dumps(_seconds))
"""


def name(path):
    return path.stem


@pytest.fixture(params=MASTERS, ids=name)
def master(request):
    return request.param


@pytest.fixture
def committed(master):
    return nbformat.read(master.with_suffix(".ipynb"), as_version=4)


def pictures(notebook):
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return sum("image/png" in out.get("data", {}) for out in outputs)


def test_there_are_notebooks():
    assert len(MASTERS) >= 3


def test_notebook_runs_offline_and_in_time(master, committed, tmp_path, capsys):
    notebook = notebooks.student(master)
    notebook.cells.append(nbformat.v4.new_code_cell(TOUCH, id="touch"))
    refused = tmp_path / "refused"
    clock, used = notebooks.execute(notebook, refused)
    with capsys.disabled():
        print(f"\n{master.stem}: {clock:.0f} s, {used:.0f} s of processor time", end=" ")
    # A busy machine stretches the clock, not the work.
    assert used < LIMIT
    assert not refused.exists(), refused.read_text()

    touched = notebook.cells.pop()
    assert not [out for out in touched.outputs if out.output_type == "error"]
    (line,) = [
        line
        for out in touched.outputs
        if out.output_type == "stream"
        for line in out.text.splitlines()
        if line.startswith("TOUCHED")
    ]
    seconds = json.loads(line.removeprefix("TOUCHED"))
    assert seconds, "nothing to pull or press"
    assert max(seconds) < 2
    assert pictures(notebook) == pictures(committed) >= 4


def test_committed_notebook_is_its_source(master, committed):
    source = notebooks.student(master)

    def cells(notebook):
        return [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in notebook.cells]

    assert cells(committed) == cells(source), "run: make notebooks"


def test_committed_notebook_reads_well(master, committed):
    assert master.with_suffix(".ipynb").stat().st_size < LIGHT
    assert 15 <= len(committed.cells) <= 30
    kinds = [c.cell_type for c in committed.cells if "exercise" not in c.metadata.get("tags", [])]
    for three in zip(kinds, kinds[1:], kinds[2:], strict=False):
        assert set(three) != {"markdown"}, "prose without code"
    assert kinds.count("code") <= 2 * kinds.count("markdown")
    for cell in committed.cells:
        for out in cell.get("outputs", []):
            assert out.output_type != "error"
            assert out.get("name") != "stderr", out.text
            assert "/site-packages/" not in str(out)
    prose = "\n".join(c.source for c in committed.cells if c.cell_type == "markdown")
    for heading in ("## What to remember", "## Exercises", "## References"):
        assert heading in prose
    last = committed.cells[-1]
    assert last.cell_type == "code" and "assert " in last.source and last.execution_count


def test_notebooks_hold_no_solution(committed):
    text = json.dumps(committed)
    assert "SOLUTION" not in text
    assert "is right." not in text


def test_solutions_pass_and_dots_do_not(master):
    found = notebooks.exercises(notebooks.read(master))
    assert 4 <= len(found) <= 6
    number = master.name[:2]
    assert [one.name for one in found] == [f"{number}.{k}" for k in range(1, len(found) + 1)]
    notebook = notebooks.read(master)
    for exercise_name, answer in notebooks.solve(notebook, lambda exercise: exercise.solved):
        assert passes(exercise_name, answer), exercise_name
    for exercise_name, answer in notebooks.solve(notebook, lambda exercise: exercise.open):
        assert not passes(exercise_name, answer), exercise_name


def test_dots_are_where_otter_puts_them(master):
    solutions = pytest.importorskip("otter.assign.solutions")
    for exercise in notebooks.exercises(notebooks.read(master)):
        assert exercise.open != exercise.solved
        theirs = solutions.replace_solutions(exercise.solved.split("\n"), "python")
        assert "\n".join(theirs) == exercise.open


@pytest.mark.slow
def test_course_grades_solutions_full_and_students_zero(tmp_path):
    pytest.importorskip("otter", reason="the course needs the extra `course`")
    from tools import course

    assert course.build(MASTERS[-1], tmp_path, only_exercises=True) == (6, 6, 0)


def test_the_guard_lets_nothing_out_but_loopback(tmp_path):
    code = """
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
socket.getaddrinfo("localhost", 80)
for attempt in (
    lambda: socket.create_connection(("192.0.2.1", 80), 1),
    lambda: socket.getaddrinfo("example.org", 80),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 80)),
):
    try:
        attempt()
    except OSError as error:
        assert "is refused" in str(error), error
    else:
        raise SystemExit("got out")
"""
    refused = tmp_path / "refused"
    env = os.environ | {"PYTHONPATH": str(notebooks.OFFLINE), "HFX_REFUSED": str(refused)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert len(refused.read_text().splitlines()) >= 3
