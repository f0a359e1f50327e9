"""The cuts of one symbol are those that the range coder makes."""

from dataclasses import replace

import numpy as np
import pytest

from hfx import image
from hfx.codec import Codec
from hfx.entropy.coder import Encoder
from hfx.neighbours import coding
from hfx.neighbours.chain import REST, WHOLE
from hfx.neighbours.explain import one_symbol
from hfx.neighbours.interval import BY_TABLE, BY_TAIL, ESCAPE, cuts_of, interval
from hfx.neighbours.models import Models


@pytest.fixture(scope="module")
def codec(tiny_codec, tiny_trees):
    models = Models(None, tiny_codec.weights.fingerprint, tiny_codec.weights.prior.tables_y)
    models.loaded["xgb"] = (tiny_trees, b"test")
    return Codec(tiny_codec.weights, models)


@pytest.fixture(scope="module")
def latents(codec, portrait):
    crop = np.ascontiguousarray(portrait[:192, 160:352])
    return codec.quantize(codec.analyse(image.load(crop)), 512)


def places(latents, wanted, count=4):
    """Places of a few symbols of a kind, spread over the picture."""
    found = np.argwhere(wanted)
    assert len(found), "the test needs such a symbol"
    return [tuple(p) for p in found[np.linspace(0, len(found) - 1, count).astype(int)].tolist()]


def cut(codec, latents, kind, place):
    symbol = one_symbol(codec, latents, kind, *place)
    return cuts_of(codec, latents, kind, place, symbol), symbol


def taken_by_the_coder(encoder):
    """Where the coder's own interval lies in [0, 1), before it writes its first word."""
    count, (lower, width) = encoder._coder.pos()
    assert count == 0
    return lower / 2**64, width / 2**64


def test_one_cut_by_the_hyperprior_is_the_coders_interval(codec, latents):
    tables = codec.weights.prior.tables_y
    inside = np.abs(latents.y) <= tables.half[latents.index]
    for place in places(latents, inside & (latents.y != 0)):
        (only,), symbol = cut(codec, latents, "none", place)
        s, index = (a[place].reshape(1) for a in (latents.y, latents.index))
        encoder = Encoder()
        encoder.symbols(s, index, tables)
        low, width = interval([only])
        assert (float(low), float(width)) == pytest.approx(taken_by_the_coder(encoder), abs=1e-9)
        assert only.name == BY_TABLE and only.parts[only.taken] == str(s[0])
        assert only.bits == pytest.approx(symbol.bits_before, abs=1e-9)


@pytest.mark.parametrize("size", [0, 1, 3, REST])
def test_the_chains_cuts_are_the_coders_interval(codec, latents, tiny_trees, size):
    asked = ~tiny_trees.chain.sure[latents.index]
    for place in places(latents, asked & (np.abs(latents.y) == size)):
        cuts, symbol = cut(codec, latents, "xgb", place)
        s, index = (a[place].reshape(1) for a in (latents.y, latents.index))
        port = coding.Writer(s)
        coding.one_batch(port, tiny_trees, np.array([0]), index, symbol.row[None])
        low, width = interval(cuts)
        assert (float(low), float(width)) == pytest.approx(
            taken_by_the_coder(port.encoder), abs=1e-9
        )
        assert sum(c.bits for c in cuts) == pytest.approx(symbol.bits_after, abs=1e-9)
        answered = [d for d in symbol.decisions if d.answer is not None]
        assert [c.name for c in cuts][: len(answered)] == [d.name for d in answered]
        for c, d in zip(cuts, answered, strict=False):
            assert c.parts[c.taken] == ("yes" if d.answer else "no")
            assert c.p == pytest.approx(d.p_after if d.answer else 1 - d.p_after)
        assert (cuts[-1].name == BY_TAIL) == (size >= REST)
        if size >= REST and cuts[-1].parts[cuts[-1].taken] != ESCAPE:
            assert cuts[-1].parts[cuts[-1].taken] == str(size)


def test_parts_fill_the_interval(codec, latents):
    place = places(latents, np.abs(latents.y) == 2)[0]
    for kind in ("none", "xgb"):
        for c in cut(codec, latents, kind, place)[0]:
            assert len(c.edges) == len(c.parts) + 1
            assert (c.edges[0], c.edges[-1]) == (0, WHOLE) and (np.diff(c.edges) > 0).all()
            assert c.edges[c.taken] == c.low < c.high == c.edges[c.taken + 1]


@pytest.mark.parametrize("kind", ["none", "xgb"])
def test_escapes_pay_for_their_bytes(codec, latents, tiny_trees, kind):
    """A symbol beyond its table: the escape's part, and bytes beside the coder."""
    place = places(latents, ~tiny_trees.chain.sure[latents.index])[0]
    y = latents.y.copy()
    y[place] = -10_000
    strange = replace(latents, y=y)
    cuts, symbol = cut(codec, strange, kind, place)
    assert cuts[-1].name == (BY_TAIL if kind == "xgb" else BY_TABLE)
    assert cuts[-1].parts[cuts[-1].taken] == ESCAPE and cuts[-1].escaped == 3
    assert sum(c.bits for c in cuts) == pytest.approx(symbol.bits_after, abs=1e-9)
