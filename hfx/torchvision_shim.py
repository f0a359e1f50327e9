"""Make `import torchvision` work where its compiled operators do not load.

torchvision's wheel from a package registry may be compiled for another build of torch than the one
installed (CPU against CUDA). Its library of operators then fails to load in silence, and the
import stops a moment later with "operator torchvision::nms does not exist", because the package
describes that operator to torch's compiler. torchmetrics and lpips import torchvision, though
neither needs an operator of it.

The cure is to declare the two operators, without code, and to import again. Nothing happens where
torchvision is sound or absent. Call `ensure()` before the first import of torchmetrics or lpips.
"""

import importlib
import sys
from functools import cache

import torch

_SCHEMAS = ("nms", "qnms")
_ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache  # holds the library as well: its declarations vanish with it
def ensure() -> torch.library.Library | None:
    """Import torchvision, declaring its operators where they are missing.

    Returns:
        The declarations, or None where torchvision is sound or not installed.
    """
    try:
        importlib.import_module("torchvision")
    except ImportError:
        return None
    except RuntimeError:  # "operator torchvision::nms does not exist"
        library = torch.library.Library("torchvision", "DEF")
        for name in _SCHEMAS:
            library.define(f"{name}{_ARGUMENTS}")
        for module in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
            del sys.modules[module]
        importlib.import_module("torchvision")
        return library
    return None
