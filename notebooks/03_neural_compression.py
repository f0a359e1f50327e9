# %% [markdown]
# # 03 · Neural compression
#
# *Section 3.1 of the paper, Equation 5. About an hour to read and play, half a minute to run.*
#
# How does a network's output become a *file*? Through four ideas, each older than neural networks:
# a price for every symbol (Shannon), a coder that charges exactly that price, rounding, and a
# model that says what to expect. What is new is that all of them are trained together. We build
# each by hand on something tiny, then look at the same thing inside the codec. The last section
# breaks a decoder on purpose: it is why so many learned codecs never leave the machine they were
# trained on.
#
# You need probabilities, logarithms and gradients.

# %% tags=["setup"]
import math
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import torch
from constriction import stream

from hfx.check import check

torch.set_num_threads(1)  # small tensors: one core is fastest
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## 1. What a symbol costs
#
# If a symbol comes with probability $P$, its fair price is $-\log_2 P$ bits: halve the
# probability, pay one bit more. The mean price is the **entropy** $H$, and Shannon showed that no
# lossless code spends less on average. A coder needs a model, and models are wrong: who codes with
# $Q$ what follows $P$ pays
#
# $$-\sum P \log_2 Q = H(P) + \mathrm{KL}(P \,\|\, Q).$$
#
# The paper's rate, $r(y) = -\log P(y)$, is this price (we count it in bits per pixel, as HiFiC
# does). So "train the probability model" means "make the file smaller".


# %%
def entropy_of(p):
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


q = np.linspace(0.01, 0.99, 200)
fig, row = plt.subplots(1, 2, figsize=(10, 3))
row[0].plot(q, -np.log2(q))
row[0].set(xlabel="probability P of the symbol that came", ylabel="bits", title="The price")
truth = 0.2
cost = -truth * np.log2(q) - (1 - truth) * np.log2(1 - q)
row[1].plot(q, cost, label="what you pay")
row[1].axhline(entropy_of(np.array([truth, 1 - truth])), color="k", ls=":", label="entropy")
row[1].axvline(truth, color="grey", lw=0.8)
row[1].set(ylim=(0, 3), xlabel="probability that the model gives to 'yes'",
           ylabel="bits per symbol", title="'Yes' comes once in five times")  # fmt: skip
row[1].legend(frameon=False)
plt.tight_layout()
plt.show()

# %% [markdown]
# ## 2. A range coder by hand
#
# How can a symbol cost 0.68 bits when a file holds whole ones? By coding the whole message as *one
# number*. Start with the interval from 0 to 1. Cut it in proportion to the probabilities; the
# symbol says which part to keep; repeat inside. A likely symbol hardly narrows it, a rare one
# much. In the end **the width is the product of all probabilities**, so it takes $-\log_2$ width
# bits to name a number inside: the sum of the prices.
#
# Our symbols are -1, 0 and 1, as latents mostly are. Twenty of them, with exact fractions:

# %%
P = {-1: Fraction(2, 16), 0: Fraction(10, 16), 1: Fraction(4, 16)}
START = {-1: Fraction(0), 0: Fraction(2, 16), 1: Fraction(12, 16)}  # where each part begins
message = [0, 0, 1, 0, -1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, -1, 0, 0, 1, 0]


def narrow(low, width, symbol):
    return low + width * START[symbol], width * P[symbol]


def encode(symbols):
    """The shortest string of bits that names a number in the final interval."""
    low, width = Fraction(0), Fraction(1)
    for symbol in symbols:
        low, width = narrow(low, width, symbol)
    for n in range(1, 1000):
        number = math.ceil(low * 2**n)  # the first multiple of 2^-n that is not below
        if Fraction(number, 2**n) < low + width:
            return f"{number:0{n}b}"


def decode(bits, count):
    value = Fraction(int(bits, 2), 2 ** len(bits))
    low, width, symbols = Fraction(0), Fraction(1), []
    for _ in range(count):
        # which part holds the number?
        symbol = max(s for s in P if low + width * START[s] <= value)
        symbols.append(symbol)
        low, width = narrow(low, width, symbol)
    return symbols


bits = encode(message)
by_hand = sum(-math.log2(P[s]) for s in message)
print(f"{bits}: {len(bits)} bits; the sum of the prices is {by_hand:.2f}")
print("decoded:", decode(bits, 20) == message)

fig, axes = plt.subplots(figsize=(9, 3.6))
colours = {-1: "tab:red", 0: "tab:grey", 1: "tab:blue"}
low, width = Fraction(0), Fraction(1)
for step, symbol in enumerate(message[:6]):  # each bar is the part kept above, magnified
    for s in P:
        axes.barh(-step, float(P[s]), left=float(START[s]), height=0.4, color=colours[s],
                  edgecolor="white", alpha=0.9 if s == symbol else 0.3)  # fmt: skip
    kept = np.array([float(START[symbol]), float(START[symbol] + P[symbol])])
    if step < 5:
        axes.fill([*kept, 1, 0], [-step - 0.2, -step - 0.2, -step - 0.8, -step - 0.8],
                  color=colours[symbol], alpha=0.12, linewidth=0)  # fmt: skip
    axes.text(-0.02, -step, f"from {float(low):.4f}", va="center", ha="right")
    low, width = narrow(low, width, symbol)
    axes.text(1.02, -step, f"'{symbol}': width {float(width):.4f}", va="center")
axes.set(xticks=[], yticks=[], title="Six symbols, six cuts: red -1, grey 0, blue 1")
axes.spines[["left", "bottom"]].set_visible(False)
plt.show()

# %% [markdown]
# Fractions grow without end. A real range coder keeps 64 bits of the interval and ships leading
# bits as soon as they are settled. `constriction` does that, and `hfx.entropy.coder` is a thin
# layer on it: probabilities as whole numbers that sum to $2^{24}$, one table a kind of symbol, and
# an *escape* for what no table foresaw. The same source, a short and a long message:

# %%
from hfx.entropy import coder
from hfx.entropy.pmf import Tables

# Slots of the one table: -1, 0, 1, escape. An escape must stay possible, so it gets 1 / 2^24.
table = np.array([[2 << 20, 10 << 20, (4 << 20) - 1, 1]], np.int32)
tables = Tables(table, np.array([1], np.int32))
law = np.array([float(P[s]) for s in (-1, 0, 1)])
draw = np.random.default_rng(0)
long = draw.choice([-1, 0, 1], 50_000, p=law).astype(np.int32)

overheads = {}
for name, symbols in (("20 symbols", np.array(message, np.int32)), ("50,000 symbols", long)):
    price = float(-np.log2(law[symbols + 1]).sum())
    constrictions = stream.queue.RangeEncoder()
    constrictions.encode(symbols + 1, stream.model.Categorical(law, perfect=False))
    data, escapes = coder.encode(symbols, np.zeros(len(symbols), np.uint8), tables)
    assert (coder.decode(data, escapes, np.zeros(len(symbols), np.uint8), tables) == symbols).all()
    overheads[name] = 8 * len(data) / price - 1
    print(f"{name:14} price {price:9.1f} bits; constriction {constrictions.num_bits():6};"
          f" hfx {8 * len(data):6} ({overheads[name]:+.2%})")  # fmt: skip
rate = 8 * len(data) / len(long)
print(f"Shannon's bound {entropy_of(law):.4f} bits per symbol, this file {rate:.4f}")

# %% [markdown]
# ## 3. Rounding, and how to train through it
#
# A coder wants whole numbers, so $\hat y = \mathrm{round}(y)$. But a staircase has slope 0
# everywhere: no gradient would ever reach the encoder. Two stand-ins are used, in this codec side
# by side:
#
# * **noise** for the rate: $y + u$ with $u$ uniform in $\pm\frac12$. It has the right density, so
#   it tells the probability model what the rounded symbols will cost;
# * **straight-through** for the picture (section 3.3 of the paper): round in the forward pass,
#   pretend in the backward pass that nothing happened.

# %%
from hfx.compressor import round_straight_through
from hfx.entropy.likelihood import gaussian_bits

y = torch.linspace(-2.5, 2.5, 11, requires_grad=True)
slopes = {
    "round": torch.autograd.grad(torch.round(y).sum(), y)[0].mean().item(),
    "straight-through": torch.autograd.grad(round_straight_through(y).sum(), y)[0].mean().item(),
}
print("slope that the encoder sees:", slopes)

widths = np.geomspace(0.08, 8, 25)
rounded, noisy, exact = [], [], []
torch.manual_seed(0)
for sigma in widths:
    samples = sigma * torch.randn(20_000)
    wide = torch.tensor(float(sigma))
    rounded.append(gaussian_bits(samples.round(), wide).mean().item())
    noisy.append(gaussian_bits(samples + torch.rand(20_000) - 0.5, wide).mean().item())
    _, counts = samples.round().unique(return_counts=True)
    exact.append(entropy_of((counts / counts.sum()).numpy()))

fig, axes = plt.subplots(figsize=(7, 3.2))
axes.plot(widths, exact, "k", lw=3, alpha=0.3, label="entropy of the rounded symbols")
axes.plot(widths, rounded, label="price of the rounded symbols")
axes.plot(widths, noisy, "--", label="price under noise: what training sees")
axes.set(xscale="log", xlabel="width $\\sigma$ of y, in steps of the rounding", ylabel="bits each",
         title="Noise tells the truth, except where y hardly ever leaves 0")  # fmt: skip
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## 4. Equation 5 at work
#
# $$V_{EG} = E[\zeta\, r(y) + d(x, x')] \qquad (5)$$
#
# Rate against distortion, at the exchange rate $\zeta$. Our pictures are points in the plane whose
# two coordinates nearly agree, like neighbouring pixels. E and G are 2 x 2 matrices, P is two
# Gaussians. All are trained by Eq. 5 (in `hfx.losses`), once with full matrices and once with
# diagonal ones, which can scale but not mix. Then we round for good and measure, and draw the
# bound that no code of any kind can beat for this source.

# %%
from hfx.losses import rate_distortion

COVARIANCE = torch.tensor([[1.0, 0.95], [0.95, 1.0]])
ROOT = torch.linalg.cholesky(COVARIANCE)


def curve(zetas, may_mix, steps=200):
    """Train E, G and the widths of P at one zeta after the other: [(bits, MSE)], [E]."""
    torch.manual_seed(0)
    mask = torch.ones(2, 2) if may_mix else torch.eye(2)
    E, G, log_width = (
        start.requires_grad_() for start in (torch.eye(2), torch.eye(2), torch.zeros(2))
    )
    points, encoders = [], []
    for zeta in zetas:
        optimiser = torch.optim.Adam([E, G, log_width], 0.05)
        for step in range(steps + 1):
            last = step == steps  # measured as a file would be: with rounding, and many points
            x = torch.randn(20_000 if last else 512, 2) @ ROOT.T
            y = x @ (E * mask).T
            symbols = y.round() if last else y + torch.rand_like(y) - 0.5
            r = gaussian_bits(symbols, log_width.exp()).mean(1)
            d = (x - round_straight_through(y) @ (G * mask).T).square().mean(1)
            optimiser.zero_grad()
            rate_distortion(torch.tensor(zeta), r, d).backward()
            if not last:
                optimiser.step()
        points.append((r.mean().item(), d.mean().item()))
        encoders.append((E * mask).detach().numpy())
    return points, encoders


zetas = [
    0.16,
    0.08,
    0.04,
    0.02,
    0.01,
]  # from dear bits to cheap ones, each start where the last ended
free, encoders = curve(zetas, may_mix=True)
fixed, _ = curve(zetas, may_mix=False)

strengths = torch.linalg.eigvalsh(COVARIANCE).numpy()
water = np.geomspace(0.002, 0.9, 100)[:, None]  # reverse water-filling
bound_r = (0.5 * np.log2(np.maximum(strengths / water, 1))).mean(1)
bound_d = np.minimum(strengths, water).mean(1)

fig, row = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1.4, 1))
row[0].plot(*zip(*fixed, strict=True), "o-", label="E may only scale")
row[0].plot(*zip(*free, strict=True), "s-", label="E may mix")
row[0].plot(bound_r, bound_d, "k:", label="Shannon's bound")
row[0].set(yscale="log", xlim=(0, 4), xlabel="bits per coordinate", ylabel="mean squared error",
           title="Learned codes, and the best there can be")  # fmt: skip
row[0].legend(frameon=False)
x = (torch.randn(600, 2) @ ROOT.T).numpy()
row[1].plot(*x.T, ".", ms=2, alpha=0.5)
for direction in encoders[2]:
    row[1].annotate("", xy=direction / np.linalg.norm(direction) * 2, xytext=(0, 0),
                    arrowprops={"arrowstyle": "->", "color": "tab:red", "lw": 2})  # fmt: skip
row[1].set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title="The rows of a trained E",
           xlabel="first coordinate", ylabel="second")  # fmt: skip
plt.tight_layout()
plt.show()

# %% [markdown]
# Nobody told E about principal axes: it turned towards them because that is where bits are
# cheapest. A codec's E does the same with whole patches, and bends as well as turns. (We let
# $\zeta$ fall step by step. With cheap bits from the start E hardly feels the difference between
# two directions, and is still pointing anywhere a thousand steps later. Try it.) What remains to
# the bound is the price of rounding one number at a time; at high rates it is a quarter of a bit.
#
# ## 5. What to expect: one table for all, or a hyperprior
#
# Latents are quiet in the sky and loud in the grass. A **factorised** model has one table for
# both. A **hyperprior** first sends a little side information $z$ that says how loud it is where,
# and then codes each symbol with a table of the right width. It pays if $z$ costs less than it
# saves. Below, a made-up field of latents; $z$ is one of the codec's 64 widths for each block of 8
# x 8.

# %%
from hfx.entropy.pmf import build_tables
from hfx.entropy.scales import SCALES, index_of_sigma, scale_table, sigma_of_index

size = 64
frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
smooth = np.fft.ifft2(
    np.fft.fft2(draw.standard_normal((size, size))) * np.exp(-((40 * frequency) ** 2))
)
loud = np.exp(1.8 * smooth.real / smooth.real.std())
field = np.rint(loud * draw.standard_normal((size, size))).astype(np.int32)

_, counts = np.unique(field, return_counts=True)
one_table = entropy_of(counts / counts.sum()) * field.size  # the best single table there is

blocks = field.reshape(8, 8, 8, 8).transpose(0, 2, 1, 3).reshape(64, 64)
spread = torch.tensor(np.sqrt((blocks**2.0).mean(1) + 0.02))
z = index_of_sigma(spread).round().clamp(0, SCALES - 1).numpy().astype(np.uint8)
index = np.repeat(np.repeat(z.reshape(8, 8), 8, 0), 8, 1)
widths_of = build_tables("gaussian", scale_table())
price_y = widths_of.bits(field, index)
price_z = 6.0 * z.size  # 64 widths, no model at all for them

data, escapes = coder.encode(field.ravel(), index.ravel(), widths_of)
file_bits = 8 * (len(data) + len(escapes)) + price_z
print(f"one table for all : {one_table:7.0f} bits")
print(f"hyperprior        : {price_y.sum():7.0f} for y + {price_z:.0f} for z = "
      f"{price_y.sum() + price_z:.0f} bits; in a file {file_bits:.0f}")  # fmt: skip

fig, row = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
for axes, values, title in (
    (row[0], np.log2(1 + np.abs(field)), "y: log2 of 1 + |symbol|"),
    (row[1], np.log2(scale_table()[index]), "z: log2 of the widths sent"),
    (row[2], price_y, "bits each, with z"),
):
    fig.colorbar(axes.imshow(values, cmap="viridis"), ax=axes)
    axes.set(xticks=[], yticks=[], title=title)
plt.show()

# %% [markdown]
# ## 6. The same in the codec: estimate and truth
#
# Training never writes a file. It trusts `gaussian_bits`, a smooth estimate in floating point.
# Then the codec writes real bytes with integer tables. Do the two agree? We read the symbols back
# out of a file and price them three ways.

# %%
from skimage.data import astronaut

import hfx
from hfx import bitstream
from hfx.neighbours import explain

codec = hfx.load()
data = codec.compress(astronaut(), tier="medium", neighbours="none")
parts = bitstream.read(data)
latents = codec.read(parts)

sigma = torch.tensor(scale_table()[latents.index])
estimate = gaussian_bits(torch.tensor(latents.y, dtype=torch.float64), sigma).sum().item()
integer = explain.bits_of(codec, latents)
true = 8 * (len(parts.y) + len(parts.escapes_y))
print(f"y, estimated in training : {estimate:9.1f} bits")
print(f"y, by the integer tables : {integer.y.sum():9.1f} bits")
print(f"y, in the file           : {true:9.1f} bits ({true / estimate - 1:+.2%})")
print(f"z, in the file           : {8 * (len(parts.z) + len(parts.escapes_z)):9.1f} bits")
print(
    f"the file                 : {8 * len(data):9.1f} bits, {hfx.info(data)['bpp']:.3f} per pixel"
)

fig, row = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
row[0].imshow(astronaut()[::2, ::2])
row[0].set_title("the picture")
for axes, values, title in (
    (row[1], np.log2(scale_table()[latents.index]).mean(0), "mean log2 width, from z"),
    (row[2], integer.y.sum(0), "bits spent on y"),
):
    fig.colorbar(axes.imshow(values, cmap="viridis"), ax=axes)
    axes.set_title(title)
for axes in row:
    axes.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## 7. Break the decoder
#
# Encoder and decoder must cut the interval at the *same* places. The widths come out of a network.
# On another machine, or with another number of threads, the same sums are added in another order,
# and the last digits of a float differ. Let us encode 20,000 symbols with Gaussians in floating
# point and decode with widths that are off by a factor of 1 + 1e-6.

# %%
count = 20_000
means, stds = draw.normal(0, 2, count), np.exp(draw.normal(0.3, 0.8, count))
family = stream.model.QuantizedGaussian(-200, 200)
sent = np.clip(np.rint(means + stds * draw.standard_normal(count)), -200, 200).astype(np.int32)
encoder = stream.queue.RangeEncoder()
encoder.encode(sent, family, means, stds)
words = encoder.get_compressed()


def survive(relative):
    """Symbols decoded before the first wrong one, and how the rest comes out."""
    decoder, off, got = stream.queue.RangeDecoder(words), stds * (1 + relative), []
    try:
        for i in range(0, count, 100):
            got.append(decoder.decode(family, means[i : i + 100], off[i : i + 100]))
    except AssertionError:  # such bits can come from no encoder: seldom noticed at once
        pass
    good = np.concatenate(got or [[]]) == sent[: 100 * len(got)]
    first = len(good) if good.all() else int(good.argmin())
    return first, good[first:]


errors = [0.0] + [10.0**k for k in range(-12, -2)]
lengths = [survive(error)[0] for error in errors]
fig, axes = plt.subplots(figsize=(8, 3))
axes.bar(
    range(len(errors)), lengths, color=["tab:green" if n == count else "tab:red" for n in lengths]
)
for k, n in enumerate(lengths):
    axes.text(k, n * 1.2, f"{n}", ha="center", fontsize=8)
axes.set(yscale="log", ylim=(1, 1e5), xlabel="relative error of the decoder's widths",
         xticks=range(len(errors)), xticklabels=[f"{error:g}" for error in errors],
         ylabel="symbols decoded", title="How far a decoder gets, of 20,000 symbols")  # fmt: skip
plt.show()
first, rest = survive(1e-6)
print(f"1e-6: first wrong symbol after {first}; of those after it {1 - rest.mean():.0%} are wrong")

# --- and now by hand
from ipywidgets import FloatSlider, interact


def try_it(exponent):
    first, rest = survive(10.0**exponent)
    print(f"widths off by {10.0**exponent:.0e}: {first} of {count} symbols, then a mistake"
          if first < count else "all is well")  # fmt: skip


slider = interact(try_it, exponent=FloatSlider(-6, min=-14, max=-2, step=0.5))

# %% [markdown]
# Does a network really differ by that much? We take the codec's own $h_s$, the network that turns
# $z$ into widths, and do nothing but renumber its input channels, so that sums run in another
# order. In float32 the last digits move. In the codec everything that decides a probability is
# whole numbers (`hfx.entropy.fixedpoint`), and sums of whole numbers do not care about order.
#
# Would it do to round the float to one of the 64 widths? Mostly: an error of 1e-6 seldom crosses
# the border between two widths. **Seldom is worse than often**, because nobody finds it before the
# user does.
#
# And if all else fails, a failure must be loud. At the end of the cell we hand the decoder one
# wrong width among thousands, and see who notices: the coder checks that the symbols give back the
# very same bytes, and the file carries a checksum of its symbols.

# %%
from dataclasses import replace

from hfx.entropy import fixedpoint

stack = codec.weights.prior.scale  # h_s for the widths, as exact layers
act = torch.from_numpy(
    draw.integers(-3000, 3000, (1, stack[0].weight.shape[0], 8, 8)).astype(float)
)
order = torch.randperm(act.shape[1], generator=torch.Generator().manual_seed(0))
renumbered = [replace(stack[0], weight=stack[0].weight[order]), *stack[1:]]


def in_floats(layers, act):
    """The same layers as a network computes them: float32, and no rounding between."""
    act = act.float()
    for layer in layers:
        weight, bias = (part.float() * 2.0**-layer.shift for part in (layer.weight, layer.bias))
        args = (weight, bias, layer.stride, layer.padding)
        if layer.transposed:
            act = torch.conv_transpose2d(act, *args, layer.output_padding)
        else:
            act = torch.conv2d(act, *args)
        act = act.relu() if layer.relu else act
    return act


floats = in_floats(stack, act), in_floats(renumbered, act[:, order])
integers = fixedpoint.run(stack, act), fixedpoint.run(renumbered, act[:, order])
moved = (floats[0] != floats[1]).float().mean()
size_of = ((floats[0] - floats[1]).abs().max() / floats[0].abs().mean()).item()
print(f"float32 : {moved:.0%} of the outputs differ, by up to {size_of:.0e} of their size")
print(f"integers: {(integers[0] != integers[1]).sum()} of {integers[0].numel()} differ")

t = torch.from_numpy(draw.uniform(5, 58, 2_000_000))  # where widths fall, in table entries
nearly = index_of_sigma(sigma_of_index(t) * (1 + 1e-6))
crossed = int((nearly.round() != t.round()).sum())
print(f"rounded floats: {crossed} of 2,000,000 widths cross a border; one is enough")

# --- one wrong width among thousands
from hfx import BitstreamError

tampered = latents.index.ravel().copy()
place = int(np.flatnonzero(tampered > 20)[0])
tampered[place] += 1
try:
    got = coder.decode(parts.y, parts.escapes_y, tampered, codec.weights.prior.tables_y)
    verdict = f"{(got != latents.y.ravel()).sum()} symbols wrong, and nobody noticed"
except BitstreamError as error:
    verdict = f"refused: {error}"
print(verdict)

# %% [markdown]
# ## What to remember
#
# * A symbol costs $-\log_2 P$ bits; a wrong model costs its KL divergence on top. A range coder
#   charges that price to within a byte or so per file.
# * Rounding has no slope. Noise stands in for it in the rate, straight-through in the picture.
# * Eq. 5 alone makes an encoder discover the axes along which bits are cheap.
# * A hyperprior spends a few bits on where it is loud, and saves many.
# * Whatever decides a probability must be equal on both sides *to the last bit*. Floats are not;
#   integers are.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. The entropy in bits of a distribution `p` (an array that sums to 1, zeros allowed).
# 2. What a message costs under a model: `symbols` are positions in the array `q` of
#    probabilities. Return the bits in all.
# 3. One step of a range coder: from (`low`, `width`) and a symbol that covers `start` to `start +
#    p` of the unit interval, return the new pair.
# 4. Quantise a latent whose expected value is `mu`: what goes into the file is
#    $\mathrm{round}(y - \mu)$. Return what the *decoder* gets back, $\hat y$.
# 5. At high rates, how many bits more does each coordinate cost if the step of the rounding is
#    made four times finer?
# 6. A factorised model spends 900 bits on a block. With z the block would cost 640. There are 64
#    widths to choose from, of which z takes the most likely half of the time and any other equally
#    likely. What does z cost on average, in bits, for this one block?


# %% tags=["exercise"]
def entropy(p):
    # BEGIN SOLUTION
    p = p[p > 0]
    return -(p * np.log2(p)).sum()
    # END SOLUTION


check("03.1", entropy)


# %% tags=["exercise"]
def message_bits(symbols, q):
    # BEGIN SOLUTION
    return -np.log2(q[symbols]).sum()
    # END SOLUTION


check("03.2", message_bits)


# %% tags=["exercise"]
def step(low, width, start, p):
    # BEGIN SOLUTION
    return low + width * start, width * p
    # END SOLUTION


check("03.3", step)


# %% tags=["exercise"]
def y_hat(y, mu):
    # BEGIN SOLUTION
    return np.round(y - mu) + mu
    # END SOLUTION


check("03.4", y_hat)

# %% tags=["exercise"]
bits_more = 2  # SOLUTION
check("03.5", bits_more)

# %% tags=["exercise"]
cost_of_z = 0.5 * 1 + 0.5 * (1 + math.log2(63))  # SOLUTION
check("03.6", cost_of_z)

# %% [markdown]
# ## References
#
# * Shannon, *A Mathematical Theory of Communication*, 1948; Cover and Thomas, *Elements of
#   Information Theory*, chapters 5, 10 and 13.
# * Martin, *Range encoding*, 1979; Bamler, *Understanding Entropy Coding With Asymmetric Numeral
#   Systems*, arXiv:2201.01741, and his course on compression: by the author of `constriction`.
# * Ballé et al., *End-to-end Optimized Image Compression*, arXiv:1611.01704: noise;
#   *Variational Image Compression with a Scale Hyperprior*, arXiv:1802.01436.
# * Theis et al., *Lossy Image Compression with Compressive Autoencoders*, arXiv:1703.00395:
#   straight-through.
# * Ballé et al., *Integer Networks for Data Compression with Latent-Variable Models*, ICLR 2019:
#   why decoders break, and integers as the cure.
#
# The claims of this notebook, checked:

# %%
assert decode(bits, 20) == message and len(bits) <= by_hand + 1
assert 0 <= overheads["50,000 symbols"] < 0.001, "a range coder charges Shannon's price"
assert slopes == {"round": 0.0, "straight-through": 1.0}
assert all(r < 0.8 * r_fixed for (r, _), (r_fixed, _) in zip(free, fixed, strict=True))
assert file_bits < one_table, "a hyperprior pays for itself"
assert abs(true / estimate - 1) < 0.01, "training's estimate is the file's size"
assert survive(0)[0] == count and first < 1000 and 1 - rest.mean() > 0.3, "floats do not decode"
assert moved > 0 and (integers[0] == integers[1]).all(), "integers do not care about order"
assert verdict.startswith("refused"), "a failure must be loud"
