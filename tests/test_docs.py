"""What the pages say of the code is so: the flow, the layers, links, and forecasts."""

import re
from functools import cache
from pathlib import Path

import pytest
from test_structure import PACKAGE, ROOT, dotted, imported

import hfx.codec

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / ".github").glob("*.md")) + sorted((ROOT / "data").rglob("*.md"))
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


@cache
def layers():
    """The layer of each module and package in the table, 0 at the top."""
    table = ARCHITECTURE.partition("## Layers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|]+ \| (`.+`) \|$", table, re.M)
    named = [
        (f"hfx.{name}", i) for i, row in enumerate(rows) for name in re.findall(r"`(.+?)`", row)
    ]
    assert len(dict(named)) == len(named), "a module stands in two rows"
    return dict(named)


def layer(module):
    """The layer of a module: its own, or its package's."""
    while module not in layers() and "." in module:
        module = module.rpartition(".")[0]
    return layers().get(module)


def test_the_flow_is_the_one_in_the_codec():
    shown = re.search(r"```\n(encode .+?)```", ARCHITECTURE, re.S)[1]
    lines = hfx.codec.__doc__.partition("\n\n")[2].partition("\n\n")[0].splitlines()
    assert shown.splitlines() == [line.removeprefix("    ") for line in lines]


# Names only, or a door of the whole package.
@pytest.mark.parametrize(
    "path", [p for p in PACKAGE if p.stem not in ("__init__", "__main__")], ids=dotted
)
def test_arrows_point_up_the_table_of_layers(path):
    module = dotted(path)
    assert layer(module) is not None, "give it a row in docs/architecture.md"
    for other in imported(path):
        if layer(other) is not None:
            assert layer(other) <= layer(module), f"{module} imports {other} from a later row"


def test_the_table_names_nothing_that_is_gone():
    known = {dotted(p) for p in PACKAGE}
    assert not layers().keys() - known


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_forecast_has_its_place():
    """Between two marks, which experiments/throughput.py looks for."""
    from experiments.throughput import MARKS

    assert len(MARKS.findall((ROOT / "docs" / "cluster.md").read_text("utf-8"))) == 1


def test_every_make_target_named_is_there():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z]+)", page.read_text("utf-8"))) <= targets, page


def test_wheels_hold_code_and_weights_alone():
    """What pyproject.toml says of them; `Path` is where an installed hfx looks for weights."""
    import tomllib

    from hfx.weights import places

    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = built["targets"]["wheel"]
    assert wheel["include"] == ["/hfx", "/data/weights"]
    assert wheel["sources"]["data/weights"] == "hfx/weights"
    assert next(places()).parent == Path(hfx.codec.__file__).parent / "weights"
