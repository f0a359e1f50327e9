import pytest
import torch

from hfx.compressor import round_straight_through
from hfx.config import TIERS
from hfx.data import patches_of
from tests.synthetic import batch_of, pictures, run_of


@pytest.fixture(scope="module")
def warm():
    """A tiny run at step 0, and its first batch; z finer than at the start, where it is all 0."""
    run = run_of(batch=6)
    with torch.no_grad():
        run.model.log2_gain_z += 3
    return run, batch_of(run)


def forward(run, batch, noise=True):
    both = (batch.noise_y, batch.noise_z) if noise else None
    return run.model(batch.x, batch.tier.float(), both)


def with_gradient(module):
    return {n for n, p in module.named_parameters() if p.grad is not None and p.grad.any()}


def test_rounding_is_straight_through():
    v = torch.tensor([-1.6, -0.5, 0.2, 2.7], requires_grad=True)
    rounded = round_straight_through(v)
    rounded.sum().backward()
    assert torch.equal(rounded, v.round())
    assert v.grad.tolist() == [1, 1, 1, 1]


def test_the_rate_s_gradient_reaches_all_that_decides_it(warm):
    run, batch = warm
    run.model.zero_grad()
    out = forward(run, batch)
    (out.bits_y + out.bits_z).sum().backward()
    reached = with_gradient(run.model)
    names = {n for n, _ in run.model.named_parameters()}
    assert names - reached == {n for n in names if n.startswith("generator.")} | {"log2_degain"}


def test_the_distortion_s_gradient_reaches_e_through_the_rounding(warm):
    run, batch = warm
    run.model.zero_grad()
    (forward(run, batch).x_hat - batch.x).square().sum().backward()
    reached = with_gradient(run.model)
    for part in ("encoder.", "generator.", "log2_gain", "log2_degain"):
        assert any(n.startswith(part) for n in reached), part
    assert "z_index" not in reached


def test_every_tier_s_gains_learn_from_its_own_crops(warm):
    run, batch = warm
    run.model.zero_grad()
    keep = batch.tier == 1
    noise = (batch.noise_y[keep], batch.noise_z[keep])
    out = run.model(batch.x[keep], batch.tier[keep].float(), noise)
    out.bits_y.sum().backward()
    assert run.model.log2_gain.grad.any(dim=1).tolist() == [False, True, False]


def test_quantising_moves_a_latent_by_at_most_half_a_step(warm):
    run, batch = warm
    y = run.model.encoder(batch.x)
    y_hat = forward(run, batch).y_hat
    half_step = 0.5 / run.model.log2_gain[batch.tier].exp2()[:, :, None, None]
    assert ((y - y_hat).abs() <= half_step * 1.001).all()


def test_the_warm_start_spends_what_its_steps_say(warm):
    run, _ = warm
    fresh = run_of().model
    patches, rates = patches_of(pictures()), []
    for step in (400.0, 100.0, 25.0):
        fresh.warm_start(patches, (step,) * len(TIERS))
        with torch.inference_mode():
            out = fresh(batch_of(run).x, torch.zeros(6))
        rates.append(float(out.bits.sum()))
    assert rates[0] < rates[1] < rates[2]
    x = batch_of(run).x
    with torch.inference_mode():
        y = fresh.encoder(x)
        lost = (fresh.generator(y, torch.zeros(6)) - x).square().mean()
        fine = (fresh(x, torch.zeros(6)).x_hat - x).square().mean()
    assert fine < 2 * lost  # steps so fine that what the transform leaves out is most of the loss


def test_rates_rise_and_errors_fall_from_tier_to_tier(warm):
    run, batch = warm
    with torch.inference_mode():
        outs = [run.model(batch.x, torch.full((6,), t)) for t in (0.0, 0.5, 1.0, 1.5, 2.0)]
    bits = [float(out.bits.sum()) for out in outs]
    errors = [float((out.x_hat - batch.x).square().mean()) for out in outs]
    assert bits == sorted(bits)
    assert errors == sorted(errors, reverse=True)


def test_without_noise_the_rate_is_the_coder_s(warm):
    run, batch = warm
    with torch.inference_mode():
        out = forward(run, batch, noise=False)
    torch.testing.assert_close(out.bits, out.bits_y + out.bits_z)


def test_under_noise_the_rate_is_an_estimate_from_above(warm):
    run, batch = warm
    with torch.inference_mode():
        out = forward(run, batch)
    noisy, hard = float((out.bits_y + out.bits_z).sum()), float(out.bits.sum())
    assert 0.95 * hard < noisy < 1.6 * hard


def test_noise_changes_the_rate_and_nothing_else(warm):
    run, batch = warm
    with torch.inference_mode():
        noisy, hard = forward(run, batch), forward(run, batch, noise=False)
    assert torch.equal(noisy.x_hat, hard.x_hat)
    assert torch.equal(noisy.bits, hard.bits)
    assert not torch.equal(noisy.bits_y, hard.bits_y)


def test_a_picture_is_coded_alone_or_in_a_batch_alike(warm):
    run, batch = warm
    with torch.inference_mode():
        together = run.model(batch.x, batch.tier.float())
        alone = run.model(batch.x[2:3], batch.tier[2:3].float())
    torch.testing.assert_close(together.bits[2:3], alone.bits, rtol=1e-3, atol=1)
    torch.testing.assert_close(together.x_hat[2:3], alone.x_hat, rtol=0, atol=1e-2)
