"""Latents made on the spot: what a codec would hand to a neighbour model, without a codec."""

from dataclasses import replace
from functools import cache

import numpy as np
import xgboost

from hfx.codec import Latents
from hfx.entropy.pmf import Tables, build_tables
from hfx.entropy.scales import scale_table
from hfx.neighbours.chain import Chain
from hfx.neighbours.fit import Knobs, fit_boosted
from hfx.neighbours.plan import Plan
from hfx.neighbours.samples import windows_of

PLAN = Plan(first=2)


@cache
def tables() -> Tables:
    return build_tables("gaussian", scale_table())


@cache
def chain() -> Chain:
    return Chain.of(tables())


def field(seed, shape=(6, 16, 24), likely=(12, 40), calm=1.0, wild=1.0, level=256):
    """Symbols that follow their tables, so that the hyperprior knows all there is to know.

    Or else are `calm` or `wild` in turn along a row: then their size follows the left
    neighbour's, since the factor on their scale changes with probability 1 in 20.
    """
    rng = np.random.default_rng(seed)
    index = rng.integers(*likely, shape).astype(np.uint8)
    factor = np.where(turns(rng, shape), wild, calm)
    y = np.rint(rng.normal(0, scale_table()[index] * factor)).astype(np.int32)
    mu = rng.integers(-3000, 3000, shape).astype(np.int32)
    return Latents(level, np.zeros((1, 1, 1), np.int32), mu, index, y)


def turns(rng, shape):
    """One of two states everywhere, often the left neighbour's."""
    changes = (rng.random(shape) < 0.05).cumsum(-1)
    return (changes + rng.integers(0, 2, (*shape[:2], 1))) % 2 == 1


def structured(seed, **options):
    """Symbols whose size and sign follow the left neighbour's."""
    one = field(seed, calm=0.2, wild=2.0, **options)
    signs = np.where(turns(np.random.default_rng(seed + 1000), one.y.shape), 1, -1)
    return replace(one, y=(np.abs(one.y) * signs).astype(np.int32))


def anything(seed, shape):
    """Any table, sure ones too; symbols of any size, some enormous."""
    rng = np.random.default_rng(seed)
    one = field(seed, shape, likely=(0, 64))
    far = rng.integers(-(1 << 20), (1 << 20) + 1, shape)
    kind = rng.random(shape)
    y = np.where(kind < 0.03, far, np.where(kind < 0.06, far % 64 - 32, one.y))
    return Latents(int(rng.integers(-99, 700)), one.z, one.mu, one.index, y.astype(np.int32))


@cache
def drawn(make=structured, seeds=(0, 1, 2, 3), count=6000):
    """Windows of some pictures."""
    return windows_of([make(seed) for seed in seeds], tables(), PLAN, chain(), count)


def held(make=structured):
    return drawn(make, (9,), 2000)


def fit(knobs, train=None, watched=None, **options):
    """Fit on `structured` pictures, on one thread: where others work, two wait for each other."""
    train = drawn() if train is None else train
    watched = held() if watched is None else watched
    with xgboost.config_context(nthread=1):
        return fit_boosted(tables(), PLAN, train, watched, knobs, **options)


@cache
def fitted():
    """A model of `structured` pictures, and what was reported."""
    return fit(Knobs(rounds=12, depth=4, eta=0.4))


class Deaf:
    """A model that walks the whole chain and says nothing."""

    kind, silent = "xgb", False

    def __init__(self, plan, chain=None):
        self.plan, self.chain = plan, chain or globals()["chain"]()

    def margins(self, decision, rows, base):
        return base


class Moody(Deaf):
    """A model whose margins hang on every single feature, missing ones too.

    So whatever the encoder knows and the decoder does not garbles what is decoded.
    """

    def margins(self, decision, rows, base):
        whole = np.where(np.isnan(rows), 77777, rows).astype(np.int64)
        mixed = whole @ (np.arange(rows.shape[1]) * 2654435761 % 1000003 + decision)
        return base + mixed % 4001 - 2000


class Spy(Deaf):
    """A model that remembers what it was shown."""

    def __init__(self, plan, chain=None):
        super().__init__(plan, chain)
        self.seen = []

    def margins(self, decision, rows, base):
        self.seen.append((decision, rows))
        return base
