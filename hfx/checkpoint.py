"""Runs on disk: safetensors only, written whole or not at all."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn, optim

from hfx.errors import WeightsError
from hfx.files import atomic


def write(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write named tensors and JSON values; a crash leaves the old file in place."""
    dense = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    with atomic(path) as temporary:
        save_file(dense, temporary, metadata={"hfx": json.dumps(meta)})


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write` wrote.

    Raises:
        WeightsError: the file is missing, damaged, or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            if "hfx" not in meta:
                raise WeightsError(f"{path} was not written by hfx")
            return {k: file.get_tensor(k) for k in file.keys()}, json.loads(meta["hfx"])
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file: {error}") from error


def gather(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Return a module's state under a prefix."""
    return {f"{prefix}.{k}": v for k, v in module.state_dict().items()}


def restore(prefix: str, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load a module's state from under a prefix, strictly.

    Raises:
        WeightsError: names or shapes differ.
    """
    own = {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(prefix + ".")}
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise WeightsError(f"these weights are for another architecture: {first}") from error


def gather_optimizer(prefix: str, optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimizer's moments by the number of their parameter."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{i}.{k}": torch.as_tensor(v)
        for i, values in state.items()
        for k, v in values.items()
    }


def restore_optimizer(
    prefix: str, optimizer: optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Load an optimizer's moments; parameters that have none start afresh."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix + "."):
            number, name = key[len(prefix) + 1 :].split(".")
            state.setdefault(int(number), {})[name] = value
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
