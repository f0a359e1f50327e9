import pytest
import torch

from hfx import checkpoint
from hfx.config import Losses
from hfx.errors import HfxError, WeightsError
from hfx.run import Group, adam, parameter_groups, start
from hfx.step import train_step
from tests.synthetic import CPU, batch_of, pictures, run_of, settings


def step(run, count=1):
    judge = run.discriminator
    rows = []
    for _ in range(count):
        rows.append(train_step(run, run.model, judge, [], batch_of(run, run.step)))
        run.step += 1
        run.follow()
    return rows


def same(a, b):
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(n == m and torch.equal(v, w) for (n, v), (m, w) in pairs)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_saved_run_goes_on_bit_for_bit(tmp_path, stage):
    run = run_of(stage=stage)
    step(run, 2)
    run.seconds = 12.5
    run.save(tmp_path / "c")
    again = run_of(stage=stage, seed=1)
    again.settings = run.settings
    again.load(tmp_path / "c")
    assert (again.step, again.seconds, again.rate.rates) == (2, 12.5, run.rate.rates)
    assert step(run, 2) == step(again, 2)
    assert same(run.model, again.model) and same(run.average, again.average)
    moments = [
        [v for state in r.muon.state.values() for v in state.values()] for r in (run, again)
    ]
    assert moments[0] and all(torch.equal(a, b) for a, b in zip(*moments, strict=True))
    if stage == 2:
        assert same(run.discriminator, again.discriminator)


def test_a_start_depends_on_the_seed_and_the_pictures_only():
    torch.manual_seed(5)
    first = run_of()
    torch.manual_seed(6)
    assert same(first.model, run_of().model)
    assert not same(first.model, run_of(seed=1).model)
    assert same(first.model, first.average)


def groups_of(run):
    return [*run.optimizer.param_groups, *(run.muon.param_groups if run.muon else [])]


@pytest.mark.parametrize("stage, joint", [(1, False), (2, False), (2, True)])
def test_what_a_stage_trains(stage, joint):
    run = run_of(stage=stage, joint=joint)
    trained = [p for group in groups_of(run) for p in group["params"]]
    names = {n for n, p in run.model.named_parameters() if any(p is q for q in trained)}
    assert len(trained) == len(names)  # each once
    everything = {n for n, _ in run.model.named_parameters()}
    only_g = {n for n in everything if n.startswith("generator.")}
    assert names == (everything if stage == 1 or joint else only_g)
    assert {n for n, p in run.model.named_parameters() if p.requires_grad} == names
    assert (run.discriminator is None) == (stage == 1)


def test_how_fast_parameters_move():
    run = run_of()
    factor = {id(p): group["factor"] for group in groups_of(run) for p in group["params"]}
    at = {n: factor[id(p)] for n, p in run.model.named_parameters()}
    assert at["log2_gain"] == at["log2_degain"] == at["log2_gain_z"] == at["z_index"] == 10
    assert at["generator.stages.2.0.log_gain"] == 10
    for part in ("encoder.mixes.0", "encoder.head", "generator.mixes.1", "generator.tail"):
        assert at[f"{part}.weight"] == at[f"{part}.bias"] == 0.3
    assert at["hyper_synthesis.mean.0.weight"] == at["generator.detail.first.weight"] == 1


def test_muon_has_the_blocks_convolutions_and_nothing_else():
    run = run_of()
    (group,) = run.muon.param_groups
    names = {n for n, p in run.model.named_parameters() if any(p is q for q in group["params"])}
    assert names == {
        f"{network}.stages.2.0.{conv}.weight"
        for network in ("encoder", "generator")
        for conv in ("first", "last")
    }
    assert run_of(changes={"ladder": False}).muon is None  # Figure 1 is Adam's alone


def test_the_fused_adam_is_adam():
    torch.manual_seed(0)
    weight = torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last)
    ours, theirs = (weight.clone().requires_grad_() for _ in range(2))
    optimizers = [
        adam([Group(1.0, [ours])], 0.01, (0.9, 0.98)),
        torch.optim.Adam([theirs], lr=0.01, betas=(0.9, 0.98), foreach=False),
    ]
    x = torch.randn(2, 4, 8, 8)
    for optimizer, w in zip(optimizers * 5, (ours, theirs) * 5, strict=True):
        optimizer.zero_grad()
        torch.nn.functional.conv2d(x, w).square().sum().backward()
        assert w.grad.stride() == w.stride()  # which the fused kernel takes for granted
        optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_average_follows_fast_then_slowly():
    run = run_of(ema=0.9)
    with torch.no_grad():
        for p in run.model.parameters():
            p += 1
    before = run.average.z_index.clone()
    run.step = 1
    run.follow()  # keeps 2 / 11
    torch.testing.assert_close(run.average.z_index, before + 9 / 11)
    run.step = 10_000
    run.average.z_index.copy_(before)
    run.follow()
    torch.testing.assert_close(run.average.z_index, before + 0.1)


def test_the_average_remembers_batches_as_the_model_does():
    run = run_of(changes={"norm": "batch"}, ema=0.5)
    step(run, 3)
    pairs = list(zip(run.average.named_buffers(), run.model.named_buffers(), strict=True))
    assert pairs
    for (name, ours), (_, theirs) in pairs:
        if name.endswith("num_batches_tracked"):
            assert ours == theirs == 3
    before = [b.clone() for b in run.average.buffers()]
    run.step = 10_000
    run.follow()
    for old, new, theirs in zip(before, run.average.buffers(), run.model.buffers(), strict=True):
        if old.is_floating_point():
            torch.testing.assert_close(new, (old + theirs) / 2)
            assert not torch.equal(old, new)


@pytest.mark.parametrize("joint", [False, True])
def test_a_frozen_encoder_does_not_go_on_remembering_batches(joint):
    run = run_of(stage=2, joint=joint, changes={"norm": "batch"})
    before = [b.clone() for b in run.model.encoder.buffers()]
    step(run)
    same = [torch.equal(a, b) for a, b in zip(before, run.model.encoder.buffers(), strict=True)]
    assert all(same) != joint
    assert run.model.generator.training


def test_a_start_from_scratch_knows_no_pictures():
    warm, cold = run_of(), run_of(warm=False)
    assert not same(warm.model, cold.model)
    assert warm.model.arch == cold.model.arch
    with torch.no_grad():
        x = batch_of(warm).x
        error = [
            float((r.model(x, torch.zeros(len(x))).x_hat - x).square().mean())
            for r in (warm, cold)
        ]
    assert error[0] < error[1] / 2


def test_what_cannot_be_resumed_is_said(tmp_path):
    run = run_of()
    run.save(tmp_path / "c")
    with pytest.raises(WeightsError, match="stage 1, not 2"):
        run_of(stage=2).load(tmp_path / "c")
    with pytest.raises(WeightsError, match="tier None, not low"):
        run_of(tier="low").load(tmp_path / "c")
    with pytest.raises(WeightsError, match="norm channel, not none"):
        run_of(changes={"norm": "none"}).load(tmp_path / "c")
    checkpoint.write(tmp_path / "w", {"encoder.x": torch.zeros(1)}, {"format": 1})
    with pytest.raises(WeightsError, match="not the checkpoint of a run"):
        run.load(tmp_path / "w")


def test_stage_2_takes_the_averaged_weights(tmp_path):
    first = run_of()
    step(first, 2)
    first.save(tmp_path / "c")
    second = run_of(stage=2, seed=3)
    second.start_from(tmp_path / "c")
    assert same(second.model, first.average) and same(second.average, first.average)
    assert second.step == 0


def test_one_tier_alone():
    run = run_of(tier="high")
    assert run.model.log2_gain.shape[0] == 1
    assert run.rate.targets == (0.45,)
    assert {"bpp_high", "zeta_high"} <= step(run)[0].keys()


def test_losses_for_other_tiers_are_refused():
    with pytest.raises(HfxError, match="zeta_a"):
        start(settings(losses=Losses(zeta_a=(2.0,))), CPU, pictures())


def test_frozen_parameters_are_in_no_group():
    run = run_of()
    groups = [g for kind in parameter_groups(run.model, settings(stage=2)) for g in kind]
    assert sum(len(g.params) for g in groups) == len(list(run.model.generator.parameters()))
