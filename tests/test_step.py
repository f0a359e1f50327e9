from dataclasses import replace

import pytest
import torch
from torch import nn

from hfx import step as steps
from hfx.compressor import Reconstruction
from hfx.step import observe_rates, train_step, update, window
from tests.synthetic import NO_LPIPS, batch_of, run_of


def gradients(module):
    return {n for n, p in module.named_parameters() if p.grad is not None}


def photographs(batch):
    return replace(batch, drawn=torch.zeros_like(batch.drawn))


@pytest.fixture
def phases(monkeypatch):
    """Runs a step and tells, before each optimizer moves, which parameters have a gradient."""

    def observed(run):
        seen = []

        def spy(movers, loss, clip, lr):
            norm = update(movers, loss, clip, lr)
            judge = run.discriminator
            seen.append((gradients(run.model), gradients(judge) if judge else set()))
            for module in (run.model, judge):
                if module is not None:
                    module.zero_grad(set_to_none=True)
            return norm

        monkeypatch.setattr(steps, "update", spy)
        train_step(run, run.model, run.discriminator, [], batch_of(run))
        return seen

    return observed


def test_stage_1_reaches_every_parameter(phases):
    run = run_of()
    ((model, judge),) = phases(run)
    assert model == {n for n, _ in run.model.named_parameters()} and not judge


@pytest.mark.parametrize("joint", [False, True])
def test_each_phase_of_stage_2_reaches_its_own_parameters_only(phases, joint):
    run = run_of(stage=2, joint=joint)
    (model_g, judge_g), (model_d, judge_d) = phases(run)
    everything = {n for n, _ in run.model.named_parameters()}
    assert model_g == (everything if joint else {n for n in everything if "generator." in n[:10]})
    assert not judge_g
    assert judge_d == {n for n, _ in run.discriminator.named_parameters()}
    assert not model_d


def test_d_s_gradient_is_its_own_loss_s_and_nothing_else(monkeypatch):
    """Nothing is left over from G's step: D's gradient is the same where there was none."""

    def gradient_of_d(alpha):
        run = run_of(stage=2, losses=replace(NO_LPIPS, alpha=alpha))
        train_step(run, run.model, run.discriminator, [], batch_of(run))
        return [p.grad for p in run.discriminator.parameters()]

    for a, b in zip(gradient_of_d(0.0), gradient_of_d(100.0), strict=True):
        assert torch.equal(a, b)


class Pairs(nn.Module):
    """A judge that only compares: is this latent the one of this picture?"""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls = []

    def forward(self, x, y_hat):
        self.calls.append((x.detach().clone(), y_hat.detach().clone()))
        return self.weight * x.mean((1, 2, 3), keepdim=True)


def test_latents_are_paired_with_their_own_pictures():
    run = run_of(stage=2)
    run.discriminator = Pairs()
    group = {"params": list(run.discriminator.parameters()), "factor": 1.0}
    run.optimizer_d = torch.optim.SGD([group])
    batch = batch_of(run)
    with torch.no_grad():
        out = run.model(batch.x, batch.tier.float())
    train_step(run, run.model, run.discriminator, [], batch)
    (fake, y_fake), (both, y_both) = run.discriminator.calls
    n = len(batch.x)
    assert torch.equal(y_fake, out.y_hat)
    torch.testing.assert_close(fake, out.x_hat)
    # first the photographs, then their reconstructions, latents in the same order twice
    assert torch.equal(both[:n], batch.x) and torch.equal(both[n:], fake)
    assert torch.equal(y_both[:n], out.y_hat) and torch.equal(y_both[n:], out.y_hat)


def test_d_learns_to_tell_and_g_s_loss_sees_it():
    run = run_of(stage=2, lr_d=0.01)
    rows = []
    for _ in range(8):
        rows.append(train_step(run, run.model, run.discriminator, [], batch_of(run)))
        run.step = 2
    assert rows[-1]["loss_d"] < rows[0]["loss_d"]
    assert rows[-1]["d_real"] - rows[-1]["d_fake"] > rows[0]["d_real"] - rows[0]["d_fake"]


def test_zeta_weighs_each_crop_by_its_tier():
    """The loss is Eq. 5 with each tier's zeta', computed here again by hand."""
    run = run_of()
    batch = photographs(batch_of(run))
    run.rate.rates = [9.0, 0.0, 9.0]  # above, below, above
    zeta = torch.tensor([run.rate.zeta_a[0], run.rate.zeta_b[1], run.rate.zeta_a[2]])[batch.tier]
    with torch.no_grad():
        out = run.model(batch.x, batch.tier.float(), (batch.noise_y, batch.noise_z))
    bpp = (out.bits_y + out.bits_z) / 64**2
    mse = ((out.x_hat - batch.x) * 255).square().mean((1, 2, 3))
    expected = (zeta * bpp + run.settings.losses.k_M * mse).mean()
    row = train_step(run, run.model, None, [], batch)
    assert row["loss"] == pytest.approx(float(expected), rel=1e-5)
    assert row["mse"] == pytest.approx(float(mse.mean()), rel=1e-5)


def test_the_rate_observed_is_the_coder_s():
    run = run_of()
    batch = photographs(batch_of(run))
    with torch.no_grad():
        out = run.model(batch.x, batch.tier.float())
    row = train_step(run, run.model, None, [], batch)
    for number, tier in enumerate(run.model.arch.tiers):
        bpp = float((out.bits[batch.tier == number] / 64**2).mean())
        assert row[f"bpp_{tier}"] == pytest.approx(bpp, rel=1e-5)
        assert run.rate.rates[number] == row[f"bpp_{tier}"]


def test_a_tier_without_a_crop_is_not_observed():
    run = run_of()
    row = observe_rates(run, torch.tensor([2, 2]), torch.tensor([0.5, 0.7]))
    assert run.rate.rates[:2] == [None, None]
    assert row["bpp_high"] == pytest.approx(0.6)
    assert "bpp_low" not in row and "zeta_low" in row


def test_one_bad_batch_moves_nothing():
    run = run_of()
    batch = batch_of(run)
    before = [p.clone() for p in run.model.parameters()]
    bad = replace(batch, x=batch.x * float("nan"))
    train_step(run, run.model, None, [], bad)
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))
    assert run.rate.rates == [None, None, None]
    assert torch.isfinite(torch.tensor(train_step(run, run.model, None, [], batch)["loss"]))


def test_update_clips_the_gradient_and_scales_the_rate():
    p = nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = torch.optim.SGD([{"params": [p], "factor": 0.5}], lr=1.0)
    norm = update([optimizer], (p * p).sum(), clip=1.0, lr=0.1)
    assert norm == pytest.approx(10)
    expected = torch.tensor([3.0, 4.0]) - 0.1 * 0.5 * torch.tensor([0.6, 0.8])
    torch.testing.assert_close(p.detach(), expected)


def test_the_learning_rate_crosses_all_phases():
    run = run_of(steps=6, warmup=2, decay=2)
    rates = []
    for run.step in range(6):
        train_step(run, run.model, None, [], batch_of(run, run.step))
        rates.append(run.optimizer.param_groups[0]["lr"] / run.settings.lr)
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 0.5])


@pytest.mark.parametrize("corner", [(0, 0), (15, 15), (3, 12)])
def test_the_window_lies_inside_the_crop(corner):
    x = torch.arange(64 * 64.0).reshape(1, 1, 64, 64)
    cut = window(x, corner)
    assert cut.shape == (1, 1, 48, 48)
    assert cut[0, 0, 0, 0] == x[0, 0, corner[0], corner[1]]
    assert cut[0, 0, -1, -1] == x[0, 0, corner[0] + 47, corner[1] + 47]


def test_lpips_sees_the_same_window_of_both():
    run, seen = run_of(), []

    def spy(x, x_hat):
        seen.append((x.detach(), x_hat.detach()))
        return (x - x_hat).square().mean((1, 2, 3))

    batch = batch_of(run, 5)
    with torch.no_grad():
        x_hat = run.model(batch.x, batch.tier.float()).x_hat
    train_step(run, run.model, None, [spy], batch)
    ((x, y),) = seen
    assert torch.equal(x, window(batch.x, batch.corner))
    torch.testing.assert_close(y, window(x_hat, batch.corner))


def test_distances_take_turns():
    run, seen = run_of(), []

    def named(name):
        def distance(x, x_hat):
            seen.append(name)
            return (x - x_hat).square().mean((1, 2, 3))

        return distance

    for run.step in range(4):
        train_step(run, run.model, None, [named("alex"), named("squeeze")], batch_of(run))
    assert seen == ["alex", "squeeze", "alex", "squeeze"]


def test_drawings_weigh_less_and_leave_the_rate_alone():
    """The loss of a drawing counts a quarter, and its rate is not the one held at r_t."""
    run = run_of()
    batch = replace(batch_of(run), drawn=torch.tensor([False, True, False]))
    with torch.no_grad():
        out = run.model(batch.x, batch.tier.float(), (batch.noise_y, batch.noise_z))
    zeta = torch.tensor([run.rate.zeta_b[t] for t in batch.tier])
    bpp = (out.bits_y + out.bits_z) / 64**2
    mse = ((out.x_hat - batch.x) * 255).square().mean((1, 2, 3))
    each = zeta * bpp + run.settings.losses.k_M * mse
    row = train_step(run, run.model, None, [], batch)
    expected = float((each * torch.tensor([1, 0.25, 1])).mean())
    assert row["loss"] == pytest.approx(expected, rel=1e-5)
    name = run.model.arch.tiers[int(batch.tier[1])]
    assert f"bpp_{name}" not in row and run.rate.rates[int(batch.tier[1])] is None


def test_both_optimizers_move_at_the_settings_rate():
    run = run_of(warmup=0, decay=0, lr=0.02)
    train_step(run, run.model, None, [], batch_of(run))
    groups = [*run.optimizer.param_groups, *run.muon.param_groups]
    assert {round(g["lr"] / g["factor"], 9) for g in groups} == {0.02}


def test_bfloat16_is_close_to_float32():
    rows = []
    for bf16 in (False, True):
        run = run_of(bf16=bf16)
        rows.append(train_step(run, run.model, None, [], batch_of(run)))
    assert rows[1]["loss"] == pytest.approx(rows[0]["loss"], rel=0.05)
    assert rows[1]["mse"] == pytest.approx(rows[0]["mse"], rel=0.05)


def test_reconstruction_names_what_a_step_needs():
    assert {"x_hat", "y_hat", "bits_y", "bits_z", "bits"} <= set(Reconstruction._fields)
