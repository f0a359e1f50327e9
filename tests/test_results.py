"""Tables: what is written is read, and means say what they are means of."""

import csv
from dataclasses import replace

import pytest
from rich.console import Console

from hfx.errors import HfxError
from hfx.results import PUBLISHED, Row, load, published, save, summarise, summary_table

ROW = Row(
    image="a.png", codec="hfx", setting="low", tier="low", matched="", bytes=1000, bpp=0.5,
    mse=65.0, psnr=30.0, ssim=0.9, ms_ssim=0.95, lpips=0.1, lpips_squeeze=0.08, dists=0.15,
    encode_s=0.2, decode_s=0.3, memory_mb=250.0, note="", model="0123",
)  # fmt: skip
ROWS = [
    ROW,
    replace(ROW, image="b.png", bytes=3000, bpp=0.25, lpips=None, note="lpips: no network"),
    replace(ROW, codec="JPEG", setting="quality 3", psnr=20.0, matched="smaller"),
    replace(ROW, codec="JPEG", setting="quality 9", tier=""),
]


def test_round_trip(tmp_path):
    path = tmp_path / "r.csv"
    assert load(path) == []
    rows = [*ROWS, replace(ROW, image="c.png", psnr=100 / 3, mse=1e-7 / 3)]
    save(path, rows)
    assert load(path) == rows  # to the last digit: means before and after reading are the same
    assert path.read_text().splitlines()[0] == (
        "image,codec,setting,tier,matched,bytes,bpp,mse,psnr,ssim,ms_ssim,lpips,lpips_squeeze,"
        "dists,encode_s,decode_s,memory_mb,note,model"
    )


def test_tables_of_before_are_read(tmp_path):
    """They lack columns, which are blank."""
    path = tmp_path / "r.csv"
    path.write_text(
        "image,codec,setting,tier,bytes,bpp,psnr,ssim,ms_ssim,lpips,encode_s,decode_s,model\n"
        "a.png,hfx,low,low,1000,0.5,30.0,0.9,0.95,0.1,0.2,0.3,0123\n"
    )
    (row,) = load(path)
    assert row == replace(
        ROW, mse=None, lpips_squeeze=None, dists=None, memory_mb=None, matched="", note=""
    )
    assert row.lacks == {"mse", "lpips_squeeze", "dists"}


@pytest.mark.parametrize("text", ["x,y\n1,2\n", "\x00\xff", ""])
def test_other_tables_are_refused(tmp_path, text):
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(HfxError, match="no table of this benchmark"):
        load(path)


def test_a_spoilt_number_is_refused(tmp_path):
    path = tmp_path / "r.csv"
    save(path, ROWS)
    path.write_text(path.read_text().replace("1000", "many"))
    with pytest.raises(HfxError, match="no table"):
        load(path)


def test_means(tmp_path):
    lines = {
        (line["codec"], line["tier"], line["setting"]): line
        for line in summarise(ROWS, tmp_path / "r.csv")
    }
    assert len(lines) == 3
    ours = lines["hfx", "low", ""]
    assert ours["images"] == 2 and ours["bytes"] == 2000 and ours["bpp"] == 0.375
    assert ours["lpips"] is None  # b.png has none: no mean over the others
    assert lines["JPEG", "low", ""]["psnr"] == 20
    assert ours["unmatched"] == 0 and lines["JPEG", "low", ""]["unmatched"] == 1
    assert lines["JPEG", "", "quality 9"]["images"] == 1
    with open(tmp_path / "r_summary.csv", newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 3 and written[0]["codec"] == "hfx" and written[0]["lpips"] == ""


def test_published_numbers_stand_beside_kodak_only(tmp_path):
    assert not [x for x in summarise(ROWS, tmp_path / "r.csv") if x["setting"] == "published"]
    kodak = [replace(ROW, image=f"kodim{i:02}.png") for i in range(1, 25)]
    assert all(x["setting"] == "" for x in summarise(kodak[1:], tmp_path / "r.csv"))
    lines = summarise(kodak, tmp_path / "r.csv")
    assert {x["codec"] for x in lines if x["setting"] == "published"} == {"HiFiC", "MS-ILLM"}


def test_published_numbers_are_pinned():
    """Kodak means as the authors' own files give them."""
    if not PUBLISHED.exists():
        pytest.skip(f"{PUBLISHED.name} is not part of this installation")
    rows = {(row["codec"], row["tier"]): row for row in published("kodak")}
    assert len(rows) == 6
    assert rows["HiFiC", "low"]["bpp"] == pytest.approx(0.1825587, abs=1e-5)
    assert rows["HiFiC", "medium"]["lpips"] == pytest.approx(0.04278131, abs=1e-5)
    assert rows["MS-ILLM", "high"]["psnr"] == pytest.approx(31.03455, abs=1e-4)
    assert all(row["source"].startswith("https://") for row in rows.values())


def test_the_committed_summary_follows_from_the_committed_rows(tmp_path):
    """data/results/kodak_summary.csv says what data/results/kodak.csv says."""
    rows, summary = PUBLISHED.with_name("kodak.csv"), PUBLISHED.with_name("kodak_summary.csv")
    if not rows.exists():
        pytest.skip("data/results is not part of this installation")
    summarise(load(rows), tmp_path / "kodak.csv")
    with (
        open(summary, newline="") as theirs,
        open(tmp_path / "kodak_summary.csv", newline="") as ours,
    ):
        committed, computed = list(csv.DictReader(theirs)), list(csv.DictReader(ours))
    assert committed == computed and len(committed) > 15


def test_the_terminal_shows_tiers(tmp_path):
    console = Console(width=120)
    with console.capture() as shown:
        console.print(summary_table(summarise(ROWS, tmp_path / "r.csv")))
    assert "0.375" in shown.get() and "20.00" in shown.get()
