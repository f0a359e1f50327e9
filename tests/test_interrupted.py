"""Killed, out of room or shut out: nothing half lies under a final name, and it is said."""

import os
import resource
import signal
from pathlib import Path

import pytest

from experiments import interrupted
from experiments.interrupted import CASES, CONTEXT, command, inputs, measure, run_of, table


@pytest.fixture(scope="module")
def folder(tiny_file, tmp_path_factory):
    """Inputs for every command; one thread, so that processes do not queue."""
    folder = tmp_path_factory.mktemp("interrupted")
    inputs(folder, tiny_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield folder


def names(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("name", ["compress", "fit-neighbours"])
def test_killed_anywhere(folder, tiny_file, name):
    """Twice; `python -m experiments.interrupted` kills all commands, test_train.py training."""
    row = measure(name, folder, kills=2, weights=tiny_file)
    assert row["kills"] == 2 and row["half"] == 0 and row["same_in_the_end"] == "yes"


def test_half_files_are_noticed(tmp_path):
    (tmp_path / "run").mkdir()
    log = tmp_path / "run" / "log.csv"
    log.write_text("step,minutes,loss\r\n1,0.1,5\r\n2,0.2,6\r\n")
    assert list(run_of(tmp_path)) == ["step 1", "step 2"]
    for half in ("step,minutes,loss\r\n1,0.1,5\r\n2,0.", "step,minutes,loss\r\n1,0.1\r\n"):
        log.write_text(half)
        with pytest.raises(ValueError, match="cut off"):
            table(log)


# --- the worst moments, in processes of their own


def killed_before_it_is_renamed(*given):
    import hfx.files

    hfx.files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    command(*given)


def out_of_room(room, *given):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    command(*given)


def run(target, *given):
    process = CONTEXT.Process(target=target, args=given)
    process.start()
    process.join(120)
    return process.exitcode


def said_without_room(room, arguments, weights, said):
    """Run out of room; a pipe takes what is said, which the limit on files would cut off, too."""
    os.mkfifo(said)
    pipe = os.open(said, os.O_RDWR | os.O_NONBLOCK)
    try:
        assert run(out_of_room, room, arguments, said, weights) == 2
        return os.read(pipe, 1 << 16).decode()
    finally:
        os.close(pipe)


@pytest.mark.parametrize("name", CASES)
def test_killed_when_all_is_written_but_the_name(folder, tiny_file, tmp_path, name):
    arguments = CASES[name].arguments(folder, tmp_path)
    said = tmp_path.parent / "said.txt"
    assert run(killed_before_it_is_renamed, arguments, said, tiny_file) == -signal.SIGKILL
    left = names(tmp_path)
    assert len(left) == 1 and left[0].startswith(".hfx-")


@pytest.mark.parametrize("name", CASES)
def test_out_of_room(folder, tiny_file, tmp_path, name):
    """A file may grow to 300 bytes, and no further, as on a full disk."""
    arguments = CASES[name].arguments(folder, tmp_path / "out")
    (tmp_path / "out").mkdir()
    said = said_without_room(300, arguments, tiny_file, tmp_path / "said")
    lines = [line for line in said.splitlines() if "cannot write" in line]
    assert lines and all(line.startswith("hfx") for line in lines)
    assert "Traceback" not in said
    assert set(names(tmp_path / "out")) <= {"log.csv"}  # of a run that got no further


def test_out_of_room_for_a_checkpoint(folder, tiny_file, tmp_path):
    """Where there is room for the log, what was saved before stays."""
    arguments = CASES["train"].arguments(folder, tmp_path)
    said = said_without_room(5000, arguments, tiny_file, tmp_path / "said")
    assert "checkpoint.safetensors" in said.splitlines()[-1]
    assert names(tmp_path / "run") == ["log.csv"]


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="there is no /sys to be shut out of")
@pytest.mark.parametrize("name", CASES)
def test_shut_out(folder, tiny_file, tmp_path, name):
    """Not even root makes a file in /sys; and it is said before hours of work, not after."""
    arguments = CASES[name].arguments(folder, Path("/sys/kernel"))
    said = tmp_path / "said.txt"
    assert run(command, arguments, said, tiny_file) == 2, said.read_text()
    text = said.read_text()
    assert "Traceback" not in text and "/sys/kernel" in text
    lines = [line for line in text.splitlines() if not line.startswith("hfx: warning")]
    assert all(line.startswith("hfx") for line in lines)
    if name in ("train", "benchmark", "fit-neighbours"):
        assert len(lines) == 1


def test_the_command_writes_a_table_and_fails_where_something_was_lost(monkeypatch, tmp_path):
    row = dict.fromkeys(interrupted.NAMES, 0) | {"command": "compress", "same_in_the_end": "yes"}
    monkeypatch.setattr(interrupted, "inputs", lambda *_: None)
    monkeypatch.setattr(interrupted, "find", lambda *_: None)
    out = tmp_path / "table.csv"
    for change, code in (({}, 0), ({"half": 1}, 1), ({"same_in_the_end": "no"}, 1)):
        monkeypatch.setattr(interrupted, "measure", lambda *_, new=change: row | new)
        assert interrupted.main(["--only", "compress", "--out", str(out)]) == code
    assert out.read_text().startswith("command,kills,") and "compress,0" in out.read_text()
