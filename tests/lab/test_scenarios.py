from dataclasses import replace

from hfx.lab import scenarios
from hfx.lab.scenarios import PLAIN, SCENARIOS, named, title_of
from hfx.lab.settings import Settings, playable


def test_each_is_another_and_says_what_to_watch():
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS) > 4
    assert len({one.settings for one in SCENARIOS}) == len(SCENARIOS)
    assert all(one.watch for one in SCENARIOS)
    assert all(named(one.name) is one for one in SCENARIOS)
    assert named("no such scenario") is PLAIN


def test_a_title_says_what_is_particular(monkeypatch):
    monkeypatch.setattr(scenarios, "playable", lambda settings: settings)
    for one in SCENARIOS:
        assert title_of(one.settings) == one.name
    assert title_of(Settings(seed=3)) == "a plain run, seed 3"
    assert title_of(Settings(lr=0.02, k_P=2.0)) == "k_P 2, learning rate 0.02"
    assert title_of(Settings(stage=2, width=8)) == "stage 2, width 8"


def test_without_lpips_a_plain_run_is_still_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert title_of(playable(Settings())) == "a plain run"
    assert title_of(replace(playable(Settings()), lr=0.02)) == "learning rate 0.02"
