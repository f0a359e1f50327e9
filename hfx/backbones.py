"""Third-party feature networks: found in a folder, in the cache, or downloaded and verified."""

import hashlib
import os
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor

from hfx.errors import HfxError, WeightsError
from hfx.files import atomic


@dataclass(frozen=True)
class Backbone:
    """Where a network's weights live and how they are recognised.

    Attributes:
        file: Name looked for in `$HFX_WEIGHTS`, and the name in the cache.
        url: Public home of the full network; empty for a file that is not downloaded.
        sha256: SHA-256 of the file at `url`, or the first digits that its own name states.
        prefix: Parameters used, by the beginnings of their names; an empty one means all.
        digest: SHA-256 over the used parameters' names, shapes and float32 bytes: whatever
            file they come from, these very numbers are loaded or none. Empty where only the
            public file itself will do.
    """

    file: str
    url: str
    sha256: str
    prefix: str | tuple[str, ...]
    digest: str


BACKBONES = {
    "alexnet": Backbone(
        file="alexnet_features.pth",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        sha256="7be5be79",
        prefix="features.",
        digest="b46189e918b5839984e730473cc7329f473de17968d8502d355c0f0fd30797e7",
    ),
    "squeezenet": Backbone(
        file="squeezenet1_1_features.pth",
        url="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        prefix="features.",
        digest="f837b33e14c2b355b28d21c43ab05d411c1e65aee36259572d50b2a2be8f08ef",
    ),
    # The Inception of FID, whole; and its trunk, with BatchNorm folded into the convolutions
    "inception": Backbone(
        file="weights-inception-2015-12-05-6726825d.pth",
        url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        prefix="",
        digest="",
    ),
    "inception_trunk": Backbone(
        file="inception_2015_12_05_to_mixed7a.pth",
        url="",
        sha256="",
        prefix=("Conv2d_", "Mixed_5", "Mixed_6"),
        digest="446bd8bc90f1dc8c6a27474a324126657b3f193cd200e3ddd4ac42cc2d2c17d2",
    ),
    "vgg16": Backbone(
        file="vgg16-397923af.pth",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        prefix="features.",
        digest="",
    ),
}


def cache_folder() -> Path:
    """Return the user's cache folder for downloaded weights."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hfx"


def load_backbone(name: str, purpose: str = "") -> dict[str, Tensor]:
    """Load a backbone's parameters from `$HFX_WEIGHTS`, the cache, or its public home.

    Args:
        purpose: What needs it; messages then say that this is unavailable.

    Raises:
        WeightsError: it is nowhere and cannot be downloaded, or it is not the file it should be.
    """
    return _read(backbone_file(name, purpose), BACKBONES[name])


def backbone_file(name: str, purpose: str = "") -> Path:
    """Return a backbone's file, from where `load_backbone` would take it."""
    return find_backbone(name) or _download(purpose or name, BACKBONES[name])


def find_backbone(name: str) -> Path | None:
    """Return a backbone's file if this machine has it."""
    folders = [Path(os.environ["HFX_WEIGHTS"])] if os.environ.get("HFX_WEIGHTS") else []
    paths = (folder / BACKBONES[name].file for folder in [*folders, cache_folder()])
    return next((path for path in paths if path.exists()), None)


def digest_of(state: dict[str, Tensor]) -> str:
    """Return the SHA-256 of named parameters, independent of the file that held them."""
    sha = hashlib.sha256()
    for key in sorted(state):
        sha.update(f"{key}{tuple(state[key].shape)}".encode())
        sha.update(state[key].float().contiguous().numpy().tobytes())
    return sha.hexdigest()


def _read(path: Path, backbone: Backbone) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        used = {k: v for k, v in state.items() if k.startswith(backbone.prefix)}
        if backbone.digest:
            genuine = digest_of(used) == backbone.digest
        else:
            with open(path, "rb") as file:
                genuine = hashlib.file_digest(file, "sha256").hexdigest() == backbone.sha256
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"{path} cannot be read ({reason}); delete it and try again") from error
    if not genuine:
        raise WeightsError(f"{path} is not the expected network; delete it and try again")
    return used


def _download(name: str, backbone: Backbone) -> Path:
    target = cache_folder() / backbone.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic(target) as temporary:
            digest = _fetch(name, backbone, temporary)
            if not digest.startswith(backbone.sha256):
                raise WeightsError(f"{backbone.url} has changed: its SHA-256 does not match")
    except WeightsError:
        raise
    except (HfxError, OSError) as error:  # the folder cannot be written
        raise _unavailable(name, backbone, error) from error
    return target


def _fetch(name: str, backbone: Backbone, path: Path) -> str:
    """Download to a file, showing how far it is, and return the SHA-256 of what came."""
    sha, done = hashlib.sha256(), 0
    live = sys.stderr.isatty()
    print(f"{name}: downloading {backbone.url}", file=sys.stderr)
    with open(path, "wb") as out:
        for block, total in _blocks(name, backbone):
            out.write(block)
            sha.update(block)
            done += len(block)
            if live:
                print(f"\r{done >> 20} of {total >> 20} MiB", end="", file=sys.stderr)
    print(f"\r{name}: {done >> 20} MiB downloaded", file=sys.stderr)
    return sha.hexdigest()


def _blocks(name: str, backbone: Backbone) -> Iterator[tuple[bytes, int]]:
    """Yield (block, size of the whole file); the network's failures say what is needed."""
    try:
        with urllib.request.urlopen(backbone.url, timeout=20) as reply:
            total, done = int(reply.headers.get("Content-Length", 0)), 0
            while block := reply.read(1 << 20):
                done += len(block)
                yield block, total
        if done < total:
            raise OSError(f"the connection broke after {done} of {total} bytes")
    except (OSError, HTTPException) as error:
        raise _unavailable(name, backbone, error) from error


def _unavailable(name: str, backbone: Backbone, error: Exception) -> WeightsError:
    return WeightsError(
        f"{name} unavailable: needs {backbone.url} ({error}); "
        f"or save that as {backbone.file} in a folder and set HFX_WEIGHTS to the folder"
    )
