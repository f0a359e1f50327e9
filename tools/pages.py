"""Pages that quote measured numbers: their tables and sentences, made from data/results.

    python -m tools.pages     # bring README.md and the model card up to date

Between `<!-- measured: NAME -->` and `<!-- end -->` stands what the function NAME says.
"""

import math
import re
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path

from experiments.distance import table as read

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
PAGES = (ROOT / "README.md", ROOT / "data" / "weights" / "README.md")
MARKS = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.S)

TIERS = ("low", "medium", "high")
CLASSICAL = ("JPEG", "WebP", "AVIF", "JPEG 2000", "JPEG XL")
PUBLISHED = ("HiFiC", "MS-ILLM")
RATES = ("0.15", "0.30", "0.45")
Row = dict[str, str]


@cache
def table(name: str) -> list[Row]:
    """Read a CSV of data/results."""
    return read(RESULTS / name)


def mean(codec: str, tier: str) -> Row:
    """Return a codec's line of Kodak's summary."""
    return next(r for r in table("kodak_summary.csv") if (r["codec"], r["tier"]) == (codec, tier))


def short(value: str, digits: int = 3) -> str:
    """Write .246 for 0.2459, and nothing for nothing."""
    return f"{float(value):.{digits}f}".removeprefix("0") if value else ""


def lines(*rows: list[str]) -> str:
    """Lay out a table, its head first."""
    head, *body = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *body))


def prose(text: str) -> str:
    """Break a paragraph into lines."""
    return textwrap.fill(text, 99, break_long_words=False, break_on_hyphens=False) + "\n"


def training() -> str:
    """Say how long the weights were trained."""
    logs = [read(path)[-1] for path in RESULTS.glob("*/log.csv")]
    last = max(logs, key=lambda row: int(row["step"]))
    stages = next(r["generators"] for r in table("distance.csv") if r["codec"] == "hfx")
    gan = "no GAN stage yet" if stages == "1" else "the GAN stage not counted"
    return prose(
        f"The weights (9 M parameters, {int(last['step']):,} steps in "
        f"{float(last['minutes']) / 60:.1f} hours on two CPU cores, {gan}) stand here on Kodak, "
        "at equal bytes or fewer for the classical codecs (`data/results/kodak_summary.csv`):"
    )


def lpips() -> str:
    """LPIPS of ours, three classical codecs and the published ones."""

    def row(codec: str, name: str, rate: bool) -> list[str]:
        found = [mean(codec, tier) for tier in TIERS]
        return [
            name,
            *(short(r["lpips"]) + f" at {short(r['bpp'])} bpp" * rate for r in found),
        ]

    return lines(
        ["LPIPS, lower is better", *TIERS],
        row("hfx", "hfx", True),
        *(row(codec, codec, False) for codec in CLASSICAL[:3]),
        row("HiFiC", "HiFiC (published, 181 M parameters)", True),
        row("MS-ILLM", "MS-ILLM (published)", True),
    )


def rates() -> str:
    """Say what the tiers are, in bits per pixel."""
    low, medium, high = (f"{float(mean('hfx', tier)['bpp']):.2f}" for tier in TIERS)
    return prose(
        f"`--tier` is `low`, `medium` or `high` (about {low}, {medium} and {high} bits per pixel "
        "on Kodak)."
    )


def phase() -> str:
    """Say whether LPIPS flatters ours."""
    seen = {(r["codec"], r["tier"], r["shift"]): short(r["lpips"]) for r in table("phase.csv")}
    return prose(
        "A generator that is trained on LPIPS can learn where AlexNet's first layer looks, and "
        "please it there alone; our first two did. Ours now was shown windows at random places, "
        "to two networks: with both pictures moved by one pixel, low has "
        f"{seen['hfx', 'low', '1']} instead of {seen['hfx', 'low', '0']}, AVIF "
        f"{seen['AVIF', 'low', '1']} instead of {seen['AVIF', 'low', '0']} "
        "(`data/results/phase.csv`)."
    )


def speed() -> str:
    """Say how long a photograph takes, and how long with networks of HiFiC's size."""
    seconds = {(r["system"], r["part"]): float(r["seconds"]) for r in table("speed.csv")}
    encode, decode = seconds["hfx", "encode"], seconds["hfx", "decode"]
    theirs = sum(value for (system, _), value in seconds.items() if system != "hfx")
    return prose(
        f"A photograph of 768x512 takes {encode:.2f} s to encode and {decode:.2f} s to decode on "
        "two cores without a neighbour model; E and G alone of HiFiC's size take "
        f"{theirs / (encode + decode):.1f} times as long (`data/results/speed.csv`)."
    )


def neighbours() -> str:
    """Bytes with a neighbour model against none."""
    found = table("table1.csv")

    def row(kind: str, name: str) -> list[str]:
        sums = [
            [sum(int(r["bytes"]) for r in found if (r["kind"], r["tier"]) == (k, tier))
             for k in (kind, "HiFi")] for tier in TIERS
        ]  # fmt: skip
        return [name, *(short(str(some / all_)) for some, all_ in sums)]

    return lines(
        ["", *TIERS],
        row("HiFi + KNN", "HiFi + KNN"),
        row("HiFi + XGBoost", "HiFi + XGBoost (the default)"),
    )


def kodak() -> str:
    """Every codec at every tier: the model card's table."""
    columns = {"bpp": 3, "psnr": 2, "ssim": 3, "ms_ssim": 3, "lpips": 3}

    def row(codec: str, tier: str) -> list[str]:
        name = "**hfx**" if codec == "hfx" else codec + " (published)" * (codec in PUBLISHED)
        found = mean(codec, tier)
        values = (f"{float(found[k]):.{d}f}" if found[k] else "" for k, d in columns.items())
        return [tier, name, *values]

    return lines(
        ["tier", "codec", "bpp", "PSNR, dB", "SSIM", "MS-SSIM", "LPIPS"],
        *(row(codec, tier) for tier in TIERS for codec in ("hfx", *CLASSICAL, *PUBLISHED)),
    )


def distance() -> str:
    """Ours beside HiFiC, MS-ILLM and AVIF at three rates."""
    found = {r["codec"]: r for r in table("distance.csv")}
    codecs = ("hfx", *PUBLISHED, "AVIF")

    def row(name: str, cell: Callable[[Row], str]) -> list[str]:
        return [name, *(cell(found[codec]) or "not known" for codec in codecs)]

    def millions(r: Row) -> str:
        return f"{float(r['parameters']) / 1e6:.1f} M" if float(r["parameters"]) else "none"

    def megabytes(r: Row) -> str:
        none = "" if r["codec"] in PUBLISHED else "none"
        return f"{float(r['weights_mb']):.1f} MB" if float(r["weights_mb"] or 0) else none

    def seconds(r: Row) -> str:
        took = f"{float(r['encode']):.2f} s, {float(r['decode']):.2f} s"
        return took + " (E and G of that size alone)" * (r["codec"] in PUBLISHED)

    return lines(
        ["", "hfx", "HiFiC (published)", "MS-ILLM (published)", "AVIF (measured)"],
        *(row(f"LPIPS at {r} bpp", lambda c, r=r: short(c[f"lpips_{r}"])) for r in RATES),
        *(row(f"PSNR at {r} bpp, dB", lambda c, r=r: short(c[f"psnr_{r}"], 1)) for r in RATES),
        *(row(f"FID-768 at {t}", lambda c, t=t: short(c[f"fid768_{t}"], 2)) for t in TIERS),
        row("Parameters", millions),
        row("File of weights", megabytes),
        row("768x512 on two cores: encode, decode", seconds),
    )


def causes() -> str:
    """Say what stands between ours and MS-ILLM, as far as the learning curve can tell."""
    ours, ill = (next(r for r in table("distance.csv") if r["codec"] == c)
                 for c in ("hfx", "MS-ILLM"))  # fmt: skip
    ratios = [float(ours[f"lpips_{r}"]) / float(ill[f"lpips_{r}"]) for r in RATES]
    laws = table("learning.csv")
    falls = [float(r["b"]) for r in laws]
    least, most = min(float(r["b_least"]) for r in laws), max(float(r["b_most"]) for r in laws)
    tenfold = 1 - 10 ** -(sum(falls) / len(falls))
    far = [float(r["at_far"]) / float(r["hific"]) for r in laws]
    steps = [float(r["steps_to_hific"]) for r in laws]
    return prose(
        f"Our LPIPS is {ratios[0]:.1f}, {ratios[1]:.1f} and {ratios[2]:.1f} times MS-ILLM's. The "
        "learning curve (`data/results/learning.csv`, `learning.png`) says how much of it is "
        f"steps: LPIPS fell as steps to the power of -{falls[0]:.2f}, -{falls[1]:.2f} and "
        f"-{falls[2]:.2f} at the three rates (between -{least:.2f} and -{most:.2f} with the first "
        f"or the last two points left out), so ten times the steps take off "
        f"{100 * tenfold:.0f} %. At a million steps, what HiFiC's paper gives one stage, the "
        f"curve stands at {far[0]:.1f}, {far[1]:.1f} and {far[2]:.1f} times HiFiC's LPIPS; to "
        f"reach it by steps alone would take 10^{math.log10(steps[0]):.1f}, "
        f"10^{math.log10(steps[1]):.1f} and 10^{math.log10(steps[2]):.1f} of them. An "
        "extrapolation over two decades from one: take the order, not the digits."
    )


BLOCKS: dict[str, Callable[[], str]] = {
    f.__name__: f
    for f in (training, lpips, rates, phase, speed, neighbours, kodak, distance, causes)
}


def renewed(text: str) -> str:
    """Return a page with every block as data/results has it now."""
    return MARKS.sub(lambda m: m[1] + BLOCKS[m[2]]() + m[3], text)


def main() -> None:
    """Write the pages that changed."""
    for page in PAGES:
        old = page.read_text("utf-8")
        if (new := renewed(old)) != old:
            page.write_text(new, "utf-8")
            print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
