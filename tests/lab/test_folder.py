import json

import numpy as np
import pytest

from hfx.errors import HfxError
from hfx.lab import folder
from hfx.lab.folder import PAUSED, RUNNING, WAITING, State, create, hold, holder, read, runs_in
from hfx.lab.settings import Settings


def test_a_run_is_what_was_created(tmp_path):
    first = create(tmp_path, "a plain run", Settings())
    second = create(tmp_path, "short", Settings(stage=2, steps=50), start=first.id)
    assert (first.id, second.id) == ("0001", "0002")
    assert read(tmp_path / "0002") == second
    assert [run.id for run in runs_in(tmp_path)] == ["0002", "0001"]
    assert second.name == "2: short" and second.start == "0001"
    assert first.state == State(WAITING) and first.state.active
    assert not first.resumable and not first.shots() and not first.curves()


def test_state_is_told_and_turned(tmp_path):
    run = create(tmp_path, "a", Settings())
    run.tell(State(RUNNING, 12, 3.5, heard=2))
    run.turn(PAUSED, "the server ended")
    assert run.state == State(PAUSED, 12, 3.5, "the server ended")
    assert not run.state.active


def test_logs_are_read_while_they_are_written(tmp_path):
    run = create(tmp_path, "a", Settings())
    (run.folder / "log.csv").write_text(
        "step,minutes,loss,mse\r\n1,0.1,2.5,\r\n2,0.1,nan,7\r\n3,0."
    )
    curves = run.curves()
    assert list(curves["step"]) == [1, 2]
    assert np.array_equal(curves["mse"], [np.nan, 7], equal_nan=True)
    assert np.array_equal(curves["loss"], [2.5, np.nan], equal_nan=True)
    (run.folder / "log.csv").write_text("step,minutes,loss\r\n")
    assert list(run.curves()) == ["step", "minutes", "loss"] and not len(run.curves()["loss"])
    (run.folder / "log.csv").write_text("")
    assert not run.curves()


def test_pictures_are_found_by_step(tmp_path):
    run = create(tmp_path, "a", Settings())
    (run.folder / "shots").mkdir()
    for step in (120, 5, 0):
        (run.folder / "shots" / folder.shot_name(step)).write_bytes(b"%d" % step)
    (run.folder / "shots" / "original.png").write_bytes(b"x")
    assert run.shots() == [0, 5, 120]
    assert run.shot(120) == b"120" and run.shot(None) == b"x"
    with pytest.raises(HfxError, match="000007.png"):
        run.shot(7)


def test_what_is_damaged_is_left_out(tmp_path):
    create(tmp_path, "a", Settings())
    broken = create(tmp_path, "b", Settings())
    (broken.folder / "settings.json").write_text("{")
    old = create(tmp_path, "c", Settings())
    facts = json.loads((old.folder / "settings.json").read_text())
    facts["settings"]["colour"] = 1
    (old.folder / "settings.json").write_text(json.dumps(facts))
    (tmp_path / "0009").mkdir()
    assert [run.id for run in runs_in(tmp_path)] == ["0001"]
    with pytest.raises(HfxError, match="delete it"):
        read(broken.folder)
    with pytest.raises(HfxError, match="no run 0042"):
        read(tmp_path / "0042")
    assert create(tmp_path, "d", Settings()).id == "0010"
    assert runs_in(tmp_path / "nowhere") == []


def test_a_run_from_elsewhere_names_no_path(tmp_path):
    run = create(tmp_path, "x", Settings(), "0001")
    path = run.folder / "settings.json"
    assert read(run.folder).start == "0001"
    for wrong in ('"../../x"', '"/etc"', "7", '""'):
        path.write_text(path.read_text().replace('"0001"', wrong))
        with pytest.raises(HfxError, match="no run of the laboratory"):
            read(run.folder)
        path.write_text(path.read_text().replace(f'"start": {wrong}', '"start": "0001"'))


def test_only_so_many_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MOST", 2)
    create(tmp_path, "a", Settings())
    create(tmp_path, "b", Settings())
    with pytest.raises(HfxError, match="delete some"):
        create(tmp_path, "c", Settings())


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HfxError, match="cannot write"):
        create(tmp_path / "file", "a", Settings())


def test_one_process_holds_a_run(tmp_path):
    run = create(tmp_path, "a", Settings())
    assert holder(run.folder) is None
    with hold(run.folder) as mine:
        assert mine
        with hold(run.folder, patience=0.1) as another:
            assert not another
        assert holder(run.folder) is not None
        with pytest.raises(HfxError, match="at work"):
            folder.delete(run)
    assert holder(run.folder) is None
    folder.delete(run)
    assert not run.folder.exists()


def test_runs_lie_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("HFX_LAB", "/somewhere")
    assert str(folder.lab_folder()) == "/somewhere"
    monkeypatch.delenv("HFX_LAB")
    assert folder.lab_folder().as_posix() == "runs/lab"
