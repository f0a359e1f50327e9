# %% [markdown]
# # 11 · Ablations
#
# *What the abstract of the paper names and does not show: normalisation layers, generator and
# discriminator, training strategies, perceptual losses. About 45 minutes to read and play, half a
# minute to run.*
#
# An ablation takes one part away, trains again, and looks at what it cost. It sounds like the
# simplest of experiments, and is the one that fools its author most easily: train the *same* thing
# twice with other random numbers, and it differs, too. So this notebook asks two questions at
# once. What is each part worth? And how do you know?
#
# Small runs are trained live, forty steps each. The large ones (hundreds of steps, three seeds,
# six comparisons) are read from `data/results`. You need notebooks 04 and 08, or the patience to
# take training as given.

# %% tags=["setup"]
import csv
import math
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from scipy import stats
from skimage import data as photos

from hfx.check import check
from hfx.results import PUBLISHED

torch.set_num_threads(1)
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})
RESULTS = PUBLISHED.parent  # data/results: see the README there for what made each file


def rows_of(path):
    """A CSV; what looks like a number becomes one, what is blank becomes nan."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{k: number(v) for k, v in row.items()} for row in csv.DictReader(file)]


def number(text):
    try:
        return float(text or "nan")
    except ValueError:
        return text


# %% [markdown]
# ## 1. One change at a time
#
# Everything stays, one thing changes. Ours here is the normalisation layer of E and G: the paper's
# ChannelNorm, InstanceNorm, or none at all. `Training.changes` holds what differs from the preset;
# on the command line it is `hfx train --change norm=instance`.
#
# Three seeds each. **The same three seeds for all**: a seed decides crops, noise and first
# weights, so runs of one seed see the same pictures in the same order. $k_P$ is 0, so that no
# weights of others are needed, and $\zeta$ is fixed, so that all descend the same loss, Eq. 5:
#
# $$J = \zeta \cdot \text{bpp} + k_M \cdot \text{MSE}.$$
#
# That one number also judges them, on photographs that they have not been trained on.

# %%
from hfx.config import Losses, Training
from hfx.train import train

ZETA = 1.5
folder = Path(tempfile.mkdtemp())
for name in ("astronaut", "rocket", "brick", "grass", "gravel"):
    Image.fromarray(getattr(photos, name)()).convert("RGB").save(folder / f"{name}.png")
BASE = Training(
    preset="tiny", tier="medium", steps=40, crop=128, batch=2, lr=1e-3, warmup=4, decay=16,
    bf16=False, losses=Losses(k_P=0, zeta_a=(ZETA,), zeta_b=(ZETA,), rate_targets=(0.3,)),
)  # fmt: skip
NORMS, SEEDS = ("channel", "instance", "none"), (0, 1, 2)
runs = {
    (norm, seed): train(
        replace(BASE, seed=seed, changes={"norm": norm}), [folder],
        folder / f"{norm}-{seed}", device=torch.device("cpu"), log_every=1,
    )
    for seed in SEEDS for norm in NORMS
}  # fmt: skip


def tensor(picture):
    """(H, W, 3) uint8 to (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
def judged(model, x, side=None):
    """Bits per pixel and MSE; with a side, of tiles that are coded one by one."""
    tiles = x if side is None else torch.cat([
        x[..., top : top + side, left : left + side]
        for top in range(0, x.shape[2], side) for left in range(0, x.shape[3], side)
    ])  # fmt: skip
    out = model(tiles.contiguous(memory_format=torch.channels_last), torch.zeros(len(tiles)))
    wrong = (255 * (out.x_hat.clamp(0, 1) - tiles)).square().mean()
    return float(out.bits.sum()) / x[0, 0].numel(), float(wrong)


def J(bpp, mse):
    return ZETA * bpp + BASE.losses.k_M * mse


cup, cat = tensor(photos.coffee()[:384, :512]), tensor(photos.chelsea()[:256, :384])
score = {
    norm: np.array([
        np.mean([J(*judged(runs[norm, seed].average, x)) for x in (cup, cat)]) for seed in SEEDS
    ])
    for norm in NORMS
}  # fmt: skip
for norm, values in score.items():
    print(f"{norm:9} J = {', '.join(f'{v:.4f}' for v in values)} with seeds 0, 1, 2")

# %% [markdown]
# Before you believe any curve: the log has one row a step. Left, the loss of training. It jumps
# with the pictures that a seed happens to show, and jumps *alike* in all three variants. Right,
# the norm of the gradient before it is clipped. Normalisation layers are said to tame it. See
# whether they do here, in a small network that begins at the PCA of patches.

# %%
logs = {key: rows_of(folder / "{}-{}".format(*key) / "log.csv") for key in runs}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained")
for norm, style in zip(NORMS, ("-", "--", ":"), strict=True):
    for seed, colour in zip(SEEDS, ("tab:blue", "tab:orange", "tab:green"), strict=True):
        log = logs[norm, seed]
        left.plot([r["step"] for r in log], [r["loss"] for r in log], style, color=colour,
                  lw=1.2, label=f"{norm}, seed {seed}")  # fmt: skip
    middle = np.median([[r["grad_norm"] for r in logs[norm, seed]] for seed in SEEDS], 0)
    right.plot(range(1, len(middle) + 1), middle, label=norm)
left.set(xlabel="step", ylabel="loss of the crops", title="one colour a seed, one dash a variant")
left.legend(frameon=False, fontsize=7, ncols=3, loc="upper right")
left.set_ylim(0, 1.5 * max(r["loss"] for log in logs.values() for r in log))
right.set(
    xlabel="step", ylabel="norm of the gradient", yscale="log", title="median of three seeds"
)
right.legend(frameon=False)
plt.show()

# %% [markdown]
# ## 2. What three seeds can say, and cannot
#
# Three values have a mean and a standard deviation $s$, and from them comes the interval in which
# the true mean lies in 95 of 100 such experiments:
#
# $$\bar d \pm t_{n-1} \frac{s}{\sqrt n}, \qquad t_2 = 4.30, \quad t_1 = 12.7, \quad
# t_{\infty} = 1.96.$$
#
# With three seeds, that is 2.5 standard deviations to either side: wide. But seeds are shared. So
# take **differences seed by seed** first, and the interval of their mean. What the seeds have in
# common (easy crops, hard crops) drops out.


# %%
def interval(values):
    """Mean, and half of the 95 % t interval."""
    n = len(values)
    return np.mean(values), stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)


fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained")
for seed in SEEDS:
    left.plot(NORMS, [score[norm][seed] for norm in NORMS], "o-", label=f"seed {seed}")
left.set(ylabel="J of held-out photographs", title="as they came out: lines are seeds")
left.margins(x=0.15)
left.legend(frameon=False)
half = {}
for place, norm in enumerate(("instance", "none")):
    apart = score[norm] - score["channel"]
    middle, half[norm, "paired"] = interval(apart)
    spreads = [np.var(score[of], ddof=1) / len(SEEDS) for of in (norm, "channel")]
    half[norm, "apart"] = stats.t.ppf(0.975, 2 * len(SEEDS) - 2) * math.sqrt(sum(spreads))
    for shift, how, colour in ((-0.1, "apart", "0.6"), (0.1, "paired", "tab:blue")):
        right.errorbar(place + shift, middle, half[norm, how], fmt="o", color=colour, capsize=4,
                       label=None if place else {"apart": "seeds ignored",
                                                 "paired": "seed by seed"}[how])  # fmt: skip
    right.plot([place + 0.22] * 3, apart, "x", color="tab:blue", ms=5)
    verdict = "tells them apart" if abs(middle) > half[norm, "paired"] else "cannot tell"
    print(f"{norm:9} less channel: {middle:+.4f} +- {half[norm, 'paired']:.4f}: {verdict}")
right.axhline(0, color="k", lw=0.8)
right.set(xticks=(0, 1), xticklabels=("instance - channel", "none - channel"), xlim=(-0.5, 1.5))
right.set(ylabel="difference of J", title="crosses: the three differences")
right.legend(frameon=False)
plt.show()
among_seeds = np.std([score[norm].mean() for norm in NORMS]), np.std(score["channel"], ddof=1)
print(f"variants differ by {among_seeds[0]:.4f}, seeds by {among_seeds[1]:.4f} (deviations)")

# %% [markdown]
# Had we trained each variant once, with whatever seed, chance would have chosen the winner. An
# ablation table without spread is such a throw of dice. And even an interval that excludes 0 says
# only: at forty steps, of this small model, on these pictures.
#
# How many seeds would do? By hand: true difference, spread of the differences, number of seeds. A
# thousand experiments are simulated; how many find it?


# %%
def plan(difference, spread, seeds):
    dice = np.random.default_rng(0)
    found = difference + spread * dice.standard_normal((1000, seeds))
    middle = found.mean(1)
    wide = stats.t.ppf(0.975, seeds - 1) * found.std(1, ddof=1) / math.sqrt(seeds)
    hit = np.abs(middle) > wide
    fig, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    for place in range(60):
        axes.errorbar(place, middle[place], wide[place], fmt=".",
                      color="tab:blue" if hit[place] else "0.7")  # fmt: skip
    axes.axhline(0, color="k", lw=0.8)
    axes.axhline(difference, color="tab:red", lw=0.8, ls=":")
    axes.set(ylim=(-4, 6), xlabel="simulated experiment (red: the truth)", ylabel="difference")
    axes.set_title(f"{seeds} seeds: {hit.mean():.0%} of 1000 experiments find it")
    plt.show()
    return hit.mean()


three = plan(1.0, 0.5, 3)

# --- and now by hand
from ipywidgets import FloatSlider, IntSlider, interact


def by_hand(difference, spread, seeds):
    plan(difference, spread, seeds)


sliders = interact(
    by_hand,
    difference=FloatSlider(1, min=0, max=3, step=0.1),
    spread=FloatSlider(0.5, min=0.1, max=2, step=0.1),
    seeds=IntSlider(3, min=2, max=12),
)

# %% [markdown]
# Set the difference to 0: five in a hundred still find one. Compare twenty variants, and one will
# "win".
#
# ## 3. Some differences need no seeds
#
# Means over seeds are for questions of *how much*. Whether InstanceNorm depends on the size of
# the picture is a question of *what it is*. It takes mean and deviation over the whole picture, so
# a pixel's features depend on pixels anywhere. ChannelNorm takes them over the channels of one
# pixel, so they depend on the neighbourhood that convolutions see, and on nothing else.
#
# Test: a window of the picture, coded alone, against the same window within the whole. Further
# from its edge than convolutions reach (the dashed square), nothing may change.

# %%
from hfx.networks import halo_of_encoder

TOP, LEFT, SIDE = 64, 128, 256  # of the window; multiples of 64
reach = -(-halo_of_encoder(BASE.architecture()) // 16)  # in places of y
drift, inner = {}, {}
for norm in NORMS:
    encoder = runs[norm, 0].average.encoder
    with torch.inference_mode():
        whole = encoder(cup)[
            0, :, TOP // 16 : (TOP + SIDE) // 16, LEFT // 16 : (LEFT + SIDE) // 16
        ]
        alone = encoder(cup[..., TOP : TOP + SIDE, LEFT : LEFT + SIDE])[0]
    drift[norm] = ((whole - alone).square().mean(0).sqrt() / whole.std()).numpy()
    inner[norm] = float(drift[norm][reach:-reach, reach:-reach].max())

fig, row = plt.subplots(1, 4, figsize=(12.5, 3), layout="constrained")
row[0].imshow(photos.coffee()[:384:4, :512:4].mean(2), "gray", extent=(0, 512, 384, 0))
row[0].add_patch(plt.Rectangle((LEFT, TOP), SIDE, SIDE, fill=False, color="tab:red", lw=2))
row[0].set(title="the window", xticks=[], yticks=[])
for axes, (norm, of) in zip(row[1:], drift.items(), strict=True):
    seen = axes.imshow(np.log10(of + 1e-7), cmap="magma", vmin=-7, vmax=0)
    square = (reach - 0.5, reach - 0.5), *(2 * [SIDE // 16 - 2 * reach])
    axes.add_patch(plt.Rectangle(*square, fill=False, color="w", ls="--"))
    axes.set(xticks=[], yticks=[], title=f"{norm}: at most {inner[norm]:.0e} inside")
fig.colorbar(seen, ax=row[3], label="log10 of the change of y")
plt.show()

# %% [markdown]
# That is what lets hfx code a picture of 100 megapixels in tiles without seams, and it follows
# from the definition; no table of averages would have shown it. What it does to quality is again a
# matter of how much. The same models on one photograph, cut into tiles of other sizes than the
# 128 pixels of training.

# %%
SIDES = (64, 128, None)
by_size = {(norm, side): np.array([J(*judged(runs[norm, seed].average, cup, side))
                                   for seed in SEEDS])
           for norm in NORMS for side in SIDES}  # fmt: skip
fig, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for norm in NORMS:
    change = np.array([by_size[norm, side] - by_size[norm, 128] for side in SIDES])
    at = np.arange(3) + 0.06 * (NORMS.index(norm) - 1)
    axes.errorbar(at, change.mean(1), change.std(1, ddof=1), fmt="o-", capsize=3, label=norm)
axes.axhline(0, color="k", lw=0.6)
axes.set(xticks=range(3), xticklabels=("tiles of 64", "tiles of 128, as trained", "384 x 512"))
axes.set(ylabel="J less J in tiles of 128", title="whiskers: standard deviation of three seeds")
axes.margins(x=0.1)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# On the whole picture all three are dearer, on average: something else than the norm depends on
# its size. In crops of 128 pixels z has four places, so the hyperprior sees little but padding
# while it learns: the likely cause, and why the real runs use crops of 256. Without the line
# "none" the norm would have got the blame. **An ablation needs a control for whatever changes
# along.**
#
# ## 4. The large ones
#
# `python -m experiments.ablations` trains every variant with every seed on photographs of its own,
# and judges it on Kodak: as trained, in tiles, and once more with the quantiser moved until the
# rate is $r_t$ = 0.30 (columns in `_at`). Only there all stand at one rate and pictures can be
# compared. Each variant is compared with the one that it differs from in one thing.
#
# Dots are seeds, the bar is the t interval of their mean difference. **Blue excludes 0, grey does
# not**; where there is one seed alone, there is no bar. To the right is more: of PSNR that is
# better, of both LPIPS worse.

# %%
big = RESULTS / "ablations.csv"
runs_of = rows_of(big) if big.exists() else []
MEASURES = {
    "psnr_at": "PSNR / dB",
    "lpips_at": "LPIPS, AlexNet",
    "squeeze_at": "LPIPS, SqueezeNet",
}
PAIRS = {  # variant: what it is compared with, if not the baseline
    "fixed zeta, no LPIPS": "no LPIPS",
    "GAN, joint": "GAN", "GAN, D sees no y": "GAN", "GAN, no SpectralNorm": "GAN",
    "GAN, two scales": "GAN", "GAN from step 0": "GAN, joint",
}  # fmt: skip


def values_of(variant, column):
    """A column by seed, of runs that did not diverge."""
    return {
        r["seed"]: r[column]
        for r in runs_of
        if r["variant"] == variant and not r["diverged"] and not math.isnan(r[column])
    }


def differences(variant, column):
    """Seed by seed, against what the variant is compared with."""
    ours, theirs = values_of(variant, column), values_of(PAIRS.get(variant, "baseline"), column)
    return np.array([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])


if not runs_of:
    print("data/results/ablations.csv is not there; this makes it, in hours:\n"
          "python -m experiments.ablations --data TRAIN --test KODAK "
          "--out data/results/ablations.csv")  # fmt: skip
else:
    variants = [v for v in dict.fromkeys(r["variant"] for r in runs_of) if v != "baseline"]
    variants = [v for v in variants if len(differences(v, "psnr_at"))][::-1]
    far = [v for v in variants if v.startswith("from scratch")]  # would squeeze the rest to a dot
    fig, row = plt.subplots(1, 3, figsize=(13, 0.32 * len(variants) + 1.2), sharey=True,
                            layout="constrained")  # fmt: skip
    for axes, (column, title) in zip(row, MEASURES.items(), strict=True):
        for place, variant in enumerate(variants):
            apart = differences(variant, column)
            axes.plot(apart, [place] * len(apart), "o", ms=4, color="0.3", alpha=0.6)
            if len(apart) > 1:
                middle, wide = interval(apart)
                sure = abs(middle) > wide
                axes.plot([middle - wide, middle + wide], [place] * 2, lw=5, alpha=0.5,
                          color="tab:blue" if sure else "0.6")  # fmt: skip
        axes.axvline(0, color="k", lw=0.8)
        usual = [d for v in variants if v not in far for d in differences(v, column)]
        reach_ = 1.6 * np.abs(usual).max()
        axes.set(title=title, xlim=(-reach_, reach_), xlabel="difference at 0.30 bpp")
    row[0].set(yticks=range(len(variants)))
    row[0].set_yticklabels([f"{v}  -  {PAIRS.get(v, 'baseline')}" for v in variants])
    plt.show()
    print(f"{len(runs_of)} runs, {len({r['seed'] for r in runs_of})} seeds; beyond the panels:")
    for variant in variants:
        for column, title in MEASURES.items():
            apart = differences(variant, column)
            usual = [d for v in variants if v not in far for d in differences(v, column)]
            if np.abs(apart).max() > 1.6 * np.abs(usual).max():
                print(f"  {variant}: {title} {', '.join(f'{d:+.2f}' for d in apart)}")
    parts = ("baseline", "0 blocks", "3 blocks", "InstanceNorm", "BatchNorm")
    adds = {v: np.mean(list(values_of(v, "e_convs").values())) for v in parts}
    print("of y, E's convolutions make",
          ", ".join(f"{v} {share:.3f}" for v, share in adds.items()))  # fmt: skip

# %% [markdown]
# Read it as a sceptic. How many of the bars exclude 0, and how many of so many would do so by
# chance? Which of the differences are large compared with the seeds, whatever the interval says?
# Then the columns against each other: what lowers LPIPS through the network that was trained on,
# does it lower the other as well? That is notebook 09's suspicion, with numbers.
#
# And ask whether the part that was changed did anything at all. These runs are older than the
# ladder of notebook 06: E was convolutions *beside* a linear transform of 16 x 16 pixels, and y
# was the sum of both. The last line says how much E's convolutions are of y, by standard
# deviation. Where training begins at the PCA of patches, with ChannelNorm, it is next to nothing,
# so more blocks or fewer compare nothing with nothing. **An ablation of a silent part is silent.**
#
# The rate constraint is another matter. Its aim is not quality but **the rate**, $r_t$ = 0.30,
# without knowing $\zeta$ in advance. A fixed $\zeta$ hits whatever rate the loss happens to buy:
# change the loss (take LPIPS away), and the rate moves.

# %%
if runs_of:
    shown = ("baseline", "no LPIPS", "fixed zeta", "fixed zeta, no LPIPS")
    fig, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    for place, variant in enumerate(shown[::-1]):
        rates = list(values_of(variant, "rate").values())
        axes.plot(rates, [place] * len(rates), "o")
    axes.axvline(0.30, color="k", ls=":")
    axes.set(yticks=range(4), yticklabels=shown[::-1], ylim=(-0.5, 3.5))
    axes.set(xlabel="bits per pixel of the last fifth of training; dotted: the target r_t")
    plt.show()
    far = {v: np.mean([abs(rate - 0.30) for rate in values_of(v, "rate").values()])
           for v in shown if values_of(v, "rate")}  # fmt: skip
    print("mean distance to r_t:", ", ".join(f"{v} {d:.3f}" for v, d in far.items()))

# %% [markdown]
# ## 5. An ablation without luck
#
# The neighbour model (notebook 07) can be ablated with little chance in it: the windows are the
# same for all, nobody draws first weights, and bits are counted, not judged. Here one run a bar
# goes a long way. What is the most that one could take away?

# %%
parts = [r for r in rows_of(RESULTS / "neighbours_ablation.csv")
         if r["what"] in ("features", "pattern", "window")]  # fmt: skip
fig, row = plt.subplots(1, 3, figsize=(12.5, 2.6), layout="constrained", width_ratios=(1.7, 1, 1))
for axes, what in zip(row, ("features", "pattern", "window"), strict=True):
    of = {r["value"]: 100 * r["saved"] for r in parts if r["what"] == what}
    bars = axes.barh(list(of)[::-1], list(of.values())[::-1], color="tab:blue")
    axes.bar_label(bars, fmt="%.1f", padding=2)
    axes.set(xlabel="bits saved, %, held out", title=what)
    axes.margins(x=0.15)
plt.show()
features = {r["value"]: r["saved"] for r in parts if r["what"] == "features"}

# %% [markdown]
# ## What to remember
#
# * One change at a time, everything else equal, the rate above all.
# * The same thing trained twice differs. Without the spread over seeds, a table of differences
#   says nothing.
# * Share seeds, and take differences seed by seed. Three seeds then see differences that are large
#   compared with the spread, and no others.
# * "Cannot tell" is a result. So is "at this size, after so many steps".
# * Many comparisons make winners by chance: one in twenty.
# * What follows from a definition needs no seeds: InstanceNorm depends on the size of the picture,
#   ChannelNorm does not.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. The standard error of the mean of `values` (an array): $s / \sqrt n$, with $n - 1$ in $s$.
# 2. The 95 % t interval of the mean of `values`: its lower and its upper end. (`stats.t.ppf`)
# 3. Whether seeds `a` and `b` of two variants, in the same order, tell them apart: True if the
#    interval of the differences excludes 0.
# 4. InstanceNorm without gain and bias: `f` is (C, H, W); subtract each channel's mean over the
#    picture, divide by $\sqrt{\text{variance} + 0.001}$. (What becomes of a flat picture?)
# 5. How many seeds find a `difference` in 8 of 10 experiments, if differences spread by `spread`?
#    By the normal approximation $n = (1.96 + 0.84)^2 (\text{spread} / \text{difference})^2$,
#    rounded up.
# 6. Sound? (a) The best of 20 variants beat the baseline, with an interval of its own that
#    excludes 0: it is better. (b) All seeds but the one that diverged are averaged, and the one is
#    reported. (c) PSNR rose by 0.3 dB, and so did the rate by 10 %: the change is good. (d) The
#    interval holds 0, so the two are equal. Four truth values.


# %% tags=["exercise"]
def standard_error(values):
    # BEGIN SOLUTION
    return np.std(values, ddof=1) / math.sqrt(len(values))
    # END SOLUTION


check("11.1", standard_error)


# %% tags=["exercise"]
def t_interval(values):
    # BEGIN SOLUTION
    n = len(values)
    half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    return np.mean(values) - half, np.mean(values) + half
    # END SOLUTION


check("11.2", t_interval)


# %% tags=["exercise"]
def told_apart(a, b):
    # BEGIN SOLUTION
    d = a - b
    half = stats.t.ppf(0.975, len(d) - 1) * np.std(d, ddof=1) / math.sqrt(len(d))
    return bool(abs(d.mean()) > half)
    # END SOLUTION


check("11.3", told_apart)


# %% tags=["exercise"]
def instance_norm(f):
    # BEGIN SOLUTION
    mean, variance = (s(axis=(1, 2), keepdims=True) for s in (f.mean, f.var))
    return (f - mean) / np.sqrt(variance + 0.001)
    # END SOLUTION


check("11.4", instance_norm)


# %% tags=["exercise"]
def seeds_needed(difference, spread):
    # BEGIN SOLUTION
    return math.ceil((1.96 + 0.84) ** 2 * (spread / difference) ** 2)
    # END SOLUTION


check("11.5", seeds_needed)

# %% tags=["exercise"]
sound = False, True, False, False  # SOLUTION
check("11.6", sound)

# %% [markdown]
# ## References
#
# * Student, *The Probable Error of a Mean*, Biometrika 6, 1908: small samples, honestly.
# * Bouthillier et al., *Accounting for Variance in Machine Learning Benchmarks*, MLSys 2021,
#   arXiv:2103.03098; Lucic et al., *Are GANs Created Equal?*, NeurIPS 2018, arXiv:1711.10337.
# * Mentzer et al., arXiv:2006.09965, appendix: HiFiC's ablations of normalisation and of D.
# * Ulyanov et al., *Instance Normalization*, arXiv:1607.08022; Ioffe and Szegedy, *Batch
#   Normalization*, arXiv:1502.03167.
# * `experiments/ablations/` makes the large table; `data/results/LOG.md` tells what we make of it.
#
# The claims of this notebook, checked:

# %%
assert all(half[norm, "paired"] < half[norm, "apart"] for norm in ("instance", "none")), "pair"
assert among_seeds[0] < among_seeds[1], "seeds differ by more than these variants"
assert inner["channel"] < 1e-4 and inner["none"] < 1e-4, "local: the picture's size is nothing"
assert inner["instance"] > 100 * inner["channel"], "InstanceNorm sees all of it"
assert three < 0.8, "three seeds miss even differences of two deviations"
assert features["without neighbours"] < 0.3 * features["all"], "the neighbours are what helps"
if runs_of:
    assert (differences("no LPIPS", "psnr_at") > 0).all(), "without LPIPS: PSNR gains,"
    assert (differences("no LPIPS", "lpips_at") > 0).all(), "and LPIPS loses, with every seed"
    assert far["fixed zeta, no LPIPS"] > far["no LPIPS"], "only the constraint holds the rate"
