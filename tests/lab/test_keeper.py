"""Who minds the runs. Most processes here only say what a worker would say: they load no torch."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from labs import heard, pretended, settled, wait_for

from hfx.errors import HfxError
from hfx.lab import keeper as module
from hfx.lab.folder import (
    CHECKPOINT,
    DONE,
    FAILED,
    PAUSED,
    RUNNING,
    STARTING,
    WAITING,
    State,
    create,
    holder,
)
from hfx.lab.keeper import QUEUE, Keeper, alive, process_of, sweep
from hfx.lab.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def keeper(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "process_of", pretended)
    keeper = Keeper(tmp_path)
    yield keeper
    keeper.close()


def test_a_run_starts_pauses_steps_and_goes_on(keeper):
    run = keeper.start("a", Settings())
    assert keeper.training == run
    settled(keeper, run, RUNNING)
    keeper.pause(run)
    assert keeper.training is None
    settled(keeper, run, PAUSED)
    keeper.ask(run, "G")
    keeper.ask(run, "step")
    keeper.ask(run)
    assert keeper.training == run
    settled(keeper, run, RUNNING)
    assert heard(run) == ["run", "pause", "G", "step", "run"]


def test_the_next_one_waits_for_the_end(keeper):
    one, two, three = (keeper.start(name, Settings()) for name in "abc")
    settled(keeper, one, RUNNING)
    assert (two.state.name, three.state.name) == (WAITING, WAITING)
    assert [keeper.place(run) for run in (one, two, three)] == [None, 0, 1]
    (one.folder / "finish").touch()
    keeper.ask(one)
    wait_for(lambda: one.state.name == DONE)
    settled(keeper, two, RUNNING)
    assert keeper.training == two and keeper.place(three) == 0


def test_a_pause_makes_room_for_who_waits(keeper):
    one, two = (keeper.start(name, Settings()) for name in "ab")
    settled(keeper, one, RUNNING)
    keeper.pause(one)
    settled(keeper, two, RUNNING)
    assert one.state.name == PAUSED and heard(one) == ["run", "stop"]
    keeper.ask(one)  # and now it waits itself
    assert keeper.place(one) == 0
    keeper.pause(one)
    assert keeper.place(one) is None and one.state.name == PAUSED
    keeper.pause(two)
    settled(keeper, two, PAUSED)
    keeper.ask(one)  # the paused one leaves its seat at once
    settled(keeper, one, RUNNING)
    assert heard(two) == ["run", "pause", "stop"]


def test_the_queue_is_short(keeper):
    for _ in range(1 + QUEUE):
        keeper.start("a", Settings())
    with pytest.raises(HfxError, match="wait already"):
        keeper.start("a", Settings())
    with pytest.raises(HfxError, match="wait already"):
        keeper.start("a", Settings(stage=2))
    assert len(list(keeper.root.iterdir())) == 1 + QUEUE  # nothing was left behind


def test_steps_are_for_whoever_has_the_seat(keeper):
    one, two = keeper.start("a", Settings()), create(keeper.root, "b", Settings())
    two.turn(PAUSED)
    with pytest.raises(HfxError, match="pause it before"):
        keeper.ask(two, "step")
    keeper.pause(one)
    keeper.ask(two, "step")
    settled(keeper, two, PAUSED)
    assert heard(two) == ["step"]


def test_a_stage_2_alone_gets_a_short_stage_1_first(keeper):
    second = keeper.start("gan", Settings(stage=2, width=8))
    first = keeper.training
    assert first.id == second.start and first.settings == second.settings.first
    assert second.state.name == WAITING
    settled(keeper, first, RUNNING)
    keeper.pause(first)  # nobody else may begin with what is not done
    settled(keeper, first, PAUSED)
    assert second.state.name == PAUSED and keeper.place(second) is None
    (first.folder / "finish").touch()
    keeper.ask(second)
    settled(keeper, second, RUNNING)
    assert first.state.name == DONE


def test_a_stage_2_without_its_first_fails(keeper):
    second = keeper.start("gan", Settings(stage=2))
    first = keeper.training
    settled(keeper, first, RUNNING)
    (first.folder / "crash").touch()
    keeper.ask(first)
    wait_for(lambda: second.state.name == FAILED)
    assert first.state.name == FAILED and first.state.reason == "it went wrong"
    assert "run 1" in second.state.reason and keeper.training is None


def test_a_process_that_cannot_start_is_said_and_the_next_one_tried(keeper, monkeypatch):
    keeper.start("a", Settings())
    two, three = (keeper.start(name, Settings()) for name in "bc")
    processes = iter([OSError(12, "Cannot allocate memory"), pretended])

    def scarce(run):
        found = next(processes)
        if isinstance(found, OSError):
            raise found
        return found(run)

    monkeypatch.setattr(module, "process_of", scarce)
    keeper.pause(keeper.training)
    settled(keeper, three, RUNNING)
    assert two.state.name == FAILED and "Cannot allocate memory" in two.state.reason


def test_a_killed_process_is_a_pause(keeper):
    run = keeper.start("a", Settings())
    settled(keeper, run, RUNNING)
    keeper.seat.process.kill()
    wait_for(lambda: run.state.name == PAUSED)
    assert "signal 9" in run.state.reason and keeper.seat is None
    keeper.ask(run)
    settled(keeper, run, RUNNING)


def test_runs_are_deleted_unless_they_train(keeper, tmp_path):
    one, two, three = (keeper.start(name, Settings()) for name in "abc")
    settled(keeper, one, RUNNING)
    keeper.delete(three)
    assert not three.folder.exists() and keeper.place(three) is None
    keeper.pause(two)
    with module.folder.hold(one.folder), pytest.raises(HfxError, match="at work"):
        keeper.delete(one)
    keeper.pause(one)
    keeper.delete(one)
    assert not one.folder.exists()
    keeper.ask(two)
    settled(keeper, two, RUNNING)


def test_closing_leaves_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "process_of", pretended)
    keeper = Keeper(tmp_path)
    one, two = (keeper.start(name, Settings()) for name in "ab")
    settled(keeper, one, RUNNING)
    process = keeper.seat.process
    keeper.close()
    assert process.poll() is not None
    assert (one.state.name, two.state.name) == (PAUSED, PAUSED)
    assert "server ended" in two.state.reason


# --- after a server that is no more

HOLDER = """
import fcntl, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
file = open(sys.argv[1] + "/lock", "a+")
fcntl.flock(file, fcntl.LOCK_EX)
file.truncate(0)
file.write(f"{os.getpid()} {sys.argv[2]}")
file.flush()
print("held", flush=True)
time.sleep(600)
"""


def held_by(run, server):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run.folder), str(server)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    return process


def gone():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_says_it_runs_and_does_not_is_paused(tmp_path):
    runs = [create(tmp_path, "a", Settings()) for _ in range(4)]
    for run, name in zip(runs, (STARTING, RUNNING, WAITING, DONE), strict=True):
        run.tell(State(name, 3))
    sweep(tmp_path)
    assert [run.state.name for run in runs] == [PAUSED] * 3 + [DONE]
    assert runs[0].state.step == 3 and runs[0].state.reason == "the server ended"


def test_an_orphan_is_ended_even_if_it_will_not_listen(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.2)
    run = create(tmp_path, "a", Settings())
    run.tell(State(RUNNING, 3))
    orphan = held_by(run, gone())
    threading.Thread(target=orphan.wait).start()  # as init would, so that it is no zombie
    sweep(tmp_path)
    assert orphan.wait(10) == -signal.SIGKILL
    assert holder(run.folder) is None and run.state.name == PAUSED


def test_what_another_server_minds_is_left_alone(tmp_path):
    run = create(tmp_path, "a", Settings())
    run.tell(State(RUNNING, 3))
    server = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = held_by(run, server.pid)
    try:
        keeper = Keeper(tmp_path)
        assert run.state.name == RUNNING and process.poll() is None
        with pytest.raises(HfxError, match="another server"):
            keeper.ask(run)
        with pytest.raises(HfxError, match="at work"):
            keeper.delete(run)
        keeper.close()
    finally:
        for one in (process, server):
            one.kill()
            one.wait()


def test_alive():
    assert alive(os.getpid()) and not alive(gone())


def test_a_worker_ends_with_its_server_even_if_that_is_killed(tmp_path):
    """A real server's end, and a real worker: it leaves a checkpoint to go on from."""
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")
    code = (
        "import sys, time; from pathlib import Path; from hfx.lab.keeper import Keeper\n"
        "from hfx.lab.settings import Settings; keeper = Keeper(Path(sys.argv[1]))\n"
        "run = keeper.start('a', Settings(k_P=0.0, width=8, batch=1, steps=5000))\n"
        "print(keeper.seat.process.pid, flush=True); time.sleep(600)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    worker = int(server.stdout.readline())
    (run,) = module.folder.runs_in(tmp_path)
    wait_for(lambda: run.state.step > 3, seconds=120)
    assert holder(run.folder) == (worker, server.pid)
    server.kill()
    server.wait()
    wait_for(lambda: holder(run.folder) is None)
    assert run.state.name == PAUSED and (run.folder / CHECKPOINT).exists()
    assert run.state.step == run.curves()["step"][-1]


def test_a_process_has_one_thread_and_finds_the_package(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(module.subprocess, "Popen", lambda *a, **k: seen.update(k))
    process_of(create(tmp_path, "a", Settings()))
    assert seen["env"]["OMP_NUM_THREADS"] == "1"
    assert str(ROOT) in seen["env"]["PYTHONPATH"].split(os.pathsep)
    assert seen["start_new_session"]  # so that Ctrl-C reaches the server alone
