"""Every odd picture goes through the command as what it means, or is refused in one line."""

from functools import partial

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hfx.cli import app
from hfx.codec import load as load_codec
from hfx.image import load
from hfx.stopwatch import spent
from tests.odd_pictures import bad, chunk, odd, png, zeros


@pytest.fixture
def hfx_(tiny_file, monkeypatch):
    """Run the command in this process, with tiny weights."""
    monkeypatch.setenv("HFX_MODEL", str(tiny_file))
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def codec(tiny_file):
    """The codec of those weights: a file holds them in half precision."""
    return load_codec(tiny_file)


@pytest.fixture(scope="module")
def odd_ones(photo):
    return odd(photo[:71, :83])


@pytest.fixture(scope="module")
def bad_ones(photo):
    return bad(photo[:71, :83])


SHAPES = np.zeros((71, 83, 3), np.uint8)  # names do not depend on what the picture shows


@pytest.mark.parametrize("name", sorted(odd(SHAPES)))
@pytest.mark.filterwarnings("ignore:.*several frames")
def test_there_and_back(hfx_, codec, odd_ones, tmp_path, name):
    case = odd_ones[name]
    source = (tmp_path / "picture").with_suffix(case.suffix)
    source.write_bytes(case.data)
    file, back = tmp_path / "out" / "picture.hfx", tmp_path / "back.png"
    file.parent.mkdir()

    result = hfx_("compress", source, "-o", file)
    assert result.exit_code == 0, result.output
    said = f"hfx: warning: {source} has {case.warning}\n" if case.warning else ""
    assert result.stderr == said
    if not case.slack:  # the very file of the pixels that it stands for
        assert file.read_bytes() == codec.compress(Image.fromarray(case.means))
    means, channels = np.atleast_3d(case.means), (case.means.shape + (1,))[2]
    rgb = means[..., : 1 if channels < 3 else 3]
    assert np.abs(load(case.data).rgb.astype(float) - rgb).mean() <= case.slack

    result = hfx_("decompress", file, "-o", back)
    assert result.exit_code == 0 and result.stderr == ""
    decoded = Image.open(back)
    assert decoded.mode == ("L", "LA", "RGB", "RGBA")[channels - 1]
    assert decoded.size == case.means.shape[1::-1]
    if channels in (2, 4):
        assert np.array_equal(np.asarray(decoded)[..., -1], means[..., -1])


@pytest.mark.parametrize("name", sorted(bad(SHAPES)))
def test_refused_in_one_line(hfx_, bad_ones, tmp_path, name):
    case = bad_ones[name]
    source = (tmp_path / "file").with_suffix(case.suffix)
    source.write_bytes(case.data)
    for target in ((), ("-o", tmp_path / "x.hfx")):
        result = hfx_("compress", source, *target)
        assert result.exit_code == 2 and result.stdout == ""
        assert result.stderr.startswith("hfx: ") and result.stderr.count("\n") == 1
        assert str(source) in result.stderr and case.cause in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_more_data_than_the_header_says_is_not_unpacked(hfx_, tmp_path):
    """Sixteen pixels and 64 megabytes behind them, in a file of 64 kilobytes."""
    source = tmp_path / "picture.png"
    source.write_bytes(png(4, 4, 8, 0, chunk(b"IDAT", zeros(1 << 26)), chunk(b"IEND", b"")))
    seen = spent(partial(load, source))
    assert seen.result.rgb.shape == (4, 4, 3)
    assert seen.memory_mb is None or seen.memory_mb < 10
    assert hfx_("compress", source).exit_code == 0


def test_a_folder_of_all_of_them(hfx_, odd_ones, bad_ones, tmp_path):
    """The good ones are done, each bad one has its line, and nothing stops the others."""
    cases = {
        f"{i:03}{c.suffix}": c for i, c in enumerate([*odd_ones.values(), *bad_ones.values()])
    }
    for name, case in cases.items():
        (tmp_path / name).write_bytes(case.data)
    result = hfx_("compress", *(tmp_path / name for name in cases), "-o", tmp_path / "out/")
    assert result.exit_code == 2
    assert len(list((tmp_path / "out").iterdir())) == len(odd_ones)
    lines = [line for line in result.stderr.splitlines() if "warning: " not in line]
    assert len(lines) == len(bad_ones) + 1
    assert lines[-1] == f"hfx: {len(bad_ones)} of {len(cases)} files failed"
