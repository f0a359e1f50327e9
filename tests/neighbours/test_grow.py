"""Growing: derivatives that are exact, whatever shares them out; test_fit.py does the rest."""

import numpy as np
import xgboost as xgb

from hfx.neighbours.grow import bits


def test_derivatives_are_whole_and_those_of_the_loss():
    margin = np.linspace(-30, 30, 301).astype(np.float32)
    for answer in (0, 1):
        data = xgb.DMatrix(np.zeros((301, 1)), np.full(301, answer))
        g, h = (one.astype(np.float64) for one in bits()(margin, data))
        assert np.array_equal(g * 2**24, np.rint(g * 2**24)) and (h * 2**24 >= 1).all()
        p = 1 / (1 + np.exp(-margin.astype(np.float64)))
        np.testing.assert_allclose(g, p - answer, atol=2**-25)
        np.testing.assert_allclose(h, p * (1 - p), atol=2**-24)
