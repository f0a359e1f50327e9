# %% [markdown]
# # 02 · XGBoost
#
# *Section 3.1 of the paper, Equations 2 to 4. About 45 minutes to read, half a minute to run.*
#
# XGBoost predicts with a sum of many small decision trees. The paper uses it to "predict the
# neighbour"; in this kit it guesses the next symbol of the compressed file, and every good guess
# is a bit saved. Here we derive it from the three equations the paper prints, write it in sixty
# lines, hold the result against the real library to five decimals, and then watch it earn bits.
#
# You need to know what a decision tree is and what first and second derivatives are. By the end
# you can say what every leaf of every tree is worth, and why.

# %% tags=["setup"]
import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import xgboost as xgb

from hfx.check import check

plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## 1. What the paper writes, and how to read it
#
# $$\text{Obj} = L + \Omega \quad (2) \qquad L = \sum_i (y_i - \hat y_i)^2 \quad (3) \qquad
# \Omega = \gamma T + \tfrac12 \lambda \sum_j w_j^2 \quad (4)$$
#
# $T$ is the number of leaves, $\gamma$ the price of one, $\lambda$ the price of large answers. The
# paper calls $w_i$ "the weight assigned to the i-th feature". **That is a slip**: $w_j$ is what
# *leaf j* answers. There are $T$ of them, however many features there are; section 6 shows it.
#
# Eq. 3 is for regression. Keep any loss $\ell(y, \hat y)$ and add a tree $f$ to the current
# prediction $\hat y$. Expand to second order, with $g_i = \partial \ell / \partial \hat y_i$ and
# $h_i = \partial^2 \ell / \partial \hat y_i^2$:
#
# $$\text{Obj} \approx \sum_i \left[ g_i f(x_i) + \tfrac12 h_i f(x_i)^2 \right]
# + \gamma T + \tfrac12 \lambda \sum_j w_j^2 + \text{const}.$$
#
# A tree gives every row of a leaf the same answer $w_j$. With $G_j, H_j$ the sums of $g, h$ in
# leaf $j$, the leaves part company, and each is a parabola:
#
# $$\text{Obj} = \sum_j \left[ G_j w_j + \tfrac12 (H_j + \lambda) w_j^2 \right] + \gamma T,
# \qquad w_j^* = -\frac{G_j}{H_j + \lambda}, \qquad
# \text{Obj}^* = -\tfrac12 \sum_j \frac{G_j^2}{H_j + \lambda} + \gamma T.$$

# %%
residuals = np.array([1.0, 1.4, 0.8, 1.2])  # four rows in a leaf; loss 1/2 (y - prediction)^2
G, H = -residuals.sum(), len(residuals)
w = np.linspace(-0.3, 2.2, 200)

fig, axes = plt.subplots(figsize=(7, 3))
for lam in (0, 1, 4, 16):
    axes.plot(w, G * w + 0.5 * (H + lam) * w**2, label=f"$\\lambda$ = {lam}")
    best = -G / (H + lam)
    axes.plot(best, 0.5 * G * best, "ko", ms=4)
axes.set(ylim=(-2.8, 2), xlabel="w, the leaf's answer", ylabel="Obj of this leaf",
         title="The best answer (dot): the mean residual, pulled to 0 by $\\lambda$")  # fmt: skip
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# A split is worth it if two leaves do better than one, by more than the price of a leaf:
#
# $$\text{Gain} = \tfrac12 \left[ \frac{G_L^2}{H_L + \lambda} + \frac{G_R^2}{H_R + \lambda}
# - \frac{(G_L + G_R)^2}{H_L + H_R + \lambda} \right] - \gamma.$$
#
# That is all. Sort a feature, walk along it with running sums, take the best place; repeat below.
#
# ## 2. Sixty lines


# %%
@dataclass
class Node:
    """A leaf, or a split with two nodes below."""

    weight: float
    gain: float = 0.0
    feature: int = 0
    threshold: float = 0.0
    below: tuple["Node", ...] = ()

    def predict(self, x):
        if not self.below:
            return np.full(len(x), self.weight)
        left = x[:, self.feature] < self.threshold
        return np.where(left, self.below[0].predict(x), self.below[1].predict(x))

    def leaves(self):
        return [self] if not self.below else [leaf for n in self.below for leaf in n.leaves()]

    def splits(self):
        return [] if not self.below else [self] + [s for n in self.below for s in n.splits()]


def bracket(G, H, lam):
    return G**2 / (H + lam)


def best_split(x, g, h, lam):
    """The largest [...] of the gain formula: (value, feature, threshold)."""
    best = (0.0, 0, 0.0)
    for feature, column in enumerate(x.T):
        order = np.argsort(column, kind="stable")
        sorted_ = column[order]
        G, H = np.cumsum(g[order])[:-1], np.cumsum(h[order])[:-1]  # of all rows to the left
        gain = bracket(G, H, lam) + bracket(g.sum() - G, h.sum() - H, lam)
        gain -= bracket(g.sum(), h.sum(), lam)
        gain[sorted_[1:] == sorted_[:-1]] = 0  # equal values cannot be told apart
        k = int(gain.argmax()) if len(gain) else 0
        if len(gain) and gain[k] > best[0]:
            best = (float(gain[k]), feature, float(sorted_[k] + sorted_[k + 1]) / 2)
    return best


def grow(x, g, h, depth, lam=1.0, gamma=0.0):
    """One tree: grow to the full depth, then cut back what does not pay."""
    weight = -g.sum() / (h.sum() + lam)
    gain, feature, threshold = best_split(x, g, h, lam) if depth else (0.0, 0, 0.0)
    if gain <= 1e-6:
        return Node(weight)
    left = x[:, feature] < threshold
    below = tuple(grow(x[s], g[s], h[s], depth - 1, lam, gamma) for s in (left, ~left))
    if not any(node.below for node in below) and gain / 2 < gamma:
        return Node(weight)
    return Node(weight, gain, feature, threshold, below)


def boost(x, y, slopes, rounds=20, eta=0.3, base=0.0, **knobs):
    """Trees in turn, each for what the ones before have left over."""
    trees, prediction = [], np.full(len(x), base) if np.isscalar(base) else base.copy()
    for _ in range(rounds):
        trees.append(grow(x, *slopes(y, prediction), **knobs))
        prediction += eta * trees[-1].predict(x)
    return trees, prediction


def squared(y, prediction):
    """First and second derivative of 1/2 (y - prediction)^2."""
    return prediction - y, np.ones_like(y)


def logistic(y, margin):
    """The same of -log P(y) with P(1) = 1 / (1 + exp(-margin))."""
    p = 1 / (1 + np.exp(-margin))
    return p - y, p * (1 - p)


# %% [markdown]
# ## 3. Watch it learn
#
# A hundred noisy points on a curve. One tree is a coarse staircase. Each further tree fits what
# is left over, shrunk by $\eta$ (`eta`) so that no tree can spoil much.

# %%
draw = np.random.default_rng(0)
x_line = np.sort(draw.uniform(-3, 3, 120))[:, None].astype(np.float32)
truth = np.sin(2 * x_line[:, 0]) + 0.3 * x_line[:, 0]
y_line = truth + 0.25 * draw.standard_normal(120)


def staircase(axes, rounds, depth=2, lam=1.0, gamma=0.0, eta=0.3):
    trees, prediction = boost(
        x_line, y_line, squared, rounds, eta, depth=depth, lam=lam, gamma=gamma
    )
    axes.plot(x_line, y_line, "o", ms=3, alpha=0.4, label="points")
    axes.plot(x_line, truth, "k:", lw=1, label="truth")
    axes.step(x_line[:, 0], prediction, "tab:red", where="mid", label="prediction")
    error = float(np.sqrt(np.mean((prediction - truth) ** 2)))
    plural = "s" if rounds > 1 else ""
    axes.set(title=f"{rounds} tree{plural}: {error:.2f} off the truth", xlabel="x")
    return trees


fig, row = plt.subplots(1, 4, figsize=(12, 2.8), sharey=True)
for axes, rounds in zip(row, (1, 3, 10, 60), strict=True):
    staircase(axes, rounds)
row[0].legend(frameon=False, fontsize=8)
row[0].set_ylabel("y")
plt.tight_layout()
plt.show()

# --- and now by hand
from ipywidgets import FloatLogSlider, IntSlider, interact


def try_it(rounds, depth, lam, gamma):
    fig, axes = plt.subplots(figsize=(6, 3))
    trees = staircase(axes, rounds, depth, lam, gamma)
    axes.set_ylabel(f"{np.mean([len(t.leaves()) for t in trees]):.1f} leaves a tree")
    plt.show()


sliders = interact(
    try_it,
    rounds=IntSlider(20, min=1, max=60),
    depth=IntSlider(2, min=1, max=5),
    lam=FloatLogSlider(1, min=-2, max=3),
    gamma=FloatLogSlider(0.01, min=-2, max=1),
)

# %% [markdown]
# Run the cell above and pull: a large $\lambda$ makes timid trees, a large $\gamma$ makes stumps
# and then nothing at all, deep trees with a small $\lambda$ chase the noise.
#
# ## 4. Is it really XGBoost?
#
# The library, told to search exactly (`tree_method="exact"`), on two features and two losses. We
# compare every answer of every tree and every gain. Two things had to be found out on the way:
#
# * xgboost's squared error is $\frac12 (y - \hat y)^2$. Eq. 3 as printed lacks the half: then $g$
#   and $h$ double, and the same $\lambda$ restrains only half as much (exercise 3).
# * xgboost reports, and compares with its `gamma`, the bracket *without* the $\frac12$. So its
#   `gamma` is twice the $\gamma$ of Eq. 4.

# %%
x = draw.uniform(-2, 2, (400, 2)).astype(np.float32)
signal = np.sin(2 * x[:, 0]) + x[:, 0] * x[:, 1]
targets = {
    "reg:squarederror": (signal + 0.3 * draw.standard_normal(400), squared),
    "binary:logistic": ((signal + 0.5 * draw.logistic(size=400) > 0).astype(float), logistic),
}
rounds, eta, lam, gamma, depth = 8, 0.4, 1.5, 0.6, 4
furthest = {}
for objective, (y, slopes) in targets.items():
    ours, _ = boost(x, y, slopes, rounds, eta, depth=depth, lam=lam, gamma=gamma)
    matrix = xgb.DMatrix(x, y, base_margin=np.zeros(len(x)))
    settings = {
        "objective": objective, "tree_method": "exact", "max_depth": depth, "eta": eta,
        "reg_lambda": lam, "gamma": 2 * gamma, "min_child_weight": 0, "nthread": 1,
    }  # fmt: skip
    theirs = xgb.train(settings, matrix, rounds)
    table = theirs.trees_to_dataframe()
    of_weights = of_gains = 0.0
    for t, tree in enumerate(ours):
        answers = theirs.predict(matrix, output_margin=True, iteration_range=(t, t + 1))
        of_weights = max(of_weights, np.abs(eta * tree.predict(x) - answers).max())
        gains = table[(table.Tree == t) & (table.Feature != "Leaf")].Gain
        ours_sorted = np.sort([node.gain for node in tree.splits()])
        of_gains = max(of_gains, (np.abs(ours_sorted - np.sort(gains)) / ours_sorted).max())
    furthest[objective] = (of_weights, of_gains)
    leaves = sum(len(tree.leaves()) for tree in ours)
    print(f"{objective:17} {leaves} leaves: answers within {of_weights:.0e}, "
          f"gains within {of_gains:.0e} of each other")  # fmt: skip

# %% [markdown]
# ## 5. What keeps it honest
#
# Trees can learn noise by heart. Three brakes: $\gamma$ cuts leaves that do not pay, $\lambda$
# damps what leaves say, and *early stopping* ends the boosting when rows that were held back stop
# improving. From here on we let the library work.

# %%
draw = np.random.default_rng(1)
many = draw.uniform(-2, 2, (1800, 6)).astype(np.float32)  # only two of six features matter
noisy = np.sin(2 * many[:, 0]) + many[:, 0] * many[:, 1] + draw.standard_normal(1800)
train, held = xgb.DMatrix(many[:300], noisy[:300]), xgb.DMatrix(many[300:], noisy[300:])


def fit(rounds=100, stop=None, **knobs):
    """Errors on both sides, round by round, and the booster."""
    errors, base = {}, {"max_depth": 3, "eta": 0.3, "nthread": 1}
    evals = [(train, "seen"), (held, "held_back")]
    model = xgb.train(
        base | knobs, train, rounds, evals=evals, evals_result=errors, verbose_eval=False,
        early_stopping_rounds=stop,
    )  # fmt: skip
    return errors["seen"]["rmse"], errors["held_back"]["rmse"], model


fig, row = plt.subplots(1, 3, figsize=(12, 3.2), sharey=True)
seen, held_back, _ = fit()
_, _, stopped = fit(stop=20)
row[0].plot(seen, label="rows seen")
row[0].plot(held_back, label="rows held back")
row[0].axvline(stopped.best_iteration, color="k", ls=":", label="stop here")
row[0].axhline(1, color="grey", lw=0.8, label="the noise itself")
row[0].set(xlabel="trees", ylabel="error (RMSE)", title="Early stopping")

gammas, lambdas = [0, 0.3, 1, 3, 10, 30], [0.01, 0.1, 1, 10, 100, 1000]
ticks = []
for axes, values, knob in ((row[1], gammas, "gamma"), (row[2], lambdas, "reg_lambda")):
    fits = [fit(**{knob: value}) for value in values]
    axes.plot([of_seen[-1] for of_seen, _, _ in fits], "o-", label="rows seen")
    axes.plot([of_held[-1] for _, of_held, _ in fits], "o-", label="rows held back")
    axes.set(xticks=range(6), xticklabels=values, xlabel=f"{knob}, with 100 trees")
    leaves = [(model.trees_to_dataframe().Feature == "Leaf").sum() / 100 for _, _, model in fits]
    ticks.append(leaves)
row[1].set_xticklabels([f"{v}\n({n:.1f})" for v, n in zip(gammas, ticks[0], strict=True)])
row[1].set(title="gamma cuts leaves (how many a tree)")
row[2].set(title="lambda damps answers")
for axes in row:
    axes.legend(frameon=False, fontsize=8)
plt.tight_layout()
plt.show()

# %% [markdown]
# Read the orange lines: blue ones only ever say that more is better. Here 300 rows carry noise as
# large as the signal, and each brake by itself helps: stopping after some twenty trees, a `gamma`
# near 3, a `lambda` near 100. Too much of a brake and nothing is learned.
#
# ## 6. Why "the weight of the i-th feature" cannot be right
#
# One feature. If $w_i$ belonged to features, $\Omega$ would have one term. The tree below has as
# many $w$ as leaves, and $\sum w_j^2$ runs over them. What people call *feature importance* is
# something else again: how often, or with how much gain, a feature is split on. It appears in no
# equation.

# %%
tree = grow(x_line, *squared(y_line, np.zeros(120)), depth=3)
weights = [leaf.weight for leaf in tree.leaves()]
edges = [-3, *sorted(node.threshold for node in tree.splits()), 3]

fig, axes = plt.subplots(figsize=(7, 3))
axes.plot(x_line, y_line, "o", ms=3, alpha=0.3)
axes.stairs(weights, edges, baseline=None, color="tab:red", lw=2)
for j, (left, right, weight) in enumerate(zip(edges, edges[1:], weights, strict=False), 1):
    axes.text((left + right) / 2, weight + 0.15, f"$w_{j}$", ha="center", color="tab:red")
axes.set(xlabel="the one feature", ylabel="y", title=f"1 feature, T = {len(weights)} leaves")
plt.show()

# %% [markdown]
# ## 7. When the loss is the size of a file
#
# A coder that gives the symbol that comes a probability $P$ spends $-\log_2 P$ bits on it
# (notebook 03 proves it by doing). So with cross-entropy as $L$, **the loss in base 2 is the
# number of bits in the file**, and a tree that lowers it has earned them.
#
# A codec already has an expectation of each symbol, its *hyperprior*. So do not start from
# nothing: start from the hyperprior's margin $\log\frac{p}{1-p}$ as base margin. Zero trees then
# cost exactly what the hyperprior costs. Below, a made-up stream of yes-or-no symbols: the prior
# knows `p`, the neighbours know something more, and three features know nothing.

# %%
count = 6000
p = draw.uniform(0.05, 0.95, count)
margin = np.log(p / (1 - p))
neighbours = draw.integers(-1, 2, (count, 2))  # two symbols already decoded
true_margin = margin + 0.9 * neighbours.sum(1)  # what a mind reader would use
symbols = (draw.uniform(size=count) < 1 / (1 + np.exp(-true_margin))).astype(float)
features = np.column_stack([neighbours, draw.normal(size=(count, 3))]).astype(np.float32)


def bits(margin, symbols):
    return np.logaddexp(0, np.where(symbols == 1, -margin, margin)).mean() / math.log(2)


half = count // 2
curves = {}
for name, base in (("from the hyperprior", margin), ("from nothing", np.zeros(count))):
    parts = [
        xgb.DMatrix(features[rows], symbols[rows], base_margin=base[rows])
        for rows in (slice(half), slice(half, None))
    ]
    watch = {}
    knobs = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.2, "nthread": 1}
    held = [(parts[1], "held_back")]
    xgb.train(knobs, parts[0], 60, evals=held, evals_result=watch, verbose_eval=False)
    start = bits(base[half:], symbols[half:])
    curves[name] = [start] + [v / math.log(2) for v in watch["held_back"]["logloss"]]

floor = bits(true_margin[half:], symbols[half:])
fig, axes = plt.subplots(figsize=(7, 3))
for name, curve in curves.items():
    axes.plot(curve, label=f"trees, started {name}")
axes.axhline(curves["from the hyperprior"][0], color="grey", ls=":", label="hyperprior alone")
axes.axhline(floor, color="k", ls=":", label="a mind reader")
axes.set(
    xlabel="trees", ylabel="bits per symbol, held back", title="Every tree must earn its bits"
)
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## 8. The same in the codec
#
# `hfx` codes the symbols of a picture with the hyperprior alone (`none`), with nearest neighbours
# (`knn`), or with boosted trees (`xgb`). Its trees see the 7 x 7 window of symbols already
# decoded. One set of symbols, three files: the bytes differ, the picture may not.

# %%
from skimage.data import astronaut

import hfx
from hfx import bitstream
from hfx.neighbours import explain

codec = hfx.load()
files = {
    kind: codec.compress(astronaut(), tier="medium", neighbours=kind)
    for kind in ("none", "knn", "xgb")
}
pictures = {kind: np.asarray(codec.decompress(data)) for kind, data in files.items()}
for kind, data in files.items():
    share = len(data) / len(files["none"])
    print(f"{kind:5} {len(data):6} bytes, {share:.1%} of the file without a neighbour model")
print(
    "same picture to the bit:",
    all((pictures["none"] == other).all() for other in pictures.values()),
)

# %% [markdown]
# Where does it save? `explain.bits_of` tells the price of every symbol. We add up the channels at
# each place, hyperprior alone minus trees: red is a place where the neighbours helped, blue where
# they misled.

# %%
latents = codec.read(bitstream.read(files["xgb"]))
alone, helped = (explain.bits_of(codec, latents, kind).y.sum(0) for kind in ("none", "xgb"))

fig, row = plt.subplots(1, 3, figsize=(9, 2.7), layout="constrained")
row[0].imshow(pictures["xgb"][::2, ::2])
row[0].set_title(f"decoded from {len(files['xgb'])} bytes")
shown = row[1].imshow(helped, cmap="viridis")
row[1].set_title("bits spent, with trees")
fig.colorbar(shown, ax=row[1])
limit = np.percentile(np.abs(alone - helped), 99)
shown = row[2].imshow(alone - helped, cmap="RdBu_r", vmin=-limit, vmax=limit)
row[2].set_title(f"bits saved: {1 - helped.sum() / alone.sum():.1%} of y")
fig.colorbar(shown, ax=row[2])
for axes in row:
    axes.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## What to remember
#
# * A tree is fitted to first and second derivatives, never to the loss itself: any loss will do.
# * A leaf answers $-G / (H + \lambda)$; a split pays if its gain beats $\gamma$. The $w_j$ of Eq.
#   4 belong to leaves, not features.
# * Boosting stops where held-back rows stop improving, not where the training error ends.
# * With cross-entropy in base 2 the loss *is* the file size. Start from what you already know (the
#   base margin), and every tree has to earn its bits.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. The best answer of a leaf, from the gradients `g` and Hessians `h` of its rows.
# 2. The gain of a split by Eq. 2 to 4, with the half and with $\gamma$.
# 3. Take Eq. 3 as printed, without the half, and $\lambda = 1$. Which `lam` gives the same leaf
#    answers with xgboost's halved loss?
# 4. First and second derivative of $-\log_2 P(y)$, so in *bits*, by the margin. Return both.
# 5. Four rows with $g = (-1, -1, 2, 2)$, all $h = 1$, $\lambda = 1$, split in the middle. What is
#    the largest `gamma` of *xgboost* at which the split survives?
# 6. The symbols that came had probabilities `before` from the hyperprior and `after` from the
#    trees. How many bits were saved in all?


# %% tags=["exercise"]
def leaf_answer(g, h, lam):
    # BEGIN SOLUTION
    return -g.sum() / (h.sum() + lam)
    # END SOLUTION


check("02.1", leaf_answer)


# %% tags=["exercise"]
def gain_of(G_left, H_left, G_right, H_right, lam, gamma):
    # BEGIN SOLUTION
    both = (G_left + G_right) ** 2 / (H_left + H_right + lam)
    apart = G_left**2 / (H_left + lam) + G_right**2 / (H_right + lam)
    return 0.5 * (apart - both) - gamma
    # END SOLUTION


check("02.2", gain_of)

# %% tags=["exercise"]
same_lam = 0.5  # SOLUTION
check("02.3", same_lam)


# %% tags=["exercise"]
def slopes_in_bits(y, margin):
    # BEGIN SOLUTION
    p = 1 / (1 + np.exp(-margin))
    return (p - y) / math.log(2), p * (1 - p) / math.log(2)
    # END SOLUTION


check("02.4", slopes_in_bits)

# %% tags=["exercise"]
largest_gamma = (-2) ** 2 / 3 + 4**2 / 3 - 2**2 / 5  # SOLUTION
check("02.5", largest_gamma)


# %% tags=["exercise"]
def bits_saved(before, after):
    # BEGIN SOLUTION
    return np.log2(after / before).sum()
    # END SOLUTION


check("02.6", bits_saved)

# %% [markdown]
# ## References
#
# * Chen and Guestrin, *XGBoost: A Scalable Tree Boosting System*, KDD 2016, arXiv:1603.02754:
#   section 2 is this notebook's section 1.
# * Friedman, *Greedy Function Approximation: A Gradient Boosting Machine*, Annals of Statistics
#   29(5), 2001.
# * *Introduction to Boosted Trees*, in the documentation of xgboost: the derivation, with
#   pictures.
# * `hfx/neighbours/boosted.py`: how the codec makes trees exact, so that every machine
#   agrees on every probability.
#
# The claims of this notebook, checked:

# %%
for objective, (of_weights, of_gains) in furthest.items():
    assert max(of_weights, of_gains) < 1e-5, f"{objective}: sixty lines and xgboost differ"
assert len(weights) > x_line.shape[1], "there are more w than features"
assert floor < min(curves["from the hyperprior"]) < curves["from the hyperprior"][0]
assert len(files["xgb"]) < len(files["knn"]) < len(files["none"]), "trees must save bytes"
assert all((pictures["none"] == other).all() for other in pictures.values()), "never the picture"
