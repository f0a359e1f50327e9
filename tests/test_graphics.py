"""Drawn pictures: a pure function of their random generator."""

import numpy as np
import pytest

from hfx.graphics import KINDS, colour, contrast, evaluation_set, graphic


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("side", [64, 256])
def test_every_kind_depends_on_its_generator_alone(kind, side):
    drawn = [np.asarray(kind(np.random.default_rng(seed), side)) for seed in (1, 1, 2, 3)]
    assert all(d.shape == (side, side, 3) and d.dtype == np.uint8 for d in drawn)
    assert np.array_equal(drawn[0], drawn[1])
    assert not all(np.array_equal(drawn[0], other) for other in drawn[2:])


def test_all_kinds_are_drawn():
    drawn = [graphic(np.random.default_rng(seed), 64) for seed in range(60)]
    flats = sum(len(np.unique(d.reshape(-1, 3), axis=0)) == 1 for d in drawn)
    detailed = sum(len(np.unique(d.reshape(-1, 3), axis=0)) > 20 for d in drawn)
    assert flats >= 1 and detailed >= 10
    assert all(d.flags.writeable for d in drawn)  # torch.from_numpy wants it


def test_colours_are_saturated_grey_and_any():
    colours = [colour(np.random.default_rng(seed)) for seed in range(200)]
    assert any(set(c) <= {0, 255} and len(set(c)) > 1 for c in colours)
    assert any(len(set(c)) == 1 and 0 < c[0] < 255 for c in colours)
    assert any(len(set(c)) == 3 for c in colours)


def test_ink_is_seen_on_its_paper():
    for seed in range(50):
        a, b = contrast(np.random.default_rng(seed))
        assert sum(abs(u - v) for u, v in zip(a, b, strict=True)) >= 150


def test_the_set_that_is_measured_stays_what_it_is():
    first, again = evaluation_set(), evaluation_set()
    assert list(first) == [
        "green", "red", "white", "gradient", "lines", "checker", "chart", "text", "screen"
    ]  # fmt: skip
    for name, picture in first.items():
        assert picture.shape == (512, 512, 3) and picture.dtype == np.uint8
        assert np.array_equal(picture, again[name])
    assert (first["green"] == (0, 255, 0)).all()
    assert len(np.unique(first["text"])) > 20
