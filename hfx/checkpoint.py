"""Runs on disk: safetensors only, written whole or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn, optim

from hfx.errors import WeightsError
from hfx.files import atomic


def write(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write named tensors and JSON values; a crash leaves the old file in place.

    Raises:
        HfxError: the file cannot be written.
    """
    dense = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    with atomic(path) as temporary:
        temporary.touch()
        mode = (
            temporary.stat().st_mode
        )  # what any new file gets; save_file's is for its owner only
        try:
            save_file(dense, temporary, metadata={"hfx": json.dumps(meta)})
        except SafetensorError as error:  # a full disk, in its words
            raise OSError(str(error)) from error
        temporary.chmod(mode)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write` wrote.

    Raises:
        WeightsError: the file is missing, damaged, or not one of ours.
    """
    with _opened(path) as file:
        return {k: file.get_tensor(k) for k in file.keys()}, _meta(path, file)


def read_meta(path: Path) -> dict[str, Any]:
    """Read the JSON values alone; raises what `read` raises."""
    with _opened(path) as file:
        return _meta(path, file)


def _meta(path: Path, file: safe_open) -> dict[str, Any]:
    meta = file.metadata() or {}
    if "hfx" not in meta:
        raise WeightsError(f"{path} was not written by hfx")
    values: dict[str, Any] = json.loads(meta["hfx"])
    return values


@contextmanager
def _opened(path: Path) -> Iterator[safe_open]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
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


def restore_optimizer(prefix: str, optimizer: optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load an optimizer's moments; parameters that have none start afresh.

    Raises:
        WeightsError: they are moments of other parameters.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if not key.startswith(prefix + "."):
            continue
        number, name = key[len(prefix) + 1 :].split(".")
        if int(number) >= len(parameters):
            raise WeightsError(f"these moments are of another run: there is no parameter {number}")
        p = parameters[int(number)]
        if value.dim():  # a moment; Adam's count of steps has no dimensions
            if value.shape != p.shape:
                raise WeightsError(f"these moments are of another run: {key} does not fit")
            # in memory as the parameter is (channels_last): the fused Adam relies on it
            value = torch.empty_like(p).copy_(value)
        state.setdefault(int(number), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
