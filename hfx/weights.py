"""Exported weights: one safetensors file that holds E, G, h_a and the prior's integers."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from hfx import checkpoint
from hfx.config import Architecture
from hfx.entropy import pmf
from hfx.entropy.scales import scale_table
from hfx.errors import WeightsError
from hfx.networks import AnyEncoder, AnyGenerator, HyperAnalysis, encoder_of, generator_of
from hfx.prior import Prior

M = TypeVar("M", bound=nn.Module)
RELEASED = {"d849c2b1cc40c6bc": "1.0.0"}
"""Fingerprints of weights that shipped, and the version of hfx that reads their files."""
FORMAT = 1
LIMIT = 1 << 30  # bytes; a larger file is not one of ours
EXPORTED = ("channel", "none")  # norms that see one pixel and remember nothing


@dataclass(frozen=True, eq=False)
class Weights:
    """Everything that compresses and decompresses.

    Attributes:
        arch: The architecture.
        encoder: E, float32.
        generator: G, float32.
        gan: G after stage 2, float32; None where there was none.
        realism: How far to go from the one to the other where nothing is said, 0 to 1.
        hyper_analysis: h_a, float32.
        log2_degain: (T, C_y), from decoded latents back to normalised ones.
        prior: The exact side of the hyperprior.
        fingerprint: 8 bytes, in every file these weights write.
        about: Where they come from: steps, minutes, data, losses.

    Raises:
        WeightsError: the architecture has a norm that sees more than one pixel.
    """

    arch: Architecture
    encoder: AnyEncoder
    generator: AnyGenerator
    hyper_analysis: HyperAnalysis
    log2_degain: Tensor
    prior: Prior
    fingerprint: bytes
    about: dict[str, Any]
    gan: AnyGenerator | None = None
    realism: float = 0.0

    @property
    def usual(self) -> AnyGenerator:
        """The generator nearer to the dial's default: what the encoder reckons with."""
        return self.generator if self.gan is None or self.realism < 0.5 else self.gan

    def __post_init__(self) -> None:
        if self.arch.norm not in EXPORTED:
            raise WeightsError(
                f"a model with norm {self.arch.norm} makes no codec: the tiles of a picture must "
                f"give what the whole gives; train one with norm {' or '.join(EXPORTED)}"
            )


def reader_of(fingerprint: bytes) -> str:
    """Return what decodes a file with this fingerprint: a version of hfx, where it is known."""
    version = RELEASED.get(fingerprint.hex())
    if version is None:
        return "decode with the weights, or the hfx release, that wrote it"
    return f'hfx {version} reads it: pip install "hfx=={version}"'


def places(name: str = "compact") -> Iterator[Path]:
    """Yield where shipped weights may lie: beside the package in a wheel, in a checkout's data."""
    file = f"{name}.safetensors"
    yield Path(__file__).parent / "weights" / file
    yield Path(__file__).parent.parent / "data" / "weights" / file


def find(source: Path | str | None = None) -> Path:
    """Return the weights file to use: the one given, `$HFX_MODEL`, or the shipped one.

    Raises:
        WeightsError: there is none.
    """
    given = source or os.environ.get("HFX_MODEL")
    if given:
        path = Path(given)
        if not path.is_file():
            raise WeightsError(f"no weights at {path}; give a .safetensors file that hfx exported")
        return path
    for path in places():
        if path.is_file():
            return path
    raise WeightsError("no weights are installed; train and export some, or give --weights FILE")


def load(source: Path | str | None = None) -> Weights:
    """Load exported weights, checking that every part is there and fits.

    Raises:
        WeightsError: the file is missing, damaged, too large, or of another format.
    """
    path = find(source)
    if path.stat().st_size > LIMIT:
        raise WeightsError(f"{path} is larger than any hfx weights; it was not read")
    tensors, meta = checkpoint.read(path)
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise WeightsError(f"{path} is not an export of format {FORMAT}; run `hfx export` again")
    try:
        arch = Architecture.from_dict(meta["architecture"])
        arrays = {k[6:]: v.numpy() for k, v in tensors.items() if k.startswith("prior.")}
        prior = Prior.from_arrays(arrays)
        stated, about = str(meta["fingerprint"]), dict(meta["about"])
        realism = float(meta.get("realism", 0))
        log2_degain = tensors["log2_degain"].float()
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} is incomplete or damaged: {error}") from error
    tiers = len(arch.tiers)
    shapes = {prior.log2_gain.shape, tuple(log2_degain.shape)}
    if shapes != {(tiers, arch.latent)} or prior.log2_gain_z.shape != (tiers, arch.hyper):
        raise WeightsError(f"{path} is damaged: its gains are not those of its architecture")
    fingerprint = prior.fingerprint()
    if fingerprint.hex() != stated:
        raise WeightsError(f"{path} is damaged: its integers do not match its fingerprint")
    changed = {k: v for k, v in tensors.items() if k.startswith("gan.")}
    if not 0 <= realism <= (1 if changed else 0):
        raise WeightsError(f"{path} is damaged: it cannot have a realism of {realism}")
    first = {k: v for k, v in tensors.items() if k.startswith("generator.")}
    second = {k.replace("generator", "gan", 1): v for k, v in first.items()} | changed
    return Weights(
        arch=arch,
        encoder=_module(encoder_of(arch), "encoder", tensors),
        generator=_module(generator_of(arch), "generator", tensors),
        hyper_analysis=_module(HyperAnalysis(arch), "hyper_analysis", tensors),
        log2_degain=log2_degain,
        prior=prior,
        fingerprint=fingerprint,
        about=about,
        gan=_module(generator_of(arch), "gan", second) if changed else None,
        realism=realism,
    )


def _module(module: M, prefix: str, tensors: dict[str, Tensor]) -> M:
    checkpoint.restore(prefix, module, tensors)
    module = module.float().eval().requires_grad_(False)
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save(weights: Weights, path: Path) -> None:
    """Write weights: networks in float16, the prior in its integers.

    Of the second generator only what differs from the first is kept.
    """
    tensors: dict[str, Tensor] = {"log2_degain": weights.log2_degain.float()}
    for prefix in ("encoder", "generator", "hyper_analysis"):
        module = getattr(weights, prefix)
        tensors |= {k: v.half() for k, v in checkpoint.gather(prefix, module).items()}
    if weights.gan is not None:
        for name, value in checkpoint.gather("gan", weights.gan).items():
            if not torch.equal(value.half(), tensors[name.replace("gan", "generator", 1)]):
                tensors[name] = value.half()
    for name, array in weights.prior.to_arrays().items():
        tensors[f"prior.{name}"] = torch.from_numpy(np.ascontiguousarray(array))
    meta = {
        "format": FORMAT,
        "architecture": weights.arch.to_dict(),
        "fingerprint": weights.fingerprint.hex(),
        "about": weights.about,
        "realism": weights.realism,
    }
    checkpoint.write(path, tensors, meta)


def gaussian_tables() -> pmf.Tables:
    """Return the integer tables of p(y | mu, sigma)."""
    return pmf.build_tables("gaussian", scale_table())


def logistic_tables() -> pmf.Tables:
    """Return the integer tables of p(z)."""
    return pmf.build_tables("logistic", scale_table())
