"""Files appear whole or not at all."""

import os
import stat

import pytest

from hfx.errors import HfxError
from hfx.files import atomic, atomic_write


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.bin"
    atomic_write(path, b"one")
    atomic_write(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_bytes(b"half of the n")
        assert path.read_bytes() == b"old"
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_interrupt_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_temporary_is_beside_the_target_with_its_suffix(tmp_path):
    with atomic(tmp_path / "a.png") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        temporary.touch()


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    atomic_write(tmp_path / "atomic", b"")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_link_stays_a_link(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to("target")
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_longest_name_still_works(tmp_path):
    name = "n" * 251 + ".bin"  # 255 bytes, all that most file systems allow
    atomic_write(tmp_path / name, b"")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    ("name", "cause"),
    [("missing/a.bin", "No such file"), (".", "not a file"), ("x" * 300, "long")],
)
def test_unwritable_is_one_line(tmp_path, name, cause):
    with pytest.raises(HfxError, match=cause) as caught:
        atomic_write(tmp_path / name, b"")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_device_is_never_replaced():
    with pytest.raises(HfxError, match="not a file"):
        atomic_write(os.devnull, b"")
