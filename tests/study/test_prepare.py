"""Preparing: pictures of what each codec makes of the same bytes, or a clear refusal."""

import contextlib
import copy
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic import picture

from hfx.codec import Codec
from hfx.errors import HfxError
from hfx.study import manifest, prepare, votes
from hfx.study.pairs import comparisons

FEW = ("hfx", "JPEG", "WebP")
SETUP = prepare.Setup(codecs=FEW, pairs=4, side=96)


@pytest.fixture(scope="module")
def pictures():
    return {f"noise {i}": picture(i, 112, 128) for i in range(2)}


@pytest.fixture(scope="module")
def study(pictures, tiny_codec, tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "new" / "one"
    folder.parent.mkdir()
    return prepare.prepare(pictures, SETUP, tiny_codec, folder)


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def test_the_folder_holds_all_of_it(study):
    assert manifest.read(study.folder) == study
    files = {path.name for path in study.folder.iterdir()}
    pngs = {p.original for p in study.photographs} | {p.catch for p in study.photographs}
    pngs |= {shown.file for p in study.photographs for shown in p.shown.values()}
    assert len(pngs) == 2 * (2 + 3)
    assert files == {"study.json", "votes.sqlite"} | pngs
    assert len(votes.trials_of(study, votes.join(study))) == 4 + 2
    assert len(comparisons(study)) == 2 * 3


def test_nobody_has_more_bytes_than_we(study):
    for photograph in study.photographs:
        assert photograph.shown["hfx"].bytes == photograph.budget
        for shown in photograph.shown.values():
            assert 0.6 * photograph.budget < shown.bytes <= photograph.budget


def test_pictures_are_the_middle_of_what_was_decoded(study, pictures, tiny_codec):
    for i, rgb in enumerate(pictures.values()):
        assert np.array_equal(pixels(study.png(i, "original")), rgb[8:104, 16:112])
        data = tiny_codec.compress(rgb, "medium")
        assert len(data) == study.photographs[i].budget
        x_hat = np.asarray(tiny_codec.decompress(data))
        assert np.array_equal(pixels(study.png(i, "hfx")), x_hat[8:104, 16:112])
        file, setting = prepare.within(prepare.CLASSICAL["JPEG"], rgb, len(data))
        shown = study.photographs[i].shown["JPEG"]
        assert (shown.bytes, shown.setting) == (len(file), setting)
        jpeg = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
        assert np.array_equal(pixels(study.png(i, "JPEG")), jpeg[8:104, 16:112])


def test_the_catch_picture_is_plainly_worse(study):
    for i in range(2):
        original = pixels(study.png(i, "original")).astype(float)
        worst = np.abs(pixels(study.png(i, "catch")) - original).mean()
        others = [np.abs(pixels(study.png(i, codec)) - original).mean() for codec in FEW]
        assert worst > 1.2 * max(others)


def test_names_give_nothing_away(study):
    names = [path.stem for path in study.folder.glob("*.png")]
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)


def test_the_original_may_compete(pictures, tiny_codec, tmp_path):
    setup = replace(SETUP, codecs=("hfx", "original"), pairs=2)
    study = prepare.prepare(pictures, setup, tiny_codec, tmp_path / "one")
    shown = study.photographs[0].shown["original"]
    assert shown.bytes is None and shown.file == study.photographs[0].original
    assert "original" in prepare.possible_codecs(tiny_codec)
    assert "original" not in prepare.possible_codecs(tiny_codec, reference=True)


def test_realisms_of_one_file(pictures, tiny_codec, tmp_path):
    second = copy.deepcopy(tiny_codec.weights.generator)
    with torch.no_grad():
        second.tail.weight += 0.05 * torch.randn(second.tail.weight.shape)
    codec = Codec(replace(tiny_codec.weights, gan=second, realism=0.5))
    names = ("hfx", "hfx realism 0", "hfx realism 1")
    assert [n for n in prepare.possible_codecs(codec) if n.startswith("hfx")] == list(names)
    setup = replace(SETUP, codecs=names, pairs=2)
    study = prepare.prepare(pictures, setup, codec, tmp_path / "one")
    (rgb, _), (photograph, _) = pictures.values(), study.photographs
    data = codec.compress(rgb, "medium")
    assert {shown.bytes for shown in photograph.shown.values()} == {len(data)}
    for name, realism in zip(names, (0.5, 0, 1), strict=True):
        x_hat = np.asarray(codec.decompress(data, realism=realism))
        assert np.array_equal(pixels(study.png(0, name)), x_hat[8:104, 16:112])
    with pytest.raises(HfxError, match="none twice"):
        prepare.check(replace(setup, codecs=("hfx", "hfx realism 0.50")), codec)


def test_the_middle():
    rgb = np.arange(5 * 8 * 3).reshape(5, 8, 3)
    assert np.array_equal(prepare.middle(rgb, 4), rgb[0:4, 2:6])
    assert np.array_equal(prepare.middle(rgb, 9), rgb)


def test_who_needs_more_bytes_is_left_out_of_that_photograph(tiny_codec, portrait, tmp_path):
    """Of little noise, JPEG's smallest file is larger than our low tier's; here headers count."""
    told = []
    study = prepare.prepare(
        {"noise": picture(0, 112, 128), "face": portrait[:256, :256]},
        replace(SETUP, codecs=("hfx", "JPEG", "original"), pairs=2, tier="low"),
        tiny_codec,
        tmp_path / "one",
        tell=told.append,
    )
    assert [list(p.shown) for p in study.photographs] == [
        ["hfx", "original"],
        ["hfx", "JPEG", "original"],
    ]
    assert len(told) == 1 and told[0].startswith("noise: JPEG is left out: its smallest file has")


@pytest.mark.parametrize(
    "change, why",
    [
        ({"codecs": ("hfx",)}, "two different codecs"),
        ({"codecs": ("hfx", "hfx")}, "two different codecs"),
        ({"codecs": ("hfx", "GIF")}, "no codec 'GIF'; use some of hfx, JPEG"),
        ({"codecs": ("hfx", "original"), "reference": True}, "cannot compete and be looked at"),
        ({"codecs": ("hfx", "hfx realism 1")}, "no second generator"),
        ({"codecs": ("hfx", "hfx realism x")}, "has no number"),
        ({"tier": "huge"}, "no tier 'huge'; these weights have low"),
        ({"pairs": 0}, "one pair at least"),
        ({"pairs": 7}, "only 6 different pairs can be shown, not 7"),
        ({"side": 10}, "64 pixels"),
    ],
)
def test_a_setup_that_makes_no_study(pictures, tiny_codec, tmp_path, change, why):
    with pytest.raises(HfxError, match=why):
        prepare.prepare(pictures, replace(SETUP, **change), tiny_codec, tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_a_codec_that_is_not_installed(pictures, tiny_codec, tmp_path, monkeypatch):
    monkeypatch.setattr(type(prepare.CLASSICAL["JPEG"]), "missing", lambda codec: "not here")
    with pytest.raises(HfxError, match="JPEG is not available: not here"):
        prepare.prepare(pictures, SETUP, tiny_codec, tmp_path / "one")


def test_bad_pictures_are_left_out(tiny_codec, tmp_path, pictures):
    told = []
    given = {"bad": b"no picture", "small": np.zeros((9, 200, 3), np.uint8), **pictures}
    study = prepare.prepare(given, SETUP, tiny_codec, tmp_path / "one", tell=told.append)
    assert [p.name for p in study.photographs] == list(pictures)
    assert [line.partition(":")[0] for line in told] == ["bad is left out", "small is left out"]
    with pytest.raises(HfxError, match="no photograph is left"):
        prepare.prepare({"bad": b""}, SETUP, tiny_codec, tmp_path / "two")


def test_it_can_be_stopped_and_takes_turns(tiny_codec, tmp_path, pictures):
    turns = []

    @contextlib.contextmanager
    def turn():
        turns.append("taken")
        yield
        turns.append("given back")

    class Turns(contextlib.ExitStack):
        def __enter__(self):
            self.enter_context(turn())
            return self

    def stop():
        assert turns == ["taken", "given back"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(pictures, SETUP, tiny_codec, tmp_path / "one", step=stop, turn=Turns())
    assert not (tmp_path / "one").exists()


def test_nothing_is_overwritten(tiny_codec, tmp_path, pictures):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(HfxError, match="is not empty; name a new folder"):
        prepare.prepare(pictures, SETUP, tiny_codec, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"
    with pytest.raises(HfxError, match="cannot create"):
        prepare.prepare(pictures, SETUP, tiny_codec, tmp_path / "mine.txt")
