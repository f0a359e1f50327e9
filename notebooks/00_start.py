# %% [markdown]
# # 00 · Start
#
# *Figure 1 of the paper, at a walk. About 40 minutes to read and play, half a minute to run.*
#
# A photograph goes in, a small file comes out, and any machine gets the same picture back. That is
# five lines of Python. Then we do the same in slow motion, one box at a time: whatever passes from
# box to box is laid on the table, with its shape, its picture and its price in bits. The other
# notebooks each open one box. This one shows where the boxes stand.
#
# You need Python and numpy. Run everything from top to bottom first, then come back and change
# things.

# %% tags=["setup"]
import io
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Image, display
from skimage.data import coffee

import hfx
from hfx.check import check

torch.set_num_threads(1)
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})


def show(axes, picture, title="", **how):
    axes.imshow(picture, **how)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=10)
    axes.spines[:].set_visible(False)


def photographs(fig):
    """Show a figure as JPEG: photographs as PNG would make this notebook ten times as large."""
    file = io.BytesIO()
    fig.savefig(file, format="jpeg", dpi=90, pil_kwargs={"quality": 85})
    plt.close(fig)
    display(Image(file.getvalue()))


# %% [markdown]
# ## 1. Five lines
#
# `hfx.compress` takes a path, an array or a PIL image, and returns the bytes of a file. `tier`
# says how large it may be: `"low"`, `"medium"` or `"high"`. `hfx.decompress` takes the bytes and
# nothing else. `hfx.info` tells about a file without decoding it; `bpp` is bits per pixel, and a
# picture in memory has 24 of them.
#
# Put a photograph of your own in the first line, say `"holiday.jpg"`, and run on: everything below
# follows. (In colour, and not too large: one megapixel takes seconds, twenty do not. To keep the
# file: `open("holiday.hfx", "wb").write(data)`.)

# %%
photograph = coffee()
data = hfx.compress(photograph, tier="medium")
decoded = hfx.decompress(data)
about = hfx.info(data)
print(len(data), "bytes,", round(about["bpp"], 3), "bits per pixel")

# --- the two, side by side
from hfx import bitstream, image

rgb = image.load(photograph).rgb  # (H, W, 3) uint8, whatever the photograph came as

fig, row = plt.subplots(1, 2, figsize=(8, 2.9), layout="constrained")
show(row[0], rgb, f"x, {rgb.nbytes:,} bytes in memory")
show(row[1], decoded, f"x_hat, from {len(data):,} bytes: {rgb.nbytes / len(data):.0f} times less")
photographs(fig)

# %% [markdown]
# ## 2. The boxes
#
# * **E**, the encoder: a network that turns every 16 x 16 pixels into a column of numbers, **y**.
# * **h_a** and **h_s**, the hyperprior: two small networks. h_a sums y up in **z**; from z alone
#   h_s says what to expect of y, **mu** and **sigma**.
# * **Q** rounds. It is the only box that loses anything on purpose.
# * **AE** and **AD**, range encoder and decoder: whole numbers to bits and back, without loss. The
#   better the expectation, the fewer bits.
# * The **neighbour model**, XGBoost or KNN: looks at what has been decoded already, and corrects
#   the expectation.
# * **G**, the generator: a network that paints a picture from y_hat.
# * **D**, the discriminator, is not drawn: a network that says "photograph" or "painted". It is
#   G's teacher, in training only.
#
# Here they are with the numbers of this very photograph: grey is the sender, orange the receiver.
# Blue exists on *both* sides, and must agree to the last bit.

# %%
codec = hfx.load()  # the same weights that hfx.compress uses, with all doors open
weights = codec.weights


def size_of(*parts):
    return f"{sum(p.numel() for part in parts for p in part.parameters()) / 1e6:.1f} M"


analysis = codec.analyse(image.load(photograph))  # runs E and h_a
y_shape, z_shape = (" x ".join(map(str, t.shape[1:])) for t in (analysis.y, analysis.z))
h_s = sum(layer.weight.numel() for layer in weights.prior.mean + weights.prior.scale)

boxes = {  # name: x, y, text, colour
    "x": (0, 2, f"x\n3 x {rgb.shape[0]} x {rgb.shape[1]}", "white"),
    "E": (2, 2, f"E\n{size_of(weights.encoder)} weights", "gainsboro"),
    "Q": (4.2, 2, f"Q(y - mu)\n{y_shape}", "gainsboro"),
    "AE": (6.4, 2, "AE", "gainsboro"),
    "file": (7.9, 2, f".hfx\n{len(data):,} bytes", "white"),
    "AD": (9.5, 2, "AD", "navajowhite"),
    "G": (11.3, 2, f"y_hat, G\n{size_of(weights.generator)} weights", "navajowhite"),
    "x_hat": (13.2, 2, "x_hat", "white"),
    "h_a": (2, 1, f"h_a\n{size_of(weights.hyper_analysis)} weights", "gainsboro"),
    "z": (3.9, 1, f"Q(z)\n{z_shape}", "gainsboro"),
    "h_s": (5.6, 0, f"h_s: mu, sigma\n{h_s / 1e6:.1f} M weights", "lightblue"),
    "n": (8.1, 0, f"neighbour model\n{about['neighbours']}", "lightblue"),
}
arrows = ("x E", "E Q", "Q AE", "AE file", "file AD", "AD G", "G x_hat", "E h_a", "h_a z",
          "z AE", "z h_s", "h_s Q", "h_s n", "n AE", "n AD", "AD n")  # fmt: skip
fig, axes = plt.subplots(figsize=(11, 3.4))
drawn = {
    name: axes.text(x, y, text, ha="center", va="center", fontsize=9,
                    bbox={"boxstyle": "round,pad=0.5", "fc": colour, "ec": "grey"})
    for name, (x, y, text, colour) in boxes.items()
}  # fmt: skip
for one, other in map(str.split, arrows):
    axes.annotate("", boxes[other][:2], boxes[one][:2], arrowprops={
        "arrowstyle": "-|>", "color": "grey", "shrinkA": 0, "shrinkB": 0,
        "patchA": drawn[one].get_bbox_patch(), "patchB": drawn[other].get_bbox_patch(),
    })  # fmt: skip
axes.set(xlim=(-0.8, 13.7), ylim=(-0.4, 2.4))
axes.axis("off")
plt.show()

# %% [markdown]
# ## 3. x becomes y
#
# `codec.analyse` has run E and h_a. y is a stack of small pictures, *channels*, each with one
# number for every 16 x 16 pixels. (Sides are padded to multiples of 64 pixels first, hence a few
# more rows and columns than you may have reckoned.) E was never told what a channel should mean.
# Some became little thumbnails, some answer to edges of one direction, many stay silent most of
# the time.
#
# A number of y is worth more or less depending on how finely it will be rounded. So we look at y
# in *steps* of the rounding, which is y times a gain; the gain is what `tier` sets.

# %%
from hfx.prior import GAIN_BITS

level = codec.read(bitstream.read(data)).level
gain = weights.prior.gain(level) * 2.0**-GAIN_BITS  # (C_y,), floats from exact integers
y = analysis.y[0].numpy() * gain[:, None, None]  # (C_y, h, w), in steps
loudest = np.argsort(y.std((1, 2)))[::-1]


def tell(name, values, meaning):
    values = np.asarray(values)
    print(f"{name:8} {str(values.shape):18} {values.dtype!s:8} "
          f"{values.min():8.2f} to {values.max():7.2f}   {meaning}")  # fmt: skip


tell("x", rgb, "the photograph, grey levels")
tell("y", y, "what E made of it, in steps of the rounding")

fig, table = plt.subplots(2, 5, figsize=(10, 3.2), layout="constrained")
for axes, channel in zip(table.flat, [*loudest[:7], *loudest[[20, 60, 150]]], strict=True):
    limit = np.abs(y[channel]).max()
    colours = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    show(axes, y[channel], f"channel {channel}: ±{limit:.1f}", **colours)
plt.show()

# %% [markdown]
# ## 4. z, mu and sigma: what to expect
#
# Before y is sent, the receiver gets a hint. h_a sums y up in z, sixteen times fewer places. z is
# rounded and sent first. Then *both* sides run h_s on it and know, for every single number of y,
# a mean `mu` and a width `sigma`: "about -3, give or take 1". What goes into the file is only the
# surprise, the **symbol** $s = \mathrm{round}(y - \mu)$.
#
# `codec.quantize` does all of it. mu and sigma come back as integers, because nothing that decides
# a probability may be a floating-point number; notebook 03 breaks a decoder to show why.

# %%
from hfx.entropy.fixedpoint import ACT_BITS
from hfx.entropy.scales import scale_table

latents = codec.quantize(analysis, level)
mu = latents.mu * 2.0**-ACT_BITS
sigma = scale_table()[latents.index]  # the index is one of 64 widths

tell("z", latents.z, "the hint, rounded: what the file begins with")
tell("mu", mu, "what h_s expects of y, in steps")
tell("sigma", sigma, "and how far off it expects to be")
tell("symbols", latents.y, "round(y - mu): the rest of the file")
print(f"{(latents.y == 0).mean():.1%} of the symbols are 0")


def look(rank):
    channel = loudest[rank]
    limit = np.abs(y[channel]).max()
    colours = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    fig, row = plt.subplots(1, 4, figsize=(10, 1.9), layout="constrained")
    for axes, values, title, how in (
        (row[0], y[channel], f"y, channel {channel}", colours),
        (row[1], mu[channel], "mu, from z", colours),
        (row[2], sigma[channel], "sigma, from z", {"cmap": "viridis", "vmin": 0}),
        (row[3], latents.y[channel], "symbols: round(y - mu)", colours),
    ):
        show(axes, values, title, **how)
        fig.colorbar(axes.images[0], ax=axes)
    plt.show()


look(0)
look(7)

# --- and now by hand
from ipywidgets import IntSlider, interact

slider = interact(look, rank=IntSlider(20, min=0, max=len(y) - 1))

# %% [markdown]
# In the first row mu is a blurred y, so what is left to send is small. In the second mu knows
# nothing, but sigma has drawn the outlines: it says *where* there will be something, not what.
#
# ## 5. Symbols become bits
#
# A symbol that was expected is cheap, a surprise is dear: $-\log_2 P(s)$ bits (notebook 03).
# `explain.bits_of` tells the price of each, first as the hyperprior alone expects it, then
# with the neighbour model, which looks at what has been decoded just before and expects better.

# %%
from hfx.neighbours import explain

kinds = dict.fromkeys(("none", about["neighbours"]))  # one kind, if there is no neighbour model
bits = {kind: explain.bits_of(codec, latents, kind) for kind in kinds}
for kind, price in bits.items():
    print(f"{kind:5} y {price.y.sum():8.0f} bits, z {price.z.sum():6.0f} bits")
best = bits[about["neighbours"]]

fig, row = plt.subplots(1, 3, figsize=(11, 2.8), layout="constrained")
show(row[0], best.y.sum(0), "bits spent at each place (16 x 16 pixels)", cmap="viridis")
fig.colorbar(row[0].images[0], ax=row[0])
per_channel = np.sort(best.y.sum((1, 2)))[::-1]
row[1].bar(range(len(per_channel)), per_channel, width=1)
half_at = int(np.searchsorted(per_channel.cumsum(), per_channel.sum() / 2)) + 1
row[1].axvline(half_at, color="k", ls=":", label=f"half of all bits: {half_at} channels")
row[1].set(xlabel="channels, dearest first", ylabel="bits", title="A few channels cost most")
row[1].legend(frameon=False)
values = np.arange(-3, 4)
row[2].bar(
    values, [best.y[latents.y == v].mean() if (latents.y == v).any() else 0 for v in values]
)
row[2].set(xlabel="symbol", ylabel="bits each, mean", title="Zeros are nearly free", xticks=values)
plt.show()

# %% [markdown]
# ## 6. Bits become a file
#
# The range coder turns prices into bytes, and `codec.write` packs them: a header, z, y, and
# checksums. It is the very file of section 1, byte for byte. `bitstream.read` takes one
# apart; *escapes* hold symbols so large that no table foresaw them.

# %%
rebuilt = codec.write(analysis, latents, about["neighbours"])
print("the same file as in section 1:", rebuilt == data)

parts = bitstream.read(data)
print("begins with", data[:4], "and then says")
for name, value in vars(parts.header).items():
    print(f"   {name:16} {value}")
sections = {"header and checksums": about["chunks"]["container"], "z": len(parts.z),
            "y": len(parts.y), "escapes": about["chunks"]["escapes"]}  # fmt: skip

fig, axes = plt.subplots(figsize=(9, 1.5))
left = 0
for name, count in sections.items():
    axes.barh(0, count, left=left, label=f"{name}: {count:,} bytes", edgecolor="white")
    left += count
priced = best.y.sum() / 8
axes.set(yticks=[], xlabel="bytes", title=f"{left:,} bytes; y was priced at {priced:,.0f}")
axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.5))
axes.spines["left"].set_visible(False)
plt.show()

# %% [markdown]
# ## 7. And back: bits, symbols, y_hat, x_hat
#
# The receiver knows `data` and the weights. It decodes z, runs h_s, decodes the symbols with the
# same probabilities, and adds mu back:
#
# $$\hat y = (s + \mu) / \text{gain}, \qquad \hat x = G(\hat y).$$
#
# (The gain on the way back is a learned one of its own.) Up to $\hat y$ there is nothing to
# discuss: every machine has the same integers. G is ordinary floating point and paints.

# %%
from hfx.entropy.fixedpoint import LEVELS
from hfx.networks.layers import pick_tier

received = codec.read(parts)  # bits -> symbols, mu, index
same = all(
    (getattr(received, name) == getattr(latents, name)).all() for name in ("z", "mu", "index", "y")
)
print("symbols, mu and widths as they were sent:", same)

tier = torch.tensor([received.level / LEVELS])  # 0 low, 1 medium, 2 high, and all between
degain = pick_tier(weights.log2_degain, tier).exp2()  # (1, C_y, 1, 1)
y_hat = torch.from_numpy(received.y + received.mu * 2.0**-ACT_BITS)[None].float() * degain
with torch.no_grad():
    x_hat = weights.generator(y_hat, tier)[0].permute(1, 2, 0)  # (H, W, 3), about 0 to 1
tell("y_hat", y_hat[0], "y again, nearly")
tell("x_hat", x_hat, "the picture again, padding and all")
levels = x_hat[: rgb.shape[0], : rgb.shape[1]].clamp(0, 1).mul(255).round().numpy()
by_hand = np.abs(levels - np.asarray(hfx.decompress(data, realism=0).convert("RGB"))).max()
print("largest difference to hfx.decompress, in grey levels:", by_hand)

error = np.abs(levels - rgb).mean(2)
error = error[: len(error) // 8 * 8, : error.shape[1] // 8 * 8]
error = error.reshape(len(error) // 8, 8, -1, 8).mean((1, 3))
off = y[loudest[0]] - (received.y + received.mu * 2.0**-ACT_BITS)[loudest[0]]
fig, row = plt.subplots(1, 3, figsize=(10, 2.4), layout="constrained")
channel = int(loudest[0])
show(row[0], y_hat[0, channel], f"y_hat, channel {channel}", cmap="RdBu_r")
fig.colorbar(row[0].images[0], ax=row[0])
show(row[1], error, "|x - x_hat|, grey levels", cmap="magma")
fig.colorbar(row[1].images[0], ax=row[1])
row[2].hist(off.ravel(), 40)
row[2].set(title="y minus what comes back", xlabel="steps of the rounding")
plt.show()

# %% [markdown]
# The rounding error lies between $-\frac12$ and $\frac12$ of a step, as it must. In the picture
# the error sits on edges and in texture, where you forgive it, and hardly in smooth places, where
# you would not.
#
# ## 8. Play
#
# *Keep few channels*: we silence all but the k loudest channels of $\hat y$ and let G paint what
# is left. Colours and light come first, then edges, then grain. (G was never trained to miss a
# channel. It takes it well.)
#
# *Quality*: `hfx.compress(..., quality=)` moves the gain smoothly, 20, 50 and 80 being the three
# tiers. Try it on a piece of the photograph that you know well, or on a screenshot with small
# print, and see what a generative codec must not be used for.


# %%
def keep(k):
    silenced = torch.zeros_like(y_hat)
    silenced[:, loudest[:k].copy()] = y_hat[:, loudest[:k].copy()]
    with torch.no_grad():
        painted = weights.generator(silenced, tier)[0].permute(1, 2, 0).clamp(0, 1)
    return painted[: rgb.shape[0], : rgb.shape[1]].numpy()


fig, row = plt.subplots(1, 4, figsize=(10, 2), layout="constrained")
for axes, k in zip(row, (1, 4, 16, 64), strict=True):
    show(axes, keep(k), f"k = {k}")
photographs(fig)

piece = np.ascontiguousarray(rgb[-256:, -256:])  # small, to answer at once


def try_it(quality):
    file = hfx.compress(piece, quality=quality, neighbours="none")
    fig, pair = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
    show(pair[0], piece, "x")
    show(pair[1], hfx.decompress(file), f"x_hat, {len(file):,} bytes")
    plt.show()


sliders = interact(try_it, quality=IntSlider(20, min=0, max=100, continuous_update=False))

# --- a file is not to be trusted half: flip one bit of it
broken = bytearray(data)
broken[len(data) // 2] ^= 1
try:
    hfx.decompress(bytes(broken))
    verdict = "nobody noticed"
except hfx.BitstreamError as refusal:
    verdict = f"refused: {refusal}"
print(verdict)

# %% [markdown]
# ## 9. Where to go from here
#
# | you wonder | open |
# |---|---|
# | why D must see y_hat, and what "adversarial" means | 01 |
# | what XGBoost is, and how a tree can earn bits | 02 |
# | how a number becomes bits, and why decoders break | 03 |
# | what is minimised: rate, distortion and realism, Eq. 6 | 04 |
# | how training is held at "0.14 bits per pixel" | 05 |
# | what is inside E, G and D, and why those layers | 06 |
# | what the neighbour model sees | 07 |
# | how to train a codec of your own | 08 |
# | how good it is, and which printed numbers to believe | 09 |
# | what people see, and how to ask them | 10 |
# | which part brings how much | 11 |
#
# They can be read in any order; 01 to 03 need nothing, 04 and 05 are easier after 03. What lies in
# this folder:

# %%
from pathlib import Path

import nbformat

for path in sorted(Path().glob("[0-9][0-9]_*.ipynb")):
    title, summary, *_ = nbformat.read(path, as_version=4).cells[0].source.split("\n\n")
    print(title.removeprefix("# "), "|", summary.strip("*").replace("\n", " "))

# %% [markdown]
# ## What to remember
#
# * x, y, symbols, bits, symbols, y_hat, x_hat. Two steps lose something: the rounding, and that y
#   is smaller than x. All others can be undone exactly.
# * A little side information z tells both sides what to expect. What was expected costs nothing:
#   nearly all symbols are 0.
# * Both sides compute the same probabilities, in integers, or nothing decodes.
# * G paints from y_hat alone. What it paints is plausible, not true: no evidence, no medicine, no
#   small print.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. Bits per pixel of a file of `count` bytes for a picture of `width` x `height` pixels.
# 2. The shapes of y and z for a picture of `height` x `width`: return the rows and columns of y,
#    then of z. Sides are padded to multiples of 64; y is 16 times smaller, z another 4 times.
# 3. What the receiver makes of symbols: $\hat y$ from `symbols`, `mu` and `gain`.
# 4. What the sender makes of y, the other way round: the symbols from `y`, `mu` and `gain`, if mu
#    is in steps of the rounding and y is not yet.
# 5. PSNR, the usual measure of faithfulness, in dB: $10 \log_{10}(255^2 / \text{MSE})$. Compute
#    it for two arrays of grey levels. (Beware of `uint8`: 3 - 5 is 254.)
# 6. A phone only looks at pictures, it never takes any. Which parts does it need? Four truth
#    values for E, h_s, G, D.


# %% tags=["exercise"]
def bits_per_pixel(count, width, height):
    # BEGIN SOLUTION
    return 8 * count / (width * height)
    # END SOLUTION


check("00.1", bits_per_pixel)


# %% tags=["exercise"]
def shapes(height, width):
    # BEGIN SOLUTION
    rows, columns = math.ceil(height / 64), math.ceil(width / 64)
    return 4 * rows, 4 * columns, rows, columns
    # END SOLUTION


check("00.2", shapes)


# %% tags=["exercise"]
def receive(symbols, mu, gain):
    # BEGIN SOLUTION
    return (symbols + mu) / gain
    # END SOLUTION


check("00.3", receive)


# %% tags=["exercise"]
def send(y, mu, gain):
    # BEGIN SOLUTION
    return np.round(y * gain - mu)
    # END SOLUTION


check("00.4", send)


# %% tags=["exercise"]
def psnr(x, x_hat):
    # BEGIN SOLUTION
    return 10 * np.log10(255**2 / np.mean((x.astype(float) - x_hat) ** 2))
    # END SOLUTION


check("00.5", psnr)

# %% tags=["exercise"]
needed = False, True, True, False  # SOLUTION
check("00.6", needed)

# %% [markdown]
# ## References
#
# * Gadde Suresh, Thivya, Anand, *High-fidelity generative image compression using GANs and
#   XGBoost approach*: the paper that these notebooks follow, Figure 1 above all.
# * Mentzer et al., *High-Fidelity Generative Image Compression*, NeurIPS 2020, arXiv:2006.09965:
#   what it builds on.
# * Minnen, Ballé, Toderici, *Joint Autoregressive and Hierarchical Priors for Learned Image
#   Compression*, NeurIPS 2018, arXiv:1809.02736: y, z, mu and sigma.
# * `hfx/codec.py`: this notebook's sections 3 to 7 in code, on one page.
#
# The claims of this notebook, checked:

# %%
assert rebuilt == data, "the steps in slow motion write the very file of five lines"
assert same, "what was sent is what is received, to the bit"
assert by_hand <= 1, "and G paints the same picture from it"
assert len(data) < rgb.nbytes / 20, "a file is small"
assert abs(8 * len(parts.y) / best.y.sum() - 1) < 0.02, "prices are bytes"
assert np.abs(off).max() < 0.51, "the rounding loses at most half a step"
assert verdict.startswith("refused"), "a damaged file is refused"
