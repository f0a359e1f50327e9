"""Is a low LPIPS owed to where LPIPS looks? Pictures moved by a few pixels, ours against AVIF's.

AlexNet's first layer looks at every fourth pixel. A generator trained with LPIPS, shown the same
pixels of each 16x16 block every time, can learn dots that please it there and nowhere else.
Cutting the same pixels off the top and the left of both pictures moves the places looked at and
leaves the pictures what they are: a distance that rises is one that was tuned.

    python experiments/phase.py --data KODAK --out data/results/phase.csv
"""

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import mean

import numpy as np

from hfx import image, metrics
from hfx.bench import pictures_of
from hfx.classical import CODECS, Ladder, decode
from hfx.codec import load
from hfx.console import progress
from hfx.results import write

SHIFTS = (0, 1, 2, 3, 4, 8)
ROOM = max(SHIFTS)  # every window is smaller than the picture by this, so that all are of a size
AVIF = next(codec for codec in CODECS if codec.name == "AVIF")
NAMES = ("codec", "tier", "shift", "pictures", "lpips", "lpips_squeeze")


def main() -> None:
    """Measure, and write the means over all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of Kodak's pictures")
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--weights", type=Path, help="the codec's, by default those shipped")
    parser.add_argument("--realism", type=float, help="of decoding, by default the weights' own")
    given = parser.parse_args()
    codec, pictures = load(given.weights), pictures_of(given.data)
    seen: dict[tuple[str, str, int], list[tuple[float | None, float | None]]] = defaultdict(list)
    with progress("moving", len(pictures)) as step:
        for path in pictures.values():
            x = image.load(path).rgb
            for tier in codec.weights.arch.tiers:
                data = codec.compress(x, tier)
                ladder = Ladder(AVIF, x)
                theirs, _ = ladder.at(ladder.largest_within(len(data)) or 0)
                ours = np.asarray(codec.decompress(data, realism=given.realism))
                for name, x_hat in (("hfx", ours), ("AVIF", decode(theirs))):
                    for shift in SHIFTS:
                        a, b = (v[shift : shift - ROOM or None, shift : shift - ROOM or None]
                                for v in (x, x_hat))  # fmt: skip
                        pair = np.ascontiguousarray(a), np.ascontiguousarray(b)
                        both = metrics.lpips(*pair), metrics.lpips_squeeze(*pair)
                        seen[name, tier, shift].append(both)
            step()
    rows = [
        (
            *key,
            len(pairs),
            *(mean(v for v in column if v is not None) for column in zip(*pairs, strict=True)),
        )
        for key, pairs in seen.items()
    ]
    write(given.out, NAMES, [dict(zip(NAMES, row, strict=True)) for row in rows])


if __name__ == "__main__":
    main()
