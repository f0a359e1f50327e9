"""The Inception of FID: as far as FID-768 needs it, and all of it through torch-fidelity.

This is the TensorFlow network of 2015-12-05 that every published FID looks through, not
torchvision's. Names are torch-fidelity's, which converted it (Apache-2.0).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hfx import torchvision_shim
from hfx.backbones import backbone_file, find_backbone, load_backbone
from hfx.errors import WeightsError

SIDE = 299  # pixels; whatever comes in is stretched to this
EPSILON = 0.001  # of its BatchNorm


class Inception(nn.Module):
    """Inception v3 (Szegedy et al. 2015, arXiv:1512.00567) up to Mixed_6e.

    Shapes: x (N, 3, H, W) uint8 to (N, 768): the averages of Mixed_6e's channels, which
    torch-fidelity calls feature "768"; with feature="64", to (N, 64): those after the first pool.

    Raises:
        WeightsError: the weights cannot be found.
    """

    def __init__(self, feature: str = "768") -> None:
        super().__init__()

        self.feature = feature
        with torch.device("meta"):  # numbers only come with the weights
            self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
            self.Conv2d_2a_3x3 = Conv(32, 32, 3)
            self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
            self.Conv2d_3b_1x1 = Conv(64, 80, 1)
            self.Conv2d_4a_3x3 = Conv(80, 192, 3)
            self.Mixed_5b = Mixed5(192, pooled=32)
            self.Mixed_5c = Mixed5(256, pooled=64)
            self.Mixed_5d = Mixed5(288, pooled=64)
            self.Mixed_6a = Mixed6a(288)
            self.Mixed_6b = Mixed6(768, inner=128)
            self.Mixed_6c = Mixed6(768, inner=160)
            self.Mixed_6d = Mixed6(768, inner=160)
            self.Mixed_6e = Mixed6(768, inner=192)
        self.load_state_dict(trunk_weights(set(self.state_dict())), assign=True)
        self.requires_grad_(False)
        self.eval()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster

    def forward(self, x: Tensor) -> Tensor:
        """Return each picture's features."""
        x = (stretched(stretched(x.float(), -1), -2) - 128) / 128  # (N, 3, 299, 299)

        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, 2)  # (N, 64, 73, 73)
        if self.feature == "64":
            return x.mean((2, 3))

        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, 3, 2)  # (N, 192, 35, 35)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6a(x)  # (N, 768, 17, 17)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        return x.mean((2, 3))


class FullInception(nn.Module):
    """The whole network, by torch-fidelity: its 2048 features are those of true FID and KID.

    Shapes: x (N, 3, H, W) uint8 to (N, 2048).

    Raises:
        WeightsError: torch-fidelity is not installed, or its weights cannot be found.
    """

    feature = "2048"

    def __init__(self) -> None:
        super().__init__()

        torchvision_shim.ensure()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise WeightsError("FID unavailable: needs `pip install torch-fidelity`") from error
        load_backbone("inception", "FID")  # torch-fidelity checks no file that it is given
        path = backbone_file("inception", "FID")
        self.network = FeatureExtractorInceptionV3("inception", ["2048"], str(path))
        self.requires_grad_(False)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return each picture's features."""
        return self.network(x)[0]


def stretched(x: Tensor, axis: int) -> Tensor:
    """Interpolate one axis linearly to 299 samples, as TensorFlow 1 did: sample i is at i n / 299.

    There are no half-pixel centres, so the picture moves a little; every FID has it so.
    """
    n = x.shape[axis]
    at = torch.arange(SIDE, dtype=torch.float32, device=x.device) * (n / SIDE)
    low = at.long()
    a, b = (x.index_select(axis, i) for i in (low, (low + 1).clamp_max(n - 1)))
    weight = at - low
    return a + (b - a) * (weight if axis == -1 else weight[:, None])


# --- weights


def trunk_weights(names: set[str]) -> dict[str, Tensor]:
    """Return the trunk's parameters: from a file of its own, or folded from the whole network."""
    if find_backbone("inception_trunk"):
        return load_backbone("inception_trunk")
    state = folded(load_backbone("inception", "FID-768"))
    return {name: state[name] for name in names}


def folded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    r"""Fold every BatchNorm `*.bn.*` into the convolution `*.conv.weight` before it.

    .. math:: \gamma \frac{w * x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta
        = (s w) * x + (\beta - s \mu), \quad s = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}
    """
    out = {}
    for name in (k.removesuffix(".conv.weight") for k in state if k.endswith(".conv.weight")):
        gamma, beta, mean, variance = (
            state[f"{name}.bn.{part}"].double()
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / (variance + EPSILON).sqrt()
        weight = state[f"{name}.conv.weight"].double() * scale[:, None, None, None]
        out[f"{name}.weight"] = weight.float()
        out[f"{name}.bias"] = (beta - mean * scale).float()
    return out


# --- blocks


class Conv(nn.Conv2d):
    """A convolution, BatchNorm folded into it, and a ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C', h', w')."""
        return super().forward(x).relu_()


def averaged(x: Tensor) -> Tensor:
    """Average over 3x3; as in TensorFlow, what lies outside is not counted."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class Mixed5(nn.Module):
    """1x1, 5x5, two of 3x3, and an average, side by side."""

    def __init__(self, channels: int, pooled: int) -> None:
        super().__init__()

        self.branch1x1 = Conv(channels, 64, 1)
        self.branch5x5_1 = Conv(channels, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(channels, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(channels, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, 35, 35) -> (N, 224 + pooled, 35, 35)."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(averaged(x))], 1)


class Mixed6a(nn.Module):
    """3x3, two of 3x3, and a maximum, all with stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()

        self.branch3x3 = Conv(channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = Conv(channels, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, 35, 35) -> (N, 480 + channels, 17, 17)."""
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, F.max_pool2d(x, 3, 2)], 1)


class Mixed6(nn.Module):
    """1x1, one and two of 7x7 as pairs of 1x7 and 7x1, and an average, side by side."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()

        wide, high = ((1, 7), (0, 3)), ((7, 1), (3, 0))  # kernel, padding
        self.branch1x1 = Conv(channels, 192, 1)
        self.branch7x7_1 = Conv(channels, inner, 1)
        self.branch7x7_2 = Conv(inner, inner, wide[0], padding=wide[1])
        self.branch7x7_3 = Conv(inner, 192, high[0], padding=high[1])
        self.branch7x7dbl_1 = Conv(channels, inner, 1)
        self.branch7x7dbl_2 = Conv(inner, inner, high[0], padding=high[1])
        self.branch7x7dbl_3 = Conv(inner, inner, wide[0], padding=wide[1])
        self.branch7x7dbl_4 = Conv(inner, inner, high[0], padding=high[1])
        self.branch7x7dbl_5 = Conv(inner, 192, wide[0], padding=wide[1])
        self.branch_pool = Conv(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, 17, 17) -> (N, 768, 17, 17)."""
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(averaged(x))], 1)
