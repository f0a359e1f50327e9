import csv
import math
from dataclasses import replace

import pytest

from hfx.config import Losses
from hfx.rate import RateController
from hfx.run import WARM_STEPS
from hfx.train import train
from tests.synthetic import CPU, NO_LPIPS, folder, settings


def controller(**changes):
    values = {"zeta_a": (8.0, 4.0), "zeta_b": (1.0, 0.5), "targets": (0.2, 0.4)} | changes
    return RateController(**values)


def test_without_memory_it_is_the_paper_s_rule():
    rate = controller(memory=0.0)
    for bpp in (0.1, 0.3, 0.2, 0.200001, 0.05, 9.0):
        rate.observe(0, bpp)
        assert rate.zeta(0) == (8.0 if bpp > 0.2 else 1.0)


def test_tiers_are_apart():
    rate = controller()
    rate.observe(0, 1.0)
    assert (rate.zeta(0), rate.zeta(1)) == (8.0, 0.5)
    assert rate.rates == [1.0, None]


def test_before_any_batch_the_weight_is_low():
    assert controller().zeta(0) == 1.0


def test_memory_is_a_running_mean():
    rate = controller(memory=0.75)
    for bpp in (1.0, 0.0, 0.0):
        rate.observe(0, bpp)
    assert math.isclose(rate.rates[0], 0.75**2)
    assert rate.zeta(0) == 8.0


def test_a_batch_gone_wrong_is_not_remembered():
    rate = controller(memory=0.9)
    rate.observe(0, 1.0)
    for bad in (math.nan, math.inf):
        rate.observe(0, bad)
    assert rate.rates[0] == 1.0


def test_what_makes_no_controller():
    with pytest.raises(ValueError, match="per tier"):
        controller(targets=(0.2,))
    with pytest.raises(ValueError, match="less"):
        controller(zeta_a=(8.0, 0.4))


def test_equal_weights_are_a_fixed_zeta():
    rate = controller(zeta_a=(2.0, 0.5), zeta_b=(2.0, 0.5))
    for bpp in (0.0, 9.0):
        rate.observe(0, bpp)
        assert rate.zeta(0) == 2.0


def test_it_is_built_from_the_loss_settings():
    rate = RateController.from_losses(Losses(rate_memory=0.5))
    assert (rate.targets, rate.memory) == (Losses().rate_targets, 0.5)


@pytest.mark.parametrize("memory", [0.0, 0.9], ids=["the paper's rule", "running mean"])
def test_it_brings_a_run_to_its_target(tmp_path, memory, monkeypatch):
    """A real run of one tier, by the coder's rate, not the noisy one; from half above r_t."""
    target = 0.12
    monkeypatch.setitem(WARM_STEPS, "low", 150.0)
    losses = replace(
        NO_LPIPS, rate_targets=(target,), zeta_a=(8.0,), zeta_b=(0.25,), rate_memory=memory
    )
    how = settings(tier="low", steps=220, decay=60, warmup=10, batch=4, lr=1e-3, losses=losses)
    train(how, [folder(tmp_path / "pictures")], tmp_path / "run", device=CPU, log_every=1)
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    rates = [float(row["bpp_low"]) for row in rows if row["bpp_low"]]  # but drawings
    assert min(rates[:10]) > 1.3 * target
    assert abs(sum(rates[-100:]) / 100 / target - 1) < 0.05
    assert {float(row["zeta_low"]) for row in rows[-100:]} == {8.0, 0.25}  # held, not passing by
