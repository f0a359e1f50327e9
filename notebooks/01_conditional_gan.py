# %% [markdown]
# # 01 · Conditional GAN
#
# *Section 3.1 of the paper, Equation 1. About 40 minutes to read and play, half a minute to run.*
#
# A generative codec asks two networks to argue. **G** paints a picture from a few bits, **D** is
# shown pictures and says whether they are photographs. Each learns by beating the other. Here
# they play on a field small enough to draw whole: points in the plane instead of pictures, and a
# label instead of the compressed file. Everything you will see carries over.
#
# You need Python and a rough idea of what a neural network and its gradient are. By the end you
# will know why D must see what G was given, why the loss has a logarithm on the "wrong" side, and
# what mode collapse looks like from the inside.

# %% tags=["setup"]
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from hfx.check import check
from hfx.losses import fooling, spotting

torch.set_num_threads(1)  # networks this small run fastest on one core
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})
COLOURS = ["tab:blue", "tab:orange"]  # label 0, label 1

# %% [markdown]
# ## 1. The game
#
# The paper writes
#
# $$V_{DG} = E_{x \sim p_{data}}[\log D(x)] + E_{z}[\log(1 - D(G(z)))] \qquad (1)$$
#
# D answers with a probability: "this is real". It wants $V$ large: yes to real points, no to
# made-up ones. G wants $V$ small. In the *conditional* game both are also told something, $s$:
# $D(x, s)$ and $G(z, s)$. (How we read it: in the codec $s$ is the quantised latent $\hat y$, that
# is, what the file says.)
#
# Our world has eight clusters on a ring. Every other cluster is orange, so a point comes with a
# label $s$, 0 or 1, and **each label still leaves four possibilities**: like a file that says
# "grass" and leaves open which blades.

# %%
angles = 2 * math.pi * torch.arange(8) / 8
CENTRES = 2 * torch.stack([angles.cos(), angles.sin()], 1)
SPREAD = 0.15


def real(n, draw):
    """n points of the world and their labels: (n, 2), (n,)."""
    cluster = torch.randint(8, (n,), generator=draw)
    return CENTRES[cluster] + SPREAD * torch.randn(n, 2, generator=draw), cluster % 2


def field(axes, title=""):
    axes.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title=title, xticks=[], yticks=[])


def scatter(axes, x, s, title=""):
    """Points, coloured by label, over rings where the real clusters are."""
    for k, centre in enumerate(CENTRES):
        axes.add_patch(plt.Circle(centre, 3 * SPREAD, fill=False, color=COLOURS[k % 2], lw=1))
    axes.scatter(*x.T, s=5, c=[COLOURS[i] for i in s], alpha=0.5, linewidths=0)
    field(axes, title)


x, s = real(1000, torch.Generator().manual_seed(0))
fig, axes = plt.subplots(figsize=(4, 4))
scatter(axes, x, s, "The world: colour is the label s")
plt.show()

# %% [markdown]
# ## 2. The best that D can do
#
# Fix G. At a point $x$ that real data visit with density $p(x)$ and G with density $q(x)$, D
# chooses one number $d$ and earns $p \log d + q \log(1 - d)$. Setting the derivative to zero,
#
# $$D^*(x) = \frac{p(x)}{p(x) + q(x)}.$$
#
# So D is a *density ratio* in disguise, and that is the whole trick: nobody ever wrote down $p$.
# Put $D^*$ back into Eq. 1 and $V = 2\,\mathrm{JSD}(p, q) - \log 4$, where JSD is the
# Jensen-Shannon divergence, zero exactly when $q = p$. Let us see whether a network finds $D^*$
# from samples alone.


# %%
def bell(x, mean, width):
    return np.exp(-0.5 * ((x - mean) / width) ** 2) / (width * math.sqrt(2 * math.pi))


torch.manual_seed(0)
line = nn.Sequential(nn.Linear(1, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2))
line.append(nn.Linear(64, 1))
optimiser = torch.optim.Adam(line.parameters(), 3e-3)
for _ in range(600):
    loss = spotting(line(torch.randn(512, 1) - 1), line(1.5 * torch.randn(512, 1) + 1))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

grid = np.linspace(-4, 5, 300)
p, q = bell(grid, -1, 1), bell(grid, 1, 1.5)
best = p / (p + q)
with torch.no_grad():
    found = torch.sigmoid(line(torch.tensor(grid[:, None], dtype=torch.float32)))[:, 0].numpy()
value = np.trapezoid(p * np.log(best) + q * np.log(1 - best), grid)

fig, axes = plt.subplots(figsize=(7, 3))
axes.fill_between(grid, p, alpha=0.3, label="p, real")
axes.fill_between(grid, q, alpha=0.3, label="q, made by G")
axes.plot(grid, best, "k", label="best D = p / (p + q)")
axes.plot(grid, found, "r--", label="D learned from samples")
axes.set(xlabel="x", ylabel="density, or D(x)", title=f"The value of this game is {value:.2f}")
axes.legend(frameon=False)
plt.show()
print(f"largest error of D where data are: {np.abs(found - best)[p + q > 0.02].max():.3f}")
print(f"worst value for D, when q = p: {-math.log(4):.2f}; best, when they never meet: 0")

# %% [markdown]
# `spotting` is D's loss in `hfx.losses`, $-\log D(x) - \log(1 - D(x'))$, and it is what trains the
# codec. It takes *logits*, the number before the sigmoid, because `softplus(-logit)` equals
# $-\log D$ and never overflows.
#
# ## 3. Which way should G be pushed?
#
# Eq. 1 read literally tells G to minimise $\log(1 - D(G(z)))$. The paper asks for the
# **non-saturating** loss instead, $-\log D(G(z))$. Both say "make D say yes", both are smallest in
# the same place. Look at their slopes, though: how hard each pulls on D's logit.

# %%
logit = torch.linspace(-8, 4, 200, requires_grad=True)
pull_of = {}
for name, loss in {
    "saturating: log(1 - D)": -F.softplus(logit).sum(),
    "non-saturating: -log D": sum(fooling(one) for one in logit),  # hfx's own, one by one
}.items():
    (pull_of[name],) = torch.autograd.grad(loss, logit)

fig, axes = plt.subplots(figsize=(7, 3))
for name, pull in pull_of.items():
    axes.plot(torch.sigmoid(logit).detach(), pull.abs(), label=name)
axes.set(
    xscale="logit", xlabel="D's verdict on a made-up point: probability that it is real",
    ylabel="pull on D's logit", title="When D wins, only one of the losses still teaches G",
)  # fmt: skip
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# At the left, D is sure that the point is made up. That is where G begins, and where it has most
# to learn. There the literal loss goes flat: its slope is $D$ itself. The non-saturating one pulls
# with $1 - D$, nearly its full strength.
#
# Now the same in a real game. `Game` holds two small networks, and has one step for each player.
# Each step moves one player only: while D learns, G's points are just data (`no_grad`); while G
# learns, D stands still (`requires_grad_(False)`).
#
# We let D practise alone for 100 steps, so that it is far ahead, and then play on with either
# loss. With plain gradient descent the literal loss is stuck. With Adam it gets away after all:
# Adam divides a gradient by its own usual size, so a tiny one is blown up again. Many a "it works
# without the trick" owes its life to that.


# %%
def network(inputs, outputs):
    hidden = [nn.Linear(inputs, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2)]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


class Game:
    """D against G; each may be told the label or not."""

    def __init__(self, g_sees=False, d_sees=False, seed=0, plain_sgd=False):
        torch.manual_seed(seed)
        self.draw = torch.Generator().manual_seed(seed)
        self.g_sees, self.d_sees = g_sees, d_sees
        self.G, self.D = network(2 + 2 * g_sees, 2), network(2 + 2 * d_sees, 1)
        self.of_d = torch.optim.Adam(self.D.parameters(), 3e-3, betas=(0.0, 0.9))
        self.of_g = torch.optim.Adam(self.G.parameters(), 1e-3, betas=(0.0, 0.9))
        if plain_sgd:
            self.of_g = torch.optim.SGD(self.G.parameters(), 0.002)

    def fake(self, s):
        z = torch.randn(len(s), 2, generator=self.draw)
        return self.G(torch.cat([z, F.one_hot(s, 2)], 1) if self.g_sees else z)

    def judge(self, x, s):
        return self.D(torch.cat([x, F.one_hot(s, 2)], 1) if self.d_sees else x)

    def step_d(self, n=256):
        x, s = real(n, self.draw)
        with torch.no_grad():
            made = self.fake(s)
        self.of_d.zero_grad()
        spotting(self.judge(x, s), self.judge(made, s)).backward()
        self.of_d.step()

    def step_g(self, n=256, loss=fooling):
        _, s = real(n, self.draw)
        self.D.requires_grad_(False)
        self.of_g.zero_grad()
        loss(self.judge(self.fake(s), s)).backward()
        self.of_g.step()
        self.D.requires_grad_(True)

    @torch.no_grad()
    def sample(self, n=2000):
        s = torch.randint(2, (n,), generator=self.draw)
        return self.fake(s), s


def score(x, s):
    """Clusters reached (of 8), share of points that lie in one, share of those with its label."""
    distance, cluster = torch.cdist(x, CENTRES).min(1)
    inside = distance < 4 * SPREAD
    reached = int((torch.bincount(cluster[inside], minlength=8) > len(x) / 40).sum())
    agree = float((cluster % 2 == s)[inside].float().mean()) if inside.any() else 0.0
    return reached, float(inside.float().mean()), agree


def literal(logits):
    return -F.softplus(logits).mean()  # log(1 - D)


runs = {}
for optimiser in ("plain gradient descent", "Adam"):
    for name, loss in (("saturating", literal), ("non-saturating", fooling)):
        game = Game(plain_sgd=optimiser != "Adam")
        for _ in range(100):
            game.step_d()
        trace = []
        for _ in range(200):
            game.step_g(loss=loss)
            game.step_d()
            trace.append(torch.cdist(game.sample(500)[0], CENTRES).min(1).values.mean().item())
        runs[optimiser, name] = trace

fig, pair = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for axes, optimiser in zip(pair, ("plain gradient descent", "Adam"), strict=True):
    for name in ("saturating", "non-saturating"):
        axes.plot(runs[optimiser, name], label=name)
    axes.set(title=optimiser, xlabel="step", ylabel="distance to the nearest cluster")
    axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## 4. One step at a time
#
# The background below is D's opinion (dark: "real"), the points are G's, the arrows say where G's
# loss pushes them. Watch the turn-taking: D redraws the map, G walks uphill on it.
#
# Run the cell and you also get three buttons (they live in a running notebook; on a web page you
# see none). Press *D* five times, then *G* twenty times: G runs past the clusters, because a map
# that no longer moves is not the world.


# %%
def show(game, axes, title, s=None):
    """D's map, G's points and the push on each."""
    side = torch.linspace(-3, 3, 60)
    places = torch.cartesian_prod(side, side)
    label = torch.full((len(places),), s or 0)
    with torch.no_grad():
        map_ = torch.sigmoid(game.judge(places, label)).reshape(60, 60).T
    axes.imshow(map_, origin="lower", extent=(-3, 3, -3, 3), cmap="Greys", vmin=0, vmax=1.6)
    labels = torch.randint(2, (60,), generator=torch.Generator().manual_seed(1))
    x = game.fake(labels).detach().requires_grad_()
    (push,) = torch.autograd.grad(fooling(game.judge(x, labels)) * len(x), x)
    points, push = x.detach(), -push
    axes.quiver(*points.T, *push.T, color="tab:red", angles="xy", scale_units="xy", scale=4,
                width=0.006)  # fmt: skip
    axes.scatter(*points.T, s=9, color="tab:red")
    axes.scatter(*CENTRES.T, s=70, facecolors="none", edgecolors=COLOURS * 4)
    field(axes, title)


game = Game()
fig, row = plt.subplots(1, 4, figsize=(12, 3.2))
show(game, row[0], "start")
for _ in range(30):
    game.step_d()
show(game, row[1], "D after 30 steps")
for _ in range(30):
    game.step_g()
show(game, row[2], "then G, 30 steps")
for _ in range(300):
    game.step_d()
    game.step_g()
show(game, row[3], "300 rounds later")
plt.tight_layout()
plt.show()

# --- and now by hand
from ipywidgets import Button, HBox, Output, VBox

played, screen = {"game": Game()}, Output()


def redraw():
    fig, axes = plt.subplots(figsize=(4, 4))
    show(played["game"], axes, "D: the map. G: the points.")
    plt.close(fig)
    screen.clear_output(wait=True)
    with screen:
        display(fig)  # noqa: F821  IPython's own


def button(text, action):
    def press(_):
        action()
        redraw()

    made = Button(description=text)
    made.on_click(press)
    return made


def turns(step, count=10):
    for _ in range(count):
        getattr(played["game"], step)()


redraw()
VBox([
    HBox([
        button("D: 10 steps", lambda: turns("step_d")),
        button("G: 10 steps", lambda: turns("step_g")),
        button("start again", lambda: played.update(game=Game())),
    ]),
    screen,
])  # fmt: skip

# %% [markdown]
# ## 5. Mode collapse, on demand
#
# Eq. 1 is a *minimax*: D is meant to answer every move of G. If G moves twenty times per answer,
# its best reply to a frozen map is to send **every** point to the single darkest spot. D then
# marks that spot, and all points jump to another. G is never wrong for long, and never makes more
# than a cluster or two. Nothing in G's loss asks for variety; only a D that keeps up does.

# %%
balanced, greedy = Game(seed=1), Game(seed=1)
modes, snapshots = {"1 G step per D step": [], "20 G steps per D step": []}, []
for round_ in range(1200):
    balanced.step_d()
    balanced.step_g()
    if round_ % 20 == 19:
        modes["1 G step per D step"].append(score(*balanced.sample())[0])
for round_ in range(60):
    greedy.step_d()
    for _ in range(20):
        greedy.step_g()
    modes["20 G steps per D step"].append(score(*greedy.sample())[0])
    if round_ in (39, 49, 59):
        snapshots.append(greedy.sample(500))

fig, row = plt.subplots(1, 4, figsize=(12, 3), width_ratios=(1.6, 1, 1, 1))
for name, counts in modes.items():
    row[0].plot(np.arange(1, 61) * 20, counts, label=name)
row[0].set(xlabel="steps of G", ylabel="clusters reached", ylim=(-0.3, 8.5), title="Variety")
row[0].legend(frameon=False, loc="center right")
for axes, (x, s), step in zip(row[1:], snapshots, (800, 1000, 1200), strict=True):
    scatter(axes, x, s, f"greedy G at step {step}")
plt.tight_layout()
plt.show()

# %% [markdown]
# ## 6. From p(X) to p(X | s)
#
# Now G is told the label. Is that enough? We train two games. In both G sees $s$. In the first D
# does not: it judges the point alone. In the second D sees the pair.
#
# The first D has no way to punish a blue point handed in as "orange": the points taken together
# look exactly like the world. So G may ignore the label, and does. **Only a D that sees $s$ turns
# $p(X)$ into $p(X | s)$.**

# %%
games = {"D is blind to s": Game(g_sees=True), "D sees (x, s)": Game(g_sees=True, d_sees=True)}
results, history = {}, []
for name, game in games.items():
    for step in range(1200):
        if name == "D sees (x, s)" and step % 100 == 0:
            history.append((step, game.sample(600)))
        game.step_d()
        game.step_g()
    results[name] = score(*game.sample(4000))

fig, row = plt.subplots(1, 3, figsize=(10, 3.4))
scatter(row[0], *real(1000, game.draw), "the world")
for axes, (name, game) in zip(row[1:], games.items(), strict=True):
    reached, inside, agree = results[name]
    scatter(axes, *game.sample(1000), f"{name}\n{agree:.0%} of points in the right colour")
plt.tight_layout()
plt.show()
for name, (reached, inside, agree) in results.items():
    print(f"{name:16} {reached} clusters, {inside:.0%} of points inside, label right {agree:.0%}")

# %% [markdown]
# Look at both made-up clouds without their colours: you cannot tell which D was better. With
# colours you can. A codec whose D were blind to $\hat y$ would be free to paint *a* plausible
# picture in place of *your* picture. (In the codec a second force also holds G to the
# picture, the distortion $d(x, x')$ of Equation 6. Notebook 04 weighs the two.)
#
# Slide through the training of the second game:

# %%
from ipywidgets import IntSlider, interact


def at(moment):
    step, (x, s) = history[moment]
    fig, axes = plt.subplots(figsize=(4, 4))
    scatter(axes, x, s, f"after {step} steps")
    plt.show()


slider = interact(at, moment=IntSlider(3, min=0, max=len(history) - 1, description="x 100"))

# %% [markdown]
# ## 7. The same D, for pictures
#
# `hfx.networks.Discriminator` is the D of Figure 1. Its $s$ is $\hat y$: one column of numbers for
# every 16 x 16 pixels. It is projected to a few channels, blown up 16 times by nearest neighbour,
# and laid behind the picture as extra colours. One verdict comes out per patch, 31 x 31 of them.
# Below, the same picture is judged beside its own latents and beside those of its mirror image: an
# untrained D already answers differently, because it *can*.

# %%
from skimage.data import astronaut

from hfx.config import TINY
from hfx.networks import Discriminator, encoder_of

torch.manual_seed(0)
E, D = encoder_of(TINY).eval(), Discriminator(TINY).eval()
picture = torch.from_numpy(astronaut()[32:160, 160:288].copy()).permute(2, 0, 1)[None] / 255
with torch.no_grad():
    y, y_mirror = E(picture), E(picture.flip(3))
    seen = F.interpolate(D.condition(y), scale_factor=16, mode="nearest")
    own, other = D(picture, y), D(picture, y_mirror)

fig, row = plt.subplots(1, 3, figsize=(6.8, 2.2), layout="constrained")
row[0].imshow(picture[0].permute(1, 2, 0))
row[0].set_title("x, the picture")
row[1].imshow(seen[0, 0], cmap="viridis")
row[1].set_title(f"s: one of {seen.shape[1]} channels")
limit = float((own - other).abs().max())
shown = row[2].imshow((own - other)[0, 0], cmap="RdBu", vmin=-limit, vmax=limit)
row[2].set_title("change of the verdicts")
fig.colorbar(shown, ax=row[2], label="logits")
for axes in row:
    axes.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## What to remember
#
# * D estimates a density ratio, $D^* = p / (p + q)$. G follows the slope of that estimate; nobody
#   ever writes down $p$.
# * Train G with $-\log D$. The literal loss is flat exactly where G is bad. Adam hides the
#   damage, plain gradient descent does not.
# * Nothing in G's loss asks for variety. Variety comes from a D that keeps up.
# * G seeing $s$ is not enough: **D must see $s$ too**, or you train $p(X)$, not $p(X | s)$.
#
# ## Exercises
#
# Replace the dots and run the cell; a hint appears after two misses. They need the setup cell
# only.
#
# 1. Write $D^*$ as a function of the two densities.
# 2. G has become perfect, $q = p$, and D is the best there is. What is $V$ in Eq. 1 (natural
#    logarithm)?
# 3. D says that a made-up point is real with probability `d`. How many times stronger is the
#    non-saturating pull on D's logit than the saturating one?
# 4. Many GANs use the *hinge* loss for D: $E[\max(0, 1 - a)] + E[\max(0, 1 + a')]$ with logits $a$
#    of real and $a'$ of made-up points. Write it for two numpy arrays.
# 5. Count the clusters that a generator reaches: a centre counts if at least one point lies
#    nearer to it than `radius`. `points` is (n, 2), `centres` is (k, 2).
# 6. In which of these worlds does a G that sees the label learn $p(X | s)$ although D is blind to
#    it? (a) There is only one label. (b) Eight labels, one cluster each. (c) Every label has the
#    same distribution of points. Three truth values.


# %% tags=["exercise"]
def best_d(p, q):
    # BEGIN SOLUTION
    return p / (p + q)
    # END SOLUTION


check("01.1", best_d)

# %% tags=["exercise"]
value_at_the_end = -math.log(4)  # SOLUTION
check("01.2", value_at_the_end)


# %% tags=["exercise"]
def times_stronger(d):
    # BEGIN SOLUTION
    return (1 - d) / d
    # END SOLUTION


check("01.3", times_stronger)


# %% tags=["exercise"]
def hinge(logits_real, logits_fake):
    # BEGIN SOLUTION
    return np.maximum(0, 1 - logits_real).mean() + np.maximum(0, 1 + logits_fake).mean()
    # END SOLUTION


check("01.4", hinge)


# %% tags=["exercise"]
def clusters_reached(points, centres, radius):
    # BEGIN SOLUTION
    distance = np.linalg.norm(points[:, None] - centres[None], axis=2)
    return int((distance.min(0) < radius).sum())
    # END SOLUTION


check("01.5", clusters_reached)

# %% tags=["exercise"]
true_or_false = True, False, True  # SOLUTION
check("01.6", true_or_false)

# %% [markdown]
# ## References
#
# * Goodfellow et al., *Generative Adversarial Nets*, NeurIPS 2014: the game, and the
#   non-saturating loss in section 3.
# * Mirza and Osindero, *Conditional Generative Adversarial Nets*, arXiv:1411.1784.
# * Mentzer et al., *High-Fidelity Generative Image Compression*, NeurIPS 2020, arXiv:2006.09965: D
#   conditioned on the latents, section 3.
# * Kahng et al., *GAN Lab*, IEEE TVCG 2019: the picture of two players on a plane, for more play.
#
# The claims of this notebook, checked:

# %%
blind, sees = results["D is blind to s"], results["D sees (x, s)"]
assert sees[2] > 0.9 > 0.8 > blind[2], "only a D that sees s makes G heed it"
assert max(modes["20 G steps per D step"][-20:]) < 6 < 7 <= modes["1 G step per D step"][-1]
of_plain = {name: trace[-1] for (how, name), trace in runs.items() if how != "Adam"}
assert of_plain["non-saturating"] < 0.6 * of_plain["saturating"], "only one of them moves G"
assert np.abs(found - best)[p + q > 0.02].max() < 0.1, "a network finds p / (p + q) from samples"
