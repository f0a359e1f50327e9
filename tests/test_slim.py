import pytest
import torch

from hfx import checkpoint
from hfx.errors import HfxError, WeightsError
from hfx.slim import CHECKPOINT, MIB, join, main, split
from hfx.train import train
from tests.synthetic import CPU, folder, settings


@pytest.fixture(scope="module", params=[1, 2])
def run(request, tmp_path_factory):
    """Folder of a short run of either stage, and the pictures it saw."""
    root = tmp_path_factory.mktemp("slim")
    source = folder(root / "pictures")
    train(settings(steps=3), [source], root / "1", device=CPU)
    if request.param == 2:
        how = settings(steps=3, stage=2)
        train(how, [source], root / "2", device=CPU, start_from=root / "1")
    return root / str(request.param), source


def test_parts_join_to_a_run_that_goes_on(run, tmp_path):
    folder_of_run, source = run
    parts = split(folder_of_run, tmp_path / "parts", limit=0.4)
    assert len(parts) > 2
    assert all(part.stat().st_size <= 0.4 * MIB for part in parts)
    join(tmp_path / "parts", tmp_path / "new")

    before, meta = checkpoint.read(folder_of_run / CHECKPOINT)
    after, meta_after = checkpoint.read(tmp_path / "new" / CHECKPOINT)
    assert after.keys() == before.keys()
    assert {k: meta_after[k] for k in meta} == meta
    for key, value in after.items():
        if key.startswith("model."):
            assert torch.equal(value, after["average." + key.removeprefix("model.")])
            continue
        precision = 2**-8 if key.startswith("optimizer") else 2**-11
        torch.testing.assert_close(value, before[key], rtol=precision, atol=1e-7)

    stage = meta["settings"]["stage"]
    resumed = train(
        settings(steps=5, stage=stage), [source], tmp_path / "new", resume=True, device=CPU
    )
    assert resumed.step == 5


def test_what_is_small_is_kept_exactly(run, tmp_path):
    split(run[0], tmp_path / "parts")
    join(tmp_path / "parts", tmp_path / "new")
    before, _ = checkpoint.read(run[0] / CHECKPOINT)
    after, _ = checkpoint.read(tmp_path / "new" / CHECKPOINT)
    for key in ("average.log2_gain", "average.z_index", "average.generator.tail.bias"):
        assert torch.equal(before[key], after[key])


def test_weights_come_first_and_moments_may_be_lost(run, tmp_path):
    parts = split(run[0], tmp_path / "parts", limit=0.4)
    tensors = [checkpoint.read(part)[0] for part in parts]
    moments = [all(k.startswith("optimizer") for k in held) for held in tensors]
    assert moments == sorted(moments) and moments[-1]
    parts[-1].unlink()
    join(tmp_path / "parts", tmp_path / "new")
    stage = checkpoint.read_meta(run[0] / CHECKPOINT)["settings"]["stage"]
    how = settings(steps=4, stage=stage)
    assert train(how, [run[1]], tmp_path / "new", resume=True, device=CPU).step == 4


def test_weights_must_not_be_lost(run, tmp_path):
    split(run[0], tmp_path / "parts", limit=0.4)[0].unlink()
    with pytest.raises(WeightsError, match="incomplete"):
        join(tmp_path / "parts", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_parts_of_two_splits_do_not_mix(run, tmp_path):
    parts = split(run[0], tmp_path / "parts", limit=0.4)
    with pytest.raises(HfxError, match="holds parts already"):
        split(run[0], tmp_path / "parts")
    tensors, meta = checkpoint.read(parts[1])
    checkpoint.write(parts[1], tensors, meta | {"step": 99})
    with pytest.raises(WeightsError, match="different"):
        join(tmp_path / "parts", tmp_path / "new")


def test_the_command_says_what_is_wrong(run, tmp_path, capsys):
    assert main(["split", str(run[0]), str(tmp_path / "parts")]) == 0
    assert "part-000.safetensors" in capsys.readouterr().out
    assert main(["join", str(tmp_path / "parts"), str(tmp_path / "new")]) == 0
    assert main(["join", str(tmp_path / "parts"), str(tmp_path / "new")]) == 2
    assert main(["join", str(tmp_path / "none"), str(tmp_path / "other")]) == 2
    assert main(["split", str(tmp_path / "none"), str(tmp_path / "other")]) == 2
    assert main(["split", str(run[0]), str(tmp_path / "other"), "--limit", "0.07"]) == 2
    assert all(line.startswith("hfx.slim: ") for line in capsys.readouterr().err.splitlines())
