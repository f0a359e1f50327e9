"""Studies made on the spot, without any codec: coloured squares stand for pictures."""

import io

from PIL import Image

from hfx.study import manifest, votes
from hfx.study.manifest import Photograph, Shown, Study


def square(colour, side):
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, format="PNG")
    return out.getvalue()


def made(
    folder, codecs=("hfx", "JPEG", "AVIF"), photographs=4, pairs=10, catches=2, side=8, **more
):
    """A study that nobody has voted in yet."""
    folder.mkdir(parents=True)
    shown = []
    for i in range(photographs):
        for j in range(len(codecs) + 2):
            (folder / f"{i}{j}.png").write_bytes(square((20 * i, 20 * j, 99), side))
        by = {codec: Shown(f"{i}{j}.png", 1000 - j, "") for j, codec in enumerate(codecs, 2)}
        shown.append(Photograph(f"photo {i}", side, side, 1000, f"{i}0.png", f"{i}1.png", by))
    study = Study(
        code=more.pop("code", manifest.new_code()),
        title="Squares",
        tier="medium",
        codecs=tuple(codecs),
        pairs=pairs,
        catches=catches,
        reference=more.pop("reference", False),
        model="00",
        photographs=tuple(shown),
        folder=folder,
    )
    votes.create(study.votes)
    manifest.write(study)
    return study


def answer(study, token, prefer, catches=True):
    """Answer all trials of a participant.

    Args:
        prefer: From two codecs, left and right, to the one preferred.
        catches: Whether catch trials are answered rightly.
    """
    for asked in votes.trials_of(study, token):
        trial = asked.trial
        if trial.catch:
            other = "left" if trial.answer == "right" else "right"
            side = trial.answer if catches else other
        else:
            side = "left" if prefer(trial.left, trial.right) == trial.left else "right"
        votes.vote(study, token, asked.number, side, 1.5)
