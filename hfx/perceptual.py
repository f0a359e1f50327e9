"""LPIPS and DISTS behind one function each; their backbones are found or refused, never random."""

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
    r"""Learned perceptual distance (Zhang et al. 2018, arXiv:1801.03924).

    .. math:: d(x, x') = \sum_l \text{mean}_{hw} \, w_l^T (\hat f^l - \hat f'^l)^2

    with :math:`\hat f^l` the features of layer l at unit length over channels. With AlexNet's
    features this is k_P's term in Eq. 6. Values equal those of the `lpips` package (version 0.1),
    a test says so; it stands here because training must not need more than torch.

    Args:
        net: Whose features: "alex" or "squeeze".

    Shapes: x, x_hat (N, 3, H, W) in [0, 1], H and W at least 31, to (N,).

    Raises:
        WeightsError: the backbone or the linear heads cannot be found.
    """

    def __init__(self, net: str = "alex") -> None:
        super().__init__()

        backbone, trunk, self.strides = {
            "alex": ("alexnet", alexnet, (4, 8, 16, 16, 16)),
            "squeeze": ("squeezenet", squeezenet, (2, 4, 8, 16, 16, 16, 16)),
        }[net]
        self.trunk = trunk()
        self.trunk.load(load_backbone(backbone, "LPIPS"))
        for layer, head in enumerate(linear_heads(net)):
            self.register_buffer(f"head{layer}", head)
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None])
        self.requires_grad_(False)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return every layer's feature map, at unit length."""
        out = []
        for f in self.trunk((x * 2 - 1 - self.shift) / self.scale):
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


class DISTS(nn.Module):
    """Features for structure and texture similarity (Ding et al. 2020, arXiv:2004.07728).

    The picture itself, and VGG16's features before each of its pools, which average squares here;
    `metrics.dists` compares them. Values equal those of torchmetrics, a test says so; it stands
    here because torchmetrics needs the whole picture's features at once.

    Shapes: x (N, 3, H, W) in [0, 1].

    Raises:
        WeightsError: the backbone or the learned weights of its channels cannot be found.
    """

    strides = (1, 1, 2, 4, 8, 16)

    def __init__(self) -> None:
        super().__init__()

        self.trunk = vgg16()
        self.trunk.load(load_backbone("vgg16", "DISTS"))
        for name, value in dists_weights().items():
            self.register_buffer(name, value)
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406))[:, None, None])
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225))[:, None, None])
        self.requires_grad_(False)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the picture and the five feature maps."""
        return [x, *self.trunk((x - self.get_buffer("mean")) / self.get_buffer("std"))]


# --- backbones


class Trunk(nn.Sequential):
    """A backbone's convolutions in torchvision's order; what follows its `taps` is returned."""

    def __init__(self, taps: tuple[int, ...], *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.taps = taps

    def load(self, features: dict[str, Tensor]) -> None:
        """Take torchvision's parameters `features.*`."""
        self.load_state_dict({k.removeprefix("features."): v for k, v in features.items()})

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features after every tap."""
        out = []
        for index, layer in enumerate(self):
            x = layer(x)
            if index in self.taps:
                out.append(x)
        return out


class Fire(nn.Module):
    """SqueezeNet's block: few channels, then 1x1 and 3x3 convolutions of them, side by side."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()

        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> (N, 2 expand, h, w)."""
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1).relu()


class RootMeanSquare(nn.Module):
    """DISTS's pool: the root of the squares' average under a 3x3 Hann window, every 2 pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, ceil(h / 2), ceil(w / 2))."""
        hann = torch.tensor((0.25, 0.5, 0.25), device=x.device)
        window = (hann[:, None] * hann).expand(x.shape[1], 1, 3, 3)
        mean = F.conv2d(x.square(), window, stride=2, padding=1, groups=x.shape[1])
        return (mean + 1e-12).sqrt()


def alexnet() -> Trunk:
    """AlexNet (Krizhevsky 2014), for LPIPS."""
    return Trunk(
        (1, 4, 7, 9, 11),
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU()),
        *(nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()),
        *(nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    )


def squeezenet() -> Trunk:
    """SqueezeNet 1.1 (Iandola et al. 2016), for LPIPS."""
    return Trunk(
        (1, 4, 7, 9, 10, 11, 12),
        *(nn.Conv2d(3, 64, 3, stride=2), nn.ReLU()),
        *(nn.MaxPool2d(3, 2, ceil_mode=True), Fire(64, 16, 64), Fire(128, 16, 64)),
        *(nn.MaxPool2d(3, 2, ceil_mode=True), Fire(128, 32, 128), Fire(256, 32, 128)),
        *(nn.MaxPool2d(3, 2, ceil_mode=True), Fire(256, 48, 192)),
        *(Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
    )


def vgg16() -> Trunk:
    """VGG16 (Simonyan, Zisserman 2014) with the pools of DISTS."""
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        if layers:
            layers.append(RootMeanSquare())
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return Trunk((3, 8, 15, 22, 29), *layers)


# --- learned weights that come with installed packages


def linear_heads(net: str = "alex") -> list[Tensor]:
    """Return LPIPS's learned weightings of a network's layers, (1, C, 1, 1) each.

    Raises:
        WeightsError: neither lpips nor torchmetrics is installed.
    """
    path = _packaged("lpips", f"weights/v0.1/{net}.pth") or _packaged(
        "torchmetrics", f"functional/image/lpips_models/{net}.pth"
    )
    if path is None:
        raise WeightsError("LPIPS unavailable: its linear heads need `pip install lpips`")
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [state[f"lin{layer}.model.1.weight"] for layer in range(len(state))]


def dists_weights() -> dict[str, Tensor]:
    """Return DISTS's weights of texture and structure, `alpha` and `beta`: (1, C, 1, 1) each.

    C counts the channels of the picture and of all layers; all weights together are 1.

    Raises:
        WeightsError: torchmetrics is not installed.
    """
    path = _packaged("torchmetrics", "functional/image/dists_models/weights.pt")
    if path is None:
        raise WeightsError("DISTS unavailable: its weights need `pip install torchmetrics`")
    state = torch.load(path, map_location="cpu", weights_only=True)
    weights = {name: state[name].detach().double() for name in ("alpha", "beta")}
    total = sum(weight.sum() for weight in weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _packaged(package: str, file: str) -> Path | None:
    """Find a file of an installed package without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    return path if path.exists() else None
