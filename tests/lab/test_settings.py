from dataclasses import replace

import pytest

from hfx.errors import HfxError
from hfx.lab import settings as module
from hfx.lab.settings import CROPS, WIDTHS, Settings, differing, playable, shown, without_lpips
from hfx.rate import RateController


def test_training_is_told_the_same():
    settings = Settings(
        stage=2, r_t=0.2, zeta_a=3.0, zeta_b=0.5, k_M=0.01, k_P=0.5, alpha=2.0, norm="instance",
        width=48, lr=0.002, crop=128, batch=2, steps=100, seed=7,
    )  # fmt: skip
    told = settings.training
    assert (told.preset, told.stage, told.steps, told.batch) == ("tiny", 2, 100, 2)
    assert (told.crop, told.lr, told.lr_d, told.seed) == (128, 0.002, 0.002, 7)
    assert (told.losses.k_M, told.losses.k_P, told.losses.alpha) == (0.01, 0.5, 2.0)
    arch = told.architecture()
    assert arch.norm == "instance" and arch.widths == (48, 64, 96)
    rate = RateController.from_losses(told.losses.for_tiers(arch.tiers))
    assert (rate.zeta_a, rate.zeta_b, rate.targets) == ((3.0,), (0.5,), (0.2,))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("crop", CROPS)
def test_every_size_offered_makes_a_network(width, crop):
    arch = Settings(width=width, crop=crop).training.architecture()
    assert arch.widths[0] == width and crop % 64 == 0


def test_a_learning_rate_rises_and_falls_also_in_the_shortest_runs():
    for steps in (1, 2, 5000):
        told = Settings(steps=steps).training
        assert all(0 < told.lr_at(step) <= 1 for step in range(steps))


@pytest.mark.parametrize(
    "wrong",
    [
        {"stage": 3}, {"r_t": 0.0}, {"zeta_a": 0.01}, {"zeta_b": -1.0}, {"k_M": float("nan")},
        {"norm": "group"}, {"width": 1000}, {"lr": 0.0}, {"crop": 100}, {"batch": 0},
        {"steps": 10**9}, {"seed": -1},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(wrong):
    with pytest.raises(HfxError, match=next(iter(wrong)).replace("zeta_b", "zeta_a")):
        Settings(**wrong)


def test_a_run_must_want_something():
    with pytest.raises(HfxError, match="k_M or k_P"):
        Settings(k_M=0.0, k_P=0.0)
    assert Settings(stage=2, k_M=0.0, k_P=0.0).alpha


def test_settings_survive_a_file():
    settings = Settings(lr=0.02, norm="none")
    assert Settings.from_dict(settings.to_dict()) == settings
    with pytest.raises(HfxError, match="no settings"):
        Settings.from_dict({"colour": 1})


def test_the_short_stage_1_has_the_same_networks():
    second = Settings(stage=2, width=8, norm="batch", steps=1500)
    first = second.first.training
    assert first.stage == 1 and first.architecture() == second.training.architecture()


def test_differences_are_named():
    assert differing([Settings(), Settings(lr=0.1, seed=2)]) == ["lr", "seed"]
    assert differing([Settings()]) == []
    assert shown(0.0023) == "0.0023" and shown("channel") == "channel"


def test_without_the_backbone_k_p_is_0(tmp_path, monkeypatch):
    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "AlexNet" in without_lpips()
    assert playable(Settings()).k_P == 0
    (tmp_path / "alexnet_features.pth").touch()  # looked for, not loaded
    assert without_lpips() is None and playable(Settings()) == Settings()


def test_without_linear_heads_k_p_is_0(monkeypatch):
    monkeypatch.setattr("hfx.perceptual._packaged", lambda *where: None)
    assert "pip install lpips" in without_lpips()
    assert playable(replace(Settings(), k_P=0.0)).k_P == 0
    assert module.playable(Settings()).k_P == 0
