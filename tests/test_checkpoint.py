import pickle

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn, optim

from hfx import checkpoint
from hfx.errors import HfxError, WeightsError

META = {"step": 3, "rates": [0.1, None], "name": "ü"}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.write(path, {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7)}, META)
    return path


def test_what_was_written_is_read(path):
    tensors, meta = checkpoint.read(path)
    assert torch.equal(tensors["a"], torch.arange(6.0).reshape(2, 3))
    assert tensors["b"] == 7
    assert meta == checkpoint.read_meta(path) == META


def test_memory_layout_does_not_matter(tmp_path):
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    checkpoint.write(tmp_path / "x", {"x": x, "t": x.transpose(0, 1)}, {})
    tensors, _ = checkpoint.read(tmp_path / "x")
    assert torch.equal(tensors["x"], x) and torch.equal(tensors["t"], x.transpose(0, 1))


def test_a_failure_leaves_the_old_file(path):
    before = path.read_bytes()
    with pytest.raises(TypeError):
        checkpoint.write(path, {"a": torch.zeros(2)}, {"not json": object()})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(HfxError, match="cannot write"):
        checkpoint.write(tmp_path / "no" / "c.safetensors", {}, {})


def test_a_full_disk_is_said_and_leaves_the_old_file(path, monkeypatch):
    def full(*_, **__):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    before = path.read_bytes()
    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(HfxError, match="cannot write .*: I/O error: No space left"):
        checkpoint.write(path, {"a": torch.zeros(2)}, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_others_may_read_the_file(path):
    (path.parent / "ordinary").touch()
    assert path.stat().st_mode == (path.parent / "ordinary").stat().st_mode


def test_nothing_in_it_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    (tmp_path / "p").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        checkpoint.read(tmp_path / "p")


@pytest.mark.parametrize("harm", ["cut", "empty", "noise", "json", "foreign", "missing", "folder"])
def test_a_bad_file_is_said_in_one_line(path, harm):
    data = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "folder":
        path.unlink()
        path.mkdir()
    elif harm == "foreign":
        save_file({"a": torch.zeros(1)}, path)
    elif harm == "json":
        save_file({"a": torch.zeros(1)}, path, metadata={"hfx": "{"})
    else:
        path.write_bytes({"cut": data[:-5], "empty": b"", "noise": b"\xff" * 200}[harm])
    for read in (checkpoint.read, checkpoint.read_meta):
        with pytest.raises(WeightsError) as caught:
            read(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def net(seed, width=4):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, 2, 1)).to(
        memory_format=torch.channels_last
    )


def test_a_module_is_restored_strictly():
    tensors = checkpoint.gather("g", net(0)) | {"other.weight": torch.zeros(1)}
    other = net(1)
    checkpoint.restore("g", other, tensors)
    assert all(
        torch.equal(a, b) for a, b in zip(net(0).parameters(), other.parameters(), strict=True)
    )
    for wrong in (net(0, width=5), nn.Linear(2, 2)):
        with pytest.raises(WeightsError, match="another architecture"):
            checkpoint.restore("g", wrong, tensors)


def trained(module, steps, optimizer=None):
    """Some Adam steps on fixed gradients."""
    optimizer = optimizer or optim.Adam(module.parameters(), lr=0.01, fused=True)
    for step in range(steps):
        torch.manual_seed(step)
        for p in module.parameters():
            p.grad = torch.empty_like(p).normal_()
        optimizer.step()
    return optimizer


def test_an_optimizer_goes_on_as_if_nothing_had_happened(tmp_path):
    module = net(0)
    optimizer = trained(module, 3)
    tensors = checkpoint.gather("m", module) | checkpoint.gather_optimizer("o", optimizer)
    checkpoint.write(tmp_path / "c", tensors, {})
    tensors, _ = checkpoint.read(tmp_path / "c")

    again = net(1)
    checkpoint.restore("m", again, tensors)
    fresh = optim.Adam(again.parameters(), lr=0.01, fused=True)
    checkpoint.restore_optimizer("o", fresh, tensors)
    for p in again.parameters():  # the fused kernel reads memory in order, whatever the strides
        assert fresh.state[p]["exp_avg"].stride() == p.stride()
    trained(module, 2, optimizer)
    trained(again, 2, fresh)
    assert all(
        torch.equal(a, b) for a, b in zip(module.parameters(), again.parameters(), strict=True)
    )


def test_the_names_of_moments_are_pinned():
    tensors = checkpoint.gather_optimizer("o", trained(net(0), 1))
    names = ("step", "exp_avg", "exp_avg_sq")
    assert set(tensors) == {f"o.{i}.{name}" for i in range(4) for name in names}


def test_moments_of_other_parameters_are_refused():
    tensors = checkpoint.gather_optimizer("o", trained(net(0), 1))
    wider = optim.Adam(net(0, width=5).parameters())
    with pytest.raises(WeightsError, match="another run"):
        checkpoint.restore_optimizer("o", wider, tensors)
    fewer = optim.Adam(net(0)[0].parameters())
    with pytest.raises(WeightsError, match="another run"):
        checkpoint.restore_optimizer("o", fewer, tensors)
