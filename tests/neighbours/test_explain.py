"""One symbol and all of them: what is shown is what the file holds and the decoder knew."""

import numpy as np
import pytest

from hfx import bitstream, image
from hfx.codec import Codec
from hfx.entropy.fixedpoint import ACT_BITS
from hfx.errors import HfxError
from hfx.neighbours import coding, samples
from hfx.neighbours.chain import DECISIONS, GRID, REST, Chain
from hfx.neighbours.explain import REACH, SHOWN, bits_of, by_chain, by_tables, one_symbol
from hfx.neighbours.fit import Knobs, fit_boosted
from hfx.neighbours.models import Models
from hfx.neighbours.plan import Plan
from hfx.neighbours.trees import path

PLAN = Plan(first=8)


@pytest.fixture(scope="module")
def analysis(tiny_codec, portrait):
    return tiny_codec.analyse(image.load(np.ascontiguousarray(portrait[:256, 100:356])))


@pytest.fixture(scope="module")
def latents(tiny_codec, analysis):
    return tiny_codec.quantize(analysis, 512)


@pytest.fixture(scope="module")
def codec(tiny_codec, latents):
    """A codec of its own with a small model fitted on the very picture: overfitting is fine."""
    tables = tiny_codec.weights.prior.tables_y
    windows = samples.windows_of([latents], tables, PLAN, Chain.of(tables), 4000)
    model, _ = fit_boosted(tables, PLAN, windows, windows, Knobs(rounds=4, depth=3, eta=0.4))
    models = Models(None, tiny_codec.weights.fingerprint, tables)
    models.loaded["xgb"] = (model, b"test")
    return Codec(tiny_codec.weights, models)


@pytest.fixture(scope="module")
def model(codec):
    return codec.models.get("xgb")[1]


def some(latents, wanted, count=3):
    """Places of a few symbols of a kind, spread over the picture."""
    places = np.argwhere(wanted)
    return places[np.linspace(0, len(places) - 1, count).astype(int)].tolist()


@pytest.mark.parametrize("kind", ["none", "xgb"])
def test_bits_add_up_to_the_file(codec, analysis, latents, kind):
    found = bits_of(codec, latents, kind)
    assert found.y.shape == latents.y.shape and found.z.shape == latents.z.shape
    data = codec.write(analysis, latents, kind)
    assert found.total / 8 == pytest.approx(len(data), rel=0.01)
    stream = bitstream.read(data)
    for bits, chunks in (
        (found.y, (stream.y, stream.escapes_y)),
        (found.z, (stream.z, stream.escapes_z)),
    ):
        assert abs(bits.sum() / 8 - sum(map(len, chunks))) < 4


def test_the_models_bits_are_fewer(codec, latents):
    none, xgb = bits_of(codec, latents), bits_of(codec, latents, "xgb")
    assert xgb.y.sum() < 0.99 * none.y.sum()
    assert np.array_equal(xgb.z, none.z)


@pytest.mark.parametrize("size", [0, 1, 2, REST + 1])
def test_one_symbol_costs_what_it_costs_in_the_file(codec, model, latents, size):
    asked = ~model.chain.sure[latents.index]
    wide = codec.weights.prior.tables_y.half[latents.index] > REACH + 1  # no escapes
    bits = bits_of(codec, latents, "xgb").y, bits_of(codec, latents).y
    for place in some(latents, asked & wide & (np.abs(latents.y) == size)):
        one = one_symbol(codec, latents, "xgb", *place)
        s = latents.y[tuple(place)]
        assert one.value == s
        assert one.bits_after == pytest.approx(bits[0][tuple(place)], abs=1e-9)
        assert one.bits_before == pytest.approx(bits[1][tuple(place)], abs=1e-9)
        # both distributions name the same prices
        assert -np.log2(one.neighbours[s + REACH]) == pytest.approx(one.bits_after, abs=1e-6)
        assert -np.log2(one.hyperprior[s + REACH]) == pytest.approx(one.bits_before, abs=1e-6)
        for p in (one.hyperprior, one.neighbours):
            assert p.shape == (17,) and 0 < p.sum() <= 1 + 1e-9
        answers = [d.answer for d in one.decisions]
        assert answers[:2] == [s != 0, bool(s > 0) if s else None]
        for k, answer in enumerate(answers[2:], 1):
            assert answer == (abs(s) > k if abs(s) >= k else None)
        spent = sum(
            -np.log2(d.p_after if d.answer else 1 - d.p_after)
            for d in one.decisions
            if d.answer is not None
        )
        if size < REST:  # from there on, the hyperprior's tail adds its part
            assert spent == pytest.approx(one.bits_after, abs=1e-6)
        else:
            assert spent < one.bits_after


def test_decisions_start_from_the_hyperprior_and_follow_the_trees(codec, model, latents):
    moved = 0
    for place in some(latents, np.abs(latents.y) > 1, 5):
        one = one_symbol(codec, latents, "xgb", *place)
        for number, decision in enumerate(one.decisions):
            assert decision.name == DECISIONS[number]
            assert decision.before == model.chain.base[number, latents.index[tuple(place)]]
            steps = path(model, number, one.row, decision.before)
            assert (steps[-1].margin if steps else decision.before) == decision.after
            p = 1 / (1 + np.exp(-decision.after / GRID))
            assert decision.p_after == pytest.approx(p, abs=1e-6)
            moved += decision.after != decision.before
    assert moved


def test_the_window_is_what_was_known_then(codec, model, latents):
    """First of its slice: nothing; last: all its neighbours, but for the symbol itself."""
    _, h, w = latents.y.shape
    asked = ~model.chain.sure[latents.index]
    phase = PLAN.phase_of(h, w)
    full = 0
    for last in (False, True):
        wanted = phase == (PLAN.phases - 1 if last else 0)
        inner = np.zeros((h, w), bool)
        inner[3:-3, 3:-3] = True
        for c, y, x in some(latents, asked & wanted & inner, 4):
            window = one_symbol(codec, latents, "xgb", c, y, x).window
            truth = latents.y[c, y - 3 : y + 4, x - 3 : x + 4]
            known = ~np.isnan(window)
            assert (window[known] == truth[known]).all() and not known[3, 3]
            early = ~asked[c, y - 3 : y + 4, x - 3 : x + 4]
            order = phase[y - 3 : y + 4, x - 3 : x + 4] < phase[y, x]
            assert (known == (early | order)).all()
            full += known.sum()
    assert full


def test_features_carry_names(codec, latents, model):
    asked = ~model.chain.sure[latents.index]
    (c, y, x), *_ = some(latents, asked)
    one = one_symbol(codec, latents, "xgb", c, y, x)
    assert (one.features["channel"], one.features["row"], one.features["column"]) == (c, y, x)
    assert one.features["table"] == latents.index[c, y, x]
    assert one.mu == latents.mu[c, y, x] * 2.0**-ACT_BITS
    assert one.features["mean"] == latents.mu[c, y, x]
    # the hyperprior's distribution is as wide as sigma, with rounding's 1/12
    if 0.5 < one.sigma < 2:
        spread = (one.hyperprior * SHOWN**2).sum()
        assert spread == pytest.approx(one.sigma**2 + 1 / 12, rel=0.05)


def test_where_neighbours_are_not_asked(codec, model, latents):
    """Sure symbols, and all symbols of "none": the hyperprior alone."""
    sure = model.chain.sure[latents.index]
    places = [("xgb", place) for place in some(latents, sure, 2)] if sure.any() else []
    for kind, place in [*places, ("none", [0, 0, 0])]:
        one = one_symbol(codec, latents, kind, *place)
        assert one.decisions == () and one.features == {} and one.row is None
        assert np.isnan(one.window).all() and one.window.shape == (7, 7)
        assert np.array_equal(one.hyperprior, one.neighbours)
        assert one.bits_before == one.bits_after


def test_the_chain_without_neighbours_is_the_hyperprior(tiny_codec):
    """Both laws agree up to the rounding of margins, wide tails and escapes included."""
    tables = tiny_codec.weights.prior.tables_y
    chain = Chain.of(tables)
    for index in (8, 15, 25, 35, 50, 63):
        p = by_chain(chain, index, chain.base[:, index].astype(np.int64))
        assert np.abs(p - by_tables(tables, index)).max() < 1e-3
    narrow = by_tables(tables, 0)
    assert narrow[REACH] > 0.999 and narrow[0] == 0


def test_errors_name_the_cause(codec, latents):
    with pytest.raises(HfxError, match="no neighbour model 'forest'"):
        bits_of(codec, latents, "forest")
    with pytest.raises(HfxError, match="fit-neighbours"):
        one_symbol(codec, latents, "knn", 0, 0, 0)
    with pytest.raises(ValueError):
        one_symbol(codec, latents, "none", 0, 999, 0)


def test_the_walk_is_the_coders(codec, model, latents):
    """Shown bits are those of `coding.bits`, so a change of the walk changes them too."""
    tables = codec.weights.prior.tables_y
    expected = coding.bits(model, tables, *latents.side, latents.y)
    assert np.array_equal(bits_of(codec, latents, "xgb").y, expected)
