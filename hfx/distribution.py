r"""How far apart two sets of pictures are: the Frechet and the kernel distance of their features.

No pixel is compared with its counterpart; what counts is whether the decoded pictures, as a crowd,
look like the originals. Pictures are cut into patches as HiFiC does (Mentzer et al. 2020), so that
few large photographs make many samples; each patch becomes one vector of Inception's features.

The numbers depend on the features: those of `Inception` give FID-768 and KID-768, which compare
with each other and with nothing published; true FID and KID need `FullInception`. FID also falls
as the sets grow, and its covariances are singular below 769 patches: compare only codecs on the
same pictures. KID has no such bias between independent sets; between pictures and their own
decoded copies it comes out a little low, the less so the more there are.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hfx.errors import HfxError

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]

PATCH, SHIFT = 256, 128  # pixels a side; origin of the second grid
SUBSETS, SUBSET_SIZE = 100, 1000  # of KID: torch-fidelity's defaults, and its seed
SEED = 2020

_BATCH = 8  # patches that the network sees at a time


def patches(rgb: Pixels) -> Iterator[Pixels]:
    """Cut HiFiC's patches: all of 256x256 that fit side by side, then again from (128, 128) on."""
    height, width = rgb.shape[:2]
    for origin in (0, SHIFT):
        for top in range(origin, height - PATCH + 1, PATCH):
            for left in range(origin, width - PATCH + 1, PATCH):
                yield rgb[top : top + PATCH, left : left + PATCH]


class Features:
    """The features of a set of pictures, added one at a time; only vectors are kept, no pixels.

    A patch costs 3 KB with 768 features. Copies that travel to other processes leave the network
    behind: they can be merged and compared, not added to.

    Attributes:
        network: `Inception`, or any other module from (N, 3, 256, 256) uint8 to (N, d).
        vectors: (n, d) float32, a row for each patch.
    """

    def __init__(
        self, network: torch.nn.Module | None = None, vectors: Vectors | None = None
    ) -> None:
        self.network = network
        self._parts = [] if vectors is None else [vectors]

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "network": None}

    @property
    def vectors(self) -> Vectors:
        if not self._parts:
            raise HfxError("there are no patches to compare: add pictures of 256 x 256 or more")
        self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def add(self, rgb: Pixels) -> None:
        """Add the patches of one picture, (H, W, 3) uint8.

        Raises:
            HfxError: a side is shorter than a patch; such a picture has to be left out.
        """
        height, width = rgb.shape[:2]
        if min(height, width) < PATCH:
            raise HfxError(
                f"a picture of {width} x {height} pixels holds no patch of {PATCH} x {PATCH}; "
                "leave it out"
            )
        assert self.network is not None, "a copy from another process has no network"
        cut = np.stack(list(patches(rgb)))  # (n, 256, 256, 3)
        device = next((p.device for p in self.network.parameters()), None)
        with torch.inference_mode():
            for first in range(0, len(cut), _BATCH):
                x = torch.from_numpy(cut[first : first + _BATCH]).permute(0, 3, 1, 2).to(device)
                self._parts.append(self.network(x).float().cpu().numpy())

    def merge(self, other: "Features") -> None:
        """Add the patches of another set."""
        self._parts += other._parts


def fid768(a: Features, b: Features) -> float:
    """Frechet distance of Inception's 768 features: `frechet`, for sets made with `Inception`."""
    return frechet(_of_width(768, a), _of_width(768, b))


def kid768(a: Features, b: Features) -> tuple[float, float]:
    """Kernel distance of Inception's 768 features: `kernel`, for sets made with `Inception`."""
    return kernel(_of_width(768, a), _of_width(768, b))


def fid(a: Features, b: Features) -> float:
    """Frechet Inception distance as published: `frechet`, for sets made with `FullInception`."""
    return frechet(_of_width(2048, a), _of_width(2048, b))


def kid(a: Features, b: Features) -> tuple[float, float]:
    """Kernel Inception distance as published: `kernel`, for sets made with `FullInception`."""
    return kernel(_of_width(2048, a), _of_width(2048, b))


# --- distances of vectors


def frechet(a: Vectors, b: Vectors) -> float:
    r"""Frechet distance of the normal distributions through two sets (Heusel et al. 2017).

    .. math:: |\mu_a - \mu_b|^2 + \text{tr}(\Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2})

    No square root of a matrix is taken. With :math:`\Sigma = R^T R`, R the triangle in the QR
    decomposition of the centred vectors, the trace of the root is the sum of the singular values
    of :math:`R_a R_b^T`: in float64 that holds up where covariances are singular, too.

    Shapes: (n, d) and (m, d), n and m at least 2.
    """
    (mean_a, r_a), (mean_b, r_b) = _moments(a), _moments(b)
    root = np.linalg.svd(r_a @ r_b.T, compute_uv=False).sum()
    apart = np.square(mean_a - mean_b).sum()
    spread = np.square(r_a).sum() + np.square(r_b).sum() - 2 * root
    return float(apart + max(0.0, spread))  # a rounding error below 0 for equal sets


def kernel(a: Vectors, b: Vectors) -> tuple[float, float]:
    r"""Squared maximum mean discrepancy under a cubic kernel (Binkowski et al. 2018).

    .. math:: \text{mean}_{i \ne j} k(a_i, a_j) + \text{mean}_{i \ne j} k(b_i, b_j)
        - 2 \, \text{mean}_{i, j} k(a_i, b_j), \quad k(u, v) = (u^T v / d + 1)^3

    Without the terms i = j it is unbiased for independent sets, and values a little below 0
    occur: always for a set and itself. It is taken on 100 pairs of random subsets of 1000 vectors,
    the same in every run, as torch-fidelity does; of sets under 2000, subsets have half the size.

    Shapes: (n, d) and (m, d), n and m at least 4.

    Returns:
        Mean and standard deviation over the subsets.
    """
    size = min(SUBSET_SIZE, min(len(a), len(b)) // 2)
    if size < 2:
        raise HfxError("a kernel distance needs 4 patches or more on either side: add pictures")
    draw, values = np.random.RandomState(SEED), []
    for _ in range(SUBSETS):
        x = a[draw.choice(len(a), size, replace=False)].astype(np.float64)
        y = b[draw.choice(len(b), size, replace=False)].astype(np.float64)
        own = sum(float(k.sum() - k.trace()) for k in (_cubic(x, x), _cubic(y, y)))
        values.append(own / (size * (size - 1)) - 2 * float(_cubic(x, y).mean()))
    return float(np.mean(values)), float(np.std(values))


def _moments(vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean, and R with R^T R the covariance."""
    if len(vectors) < 2:
        raise HfxError("a Frechet distance needs 2 patches or more on either side: add pictures")
    mean = vectors.mean(0, dtype=np.float64)
    spread = (vectors - mean) / np.sqrt(len(vectors) - 1)
    return mean, np.asarray(np.linalg.qr(spread, mode="r"))


def _cubic(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def _of_width(d: int, features: Features) -> Vectors:
    vectors = features.vectors
    if vectors.shape[1] != d:
        raise HfxError(f"this distance needs {d} features a patch, not {vectors.shape[1]}")
    return vectors
