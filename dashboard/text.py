"""Numbers and notices as the pages word them; pure functions."""

from typing import Any

HALLUCINATION = (
    "**What you see may never have been there.** A generative codec invents plausible detail for "
    "what the file does not hold: texture, small print, even features of a face. Good for looking "
    "at, not for evidence, measurement or medical pictures."
)

NUMBERS = """
- **Bytes**: of the whole file, headers and checksums included.
- **bpp**: bits per pixel, 8 × bytes / pixels.
- **Of 24 bit**: how many times smaller than 3 bytes for each pixel.
- **Encode, decode**: seconds from pixels to the file and back, measured on this machine as busy \
as it was; a search for a size is not counted.
- **PSNR ↑**: fidelity pixel by pixel; higher is closer.
- **SSIM ↑**: likeness of local structure; 1 is equal.
- **LPIPS ↓**: distance in the features of a network (AlexNet), weighted after people's \
judgements; lower is closer.
- **Setting**: what the codec was told; for hfx 0 to 100, the tiers at 20, 50 and 80.
"""


def number(value: float | None, digits: int, unit: str = "") -> str:
    """Write a measure; a dash where there is none."""
    if value is None:
        return "–"
    return ("∞" if value == float("inf") else f"{value:.{digits}f}") + unit


def ratio(times: float) -> str:
    """Write how many times smaller something is, as "1 : times"."""
    return f"1 : {times:.1f}" if times < 99.95 else f"1 : {times:.0f}"


def about(weights: dict[str, Any], fingerprint: bytes) -> str:
    """Say in a line which weights are at work and how long they were trained."""
    parts = []
    if "step" in weights:
        parts.append(f"{weights['step']:,} training steps")
    if "minutes" in weights:
        parts.append(f"{weights['minutes']:,.0f} minutes")
    if weights.get("hardware"):
        parts.append(f"on {weights['hardware']}")
    trained = ", ".join(parts) if parts else "no record of their training"
    return f"Weights `{fingerprint.hex()}`: {trained}."


def chunks(info: dict[str, Any]) -> str:
    """Say what the bytes of a `.hfx` file are spent on."""
    names = {
        "y": "the picture (y)",
        "z": "what to expect of it (z)",
        "escapes": "rare symbols",
        "alpha": "transparency",
        "container": "header and checksums",
    }
    return " · ".join(f"{names.get(k, k)} {n:,}" for k, n in info["chunks"].items() if n)
