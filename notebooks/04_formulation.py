# %% [markdown]
# # 04 · Formulation
#
# *Section 3.2 of the paper, Equation 6. About 50 minutes to read and play, half a minute to run.*
#
# What should a codec be good at? The file should be small. The picture should be near the
# original. And it should *look like a photograph*. These are three wishes, not two: a picture can
# be as near as possible and look like no photograph at all. Eq. 6 puts a price on each, and the
# prices decide what kind of codec comes out.
#
# Here we read Eq. 6 term by term on a real picture, see what each term likes when it is alone,
# train a codec of a few numbers in which all three wishes can be turned by hand, and end at the
# *realism dial*: one file, and a decoder that decides between near and real.
#
# You need notebook 01's D and notebook 03's rate; a glance at their summaries will do.

# %% tags=["setup"]
import io
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Image, display
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import hfx
from hfx import metrics
from hfx.backbones import find_backbone
from hfx.check import check
from hfx.losses import distortion, fooling, mse255, rate_distortion, spotting

torch.set_num_threads(1)  # small networks: one core is fastest
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})

HAS_LPIPS = find_backbone("alexnet") is not None


def lpips(x, x_hat):
    """LPIPS of two pictures; not a number where its network is not on this machine."""
    return metrics.lpips(x, x_hat) if HAS_LPIPS else math.nan


def told(value):
    return "not here" if math.isnan(value) else f"{value:.3f}"


def show(axes, picture, title="", **how):
    axes.imshow(picture, **how)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=10)
    axes.spines[:].set_visible(False)


def photographs(fig):
    """Show a figure as JPEG: photographs as PNG would make this notebook ten times as large."""
    file = io.BytesIO()
    fig.savefig(file, format="jpeg", dpi=90, pil_kwargs={"quality": 75})
    plt.close(fig)
    display(Image(file.getvalue()))


# %% [markdown]
# ## 1. Equation 6, term by term
#
# $$L_{EGK} = E_{x \sim p_x}[\,\zeta\, r(y) + d(x, x') - \alpha \log D(x', y)\,], \qquad
# d = k_M \mathrm{MSE} + k_P \mathrm{LPIPS} \qquad (6)$$
#
# * $r(y)$, the **rate**: bits per pixel. Weight $\zeta$.
# * MSE, the mean squared error, on the scale of 0 to 255. Weight $k_M$.
# * **LPIPS**: the distance of two pictures as AlexNet sees them, that is, of its features. Weight
#   $k_P$.
# * $-\log D(x', y)$: how sure the discriminator is that $x'$ was painted. Weight $\alpha$.
#
# (The paper calls its third network K; as we read it, that is the probability model P behind
# $r(y)$. $x'$ is our `x_hat`, and where D looks at $y$ it is given $\hat y$, which is all that a
# decoder has.) Each term is a function in `hfx.losses`. Here they are for a real file.

# %%
from skimage.data import chelsea

from hfx.config import Losses
from hfx.image import to_tensor
from hfx.networks import Discriminator

if not HAS_LPIPS:
    print(
        "LPIPS needs AlexNet's features, which are not here: its numbers, and its part of L, are"
    )
    print(
        'left out. hfx.backbones.load_backbone("alexnet") downloads them once and verifies them.'
    )

x = np.ascontiguousarray(chelsea()[20:276, 90:346])
codec = hfx.load()
losses = Losses()  # the weights that hfx trains with, unless told otherwise
torch.manual_seed(0)
D = Discriminator(codec.weights.arch).eval()  # has never seen a picture
analysis = codec.analyse(hfx.image.load(x))

print(f"k_M = {losses.k_M:.5f}, k_P = {losses.k_P}, alpha = {losses.alpha}\n")
names = ("zeta r", "k_M MSE", "k_P LPIPS", "-a log D", "L")
print("tier    zeta", *(f"{name:>10}" for name in names))
terms = {}
for tier, zeta in zip(codec.weights.arch.tiers, losses.zeta_b, strict=True):
    data = codec.compress(x, tier=tier, neighbours="none")
    x_hat = np.asarray(codec.decompress(data, realism=0))
    r = torch.tensor([hfx.info(data)["bpp"]])
    mse = mse255(to_tensor(x), to_tensor(x_hat))  # (1,), as all of these
    perceptual = torch.tensor([lpips(x, x_hat)])
    with torch.no_grad():
        verdict = D(to_tensor(x_hat), analysis.y)
    parts = (zeta * r, losses.k_M * mse, losses.k_P * perceptual, losses.alpha * fooling(verdict))
    terms[tier] = [float(part) for part in parts]
    d = distortion(mse, perceptual.nan_to_num(), losses.k_M, losses.k_P)
    L = rate_distortion(torch.tensor(zeta), r, d) + losses.alpha * fooling(verdict)
    print(f"{tier:7} {zeta:4}", *(f"{told(value):>10}" for value in [*terms[tier], float(L)]))
print(f"\nD's own loss, spotting: {spotting(verdict, verdict):.3f}; 2 log 2 = {math.log(4):.3f}")

fig, axes = plt.subplots(figsize=(8, 2.2))
left = np.zeros(3)
for name, values in zip(("$\\zeta$ r", "$k_M$ MSE", "$k_P$ LPIPS", "$-\\alpha$ log D"),
                        np.nan_to_num(list(terms.values())).T, strict=True):  # fmt: skip
    axes.barh(list(terms), values, left=left, label=name)
    left += values
axes.set(xlabel="L", title="What each tier pays for")
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# A D that has learned nothing says "one half" to everything, so its term is $\alpha \log 2$ for
# any picture and pushes nowhere. It counts when D has been taught (notebook 01), and *what* it
# wants then depends on what G does. The other terms stand still.
#
# ## 2. Who decides the size of the file?
#
# Nobody says how large a file should be. There is only the exchange rate: for one more bit per
# pixel I want at least $\zeta$ less of $d$. Below we write the same picture at nine qualities and
# let Eq. 6 choose. Pull: a large $\zeta$ chooses small files, and a large $k_M$ or $k_P$ chooses
# large ones. So **the same $\zeta$ means another rate as soon as you touch $k_M$, $k_P$ or
# $\alpha$**. That is why the paper constrains the rate: notebook 05.

# %%
from ipywidgets import FloatLogSlider, FloatSlider, interact

qualities = np.linspace(0, 100, 9)
table = []  # (bpp, MSE, LPIPS), one row a quality
for quality in qualities:
    data = codec.compress(x, quality=quality, neighbours="none")
    x_hat = np.asarray(codec.decompress(data, realism=0))
    table.append((hfx.info(data)["bpp"], metrics.mse(x, x_hat), lpips(x, x_hat)))
bpp, mse_of, lpips_of = np.array(table).T


def choose(zeta, k_M=losses.k_M, k_P=losses.k_P):
    """Eq. 6 without D, at each quality."""
    return zeta * bpp + k_M * mse_of + k_P * np.nan_to_num(lpips_of)


def draw_choice(axes, zeta, k_M=losses.k_M, k_P=losses.k_P):
    total = choose(zeta, k_M, k_P)
    parts = zeta * bpp, k_M * mse_of, k_P * np.nan_to_num(lpips_of)
    axes.stackplot(bpp, *parts, labels=("$\\zeta$ r", "$k_M$ MSE", "$k_P$ LPIPS"), alpha=0.6)
    best = total.argmin()
    axes.plot(bpp[best], total[best], "kv", ms=9, clip_on=False)
    axes.set(xlabel="bits per pixel", ylim=(0, None), ylabel="L without D",
             title=f"$\\zeta$ = {zeta:.2g}: {bpp[best]:.2f} bpp is best")  # fmt: skip


fig, row = plt.subplots(1, 3, figsize=(11, 2.8), layout="constrained")
for axes, zeta in zip(row, (4, 1, 0.25), strict=True):
    draw_choice(axes, zeta)
row[2].legend(frameon=False, loc="upper right")
plt.show()


def try_it(zeta, k_M, k_P):
    fig, axes = plt.subplots(figsize=(6, 3))
    draw_choice(axes, zeta, k_M, k_P)
    plt.show()


sliders = interact(
    try_it,
    zeta=FloatLogSlider(1, min=-2, max=2),
    k_M=FloatLogSlider(losses.k_M, min=-4, max=-1, readout_format=".4f"),
    k_P=FloatSlider(losses.k_P, min=0, max=8),
)

# %% [markdown]
# ## 3. Five pictures, one MSE
#
# MSE adds up squared differences, pixel by pixel. It does not ask *what kind* of difference. The
# five pictures below are equally wrong by MSE: we spoilt the original in four ways, each exactly
# so much that its MSE equals that of our own decoded picture at the lowest tier.

# %%
from scipy.ndimage import gaussian_filter

noise = np.random.default_rng(0).standard_normal(x.shape)
mosaic = x.reshape(16, 16, 16, 16, 3).mean((1, 3)).repeat(16, 0).repeat(16, 1)
ways = {  # a picture spoilt with a strength
    "contrast": lambda s: x + s * (x - x.mean()),
    "noise": lambda s: x + 40 * s * noise,
    "blur": lambda s: gaussian_filter(x.astype(float), (9 * s, 9 * s, 0)),
    "tiles": lambda s: x + s * (mosaic - x),
}


def pixels(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def spoil(way, wanted):
    """The picture of a way whose MSE is the one wanted, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        below = metrics.mse(x, pixels(way(middle))) < wanted
        low, high = (middle, high) if below else (low, middle)
    return pixels(way(low))


small = codec.compress(x, tier="low", neighbours="none")
decoded = np.asarray(codec.decompress(small, realism=0))
target = metrics.mse(x, decoded)
pictures = {"hfx, low": decoded} | {name: spoil(way, target) for name, way in ways.items()}
judged = {name: (metrics.mse(x, p), lpips(x, p)) for name, p in pictures.items()}

fig, table = plt.subplots(2, 3, figsize=(7.2, 5.4), layout="constrained")
show(table[0, 0], x, "the original")
for axes, (name, picture) in zip(table.flat[1:], pictures.items(), strict=True):
    error, distance = judged[name]
    show(axes, picture, f"{name}\nMSE {error:.1f}, LPIPS {told(distance)}")
photographs(fig)

# %% [markdown]
# Rank them yourself before you read the numbers. LPIPS forgives a change of contrast, which hardly
# anybody sees, and is hardest on blur, which everybody sees. It is no eye, though: it finds the
# tiles better than they look. Each term of $d$ has its blind side, which is one reason to have
# two, and a D besides.
#
# ## 4. What MSE alone would paint
#
# A small file cannot say where each blade of grass stands. It says "grass, about so", and many
# pictures agree with that. If you must answer with *one* picture and are fined by MSE, what do you
# paint? The derivative of $E\,|x - x'|^2$ by $x'$ is zero at $x' = E[x]$: **the mean of all
# pictures that it might have been**. It is right on average and looks like none of them.
#
# Our file says "grass", and nothing else. Three hundred pieces of lawn agree with it. Answer
# either with their mean or with any one of them.

# %%
from skimage.data import grass

draw = np.random.default_rng(0)
corners = draw.integers(0, 512 - 64, (300, 2))
lawn = np.repeat(np.stack([grass()[i : i + 64, j : j + 64] for i, j in corners])[..., None], 3, 3)
mean = pixels(lawn.mean(0))

truths = lawn[:40]
fines = {}
for name, answers in (("the mean", [mean] * 40), ("some other lawn", lawn[100:140])):
    pairs = list(zip(truths, answers, strict=True))
    fines[name] = np.mean([metrics.mse(*p) for p in pairs]), np.mean([lpips(*p) for p in pairs])
ratio = fines["some other lawn"][0] / fines["the mean"][0]
print(f"any one of them costs {ratio:.2f} times the MSE of the mean")

fig, row = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained")
show(row[0], truths[0], "what it was")
show(row[1], lawn[100], "some other lawn")
show(row[2], mean, "the mean of 300")
for k, unit in enumerate((1000, 1)):
    bars = [fine[k] / unit for fine in fines.values()]
    row[3].bar(np.arange(2) + 3 * k, np.nan_to_num(bars), color=["tab:grey", "tab:green"])
row[3].set(xticks=[0.5, 3.5], xticklabels=["MSE / 1000", "LPIPS" if HAS_LPIPS else "(no LPIPS)"])
row[3].set_title("grey: the mean; green: lawn", fontsize=10)
photographs(fig)

# %% [markdown]
# The factor is no accident. If truth and answer are drawn independently from the same crowd, then
# $E|X - X'|^2 = 2\,\mathrm{Var}(X)$, and the mean costs $\mathrm{Var}(X)$. So **looking exactly
# like the real thing costs at most twice the MSE, 3 dB of PSNR** (Blau and Michaeli), and not a
# bit of the file.
#
# ## 5. A codec of a few numbers
#
# Now we want to turn all knobs. Our pictures are points: $a$, anywhere between -2 and 2, is where
# an outline is, and $b$, near -1 or near +1, is which way a blade of grass leans. In the plane
# they lie on two stripes.
#
# * E multiplies $a$ and $b$ by a gain each, and the codec rounds (straight-through) and counts
#   bits (`gaussian_bits`), as in notebook 03. A gain near 0 means: not sent.
# * G paints a point from $\hat y$ and one random number. (The real G has no dice; it draws its
#   grain from the many digits of $\hat y$, of which this toy has too few.)
# * D sees $(x', \hat y)$, and has spectral norm, as in Figure 1: its opinion may not change faster
#   than what it looks at. (Without, G flees with all its points to one stripe at most $\alpha$:
#   notebook 01's mode collapse. Try.)
# * In the place of LPIPS stands a distance of *features*, $(|b| - |b'|)^2$: it sees how strong the
#   texture is, and not which way each blade leans.
#
# The loss is Eq. 6, with the very functions that train the codec. First stage 1, which is Eq. 5:
# no D, once with dear bits and once with cheap ones.

# %%
from hfx.compressor import round_straight_through
from hfx.entropy.likelihood import gaussian_bits


def network(inputs, outputs):
    hidden = [nn.Linear(inputs, 48), nn.LeakyReLU(0.2), nn.Linear(48, 48), nn.LeakyReLU(0.2)]
    return nn.Sequential(*hidden, nn.Linear(48, outputs))


def world(n, draw):
    a = 4 * torch.rand(n, generator=draw) - 2
    b = 2.0 * torch.randint(2, (n,), generator=draw) - 1 + 0.1 * torch.randn(n, generator=draw)
    return torch.stack([a, b], 1)


class Toy:
    """E, G, D and P for points (a, b)."""

    def __init__(self):
        torch.manual_seed(0)
        self.draw = torch.Generator().manual_seed(0)
        self.log_gain = torch.tensor([1.0, 0.3], requires_grad=True)  # all of E
        self.log_width = torch.tensor([0.5, 0.0], requires_grad=True)  # all of P
        self.G, self.D = network(3, 2), network(4, 1)
        for layer in self.D[::2]:
            spectral_norm(layer)
        self.of_e = torch.optim.Adam([self.log_gain, self.log_width], 2e-2)
        self.of_g = torch.optim.Adam(self.G.parameters(), 2e-3, betas=(0.5, 0.9))
        self.of_d = torch.optim.Adam(self.D.parameters(), 4e-3, betas=(0.5, 0.9))

    def encode(self, x):
        gain = self.log_gain.exp()
        noisy = x * gain + torch.rand(x.shape, generator=self.draw) - 0.5
        r = gaussian_bits(noisy, self.log_width.exp()).sum(1)
        return round_straight_through(x * gain) / gain, r

    def paint(self, y_hat, G=None):
        dice = torch.randn(len(y_hat), 1, generator=self.draw)
        return (G or self.G)(torch.cat([y_hat, dice], 1))

    def step(self, zeta=1.0, k_M=1.0, k_P=0.0, alpha=0.0, train_e=False):
        x = world(256, self.draw)
        y_hat, r = self.encode(x)
        made = self.paint(y_hat)
        mse = (x - made).square().sum(1)
        perceptual = (x[:, 1].abs() - made[:, 1].abs()).square()
        loss = rate_distortion(torch.tensor(zeta), r, distortion(mse, perceptual, k_M, k_P))
        self.D.requires_grad_(False)
        if alpha:
            loss = loss + alpha * fooling(self.D(torch.cat([made, y_hat], 1)))
        self.of_e.zero_grad()
        self.of_g.zero_grad()
        loss.backward()
        self.of_g.step()
        if train_e:
            self.of_e.step()
        self.D.requires_grad_(True)
        if alpha:
            points, y = torch.cat([x, made.detach()]), y_hat.detach()
            self.of_d.zero_grad()
            spotting(*self.D(torch.cat([points, torch.cat([y, y])], 1)).chunk(2)).backward()
            self.of_d.step()

    @torch.no_grad()
    def measure(self, G=None, n=4000):
        """True bits, MSE, and how far the crowd of b' is from the crowd of b; and points."""
        x = world(n, torch.Generator().manual_seed(9))
        made = self.paint(self.encode(x)[0], G)
        bits = 0.0
        for symbols in (x * self.log_gain.exp()).round().T:
            p = symbols.unique(return_counts=True)[1] / n
            bits -= float((p * p.log2()).sum())
        crowd = (x[:, 1].sort().values - made[:, 1].sort().values).abs().mean()
        return bits, float((x - made).square().sum(1).mean()), float(crowd), made


def scatter(axes, toy, title, G=None):
    bits, error, crowd, made = toy.measure(G)
    for side in (-1, 1):
        axes.axhspan(side - 0.2, side + 0.2, color="tab:blue", alpha=0.15, lw=0)
    axes.plot(*made[:700].T, ".", ms=2.5, color="tab:red")
    axes.set(xlim=(-2.6, 2.6), ylim=(-1.8, 1.8), xticks=[], yticks=[], xlabel="a", ylabel="b")
    axes.set_title(f"{title}\n{bits:.1f} bits, MSE {error:.2f}, crowd {crowd:.2f}", fontsize=10)
    return bits, error, crowd


first, cheap = Toy(), Toy()
for _ in range(700):
    first.step(zeta=1.0, train_e=True)
    cheap.step(zeta=0.05, train_e=True)

fig, row = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
result = {"dear": scatter(row[0], first, "dear bits, $\\zeta$ = 1"),
          "cheap": scatter(row[1], cheap, "cheap bits, $\\zeta$ = 0.05")}  # fmt: skip
plt.show()

# %% [markdown]
# With dear bits E sends a few values of $a$ and does not send $b$ at all; G answers with the mean,
# $b' = 0$, right between the stripes, where no picture ever was. *Crowd* is how far the $b'$, all
# together, are from the $b$ (Wasserstein's distance): 0 means that nobody could tell the two
# crowds apart. With cheap bits there is nothing to choose: near *and* real.
#
# ## 6. Turn the knobs
#
# From here on E stands still, as in stage 2 of hfx, so **every picture below is painted from the
# same file**. We only go on training G (and D), with other weights. (The paper's text trains E on
# as well: `train_e=True`, or `hfx train --joint`.)
#
# * $k_P$: the features ask for texture and get it, in a compromise with MSE (exercise 5 computes
#   it). But one sign everywhere will do: nothing asks for variety.
# * $\alpha$: D compares crowds, given the file. G needs both stripes, and its dice. (A toy's
#   $\alpha$ means nothing for pictures: it depends on how D and the other terms are scaled.)


# %%
def go_on(start, steps=500, **weights):
    """Stage 2: G, D and other weights, from where stage 1 ended."""
    toy = Toy()
    toy.G.load_state_dict(start.G.state_dict())
    with torch.no_grad():
        toy.log_gain.copy_(start.log_gain)
        toy.log_width.copy_(start.log_width)
    for _ in range(steps):
        toy.step(**weights)
    return toy


real = go_on(first, alpha=12.0)
fig, row = plt.subplots(1, 4, figsize=(11.5, 2.7), layout="constrained")
scatter(row[0], first, "$k_M$ alone")
result["k_P"] = scatter(row[1], go_on(first, k_P=2.0), "$k_M = 1, k_P = 2$")
result[6] = scatter(row[2], go_on(first, alpha=6.0), "$k_M = 1, \\alpha = 6$")
result[12] = scatter(row[3], real, "$k_M = 1, \\alpha = 12$")
plt.show()

# %% [markdown]
# ## 7. The triangle
#
# Rate, distortion, perception: three corners. Each dot below is a codec. At a *fixed* rate one can
# walk from "near" (left) to "real" (bottom), but the corner between them stays empty. The MSE does
# not even double, as section 4 promised. Only bits lead into the corner.
#
# Then play with all four knobs: set them, press *60 steps* a few times, watch. Try to get bottom
# left with dear bits.

# %%
result[3] = go_on(first, alpha=3.0).measure()[:3]
result["cheap, alpha"] = go_on(cheap, alpha=6.0).measure()[:3]

fig, axes = plt.subplots(figsize=(7.5, 3.6))
marks = {"dear": "no D", 3: "$\\alpha$ = 3", 6: "6", 12: "12"}
path = [result[name][1:] for name in marks]
axes.plot(*zip(*path, strict=True), "o-", color="tab:red", label=f"{result['dear'][0]:.1f} bits")
for name, text in marks.items():
    axes.annotate(text, result[name][1:], (6, 6), textcoords="offset points")
axes.plot(*result["k_P"][1:], "s", color="tab:purple", label="the same bits, $k_P$ = 2, no D")
dots = zip(result["cheap"][1:], result["cheap, alpha"][1:], strict=True)
axes.plot(*dots, "^-", color="tab:green", label=f"{result['cheap'][0]:.1f} bits")
axes.axvline(2 * result["dear"][1], color="k", ls=":", lw=1, label="twice the MSE of the mean")
axes.set(xlim=(0, None), ylim=(0, 1.1), title="Rate, distortion, perception")
axes.set(xlabel="distortion: MSE (left: near)", ylabel="distance of the crowds (low: real)")
axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(1, 0.2))
plt.show()

# --- and now by hand
from ipywidgets import Button, HBox, Output, VBox

played, screen = {"toy": go_on(first, steps=0)}, Output()
knobs = {
    "zeta": FloatLogSlider(1, min=-2, max=1, description="zeta"),
    "k_M": FloatSlider(1, min=0, max=2, description="k_M"),
    "k_P": FloatSlider(0, min=0, max=4, description="k_P"),
    "alpha": FloatSlider(0, min=0, max=20, description="alpha"),
}


def redraw():
    fig, axes = plt.subplots(figsize=(5, 3))
    scatter(axes, played["toy"], "")
    plt.close(fig)
    screen.clear_output(wait=True)
    with screen:
        display(fig)


def train_on(_):
    for _ in range(60):
        played["toy"].step(train_e=True, **{name: knob.value for name, knob in knobs.items()})
    redraw()


def start_again(_):
    played.update(toy=go_on(first, steps=0))
    redraw()


more, again = Button(description="60 steps"), Button(description="start again")
more.on_click(train_on)
again.on_click(start_again)
redraw()
VBox([HBox([VBox(list(knobs.values())), screen]), HBox([more, again])])

# %% [markdown]
# ## 8. The realism dial
#
# Two generators paint from the same file: stage 1's, near, and stage 2's, real. Who says that the
# *sender* must choose? Stage 2 began at stage 1's weights and did not go far, so the weights
# between them make sense, too:
#
# $$\theta(\rho) = (1 - \rho)\, \theta_1 + \rho\, \theta_2, \qquad 0 \le \rho \le 1.$$
#
# `hfx.realism.mix` does just that with the weights of any two networks. ($\rho$ is `realism` in
# the code; $r$ is taken.)

# %%
from hfx.realism import mix

steps = np.linspace(0, 1, 11)
dial = [first.measure(mix(first.G, real.G, rho))[1:3] for rho in steps]

fig, row = plt.subplots(1, 4, figsize=(11.5, 2.7), layout="constrained")
for axes, rho in zip(row, (0.0, 0.5, 1.0), strict=False):
    scatter(axes, first, f"realism {rho:g}", mix(first.G, real.G, rho))
for values, label in zip(zip(*dial, strict=True), ("MSE", "crowd"), strict=True):
    row[3].plot(steps, values, "o-", ms=3, label=label)
row[3].set(xlabel="realism", ylim=(0, None), title="one file, eleven decoders")
row[3].legend(frameon=False)
plt.show()


def turn(realism):
    fig, axes = plt.subplots(figsize=(4.5, 3))
    scatter(axes, first, "", mix(first.G, real.G, realism))
    plt.show()


slider = interact(turn, realism=FloatSlider(0.3, min=0, max=1, step=0.05))

# %% [markdown]
# ## 9. The same in the codec
#
# `hfx.decompress(data, realism=)` is this dial. It needs weights that hold both generators; the
# cell says what yours hold. With one generator alone a decoder knows only 0, and refuses all else
# rather than pretend.

# %%
both = codec.weights.gan is not None
stops = (0.0, 0.5, 1.0) if both else (0.0,)
painted = {rho: np.asarray(hfx.decompress(small, realism=rho)) for rho in stops}
try:
    hfx.decompress(small, realism=1)
    answer = "these weights hold two generators"
except hfx.HfxError as refusal:
    answer = f"refused: {refusal}"
print(answer)

fig, row = plt.subplots(1, 4, figsize=(11.5, 3.3), layout="constrained")
show(row[0], x, f"the original\n{len(small):,} bytes beside {x.nbytes:,}")
for axes in row[1:]:
    axes.axis("off")
for axes, (rho, picture) in zip(row[1:], painted.items(), strict=False):
    error = f"MSE {metrics.mse(x, picture):.0f}, LPIPS {told(lpips(x, picture))}"
    show(axes, picture, f"realism {rho:g}\n{error}")
photographs(fig)


def at(realism):
    fig, axes = plt.subplots(figsize=(4, 4))
    show(axes, hfx.decompress(small, realism=realism))
    plt.show()


slider = interact(at, realism=FloatSlider(0, min=0, max=float(both), step=0.1))

# %% [markdown]
# ## What to remember
#
# * Eq. 6 sets three prices: $\zeta$ on bits, $k_M$ and $k_P$ on distance, $\alpha$ on being
#   recognised as painted. What a codec is like is decided there, not in its layers.
# * MSE alone paints the mean of all that might have been: blur. Equal MSE says little about looks.
# * LPIPS asks for texture, D for a crowd that looks real, given the file. Neither is an eye.
# * At a fixed rate, near and real exclude each other; all of realism costs at most twice the MSE.
# * Both generators read the same file, so the *viewer* may choose: the realism dial.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. Eq. 6 for one picture: return L from `zeta`, `r`, `mse`, `lpips`, D's probability `p_real`
#    that the picture is a photograph, and the weights `k_M`, `k_P`, `alpha`.
# 2. Move `bad` on the straight line through `x` so far that its mean squared error to `x` is
#    `wanted`. No clipping, no rounding.
# 3. A file leaves open which of several values it was: `values`, with probabilities `p`. Which
#    single answer has the least expected squared error? Return the answer, then that error.
# 4. Someone is fined by the *absolute* error instead, and it was 0 with probability 0.4, 1 with
#    0.25 and 10 with 0.35. Which single answer is best?
# 5. The toy with dear bits: b is -1 or +1, equally likely, and not sent. G paints one $b'$ between
#    0 and 1. Which one minimises $E[k_M (b - b')^2 + k_P (|b| - |b'|)^2]$?
# 6. A codec whose pictures are the mean reaches 30 dB of PSNR, $10 \log_{10}(255^2 / \text{MSE})$.
#    A perfectly realistic one paints from the same files, drawing what is open by lot. What PSNR
#    does it have?


# %% tags=["exercise"]
def eq_6(zeta, r, mse, lpips, p_real, k_M, k_P, alpha):
    # BEGIN SOLUTION
    return zeta * r + k_M * mse + k_P * lpips - alpha * math.log(p_real)
    # END SOLUTION


check("04.1", eq_6)


# %% tags=["exercise"]
def moved(x, bad, wanted):
    # BEGIN SOLUTION
    return x + (bad - x) * np.sqrt(wanted / np.mean((bad - x) ** 2))
    # END SOLUTION


check("04.2", moved)


# %% tags=["exercise"]
def best_answer(values, p):
    # BEGIN SOLUTION
    mean = (p * values).sum()
    return mean, (p * (values - mean) ** 2).sum()
    # END SOLUTION


check("04.3", best_answer)

# %% tags=["exercise"]
best_by_absolute_error = 1  # SOLUTION
check("04.4", best_by_absolute_error)


# %% tags=["exercise"]
def painted_b(k_M, k_P):
    # BEGIN SOLUTION
    return k_P / (k_M + k_P)
    # END SOLUTION


check("04.5", painted_b)

# %% tags=["exercise"]
psnr_of_the_real_one = 30 - 10 * math.log10(2)  # SOLUTION
check("04.6", psnr_of_the_real_one)

# %% [markdown]
# ## References
#
# * Blau and Michaeli, *The Perception-Distortion Tradeoff*, CVPR 2018, arXiv:1711.06077: the empty
#   corner, and the factor of two; *Rethinking Lossy Compression: The Rate-Distortion-Perception
#   Tradeoff*, ICML 2019, arXiv:1901.07821: the triangle.
# * Zhang et al., *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric*, CVPR
#   2018, arXiv:1801.03924: LPIPS.
# * Mentzer et al., *High-Fidelity Generative Image Compression*, NeurIPS 2020, arXiv:2006.09965:
#   Eq. 6 is its Equation 4, or nearly.
# * Agustsson et al., *Multi-Realism Image Compression with a Conditional Generator*, CVPR 2023,
#   arXiv:2212.13824: a dial at the decoder.
# * Muckley et al., *Improving Statistical Fidelity for Neural Image Compression with Local
#   Likelihood Models*, ICML 2023, arXiv:2301.11189: stage 2 with E frozen.
# * `hfx/losses.py`, `hfx/step.py`: Eq. 6 where it trains.
#
# The claims of this notebook, checked:

# %%
errors = [error for error, _ in judged.values()]
assert max(errors) < 1.02 * min(errors), "five pictures, one MSE"
assert 1.8 < ratio < 2.2, "any lawn costs twice what the mean of all costs"
assert result["dear"][2] > 0.8 > 0.35 > result[12][2], "D makes the crowd real, same bits"
assert 1.3 < result[12][1] / result["dear"][1] < 2.2, "for less than about twice the MSE"
assert max(result["cheap"][1:]) < 0.4, "only bits give both"
assert dial[0][0] < dial[5][0] < dial[10][0] and dial[10][1] < dial[5][1] < dial[0][1]
assert both or answer.startswith("refused"), "no second generator, no dial"
if HAS_LPIPS:
    assert judged["blur"][1] > 2 * judged["noise"][1] > 4 * judged["contrast"][1]
    assert fines["some other lawn"][1] < 0.5 * fines["the mean"][1], "LPIPS prefers a lawn"
