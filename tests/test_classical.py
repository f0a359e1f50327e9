"""Classical codecs: what they write is read, and matched files are never larger."""

import numpy as np
import pytest

from hfx.classical import CODECS, Classical, Ladder, decode
from hfx.errors import HfxError


@pytest.fixture(params=CODECS, ids=lambda codec: codec.name)
def codec(request):
    if reason := request.param.missing():
        pytest.skip(f"{request.param.name}: {reason}")
    return request.param


def test_round_trip(codec, photo):
    best = decode(codec.encode(photo, codec.rungs - 1))
    worst = decode(codec.encode(photo, 0))
    assert best.shape == worst.shape == photo.shape and best.dtype == np.uint8
    errors = [np.square(x.astype(float) - photo).mean() for x in (best, worst)]
    assert errors[0] < 20 < errors[1]


def test_sizes_grow_with_the_rung(codec, photo):
    ladder = Ladder(codec, photo)
    sizes = [len(ladder.at((codec.rungs - 1) * i // 4)[0]) for i in range(5)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2] < sizes[4]


@pytest.mark.parametrize("bound", [900, 2000, 5000])
def test_largest_within_a_bound(codec, photo, bound):
    ladder = Ladder(codec, photo)
    rung = ladder.largest_within(bound)
    if rung is None:
        assert len(ladder.at(0)[0]) > bound
        return
    assert len(ladder.at(rung)[0]) <= bound
    if rung + 1 < codec.rungs:
        assert len(ladder.at(rung + 1)[0]) > bound
    assert len(ladder.files) <= 10  # each made once, and few of them


def test_too_small_a_bound(codec, photo):
    assert Ladder(codec, photo).largest_within(10) is None


def test_settings_are_named(codec):
    names = {codec.describe(rung) for rung in range(codec.rungs)}
    assert len(names) == codec.rungs
    assert all(0 <= rung < codec.rungs for rung in codec.swept)


def test_slow_settings_are_never_used():
    """AVIF at speed 0 takes half a minute a picture."""
    options = {codec.name: codec.options for codec in CODECS}
    assert options["AVIF"] == {"speed": 6}
    assert options["WebP"] == {"method": 6}
    assert options["JPEG"] == {"optimize": True, "progressive": True}


def test_an_encoder_that_fails_is_named(photo):
    broken = Classical("Nonsense", "NO-SUCH", {}, 3, lambda rung: {"quality": rung}, ())
    with pytest.raises((HfxError, KeyError), match="Nonsense|NO-SUCH"):
        Ladder(broken, photo).at(0)
