"""What `.github/SECURITY.md` promises of files, names and the dashboard's server."""

import ast
import io
import subprocess
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from hfx.folders import PICTURES, plan
from hfx.study.manifest import read
from hfx.study.prepare import Setup, prepare

ROOT = Path(__file__).parents[1]
PRODUCT = sorted(p for top in ("hfx", "dashboard") for p in (ROOT / top).rglob("*.py"))
# Each of them runs code that lies in the data, or guesses at what is meant.
RUNS_DATA = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}
# The only places that start a process, each with a list of arguments, none of them a visitor's.
PROCESSES = {"hfx/lab/keeper.py"}
# The only files of the dashboard that touch the disk, under names that the server makes.
WRITERS = {"dashboard/study_room.py": {"mkdir"}}
WRITING = set(
    "write_bytes write_text mkdir makedirs touch unlink rmdir rmtree rename symlink_to copyfile "
    "extractall atomic atomic_write".split()
)
HOSTILE = "../../evil <b>;rm -rf $(x) `y`\n.png"


def name(path):
    return path.relative_to(ROOT).as_posix()


def nodes(path, kind):
    return [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, kind)]


def called(call):
    """The last part of what a call calls."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def said(call):
    """A call's keywords that are constants."""
    return {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}


# --- nothing that comes from outside is run


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_no_data_is_run(path):
    imported = {a.name for n in nodes(path, ast.Import) for a in n.names}
    imported |= {n.module for n in nodes(path, ast.ImportFrom)}
    assert not {module.partition(".")[0] for module in imported} & RUNS_DATA
    for call in nodes(path, ast.Call):
        if isinstance(call.func, ast.Name):  # `model.eval()` is another thing
            assert call.func.id not in {"eval", "exec", "compile", "__import__"}, call.lineno
        assert called(call) not in SHELLS and said(call).get("shell") is not True, call.lineno
        assert said(call).get("allow_pickle") is not True, call.lineno
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == "torch.load":
            assert said(call).get("weights_only") is True, call.lineno
    starts = any(module.partition(".")[0] in {"subprocess", "multiprocessing"}
                 for module in imported)  # fmt: skip
    assert not starts or name(path) in PROCESSES


def test_what_is_forbidden_would_be_found(tmp_path):
    for line in (
        "import pickle", "from joblib import load", "eval('1')", "exec('1')", "torch.load('x')",
        "os.system('ls')", "run('ls', shell=True)", "np.load('x', allow_pickle=True)",
    ):  # fmt: skip
        path = tmp_path / "x.py"
        path.write_text(line)
        with pytest.raises(AssertionError):
            test_no_data_is_run(path)


# --- names from users never become paths


@pytest.mark.parametrize(
    "path", [p for p in PRODUCT if p.is_relative_to(ROOT / "dashboard")], ids=name
)
def test_the_dashboard_writes_no_file_under_a_visitors_name(path):
    calls = nodes(path, ast.Call)
    writes = {called(call) for call in calls if called(call) in WRITING}
    assert writes <= WRITERS.get(name(path), set())
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id == "open":
            modes = [a.value for a in call.args[1:2] if isinstance(a, ast.Constant)]
            assert not set("wax+") & set("".join([*modes, str(said(call).get("mode", ""))]))


def test_a_study_keeps_pictures_under_names_of_its_own(tiny_codec, portrait, tmp_path):
    pictures = {}
    for number in range(2):
        out = io.BytesIO()
        Image.fromarray(portrait[200 * number : 200 * number + 80, :80]).save(out, "PNG")
        pictures[f"{number}{HOSTILE}"] = out.getvalue()
    setup = Setup(title=HOSTILE, codecs=("hfx", "JPEG"), tier="high", pairs=1, catches=0, side=80)
    before = set(tmp_path.rglob("*"))
    study = prepare(pictures, setup, tiny_codec, tmp_path / "a" / "study")
    made = set(tmp_path.rglob("*")) - before - {tmp_path / "a", tmp_path / "a" / "study"}
    assert len(made) > 4 and all(p.parent == tmp_path / "a" / "study" for p in made)
    assert not any("evil" in p.name for p in made)
    assert read(study.folder).photographs[0].name == f"0{HOSTILE}"


def test_results_stay_in_the_folder_they_were_sent_to(tmp_path):
    """Whatever files in a folder are called; a file's own content has no name at all."""
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "sub").mkdir(parents=True)
    for odd in ("..png", "-o.png", "a\n.png", "%2e%2e%2f.png", "~.png", "sub/...png", "C:\\x.png"):
        (source / odd).touch()
    (source / "away").symlink_to("/")
    jobs = plan([source], out, PICTURES, ".hfx")
    assert {job.source.name for job in jobs} >= {"-o.png", "a\n.png", "~.png", "C:\\x.png"}
    for job in jobs:
        assert job.target.resolve().is_relative_to(out) and job.target.suffix == ".hfx"


# --- the dashboard's server


def test_the_server_is_for_this_machine_and_takes_small_files():
    settings = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    server = settings["server"]
    assert server["address"] == "127.0.0.1" and server["maxUploadSize"] <= 50
    assert server.get("enableXsrfProtection", True) and server.get("enableCORS", True)
    assert settings["client"]["showErrorDetails"] == "none"
    plan = subprocess.run(
        ["make", "--dry-run", "app"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert "--server.address 127.0.0.1" in plan
