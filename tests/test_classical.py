"""Classical codecs: what they write is read, and matched files are never larger."""

import io

import numpy as np
import pytest
from PIL import Image

from hfx.classical import CODECS, Classical, Ladder, decode
from hfx.errors import HfxError


@pytest.fixture(params=CODECS, ids=lambda codec: codec.name)
def codec(request):
    if reason := request.param.missing():
        pytest.skip(f"{request.param.name}: {reason}")
    return request.param


def test_round_trip(codec, photo):
    best = decode(codec.encode(photo, len(codec.ladder) - 1))
    worst = decode(codec.encode(photo, 0))
    assert best.shape == worst.shape == photo.shape and best.dtype == np.uint8
    errors = [np.square(x.astype(float) - photo).mean() for x in (best, worst)]
    assert errors[0] < 20 < errors[1]


def test_sizes_grow_with_the_rung(codec, photo):
    ladder = Ladder(codec, photo)
    rows = len(codec.ladder) // codec.fine - 1
    sizes = [len(ladder.at(rows * i // 4 * codec.fine)[0]) for i in range(5)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2] < sizes[4]


@pytest.mark.parametrize("bound", [900, 2000, 5000])
def test_largest_within_a_bound(codec, photo, bound):
    ladder = Ladder(codec, photo)
    rung = ladder.largest_within(bound)
    if rung is None:
        assert len(ladder.at(0)[0]) > bound
        return
    assert len(ladder.at(rung)[0]) <= bound
    if (rung + 1) % codec.fine and rung + 1 < len(codec.ladder):
        assert len(ladder.at(rung + 1)[0]) > bound
    following = (rung // codec.fine + 1) * codec.fine
    assert following >= len(codec.ladder) or len(ladder.at(following)[0]) > bound
    assert len(ladder.files) <= 14  # each made once, and few of them


def test_within_3_percent(codec, portrait):
    """Of any bound, on a picture of some size; a codec may have no file so small."""
    ladder = Ladder(codec, np.ascontiguousarray(portrait[:256, :256]))
    for bound in (2500, 5000, 9000):
        rung = ladder.largest_within(bound)
        assert 0.97 * bound <= len(ladder.at(rung)[0]) <= bound


def test_jpeg_between_whole_qualities(photo):
    """The tables of a whole quality are libjpeg's own, and those between lie between."""
    jpeg = CODECS[0]
    for quality in (1, 5, 30, 50, 77, 95):
        file = io.BytesIO()
        Image.fromarray(photo).save(file, format="JPEG", quality=quality, **jpeg.fixed)
        assert jpeg.encode(photo, jpeg.ladder.index(quality)) == file.getvalue()
    sizes = [len(jpeg.encode(photo, jpeg.ladder.index(q))) for q in (30, 30.25, 30.5, 31)]
    assert sizes == sorted(sizes)


def test_avif_at_its_own_strength(photo):
    """100 % is what aom does unasked."""
    avif = CODECS[2]
    if reason := avif.missing():
        pytest.skip(reason)
    rung = avif.ladder.index((50, 100))
    file = io.BytesIO()
    Image.fromarray(photo).save(file, format="AVIF", quality=50, speed=6)
    assert avif.encode(photo, rung) == file.getvalue()


def test_too_small_a_bound(codec, photo):
    assert Ladder(codec, photo).largest_within(10) is None


def test_settings_are_named(codec):
    names = {codec.describe(rung) for rung in range(len(codec.ladder))}
    assert len(names) == len(codec.ladder)
    assert len(codec.sweep()) == len(codec.swept)
    for rung in (0, 7, *codec.sweep()):
        assert codec.rung_of(codec.describe(rung)) == rung
    with pytest.raises(HfxError, match="no setting 'quality 1e9'"):
        codec.rung_of("quality 1e9")


def test_slow_settings_are_never_used():
    """AVIF at speed 0 takes half a minute a picture."""
    options = {codec.name: codec.fixed for codec in CODECS}
    assert options["AVIF"] == {"speed": 6}
    assert options["WebP"] == {"method": 6}
    assert options["JPEG"] == {"optimize": True, "progressive": True}


def test_an_encoder_that_fails_is_named(photo):
    broken = Classical(
        "Nonsense", "NO-SUCH", {}, (1, 2), lambda q: {"quality": q}, "quality {}", ()
    )
    with pytest.raises((HfxError, KeyError), match="Nonsense|NO-SUCH"):
        Ladder(broken, photo).at(0)
