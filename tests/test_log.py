import csv
from pathlib import Path

import pytest

from hfx import log as module
from hfx.errors import HfxError
from hfx.log import Log, columns_of, log_evaluation, trim
from hfx.validate import Aliveness, Measured
from tests.synthetic import folder, run_of


def rows(path):
    return list(csv.reader(path.read_text().splitlines()))


def test_a_row_holds_means_since_the_last_one(tmp_path):
    log = Log(tmp_path, ["loss", "mse"], keep=0)
    for value in (1.0, 2.0, 6.0):
        log.add({"loss": value, "mse": 10 * value})
    log.write(3, 90.0)
    log.add({"loss": 5.0, "mse": 5.0})
    log.write(4, 120.0)
    assert rows(tmp_path / "log.csv") == [
        ["step", "minutes", "loss", "mse"],
        ["3", "1.500", "3", "30"],
        ["4", "2.000", "5", "5"],
    ]


def test_what_no_step_reported_is_left_empty_and_moves_no_column(tmp_path):
    log = Log(tmp_path, ["bpp_high", "bpp_low", "loss"], keep=0)
    log.add({"loss": 1.0, "bpp_low": 0.5})
    log.write(1, 0.0)
    log.add({"loss": 2.0, "bpp_high": 0.25})
    log.write(2, 0.0)
    assert [row[2:] for row in rows(tmp_path / "log.csv")[1:]] == [
        ["", "0.5", "1"],
        ["0.25", "", "2"],
    ]


def test_a_resumed_run_drops_what_it_will_do_again(tmp_path):
    log = Log(tmp_path, ["loss"], keep=0)
    for step in (1, 2, 3):
        log.add({"loss": float(step)})
        log.write(step, 0.0)
    resumed = Log(tmp_path, ["loss", "new"], keep=2)
    assert resumed.columns == ["loss"]  # the file's own
    resumed.add({"loss": 9.0, "new": 1.0})
    resumed.write(3, 0.0)
    assert [row[::2] for row in rows(tmp_path / "log.csv")[1:]] == [
        ["1", "1"],
        ["2", "2"],
        ["3", "9"],
    ]


def test_a_row_cut_off_by_a_kill_is_dropped(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,minutes,loss\r\n1,0.1,5\r\n2,0.2,6\r\n12,0.")
    assert [row[0] for row in trim(path, keep=99)] == ["step", "1", "2"]
    assert rows(path) == [["step", "minutes", "loss"], ["1", "0.1", "5"], ["2", "0.2", "6"]]


def test_a_log_from_before_the_first_checkpoint_starts_again(tmp_path):
    (tmp_path / "log.csv").write_text("step,minutes,old\n1,0.1,5\n")
    assert Log(tmp_path, ["loss"], keep=0).columns == ["loss"]
    assert rows(tmp_path / "log.csv") == [["step", "minutes", "loss"]]


def test_no_log_is_nothing_to_trim(tmp_path):
    assert trim(tmp_path / "evaluations.csv", keep=3) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stage", [1, 2])
def test_the_columns_are_what_a_step_reports(stage):
    from hfx.step import train_step
    from tests.synthetic import batch_of

    run = run_of(stage=stage)
    row = train_step(run, run.model, run.discriminator, [], batch_of(run))
    assert sorted(row) == columns_of(run)


def test_a_log_that_cannot_be_written_is_one_line(tmp_path):
    log = Log(tmp_path, ["loss"], keep=0)
    log.path = tmp_path / "gone" / "log.csv"
    with pytest.raises(HfxError, match="cannot write .*log.csv: No such file"):
        log.write(1, 0.0)
    with pytest.raises(HfxError, match="cannot create /dev/null"):
        Log(Path("/dev/null"), ["loss"], keep=0)


def test_evaluations_are_appended(tmp_path, monkeypatch):
    run, source = run_of(), folder(tmp_path / "pictures", count=1)
    results = [
        Measured("low", 0.14, 25.0, 0.4, (0.02, 0.03, 0.05)),
        Measured("high", 0.45, 30.0, float("nan"), (0.01, 0.02, 0.03)),
    ]
    monkeypatch.setattr(module, "validate", lambda *args: results)
    monkeypatch.setattr(module, "aliveness", lambda *args: Aliveness(0.21, 0.1, 3.0))
    for run.step in (0, 7):
        text = log_evaluation(tmp_path, run, source, None)
    assert text == (
        "low: 0.1400 bpp, 25.000 dB, LPIPS 0.4000, grids 0.0200 0.0300 0.0500; "
        "high: 0.4500 bpp, 30.000 dB, LPIPS nan, grids 0.0100 0.0200 0.0300; "
        "blocks change y by 0.210 and x_hat by 0.100 of itself"
    )
    table = rows(tmp_path / "evaluations.csv")
    assert table[0][:6] == ["step", "minutes", "tier", "bpp", "psnr", "lpips"]
    assert table[1][2:] == [
        "low", "0.1400", "25.000", "0.4000", "0.0200", "0.0300", "0.0500", "0.2100", "0.1000"
    ]  # fmt: skip
    assert [row[0] for row in table[1:]] == ["0", "0", "7", "7"]
    assert len(trim(tmp_path / "evaluations.csv", keep=3)) == 3


def test_figure_1_has_no_blocks_to_silence(tmp_path):
    run, source = run_of(changes={"ladder": False}), folder(tmp_path / "pictures", count=1)
    assert "blocks" not in log_evaluation(tmp_path, run, source, None)
    assert rows(tmp_path / "evaluations.csv")[1][-2:] == ["", ""]
