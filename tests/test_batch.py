"""Many files: here or on worker processes, one of which dies midway, they are the same files."""

import os
import signal
from dataclasses import replace
from functools import partial
from uuid import uuid4

import pytest
from PIL import Image
from typer.testing import CliRunner

from hfx import batch, evaluate, folders, panel
from hfx.bench import pictures_of
from hfx.cli import app
from hfx.results import load

pytest.importorskip("distributed", reason='Dask is not installed: pip install "hfx[dask]"')

TIMES = ("encode_s", "decode_s", "memory_mb")


@pytest.fixture
def folder(portrait, tmp_path):
    """Ten pictures in two levels, one bad, one unreadable, two of which make the same file."""
    root = tmp_path / "album"
    (root / "sub").mkdir(parents=True)
    for number in range(8):
        crop = portrait[40 * number : 40 * number + 40, : 30 + number]
        Image.fromarray(crop).save(root / ("sub" if number % 2 else "") / f"{number}.png")
    Image.fromarray(portrait[:20, :20]).save(root / "4.bmp")
    (root / "bad.png").write_bytes(b"no picture")
    (root / "gone.png").symlink_to(root / "nowhere")
    return root


@pytest.fixture
def hfx_(fitted_file, monkeypatch):
    """Run the command in this process, with tiny weights and trees."""
    monkeypatch.setenv("HFX_MODEL", str(fitted_file))
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


def files(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.*")}


def dying(function, marker, *arguments):
    """Do what a function does, but end the whole process at the third item or soon after, once."""
    (marker / uuid4().hex).touch()
    if len(list(marker.iterdir())) >= 3:
        try:
            (marker / "dead").touch(exist_ok=False)
        except FileExistsError:  # it is done
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments)


def lines(result):
    """What was said of each file, without its seconds."""
    return [line.rsplit("  ", 1)[0] for line in result.stdout.splitlines()]


def test_a_cluster_makes_the_same_files_though_a_worker_dies(
    hfx_, folder, worker_processes, tmp_path, monkeypatch
):
    (tmp_path / "deaths").mkdir()
    here = hfx_("compress", folder, "-o", tmp_path / "here")
    monkeypatch.setattr(batch, "compressed", partial(dying, batch.compressed, tmp_path / "deaths"))
    there = hfx_("compress", folder, "-o", tmp_path / "there", "--dask", worker_processes)
    assert (tmp_path / "deaths" / "dead").exists()

    assert len(files(tmp_path / "here")) == 8
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert lines(there) == [line.replace("/here/", "/there/") for line in lines(here)]
    for result in (here, there):
        assert result.exit_code == 2 and "3 of 11 files failed" in result.stderr
        for cause in ("bad.png", "gone.png: No such file", "another input was already"):
            assert cause in result.stderr


def test_a_cluster_measures_the_same_though_a_worker_dies(
    tiny_codec, folder, worker_processes, tmp_path, monkeypatch
):
    for name in set(panel.PANEL) - {"mse", "psnr"}:
        blank = replace(panel.PANEL[name], of=lambda x, x_hat: None)
        monkeypatch.setitem(panel.PANEL, name, blank)
    (tmp_path / "deaths").mkdir()
    pictures, wishes = pictures_of(folder), [evaluate.Wish("low")]
    evaluate.run(tiny_codec, pictures, tmp_path / "here.csv", wishes)
    monkeypatch.setattr(
        evaluate, "measured", partial(dying, evaluate.measured, tmp_path / "deaths")
    )
    told = []
    evaluate.run(tiny_codec, pictures, tmp_path / "there.csv", wishes, tell=told.append,
                 cluster=worker_processes)  # fmt: skip
    assert (tmp_path / "deaths" / "dead").exists()
    here, there = (
        [
            replace(row, note="", **dict.fromkeys(TIMES, 0))
            for row in load(tmp_path / f"{which}.csv")
        ]
        for which in ("here", "there")
    )
    assert [row.image for row in there] == [row.image for row in here] and len(here) == 9
    for a, b in zip(here, there, strict=True):
        assert (a.bytes, a.model) == (b.bytes, b.model)
        assert a.mse == pytest.approx(b.mse, rel=1e-3)  # G is float: threads may round otherwise
    assert any("gone.png is left out" in line for line in told)


def test_no_cluster_is_one_line_and_leaves_nothing(hfx_, folder, tmp_path):
    result = hfx_("compress", folder, "-o", tmp_path / "out", "--dask", "nowhere")
    assert result.exit_code == 2 and result.stdout == "" and not (tmp_path / "out").exists()
    assert "no Dask scheduler answers at nowhere" in result.stderr
    assert result.stderr.count("\n") == 1


def test_nothing_is_sent_that_is_refused(tmp_path):
    """Jobs are asked for as they are needed, and refused before their work."""
    asked = []
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").touch()
    (tmp_path / "a.hfx").touch()
    jobs = folders.plan([tmp_path], None, folders.PICTURES, ".hfx")
    make = batch.here(lambda job: asked.append(job.source.name))
    with pytest.raises(Exception, match="2"):
        batch.for_each(jobs, "x", make, lambda job, _: job.target.name)
    assert asked == ["b.png"]
