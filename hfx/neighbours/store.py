"""Neighbour models as files, beside the weights they were fitted for and bound to them.

`compact.safetensors` has its models in `compact.xgb.safetensors` and `compact.knn.safetensors`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hfx import checkpoint
from hfx.entropy.pmf import Tables
from hfx.errors import WeightsError
from hfx.neighbours.boosted import Boosted
from hfx.neighbours.chain import Chain
from hfx.neighbours.nearest import Nearest
from hfx.neighbours.plan import Plan

FORMAT = 1
LIMIT = 1 << 27  # bytes; a larger file is not one of ours
KINDS: dict[str, type[Boosted] | type[Nearest]] = {"xgb": Boosted, "knn": Nearest}
Fitted = Boosted | Nearest


def fingerprint(head: dict[str, Any], tensors: dict[str, torch.Tensor]) -> bytes:
    """Return 4 bytes that change when anything that decides a probability does."""
    sha = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        array = np.ascontiguousarray(tensor.numpy())
        sha.update(f"{name}{array.shape}{array.dtype.str}".encode() + array.tobytes())
    return sha.digest()[:4]


def tensors_of(model: Fitted) -> dict[str, torch.Tensor]:
    """Return everything in a model that a file must hold."""
    arrays = {**model.to_arrays(), **{f"chain.{k}": v for k, v in model.chain.to_arrays().items()}}
    return {k: torch.from_numpy(np.array(v)) for k, v in arrays.items()}


def save(model: Fitted, path: Path, weights: bytes, about: dict[str, Any]) -> None:
    """Write a model fitted for the weights of that fingerprint."""
    tensors = tensors_of(model)
    head = {"kind": model.kind, "plan": model.plan.to_dict(), "columns": model.columns}
    meta = {
        "format": FORMAT,
        **head,
        "weights": weights.hex(),
        "fingerprint": fingerprint(head, tensors).hex(),
        "about": about,
    }
    checkpoint.write(path, tensors, meta)


def load(path: Path, kind: str, weights: bytes, tables: Tables) -> tuple[Fitted, bytes]:
    """Load a model and its fingerprint.

    Args:
        path: What `save` wrote.
        kind: "xgb" or "knn".
        weights: Fingerprint of the weights in use.
        tables: Their tables of y.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or for other weights.
    """
    if path.is_file() and path.stat().st_size > LIMIT:
        raise WeightsError(f"{path} is larger than any neighbour model; it was not read")
    tensors, meta = checkpoint.read(path)
    if not isinstance(meta, dict) or meta.get("format") != FORMAT or meta.get("kind") != kind:
        raise WeightsError(f"{path} is no {kind} neighbour model of format {FORMAT}; fit it again")
    if meta.get("weights") != weights.hex():
        raise WeightsError(
            f"{path} was fitted for other weights ({meta.get('weights')}, these are "
            f"{weights.hex()}); fit it again with `hfx fit-neighbours --kind {kind}`"
        )
    try:
        found = fingerprint({key: meta[key] for key in ("kind", "plan", "columns")}, tensors)
        if found.hex() != meta["fingerprint"]:  # before xgboost, which may crash, sees the trees
            raise ValueError("it does not match its fingerprint")
        arrays = {k: v.numpy() for k, v in tensors.items()}
        chain = Chain.from_arrays(
            {k[6:]: v for k, v in arrays.items() if k.startswith("chain.")}, tables
        )
        columns = None if meta["columns"] is None else tuple(map(int, meta["columns"]))
        model = KINDS[kind].from_arrays(arrays, Plan(**meta["plan"]), chain, columns)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} is incomplete or damaged: {error}") from error
    return model, found
