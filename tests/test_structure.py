"""The rules of the layout: small files, arrows one way, a test for every module."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = sorted(p for top in ("hfx", "dashboard") for p in (ROOT / top).rglob("*.py"))
PACKAGE = [p for p in PRODUCT if p.is_relative_to(ROOT / "hfx")]

# Modules whose every line runs in other modules' tests; a reason each.
NO_TEST_OF_ITS_OWN = {
    "__init__": "names only",
    "__main__": "calls cli.main",
    "errors": "classes without code",
    "fit_nearest": "test_nearest.py: what it makes is tested there",
    "icc": "test_image.py: profiles arrive inside pictures",
}
# All that a machine for training may have beside the standard library.
TRAINING_NEEDS = {"torch", "numpy", "PIL", "safetensors"}
OTHERS = (
    "constriction lpips torchvision torchmetrics typer rich scipy sklearn skimage xgboost "
    "streamlit plotly pandas matplotlib dask distributed"
).split()


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> set[str]:
    """Dotted names of what a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: relative import; write it out"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def dotted(path: Path) -> str:
    """The name by which a module is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports when it runs, at its top or inside a function."""
    known, found = {dotted(p) for p in PRODUCT}, set[str]()
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return (found & known) - {"hfx", dotted(path)}  # hfx itself holds names only, found lazily


def within(names: set[str], *packages: str) -> set[str]:
    """Those names that are one of the packages, or inside one."""
    return {n for n in names for p in packages if n == p or n.startswith(f"{p}.")}


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_files_are_small(path):
    assert len(path.read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_no_paths_of_one_machine(path):
    assert "../shared" not in path.read_text("utf-8")


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_every_module_has_a_test(path):
    if path.stem in NO_TEST_OF_ITS_OWN:
        return
    names = {f"test_{path.stem}.py"}
    if path.parent.name != "hfx":  # one file may test all of a small subpackage
        names.add(f"test_{path.parent.name}.py")
    assert names & {test.name for test in (ROOT / "tests").rglob("test_*.py")}, (
        f"write tests/test_{path.stem}.py, or give the reason in NO_TEST_OF_ITS_OWN"
    )


def test_no_imports_go_round_in_a_circle():
    arrows = {dotted(path): imported(path) for path in PRODUCT}
    assert len(arrows) > 100 and sum(map(len, arrows.values())) > 300
    list(TopologicalSorter(arrows).static_order())  # raises CycleError


def test_bitstream_knows_bytes_only():
    found = imports(ROOT / "hfx" / "bitstream.py")
    assert within(found, "hfx") == within(found, "hfx.errors")
    assert {n.partition(".")[0] for n in found} - {"hfx"} <= sys.stdlib_module_names


def test_training_never_sees_the_codec():
    path = ROOT / "hfx" / "train.py"
    if path.exists():
        assert not within(imports(path), "hfx.codec", "hfx.bitstream")


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_nothing_in_the_package_imports_a_door(path):
    """The doors (command line, dashboard) import the package, never the other way round."""
    if path.stem != "__main__":
        assert not within(imports(path), "hfx.cli", "dashboard", "streamlit")


def test_training_runs_on_a_bare_machine():
    """`import hfx.train` works where nothing but TRAINING_NEEDS is installed."""
    if not (ROOT / "hfx" / "train.py").exists():
        pytest.skip("there is no hfx/train.py")
    assert not TRAINING_NEEDS & set(OTHERS)
    code = f"import sys; sys.modules.update(dict.fromkeys({OTHERS!r})); import hfx.train"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_one_command_makes_every_result():
    """What data/results/README.md says made a file is what `make results` runs."""
    table = (ROOT / "data/results/README.md").read_text()
    said = re.findall(r"^\| .+? \| `((?:hfx (?!train)|python )[^`]+)` ", table, re.M)
    dry = ["make", "--dry-run", "results", "KODAK=KODAK", "TRAIN=TRAIN"]
    plan = subprocess.run(dry, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    plan = re.sub(r"\\\n\s*", "", plan).replace(".venv/bin/", "")
    assert len(said) > 8
    for command in said:
        assert command in plan, command
