"""The command: pictures become files and files pictures; everything else is one clear line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import hfx
from hfx import files
from hfx.cli import app

ROOT = Path(__file__).parents[1]


@pytest.fixture
def hfx_(tiny_file, monkeypatch):
    """Run the command in this process, with tiny weights."""
    monkeypatch.setenv("HFX_MODEL", str(tiny_file))
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def picture(photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    return path


@pytest.fixture
def folder(photo, tmp_path):
    """Three pictures, one of them bad, in two levels."""
    root = tmp_path / "album"
    (root / "sub").mkdir(parents=True)
    Image.fromarray(photo[:40, :50]).save(root / "a [1].png")
    Image.fromarray(photo[:30, :20]).save(root / "sub" / "b.jpg")
    (root / "bad.png").write_bytes(b"no picture")
    return root


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def refused(result, *causes, code=2):
    """One line on stderr that names the cause, nothing else."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("hfx: ") and result.stderr.count("\n") == 1
    for cause in causes:
        assert cause in result.stderr


# --- what works


def test_there_and_back(hfx_, picture, tiny_codec, photo):
    result = hfx_("compress", picture)
    assert result.exit_code == 0 and result.stderr == ""
    data = (picture.parent / "photo.hfx").read_bytes()
    assert hfx.info(data)["width"] == 128
    assert f"{len(data):,} bytes" in result.stdout and "bpp" in result.stdout

    picture.unlink()
    assert hfx_("decompress", picture.with_suffix(".hfx")).exit_code == 0
    decoded = Image.open(picture)
    assert decoded.format == "PNG" and decoded.size == (128, 96)
    assert np.abs(np.asarray(decoded, float) - photo).mean() < 25


@pytest.mark.parametrize(
    ("options", "check"),
    [
        (["--tier", "low"], lambda facts: facts["quality"] == 20),
        (["--quality", "71"], lambda facts: abs(facts["quality"] - 71) < 0.1),
        (["--target-bytes", "1000"], lambda facts: facts["bytes"] <= 1000),
        (["--target-bpp", "0.8"], lambda facts: abs(facts["bpp"] / 0.8 - 1) < 0.03),
        (["--neighbours", "none"], lambda facts: facts["quality"] == 50),
    ],
)
def test_options(hfx_, picture, tmp_path, options, check):
    out = tmp_path / "x.hfx"
    assert hfx_("compress", picture, "-o", out, *options).exit_code == 0
    assert check(hfx.info(out.read_bytes()))


def test_weights_may_be_named(hfx_, picture, tiny_file, monkeypatch):
    monkeypatch.setenv("HFX_MODEL", "/nowhere")
    assert hfx_("compress", picture, "--weights", tiny_file).exit_code == 0
    refused(hfx_("compress", picture, "--overwrite"), "no weights at /nowhere")


def test_info(hfx_, picture):
    hfx_("compress", picture)
    path = picture.with_suffix(".hfx")
    facts = json.loads(hfx_("info", path, "--json").stdout)
    assert facts == hfx.info(path.read_bytes())
    text = hfx_("info", path).stdout
    for word in ("128", "96", "RGB", facts["model"], "container"):
        assert word in text


def test_folders_keep_their_shape_and_bad_files_do_not_stop_them(hfx_, folder, tmp_path):
    result = hfx_("compress", folder, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert names(tmp_path / "out") == ["a [1].hfx", "sub/b.hfx"]
    assert "bad.png is not a picture" in result.stderr and "1 of 3 files" in result.stderr
    assert "Traceback" not in result.stderr

    result = hfx_("decompress", tmp_path / "out")
    assert result.exit_code == 0
    assert names(tmp_path / "out") == ["a [1].hfx", "a [1].png", "sub/b.hfx", "sub/b.png"]
    assert "a [1].png" in result.stdout  # brackets are a name here, not markup


def test_version_and_help(hfx_):
    assert hfx_("--version").stdout == f"hfx {hfx.__version__}\n"
    shown = hfx_("--help").stdout
    for command in "compress decompress info train export fit-neighbours benchmark".split():
        assert command in shown


def test_train_has_its_own_options(tmp_path):
    assert "--max-minutes" in command("train", "--help").stdout
    run = command("train", "--data", tmp_path / "none", "--out", tmp_path / "run", "--k-M", "0.1")
    assert run.returncode == 2 and "does not exist" in run.stderr
    assert not (tmp_path / "run").exists() or names(tmp_path / "run") == []


# --- what is refused


def test_nothing_is_overwritten_unasked(hfx_, picture):
    out = picture.with_suffix(".hfx")
    out.write_bytes(b"mine")
    refused(hfx_("compress", picture), "photo.hfx exists", "--overwrite")
    assert out.read_bytes() == b"mine"
    assert hfx_("compress", picture, "--overwrite").exit_code == 0
    assert out.read_bytes() != b"mine"


def test_two_inputs_never_share_an_output(hfx_, photo, tmp_path):
    for suffix in (".png", ".bmp"):
        Image.fromarray(photo[:20, :20]).save(tmp_path / f"a{suffix}")
    result = hfx_("compress", tmp_path, "--overwrite")
    assert result.exit_code == 2 and "another input" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["compress", "none.png"], "none.png does not exist"),
        (["decompress", "none.hfx"], "none.hfx does not exist"),
        (["info", "none.hfx"], "No such file"),
        (["info", "."], "directory"),
        (["compress", "empty"], "no pictures in empty"),
        (["decompress", "empty"], "no .hfx files in empty"),
        (["benchmark", "empty"], "no pictures in empty"),
        (["benchmark", "photo.png"], "not a folder"),
        (["export", "empty"], "does not exist"),
        (["compress", "photo.png", "--tier", "huge"], "no tier 'huge'"),
        (["compress", "photo.png", "--tier", "low", "--quality", "3"], "choose one"),
        (["compress", "photo.png", "--quality", "101"], "0 to 100"),
        (["compress", "photo.png", "--target-bytes", "-3"], "greater than 0"),
        (["compress", "photo.png", "--target-bytes", "10"], "smallest file"),
        (["compress", "photo.png", "--neighbours", "svm"], "no neighbour model 'svm'"),
        (["compress", "photo.png", "--neighbours", "xgb"], "hfx fit-neighbours --kind xgb"),
        (["compress", "photo.png", "--weights", "photo.png"], "safetensors"),
        (["compress", "photo.png", "-o", "x.jpg"], "must end in .hfx"),
        (["compress", "photo.png", "-o", "photo.png/x.hfx"], "photo.png"),
        (["compress", "text.png"], "not a picture"),
        (["decompress", "photo.png"], "is a .png file already"),
        (["decompress", "data.bin"], "not an .hfx file"),
        (["info", "photo.png"], "photo.png: not an .hfx file"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(hfx_, picture, monkeypatch, arguments, cause):
    monkeypatch.chdir(picture.parent)
    (picture.parent / "empty").mkdir()
    (picture.parent / "text.png").write_text("hello")
    (picture.parent / "data.bin").write_bytes(bytes(99))
    before = names(picture.parent)
    refused(hfx_(*arguments), cause)
    assert names(picture.parent) == before


def test_pixels_are_limited_as_the_user_likes(hfx_, picture):
    refused(hfx_("compress", picture, "--max-pixels", 99), "128 x 96 pixels, over the limit of 99")
    assert hfx_("compress", picture, "--max-pixels", 128 * 96).exit_code == 0
    file, other = picture.with_suffix(".hfx"), picture.with_name("other.png")
    refused(hfx_("decompress", file, "-o", other, "--max-pixels", 99), "over the limit of 99")
    assert hfx_("decompress", file, "-o", other, "--max-pixels", 128 * 96).exit_code == 0


def test_bad_files_are_one_line_and_leave_nothing(hfx_, picture):
    hfx_("compress", picture)
    data = picture.with_suffix(".hfx").read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 4
    other = bytearray(data)
    other[4] ^= 1
    cases = {
        "truncated": data[:-9],
        "checksum": bytes(flipped),
        "version 7": data[:3] + b"\x07" + data[4:],
        "too short": b"",
        "damaged": bytes(other),
    }
    for cause, content in cases.items():
        bad = picture.parent / "bad.hfx"
        bad.write_bytes(content)
        refused(hfx_("decompress", bad), cause, "bad.hfx")
        assert not bad.with_suffix(".png").exists()


def test_a_bug_is_one_line_with_another_code(hfx_, picture, monkeypatch):
    def broken(*_, **__):
        raise KeyError("surprise")

    monkeypatch.setattr("hfx.codec.Codec.compress", broken)
    refused(hfx_("compress", picture), "internal error: KeyError", "--debug", code=1)
    for arguments in (["--debug", "compress", picture], ["compress", picture, "--debug"]):
        result = hfx_(*arguments)
        assert result.exit_code == 1 and "Traceback" in result.stderr


def test_a_huge_file_is_not_read(hfx_, picture, monkeypatch):
    monkeypatch.setattr(files, "LIMIT", 10)
    refused(hfx_("info", picture), "too large")


# --- the real command


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "hfx", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, **options,
    )  # fmt: skip


def test_real_process(picture, tiny_file):
    env = os.environ | {"HFX_MODEL": str(tiny_file)}
    hostile = picture.with_name("a; touch sprung $(touch sprung) `x` \udcff.png")
    picture.rename(hostile)
    run = command("compress", hostile, env=env)
    assert run.returncode == 0, run.stderr
    assert hostile.with_suffix(".hfx").exists()
    assert names(picture.parent) == sorted([hostile.name, hostile.with_suffix(".hfx").name])
    run = command("decompress", hostile, "-o", picture.parent / "new", env=env)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("hfx: ") and run.stderr.count("\n") == 1


def test_starts_without_torch():
    code = "import sys, hfx.cli; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    assert command("--version").stdout == f"hfx {hfx.__version__}\n"
