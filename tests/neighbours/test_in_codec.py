"""A neighbour model in a whole file: other bytes, the same picture, and no wrong model passes."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import hfx
from hfx import api, bitstream, image
from hfx.cli import app
from hfx.codec import load
from hfx.errors import BitstreamError, HfxError, WeightsError
from hfx.neighbours import store


@pytest.fixture(scope="module")
def codec(fitted_file):
    return load(fitted_file)


@pytest.fixture(scope="module")
def picture(portrait):
    return np.ascontiguousarray(portrait[100:260, 150:330])


@pytest.fixture(scope="module")
def files(codec, picture):
    """The same picture, coded without and with neighbours."""
    return {kind: codec.compress(picture, neighbours=kind) for kind in ("none", "xgb")}


@pytest.fixture
def other(fitted_file, tiny_trees, tiny_codec, tmp_path):
    """A codec with the same weights and another tree model: its last booster is its first."""
    path = shutil.copy(fitted_file, tmp_path)
    changed = replace(tiny_trees, trees=(*tiny_trees.trees[:-1], tiny_trees.trees[0]))
    beside = tmp_path / "tiny.xgb.safetensors"
    store.save(changed, beside, tiny_codec.weights.fingerprint, {})
    return load(path)


def refused(codec, data, cause=None):
    with pytest.raises(BitstreamError, match=cause) as caught:
        codec.decompress(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_other_bytes_the_same_picture(codec, files):
    assert len(files["xgb"]) < len(files["none"])
    pictures = {codec.decompress(data).tobytes() for data in files.values()}
    assert len(pictures) == 1
    crcs = {bitstream.read(data).header.symbols_crc for data in files.values()}
    assert len(crcs) == 1


@pytest.mark.parametrize("size", [(1, 1), (7, 150), (130, 16), (64, 64)], ids=str)
@pytest.mark.parametrize("tier", ["low", "high"])
def test_every_size_and_tier(codec, portrait, size, tier):
    some = portrait[40 : 40 + size[0], 60 : 60 + size[1]]
    data, plain = (codec.compress(some, tier, neighbours=kind) for kind in ("xgb", "none"))
    assert codec.decompress(data).tobytes() == codec.decompress(plain).tobytes()


def test_enormous_symbols(codec, picture):
    analysis = codec.analyse(image.load(picture))
    analysis = replace(analysis, y=analysis.y.clone())
    analysis.y[0, 3, 2, 1] = 1e9
    analysis.y[0, 5] *= -3000
    latents = codec.quantize(analysis, 256)
    stream = bitstream.read(codec.write(analysis, latents, "xgb"))
    assert len(stream.escapes_y) > 0
    np.testing.assert_array_equal(codec.read(stream).y, latents.y)


def test_trees_are_the_default_where_there_are_any(codec, tiny_codec, picture, files):
    assert codec.compress(picture) == files["xgb"]
    assert tiny_codec.compress(picture) == files["none"]


def test_the_header_says_which(codec, files):
    header = bitstream.read(files["xgb"]).header
    assert header.neighbours == "xgb"
    assert header.neighbours_model == codec.models.get("xgb")[2] and any(header.neighbours_model)
    plain = bitstream.read(files["none"]).header
    assert (plain.neighbours, plain.neighbours_model) == ("none", b"")


def test_info(files, tmp_path):
    for kind, data in files.items():
        path = tmp_path / f"{kind}.hfx"
        path.write_bytes(data)
        assert hfx.info(data)["neighbours"] == kind
        shown = CliRunner().invoke(app, ["info", str(path), "--json"])
        assert json.loads(shown.stdout)["neighbours"] == kind
        assert kind in CliRunner().invoke(app, ["info", str(path)]).stdout


def test_targets_count_the_bytes_with_neighbours(codec, files, picture):
    bound = len(files["none"])
    within = codec.compress(picture, target_bytes=bound)
    assert len(files["xgb"]) < len(within) <= bound
    assert bitstream.read(within).header.neighbours == "xgb"
    assert bitstream.read(within).header.level > bitstream.read(files["xgb"]).header.level


def test_api_and_command_line_choose(codec, fitted_file, picture, files, monkeypatch, tmp_path):
    monkeypatch.setattr(api, "shipped", lambda: codec)
    assert hfx.compress(picture) == hfx.compress(picture, neighbours="xgb") == files["xgb"]
    assert hfx.compress(picture, neighbours="none") == files["none"]

    monkeypatch.setenv("HFX_MODEL", str(fitted_file))
    source = tmp_path / "a.png"
    hfx.decompress(files["none"]).save(source)
    sizes = {}
    for kind in ("none", "xgb", None):
        wish = [] if kind is None else ["--neighbours", kind]
        out = tmp_path / f"{kind}.hfx"
        assert (
            CliRunner().invoke(app, ["compress", str(source), "-o", str(out), *wish]).exit_code
            == 0
        )
        sizes[kind] = out.read_bytes()
    assert sizes[None] == sizes["xgb"] != sizes["none"]
    assert hfx.info(sizes["none"])["neighbours"] == "none"
    result = CliRunner().invoke(app, ["compress", str(source), "--neighbours", "knn"])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert "hfx fit-neighbours --kind knn" in result.stderr


# --- what is refused


def test_unknown_and_missing_kinds(codec, picture):
    with pytest.raises(HfxError, match="no neighbour model 'svm'"):
        codec.compress(picture, neighbours="svm")
    with pytest.raises(WeightsError, match="`hfx fit-neighbours --kind knn`"):
        codec.compress(picture, neighbours="knn")


def test_a_file_whose_model_is_missing(tiny_codec, files):
    refused(tiny_codec, files["xgb"], "coded with a neighbour model: there is no xgb")


def test_a_file_whose_model_is_another(codec, other, files):
    said = refused(other, files["xgb"], "coded with another xgb neighbour model")
    for one in (codec, other):
        assert one.models.get("xgb")[2].hex() in said
    assert other.decompress(files["none"]).tobytes() == codec.decompress(files["none"]).tobytes()


def test_lies_about_the_model_are_noticed(codec, other, files):
    """A file that claims the wrong model decodes to other symbols, or to none."""
    stream = bitstream.read(files["xgb"])
    lie = replace(stream.header, neighbours_model=other.models.get("xgb")[2])
    refused(other, bitstream.write(replace(stream, header=lie)))
    plain = replace(stream.header, neighbours="none", neighbours_model=b"")
    refused(codec, bitstream.write(replace(stream, header=plain)))


def test_damage_is_noticed(codec, photo):
    data = codec.compress(photo[:20, :30], "low")
    assert bitstream.read(data).header.neighbours == "xgb"
    for bit in range(0, 8 * len(data), 3):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        refused(codec, bytes(damaged))
    for size in range(0, len(data), 5):
        refused(codec, data[:size])


@pytest.mark.parametrize("chunk", ["y", "escapes_y"])
@pytest.mark.parametrize("value", [b"", b"\x00" * 9, b"\xff" * 40])
def test_well_sealed_garbage_is_noticed(codec, files, chunk, value):
    stream = bitstream.read(files["xgb"])
    if getattr(stream, chunk) != value:
        refused(codec, bitstream.write(replace(stream, **{chunk: value})))
