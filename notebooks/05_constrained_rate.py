# %% [markdown]
# # 05 · The rate constraint
#
# *Section 3.2 of the paper, "Constrained Rate". About 40 minutes to read, half a minute to run.*
#
# Someone wants pictures at 0.14 bits per pixel. Eq. 6 has no place for that wish: it has an
# exchange rate $\zeta$, and what rate comes out of it depends on the pictures, on the other
# weights, on how far training has got. The paper's answer is four lines long, a thermostat: too
# many bits, make them dear; too few, make them cheap. We build it, watch it on a toy with a known
# answer, find out when it swings and when it fails, and then put it into a real training run.
#
# You need notebook 03's Equation 5, and what gradient descent is.

# %% tags=["setup"]
import math

import matplotlib.pyplot as plt
import numpy as np
import torch

from hfx.check import check
from hfx.losses import rate_distortion
from hfx.rate import RateController

torch.set_num_threads(1)  # small networks: one core is fastest
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## 1. The same price, three rates
#
# A toy codec with one number, its rate $r$. The more bits, the smaller the error, by the law of
# all codecs at high rates: each bit divides the squared error by four,
#
# $$d(r) = \sigma^2\, 4^{-r}.$$
#
# $\sigma$ is how busy the picture is. Eq. 5, $\zeta r + d(r)$, is smallest where one more bit
# saves just what it costs, $\zeta = -d'(r) = 2 \ln 2\; \sigma^2\, 4^{-r}$. So a given $\zeta$ buys
#
# $$r = \tfrac12 \log_2 \frac{2 \ln 2\; \sigma^2}{\zeta}.$$
#
# Follow the dotted lines. One $\zeta$ gives three pictures three rates; one rate would need three
# $\zeta$. And whoever doubles $k_M$ doubles $d$, which is the same as a busier picture: **with
# fixed $\zeta$ two runs with different weights cannot be compared**, for they end at different
# rates. That is the paper's reason.

# %%
SOURCES = {"flat": 0.5, "middling": 1.0, "busy": 2.0}  # sigma
COLOURS = {"flat": "tab:blue", "middling": "tab:orange", "busy": "tab:green"}
R_T = 1.0  # the rate we want


def slope(r, sigma):
    """-d'(r): what one more bit saves."""
    return 2 * math.log(2) * sigma**2 * 4.0**-r


r = np.linspace(0, 3, 200)
fig, axes = plt.subplots(figsize=(7, 3.2))
for name, sigma in SOURCES.items():
    axes.plot(slope(r, sigma), r, color=COLOURS[name], label=f"{name}, $\\sigma$ = {sigma}")
    axes.plot([slope(R_T, sigma)] * 2, [0, R_T], ":", color=COLOURS[name])
axes.axhline(R_T, color="k", lw=0.8)
axes.axvline(0.25, color="k", lw=0.8)
axes.text(0.26, 2.8, "$\\zeta$ = 0.25", va="top")
axes.text(4.6, R_T + 0.05, "$r_t$ = 1", ha="right")
axes.set(xscale="log", xlabel="price of a bit, $\\zeta$", ylabel="rate that comes of it, r",
         xlim=(0.02, 5), ylim=(0, 3), title="A price is not a rate")  # fmt: skip
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## 2. The thermostat
#
# $$\zeta' = \begin{cases} \zeta^{(a)} & \text{if } r(y) > r_t \\ \zeta^{(b)} & \text{otherwise}
# \end{cases} \qquad \zeta^{(a)} \gg \zeta^{(b)}$$
#
# (The paper puts it into "Equation 3", and means Eq. 6.) `RateController` is just that. It also
# keeps a running mean of the rate, with momentum `memory`, of which more in section 4; with
# `memory=0` it looks at the last batch alone, as the paper writes it.
#
# Why should this hold $r_t$? Draw both sides of the bargain, the saving of one more bit and its
# price $\zeta'$. Left of $r_t$ a bit saves more than it costs, and $r$ rises; right of it a bit
# costs more than it saves, and $r$ falls. The two meet on the cliff, whatever the picture, **as
# long as the cliff is high enough**: $\zeta^{(b)} < \zeta^* < \zeta^{(a)}$, with $\zeta^* =
# -d'(r_t)$ the price that would be right. Nobody has to know $\zeta^*$.

# %%
controller = RateController(zeta_a=(4.0,), zeta_b=(1 / 32,), targets=(R_T,))
for seen in (None, 2.3, 1.1, 0.9, 1.0, 1.2):
    if seen is not None:
        controller.observe(0, seen)  # tier 0, bits per pixel
    print(f"after r = {seen}: zeta' = {controller.zeta(0)}")

fig, axes = plt.subplots(figsize=(7, 3.2))
for name, sigma in SOURCES.items():
    axes.plot(r, slope(r, sigma), color=COLOURS[name], label=f"saving, {name}")
    axes.plot(R_T, slope(R_T, sigma), "o", color=COLOURS[name])
axes.step([0, R_T, R_T, 3], [1 / 32, 1 / 32, 4, 4], "k", lw=2, label="price, $\\zeta'$")
axes.set(yscale="log", ylim=(0.015, 8), xlabel="rate r", ylabel="per bit",
         title="They meet on the cliff")  # fmt: skip
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## 3. Let it run
#
# Gradient descent on Eq. 5 (`rate_distortion`, with autograd), and at every step the controller
# names the price. At each start the rate is 2, twice what we want. (Fixed prices push less, so
# they get larger steps.)
#
# The price jumps between two wrong values. **On average it is the right one**: it spends just such
# a share of the steps at $\zeta^{(a)}$ that the mean is $\zeta^*$ (exercise 3). An engineer calls
# it a sliding mode, a mathematician a Lagrange multiplier, found by trying.


# %%
def run(controller, sigma=1.0, steps=400, lr=0.02, start=2.0, momentum=0.0, spread=0.0, aim=None):
    """Descend Eq. 5: the true rate, the rate of each batch, and the price, at every step."""
    draw = np.random.default_rng(0)
    r = torch.tensor([start], requires_grad=True)
    optimiser = torch.optim.SGD([r], lr, momentum)
    trace = []
    for step in range(steps):
        if aim is not None:
            controller.targets = (aim(step),)
        zeta = controller.zeta(0)
        optimiser.zero_grad()
        rate_distortion(torch.tensor(zeta), r, sigma**2 * 4.0**-r).backward()
        optimiser.step()
        with torch.no_grad():
            r.clamp_(min=0)
        batch = r.item() * math.exp(spread * draw.standard_normal() - spread**2 / 2)
        controller.observe(0, batch)
        trace.append((r.item(), batch, zeta))
    return np.array(trace).T


def thermostat(zeta_a=4.0, zeta_b=1 / 32, r_t=R_T, memory=0.0):
    return RateController((zeta_a,), (zeta_b,), (r_t,), memory)


def fixed(zeta):
    return RateController((2 * zeta,), (zeta,), (math.inf,))  # a target that nobody exceeds


ends, prices = {}, {}
fig, row = plt.subplots(1, 3, figsize=(11, 3), width_ratios=(1, 1, 0.9), layout="constrained")
for name, sigma in SOURCES.items():
    free, _, _ = run(fixed(0.25), sigma, lr=0.2)
    held, _, zeta = run(thermostat(), sigma)
    ends[name] = free[-100:].mean(), held[-100:].mean()
    prices[name] = zeta[100:].mean(), slope(R_T, sigma)
    row[0].plot(free, color=COLOURS[name], label=name)
    row[1].plot(held, color=COLOURS[name])
    print("{:9} fixed zeta ends at {:.2f}, the controller at {:.2f}; its mean price {:.3f}, the "
          "right one {:.3f}".format(name, *ends[name], *prices[name]))  # fmt: skip
for axes, title in ((row[0], "fixed $\\zeta$ = 0.25"), (row[1], "controlled")):
    axes.axhline(R_T, color="k", lw=0.8)
    axes.set(ylim=(0, 2.4), xlabel="step", ylabel="rate", title=title)
row[1].legend(*row[0].get_legend_handles_labels(), frameon=False, loc="upper right")
row[2].step(np.arange(60), zeta[300:360], color=COLOURS["busy"])
row[2].axhline(slope(R_T, 2.0), color="k", ls=":", label="$\\zeta^*$")
row[2].set(xlabel="step, from 300", ylim=(0, 5), title="its price $\\zeta'$, busy picture")
row[2].legend(frameon=False, loc="upper right")
plt.show()

# --- and now by hand
from ipywidgets import FloatLogSlider, FloatSlider, interact


def try_it(zeta_a, zeta_b, r_t, sigma, lr):
    if zeta_a <= zeta_b:
        print("zeta_a must be above zeta_b")
        return
    held, _, zeta = run(thermostat(zeta_a, zeta_b, r_t), sigma, lr=lr)
    fig, pair = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
    pair[0].plot(held)
    pair[0].axhline(r_t, color="k", lw=0.8)
    pair[0].set(ylim=(0, 2.5), xlabel="step", ylabel="rate")
    pair[1].plot(zeta, lw=0.7)
    pair[1].axhline(slope(r_t, sigma), color="k", ls=":")
    pair[1].set(yscale="log", xlabel="step", title="$\\zeta'$; dotted: the right price")
    plt.show()


sliders = interact(
    try_it,
    zeta_a=FloatLogSlider(4, min=-1, max=2),
    zeta_b=FloatLogSlider(1 / 32, min=-3, max=1),
    r_t=FloatSlider(1, min=0.2, max=2),
    sigma=FloatSlider(1, min=0.2, max=4),
    lr=FloatLogSlider(0.02, min=-3, max=-0.5),
)

# %% [markdown]
# Three things to find with the sliders. Lower $\zeta^{(a)}$ below the dotted $\zeta^*$: the cliff
# is too low, bits are never dear enough, and the rate stays above $r_t$ for good. Raise
# $\zeta^{(b)}$ above it: the rate stays below. Raise $\zeta^{(a)}$ or the learning rate: every
# switch throws $r$ further, it saws, and each tooth is $\text{lr} \cdot \zeta^{(a)}$ deep. A high
# cliff holds everything, and shakes everything. (Adam hides part of it: it divides a gradient by
# its usual size.)
#
# ## 4. Busy crops and flat crops
#
# Training does not see *the* rate. It sees a batch of crops, now sky, now grass, whose rates
# differ by far more than the model's mean moves in a hundred steps. What does the rule hold, if it
# is told the rate of each batch alone?
#
# Look where the mean ends up in the left panel. Most of the time the price must be low, since
# $\zeta^{(a)} \gg \zeta^*$, so only a few batches may be "above": $r_t$ becomes the rate of the
# *busiest* batches, a high percentile, and **the mean stays below the target**. A running mean of
# the rate (`memory`; hfx trains with 0.9) compares the right thing. It has its own price: who
# looks at the past reacts late. With a long memory the rate swings slowly around the target.

# %%
memories = (0.0, 0.9, 0.99)
means = {}
fig, row = plt.subplots(1, 3, figsize=(11, 2.9), sharey=True, layout="constrained")
for axes, memory in zip(row, memories, strict=True):
    true, batch, zeta = run(thermostat(memory=memory), spread=0.6, steps=2000, lr=0.005, start=1.0)
    means[memory] = true[500:].mean()
    above = (zeta[500:] > 1).mean()
    axes.plot(batch, ".", ms=1.5, color="tab:grey", label="each batch")
    axes.plot(true, color="tab:red", lw=1.5, label="the model's mean rate")
    axes.axhline(R_T, color="k", lw=0.8)
    axes.set(ylim=(0, 3.5), xlabel="step")
    axes.set_title(f"memory {memory}: mean rate {means[memory]:.2f},\n"
                   f"{above:.0%} of the steps at $\\zeta^{{(a)}}$")  # fmt: skip
row[0].set_ylabel("rate")
row[0].legend(loc="upper right", markerscale=5, framealpha=1, edgecolor="none")
plt.show()

# %% [markdown]
# ## 5. Warm-up
#
# A run that begins far above its target is squeezed at full force from the first step. The rate
# falls fast, and optimisers have momentum and the controller has memory: it falls *through* the
# target, and for a while the picture is worse than it need be. In a network that is worse than it
# sounds: channels that were squeezed to silence come back slowly.
#
# Two remedies. Begin with a larger $r_t$ and lower it: HiFiC's public code begins at 0.20 / 0.14
# of its target, and lowers it in one step after 50,000. Or begin where you want to end: hfx starts
# E and G as a block transform (PCA) with steps of the rounding chosen for each tier's target, and
# lets the *learning rate* rise over the first steps (`Training.warmup`).


# %%
def lowered(step):
    return max(R_T, 2.4 - 1.4 * step / 300)


plans = {"far above, full force": {"start": 2.5},
         "$r_t$ lowered over 300 steps": {"start": 2.5, "aim": lowered},
         "begun near $r_t$": {"start": 1.1}}  # fmt: skip
lowest = {}
fig, row = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for name, plan in plans.items():
    true, _, _ = run(thermostat(memory=0.9), lr=0.001, momentum=0.9, steps=500, **plan)
    lowest[name] = true.min()
    row[0].plot(true, label=name)
    row[1].plot(4.0**-true)
row[0].axhline(R_T, color="k", lw=0.8)
row[0].set(xlabel="step", ylabel="rate", title="momentum 0.9, memory 0.9")
row[1].axhline(4.0**-R_T, color="k", lw=0.8)
row[1].set(xlabel="step", ylabel="d", title="and the error")
row[0].legend(frameon=False)
plt.show()

# %% [markdown]
# ## 6. In a real run
#
# Now the whole codec, preset `tiny`: E, G and hyperprior with rounding, noise and real pictures.
# `hfx.train.train` is what `hfx train` runs, and calls the same controller. To be done in seconds
# we take crops of 64 x 64 pixels, 130 steps and no LPIPS ($k_P = 0$); do not train a codec like
# that (notebook 08 says how). A target that nobody exceeds switches the controller off.
#
# Three runs each, on a rocket before the sky, a cup of coffee, a lawn. So few steps do not hit the
# target, but look how near they come, and from where.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from skimage import data

from hfx.config import Losses, Training
from hfx.train import train

PICTURES = {"rocket": data.rocket, "coffee": data.coffee, "grass": data.grass}
TARGET = 0.2


def trained(names, losses, tier="medium", steps=130):
    """A short run of `tiny` on some pictures: its log, one row a step."""
    with TemporaryDirectory() as folder:
        for name in names:
            Image.fromarray(PICTURES[name]()).convert("RGB").save(Path(folder, f"{name}.png"))
        settings = Training(preset="tiny", tier=tier, steps=steps, batch=3, crop=64, lr=2e-3,
                            warmup=10, decay=1, bf16=False, losses=losses)  # fmt: skip
        train(settings, [Path(folder)], Path(folder, "run"), log_every=1,
              device=torch.device("cpu"))  # fmt: skip
        return np.genfromtxt(Path(folder, "run", "log.csv"), delimiter=",", names=True)


def smooth(values, width=15):
    known = np.flatnonzero(~np.isnan(values))  # a tier whose only crop is a drawing has no rate
    values = np.interp(np.arange(len(values)), known, values[known])
    return np.convolve(values, np.ones(width) / width, "valid")


fixed_zeta = Losses(k_P=0, zeta_a=(2.0,), zeta_b=(1.0,), rate_targets=(99.0,))
constrained = Losses(k_P=0, zeta_a=(8.0,), zeta_b=(1 / 16,), rate_targets=(TARGET,))
final = {}
fig, row = plt.subplots(1, 2, figsize=(10, 3), sharey=True, layout="constrained")
for axes, kind, losses in ((row[0], "$\\zeta$ = 1", fixed_zeta),
                           (row[1], f"$r_t$ = {TARGET}", constrained)):  # fmt: skip
    for name in PICTURES:
        log = trained([name], losses)
        final[kind, name] = np.nanmean(log["bpp_medium"][-50:])
        axes.plot(smooth(log["bpp_medium"]), label=f"{name}: {final[kind, name]:.2f} at the end")
    axes.set(xlabel="step", ylim=(0, 0.7), title=kind)
    axes.legend(frameon=False, loc="upper right")
row[1].axhline(TARGET, color="k", lw=0.8)
row[0].set_ylabel("bits per pixel, mean of 15 steps")
plt.show()


def spread(kind):
    rates = [rate for (how, _), rate in final.items() if how == kind]
    return max(rates) / min(rates)


free, held = (spread(kind) for kind in ("$\\zeta$ = 1", f"$r_t$ = {TARGET}"))
print(f"the dearest picture over the cheapest: fixed zeta {free:.1f}, rate constraint {held:.1f}")

# %% [markdown]
# ## 7. Three targets, one set of weights
#
# hfx serves low, medium and high from one set of weights, with a gain for each (notebook 00). So
# it has three thermostats: each tier has its own running rate, its own $r_t$, and its own pair of
# prices. Every batch holds a crop for each. (One crop in eight is a drawing and not a photograph,
# as notebook 08 shows. The controller takes no notice of its rate, so the log has gaps there.)

# %%
losses = Losses(k_P=0, zeta_a=(16.0, 8.0, 4.0), zeta_b=(0.25, 0.125, 0.0625))
log = trained(list(PICTURES), losses, tier=None, steps=150)
tiers = dict(zip(("low", "medium", "high"), losses.rate_targets, strict=True))
reached = {tier: np.nanmean(log[f"bpp_{tier}"][-60:]) for tier in tiers}

fig, row = plt.subplots(1, 2, figsize=(10, 3), layout="constrained", width_ratios=(1.3, 1))
for k, (tier, target) in enumerate(tiers.items()):
    (line,) = row[0].plot(smooth(log[f"bpp_{tier}"], 25), label=f"{tier}: {reached[tier]:.2f}")
    row[0].axhline(target, color=line.get_color(), ls=":")
    row[1].step(log["step"], log[f"zeta_{tier}"] / losses.zeta_a[k] * 0.8 + 2 - k,
                color=line.get_color())  # fmt: skip
row[0].set(xlabel="step", ylabel="bits per pixel, mean of 25 steps", ylim=(0, 0.7),
           title="dotted: the targets")  # fmt: skip
row[0].legend(frameon=False, loc="upper right", ncols=3)
row[1].set(
    xlabel="step", yticks=[2, 1, 0], yticklabels=tiers, title="each tier's price: low, high"
)
plt.show()

# %% [markdown]
# One thing the controller does not do: it holds the mean rate of the *training crops*, at the size
# and in the mix that training shows them. Files of whole photographs come out somewhat elsewhere
# (`data/weights/README.md` says where ours did), and each photograph at its own rate: the model is
# constrained, not the file. A file is held by search: `hfx.compress(..., target_bytes=)`.
#
# ## What to remember
#
# * $\zeta$ is a price, not a rate. The rate it buys depends on the pictures and on all other
#   weights.
# * The rate constraint switches between too dear and too cheap. The mean price becomes the right
#   one, without anybody knowing it, if $\zeta^{(b)} < \zeta^* < \zeta^{(a)}$.
# * The cliff must be high enough for the busiest pictures, and no higher than the optimiser bears:
#   each tooth is $\text{lr} \cdot \zeta^{(a)}$.
# * Compare a running mean with $r_t$. Single batches hold a percentile, not the mean.
# * Do not begin far above the target.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. The rule itself: $\zeta'$ for a rate `r`, a target `r_t` and the two weights `a` and `b`.
# 2. The running rate after the batches' `rates`: it begins as the first of them; after that,
#    `memory` times what it was plus the rest of the new one.
# 3. Which share of the steps must be spent at `a`, and the others at `b`, so that the mean price
#    is `right`?
# 4. Invert section 1: at which $\zeta$ does a picture of busyness `sigma` end at the rate `r_t`?
# 5. At $\zeta = 0.25$ a picture ends at 1.2 bits (of the toy). Now $k_M$ is made four times as
#    large. At which rate does it end?
# 6. The right price is 1.5. Which of these pairs (a, b) hold the target: (8, 1/16), (1, 1/16),
#    (8, 2), (2, 1)? Four truth values.


# %% tags=["exercise"]
def zeta_prime(r, r_t, a, b):
    # BEGIN SOLUTION
    return a if r > r_t else b
    # END SOLUTION


check("05.1", zeta_prime)


# %% tags=["exercise"]
def running_rate(rates, memory):
    # BEGIN SOLUTION
    mean = rates[0]
    for rate in rates[1:]:
        mean = memory * mean + (1 - memory) * rate
    return mean
    # END SOLUTION


check("05.2", running_rate)


# %% tags=["exercise"]
def share_at_a(right, a, b):
    # BEGIN SOLUTION
    return (right - b) / (a - b)
    # END SOLUTION


check("05.3", share_at_a)


# %% tags=["exercise"]
def right_price(sigma, r_t):
    # BEGIN SOLUTION
    return 2 * math.log(2) * sigma**2 * 4**-r_t
    # END SOLUTION


check("05.4", right_price)

# %% tags=["exercise"]
new_rate = 1.2 + 0.5 * math.log2(4)  # SOLUTION
check("05.5", new_rate)

# %% tags=["exercise"]
holds = True, False, False, True  # SOLUTION
check("05.6", holds)

# %% [markdown]
# ## References
#
# * Mentzer et al., *High-Fidelity Generative Image Compression*, NeurIPS 2020, arXiv:2006.09965:
#   the rate constraint, in the section on formulation; its public code for the warm-up.
# * van Rozendaal, Sautière, Cohen, *Lossy Compression with Distortion Constrained Optimization*,
#   arXiv:2005.04064: the other way round, and with a proper multiplier.
# * Platt and Barr, *Constrained Differential Optimization*, NIPS 1987: multipliers found while
#   descending.
# * Utkin, *Variable Structure Systems with Sliding Modes*, IEEE Transactions on Automatic Control
#   22(2), 1977: why switching between two wrong values gives the right one.
# * `hfx/rate.py`: forty lines; `hfx/step.py`: where it is asked.
#
# The claims of this notebook, checked:

# %%
assert max(end for end, _ in ends.values()) > 3 * min(end for end, _ in ends.values())
assert all(abs(end - R_T) < 0.1 for _, end in ends.values()), "one rule, one rate"
assert all(abs(mean / right - 1) < 0.25 for mean, right in prices.values()), "the right price"
assert means[0.0] < 0.75 < 0.9 < means[0.99], "single batches hold a percentile, not the mean"
assert lowest["far above, full force"] < 0.6 < min(list(lowest.values())[1:]), (
    "do not begin far off"
)
assert free > 2.2 > 1.5 > held, "and it works on a real codec"
assert all(abs(reached[tier] / target - 1) < 0.25 for tier, target in tiers.items()), "three times"
