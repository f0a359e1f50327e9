"""Which file becomes which: decided before anything is read."""

from pathlib import Path

import pytest

from hfx.errors import HfxError
from hfx.folders import PICTURES, STREAMS, Job, files_in, make_room, plan, refuse_overwriting


@pytest.fixture
def tree(tmp_path):
    """A folder with pictures, a subfolder, hidden files, and a circle of links."""
    for name in ("b.JPG", "a.png", "sub/deep/c.webp", "sub/d.txt", ".hidden.png", ".git/e.png",
                 "old.hfx", "we ird [1] ;rm -rf.png"):  # fmt: skip
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "in" / "sub" / "circle").symlink_to(tmp_path / "in")
    return tmp_path / "in"


def targets(jobs, root):
    return [job.target.relative_to(root).as_posix() for job in jobs]


def test_files_in_a_folder(tree):
    names = [p.relative_to(tree).as_posix() for p in files_in(tree, PICTURES)]
    assert names == ["a.png", "b.JPG", "we ird [1] ;rm -rf.png", "sub/deep/c.webp"]
    assert [p.name for p in files_in(tree, STREAMS)] == ["old.hfx"]


def test_results_lie_beside_their_inputs(tree):
    assert plan([tree / "a.png"], None, PICTURES, ".hfx") == [Job(tree / "a.png", tree / "a.hfx")]
    assert targets(plan([tree], None, PICTURES, ".hfx"), tree) == [
        "a.hfx", "b.hfx", "we ird [1] ;rm -rf.hfx", "sub/deep/c.hfx"
    ]  # fmt: skip


def test_a_folder_for_results_keeps_relative_names(tree, tmp_path):
    jobs = plan([tree], tmp_path / "out", PICTURES, ".hfx")
    assert "sub/deep/c.hfx" in targets(jobs, tmp_path / "out")
    jobs = plan([tree / "a.png", tree / "sub"], tmp_path / "out", PICTURES, ".hfx")
    assert targets(jobs, tmp_path / "out") == ["a.hfx", "deep/c.hfx"]


def test_one_file_may_be_given_a_name(tree, tmp_path):
    one = [tree / "a.png"]
    assert plan(one, tmp_path / "x.hfx", PICTURES, ".hfx")[0].target == tmp_path / "x.hfx"
    assert plan(one, tmp_path, PICTURES, ".hfx")[0].target == tmp_path / "a.hfx"
    with pytest.raises(HfxError, match="must end in .hfx"):
        plan(one, tmp_path / "x.jpg", PICTURES, ".hfx")


def test_any_name_is_taken_where_the_user_gave_it(tree):
    assert plan([tree / "sub/d.txt"], None, PICTURES, ".hfx")[0].source.name == "d.txt"


def test_nothing_to_do_is_said(tree, tmp_path):
    with pytest.raises(HfxError, match="does not exist"):
        plan([tree / "none.png"], None, PICTURES, ".hfx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(HfxError, match="no pictures in"):
        plan([tmp_path / "empty"], None, PICTURES, ".hfx")
    with pytest.raises(HfxError, match="no .hfx files in"):
        plan([tree / "sub"], None, STREAMS, ".png")
    with pytest.raises(HfxError, match="several results need a folder"):
        plan([tree], tree / "a.png", PICTURES, ".hfx")


def test_nothing_is_overwritten_by_accident(tree):
    job = Job(tree / "a.png", tree / "old.hfx")
    with pytest.raises(HfxError, match="--overwrite"):
        refuse_overwriting(job, set(), overwrite=False)
    refuse_overwriting(job, set(), overwrite=True)
    with pytest.raises(HfxError, match="replace the input"):
        refuse_overwriting(Job(tree / "a.png", tree / "a.png"), set(), overwrite=True)
    made = {tree / "new.hfx"}
    with pytest.raises(HfxError, match="another input"):
        refuse_overwriting(Job(tree / "b.JPG", tree / "new.hfx"), made, overwrite=True)


def test_folders_are_made_or_refused(tree):
    make_room(tree / "x" / "y" / "z.hfx")
    assert (tree / "x" / "y").is_dir()
    with pytest.raises(HfxError, match="cannot create"):
        make_room(tree / "a.png" / "z.hfx")
    with pytest.raises(HfxError, match="cannot write /proc/z.hfx"):  # there, and nobody's
        make_room(Path("/proc/z.hfx"))
