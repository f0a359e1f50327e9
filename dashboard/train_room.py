"""What the page "Train lab" shares among visitors: who minds the runs, and what runs show."""

import base64
import html
import io

import numpy as np
import streamlit as st
from PIL import Image

from dashboard.train_charts import Curve
from hfx.lab import folder, photographs
from hfx.lab.folder import LabRun
from hfx.lab.keeper import Keeper
from hfx.lab.settings import NAMES, differing, shown

KEYS = {name: "train_stage" if name == "stage" else name for name in NAMES}
"""Of the controls, in session state and in links; `stage` is another thing on every page."""
PROBLEM = "train_problem"  # session state: what a button could not do


@st.cache_resource(show_spinner="Looking for runs")
def keeper() -> Keeper:
    """Return who minds the runs of this server."""
    return Keeper(folder.lab_folder().resolve())


def curve_of(run: LabRun) -> Curve:
    """Return what a run has to show."""
    return Curve(run.name, run.settings, run.curves(), run.measures())


def side_by_side(runs: list[LabRun]) -> list[dict[str, str]]:
    """Return a row a run: where their settings differ, and what came of them."""
    names = differing([run.settings for run in runs])
    return [
        {"run": run.name}
        | {NAMES[name]: shown(getattr(run.settings, name)) for name in names}
        | measures_of(run)
        for run in runs
    ]


def measures_of(run: LabRun) -> dict[str, str]:
    """Say what a run has come to."""
    state, curve = run.state, curve_of(run)
    shots = curve.measures
    _, loss = curve.column("loss")
    last = len(shots.get("psnr", ())) > 0
    return {
        "is": state.name,
        "steps": f"{state.step:,}",
        "loss": f"{loss[-20:].mean():.3f}" if len(loss) else "–",
        "PSNR": f"{shots['psnr'][-1]:.2f} dB" if last else "–",
        "at": f"{shots['bpp'][-1]:.3f} bpp" if last else "–",
        "took": f"{state.seconds:.0f} s",
    }


def strip_of(shots: list[int], count: int = 3) -> list[int]:
    """Choose pictures to show: the first, the latest, and some between, closer where more happens.

    Args:
        shots: Steps of which there are pictures, in order.
        count: How many to choose.
    """
    if len(shots) <= count:
        return shots
    ends = shots[-1] ** (1 / (count - 1))
    wanted = [0, *(ends**i for i in range(1, count - 1)), shots[-1]]
    chosen = {min(shots, key=lambda step, at=at: abs(step - at)) for at in wanted}  # type: ignore[misc]
    return sorted(chosen)


def figure(png: bytes, caption: str, alt: str) -> str:
    """Return a picture with a caption as HTML that needs no other file.

    Pictures here follow each other faster than a browser might ask for them.
    """
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    told = html.escape(f"{alt}: {caption}", quote=True)
    return (
        f'<figure class="shot"><img src="{source}" alt="{told}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


@st.cache_data(show_spinner=False)
def thumbnails(side: int = 92) -> list[bytes]:
    """Return small squares of the photographs that runs are trained on, and of the face."""
    pictures = [*photographs.train(), photographs.face()]
    return [png_of(square(picture, side)) for picture in pictures]


def square(picture: np.ndarray, side: int) -> Image.Image:
    """Return the middle of a picture, as a square of so many pixels."""
    whole = Image.fromarray(picture)
    least = min(whole.size)
    left, top = ((length - least) // 2 for length in whole.size)
    return whole.crop((left, top, left + least, top + least)).resize((side, side))


def png_of(picture: Image.Image) -> bytes:
    """Write a PNG."""
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()
