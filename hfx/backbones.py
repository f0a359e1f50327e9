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
        url: Public home of the full network.
        sha256: First digits of the downloaded file's SHA-256, as its own file name states them.
        prefix: Parameters used.
        digest: SHA-256 over the used parameters' names, shapes and float32 bytes: whatever
            file they come from, these very numbers are loaded or none.
    """

    file: str
    url: str
    sha256: str
    prefix: str
    digest: str


BACKBONES = {
    "alexnet": Backbone(
        file="alexnet_features.pth",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        sha256="7be5be79",
        prefix="features.",
        digest="b46189e918b5839984e730473cc7329f473de17968d8502d355c0f0fd30797e7",
    ),
}


def cache_folder() -> Path:
    """Return the user's cache folder for downloaded weights."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hfx"


def load_backbone(name: str) -> dict[str, Tensor]:
    """Load a backbone's parameters from `$HFX_WEIGHTS`, the cache, or its public home.

    Raises:
        WeightsError: it is nowhere and cannot be downloaded, or it is not the file it should be.
    """
    backbone = BACKBONES[name]
    folders = [Path(os.environ["HFX_WEIGHTS"])] if os.environ.get("HFX_WEIGHTS") else []
    for folder in [*folders, cache_folder()]:
        if (folder / backbone.file).exists():
            return _read(folder / backbone.file, backbone)
    return _read(_download(name, backbone), backbone)


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
        digest = digest_of(used)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"{path} cannot be read ({reason}); delete it and try again") from error
    if digest != backbone.digest:
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
