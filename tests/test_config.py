import dataclasses
import json

import pytest
import torch

from hfx.compressor import Compressor
from hfx.config import (
    COMPACT,
    PAPER,
    PRESETS,
    RATE_TARGETS,
    TIERS,
    TINY,
    Architecture,
    Losses,
    Training,
)
from hfx.errors import HfxError


def parameters_of(arch):
    with torch.device("meta"):  # counted without being stored
        return sum(p.numel() for p in Compressor(arch).parameters())


def test_paper_has_the_size_and_the_widths_of_hific():
    assert abs(parameters_of(PAPER) / 181e6 - 1) < 0.01
    assert PAPER.widths == (60, 120, 240, 480, 960)
    assert (PAPER.latent, PAPER.hyper, PAPER.generator_blocks[-1]) == (220, 320, 9)
    assert (PAPER.edge_kernel, PAPER.unshuffle, PAPER.linear_path) == (7, 1, False)


def test_compact_stays_under_nine_million():
    assert parameters_of(COMPACT) < 9e6


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_an_architecture_survives_json(preset):
    assert Architecture.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


def test_an_unknown_or_missing_field_is_refused():
    values = COMPACT.to_dict()
    with pytest.raises(TypeError, match="depth"):
        Architecture.from_dict(values | {"depth": 3})
    del values["latent"]
    with pytest.raises(TypeError, match="latent"):
        Architecture.from_dict(values)


def test_an_architecture_from_before_a_field_was_added_still_loads():
    values = COMPACT.to_dict()
    for name in ("deblock", "ladder", "norm", "conditional", "spectral", "scales"):
        del values[name]
    assert Architecture.from_dict(values) == dataclasses.replace(COMPACT, ladder=False)


def test_networks_must_end_at_one_sixteenth():
    with pytest.raises(ValueError, match="16"):
        dataclasses.replace(COMPACT, unshuffle=2)
    with pytest.raises(ValueError, match="stage"):
        dataclasses.replace(COMPACT, encoder_blocks=(1, 1))
    with pytest.raises(ValueError, match="inside"):
        dataclasses.replace(COMPACT, linear_path=True)
    with pytest.raises(ValueError, match="linear_path"):
        dataclasses.replace(COMPACT, ladder=False, deblock=True)


def test_settings_survive_json():
    settings = Training(stage=2, tier="low", losses=Losses(k_P=1.0, zeta_a=(9.0, 8.0, 7.0)))
    assert Training.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_settings_from_before_a_field_was_added_still_load():
    values = json.loads(json.dumps(Training().to_dict()))
    del values["tier"]
    assert Training.from_dict(values) == Training()


def test_a_changed_architecture_survives_json_and_stays_hashable():
    settings = Training(preset="tiny", changes={"norm": "instance", "generator_blocks": (0, 0, 2)})
    again = Training.from_dict(json.loads(json.dumps(settings.to_dict())))
    assert again == settings and hash(again) == hash(settings)
    assert again.architecture() == dataclasses.replace(
        TINY, norm="instance", generator_blocks=(0, 0, 2)
    )


def test_settings_without_changes_are_the_preset():
    values = json.loads(json.dumps(Training(preset="tiny").to_dict()))
    for name in ("changes", "warm", "perceptual"):
        del values[name]
    assert Training.from_dict(values).architecture() == TINY


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"depth": 3}, "depth"),
        ({"norm": "layer"}, "channel, instance, batch, none"),
        ({"scales": 3}, "1 or 2"),
        ({"edge_kernel": 4}, "odd"),
        ({"latent": 0}, "positive"),
        ({"generator_blocks": (0, -1, 1)}, "negative"),
        ({"widths": 24}, "len"),
    ],
)
def test_what_makes_no_architecture_is_said(changes, said):
    with pytest.raises(HfxError, match=f"no such architecture: .*{said}"):
        Training(preset="tiny", changes=changes).architecture()


def test_one_tier_alone_takes_its_own_weights_and_target():
    assert Training(preset="paper", tier="low").architecture().tiers == ("low",)
    for tier, target in RATE_TARGETS.items():
        losses = Losses().for_tiers((tier,))
        assert losses.rate_targets == (target,)
        assert losses.zeta_a == (Losses().zeta_a[TIERS.index(tier)],)
    assert Losses().for_tiers(TIERS) == Losses()
    with pytest.raises(HfxError, match="zeta_a has 2 values for 3 tiers"):
        Losses(zeta_a=(2.0, 1.0)).for_tiers(TIERS)


def test_the_learning_rate_rises_stays_and_falls_to_zero():
    settings = Training(steps=100, warmup=10, decay=20)
    rates = [settings.lr_at(step) for step in range(101)]
    assert rates[0] == 0.1
    assert rates[9:81] == [1.0] * 72
    assert rates[81:] == sorted(rates[81:], reverse=True)
    assert rates[99] == 0.05 and rates[100] == 0.0
