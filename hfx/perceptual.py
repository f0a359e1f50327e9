"""LPIPS behind one function; its backbone is found or refused, never random."""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hfx.backbones import load_backbone
from hfx.errors import WeightsError

# ImageNet statistics on LPIPS's [-1, 1] scale, from the lpips package
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


class LPIPS(nn.Module):
    r"""Learned perceptual distance with AlexNet features (Zhang et al. 2018, arXiv:1801.03924).

    .. math:: d(x, x') = \sum_l \text{mean}_{hw} \, w_l^T (\hat f^l - \hat f'^l)^2

    with :math:`\hat f^l` the features of layer l at unit length over channels. This is k_P's
    term in Eq. 6. Values equal those of the `lpips` package (version 0.1), a test says so; it
    stands here because training must not need more than torch.

    Shapes: x, x_hat (N, 3, H, W) in [0, 1], H and W at least 31, to (N,).

    Raises:
        WeightsError: the backbone or the linear heads cannot be found.
    """

    def __init__(self) -> None:
        super().__init__()

        self.layers = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU()),
                nn.Sequential(nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()),
                nn.Sequential(nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
                nn.Sequential(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
                nn.Sequential(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
            ]
        )
        features = load_backbone("alexnet")
        convs = [m for m in self.layers.modules() if isinstance(m, nn.Conv2d)]
        for conv, index in zip(convs, (0, 3, 6, 8, 10), strict=True):
            conv.load_state_dict(
                {k: features[f"features.{index}.{k}"] for k in ("weight", "bias")}
            )
        for layer, head in enumerate(linear_heads()):
            self.register_buffer(f"head{layer}", head)
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None])
        self.requires_grad_(False)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the five unit-length feature maps."""
        f, out = (x * 2 - 1 - self.shift) / self.scale, []
        for layer in self.layers:
            f = layer(f)
            norm = (f.float().square().sum(1, keepdim=True) + 1e-20).sqrt()  # no NaN gradient at 0
            out.append(f.float() / norm)
        return out

    def forward(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """Measure the distance of each pair of pictures."""
        with torch.no_grad():
            reference = self.features(x)
        total = torch.zeros(x.shape[0], device=x.device)
        for layer, (f, g) in enumerate(zip(reference, self.features(x_hat), strict=True)):
            with torch.autocast(x.device.type, enabled=False):  # these are sums of small squares
                head = self.get_buffer(f"head{layer}")
                total = total + F.conv2d((f - g).square(), head).mean((1, 2, 3))
        return total


def linear_heads() -> list[Tensor]:
    """Return LPIPS's five learned weightings (1, C, 1, 1), from an installed package's file.

    Raises:
        WeightsError: neither lpips nor torchmetrics is installed.
    """
    for package, folder in (
        ("lpips", "weights/v0.1"),
        ("torchmetrics", "functional/image/lpips_models"),
    ):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        path = Path(spec.origin).parent / folder / "alex.pth"
        if path.exists():
            state = torch.load(path, map_location="cpu", weights_only=True)
            return [state[f"lin{layer}.model.1.weight"] for layer in range(5)]
    raise WeightsError("LPIPS unavailable: its linear heads need `pip install lpips`")
