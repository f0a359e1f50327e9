# %% [markdown]
# # 06 · Architecture
#
# *Section 3.3 of the paper, Figure 1. About 50 minutes to read and play, half a minute to run.*
#
# Figure 1 of the paper is four rows of boxes: ConvC, $\downarrow 2$, ChannelNorm, SpectralNorm, NN
# $\uparrow 16$, Q. Each of them is there for a reason, and none of the reasons is in the figure.
# Here we draw the figure from the code, and then take its odd words one at a time: break each,
# measure what breaks, and put it back.
#
# You need to know what a convolution is, and notebooks 01 (what D is for) and 03 (rounding).

# %% tags=["setup"]
import math
from dataclasses import replace
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from hfx.check import check
from hfx.config import PRESETS, TINY

torch.set_num_threads(1)
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## 1. Figure 1, drawn from the code
#
# `hfx.config` has three presets. `paper` is Figure 1 with HiFiC's widths. `compact` is made for
# two processor cores, and `tiny` is a small copy of it for lessons. We build all five networks of
# *fake* tensors, which have shapes but no numbers, so that even 181 M parameters cost nothing.
# Then we send one picture of 256 x 256 through, listen at every layer, and draw what went by.
#
# `Encoder` and `Generator` are E and G of Figure 1, and `paper` has them. `compact` and `tiny`
# have a **ladder** instead (`LadderEncoder` and `LadderGenerator`). It has only three kinds of
# parts:
#
# * ↓4 and ↓2 move pixels into channels, and lose nothing: each block of 4 x 4 pixels of three
#   colours becomes 48 channels at one place (PixelUnshuffle). ↑2 and ↑4 move them back.
# * A 1x1 convolution **mixes** the channels at one place. Together with the shuffles these are a
#   *linear* transform of 16 x 16 pixels, as in JPEG, and training begins with the best one there
#   is: the principal components of patches.
# * A **residual block** adds to that what no linear transform can: norm, 3x3, leaky ReLU, 3x3.
#   G ends in one more of its kind, the **detail**. It works at half the picture's size, where it
#   can still mend the dots that moving 4 x 4 pixels at once leaves behind.
#
# Figure 1 does the first two in one layer, a strided convolution, and its first layer works at the
# full size of the picture. The ladder does not convolve before the picture is a quarter as wide
# and as high, which is what makes two cores enough.
#
# A box is a convolution with what follows it (norm, ReLU) and the shuffle beside it, or a whole
# residual block. Its height is the number of channels it makes, and below it stand parameters and
# *multiply-adds*, the sums of products that a pass takes. `hfx.macs` counts these, too, in another
# way: both must agree.

# %%
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hfx import macs, networks
from hfx.networks.ladder import Block, Detail
from hfx.networks.layers import ResidualBlock

CONVS = (nn.Conv2d, nn.ConvTranspose2d)
WHOLE = {ResidualBlock: "residual", Block: "residual", Detail: "detail"}  # drawn as one box


class Shuffles(TorchFunctionMode):
    """Tells how pixels are moved: by which factor, and the shape before and after."""

    def __init__(self, down, up):
        super().__init__()
        self.tell = {F.pixel_unshuffle: down, F.pixel_shuffle: up}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if function in self.tell and args[1] > 1:
            self.tell[function](args[1], tuple(args[0].shape[1:3]), tuple(made.shape[1:3]))
        return made


def walk(network, *inputs):
    """The boxes of one pass: kind, channels and side made, parameters, multiply-adds."""
    boxes, inside, moved = [], {}, {}
    parts = {name: module for name, module in network.named_modules()
             if name and "parametrizations" not in name}  # fmt: skip
    for module in parts.values():
        if type(module) in WHOLE:
            kind = WHOLE[type(module)]
            inside |= {id(part): (kind, id(module)) for part in module.modules()}

    def down(factor, before, after):
        moved.update(arrow=f"↓{factor} ", before=before)

    def up(factor, before, after):
        if boxes[-1]["kind"] != "detail":
            boxes[-1]["kind"] += f" ↑{factor}"
            boxes[-1]["makes"] = after

    def listen(module, given, made):
        kind, block = inside.get(id(module), ("", None))
        if isinstance(module, CONVS):
            strided = module.stride[0] > 1
            back = isinstance(module, nn.ConvTranspose2d)
            places = given[0].shape[2:] if back else made.shape[2:]  # where the kernel is laid on
            if not block or not boxes or boxes[-1]["block"] != block:
                k = module.kernel_size[0]
                arrow = f" {'↑' if back else '↓'}{module.stride[0]}" if strided else ""
                takes = moved.get("before", tuple(given[0].shape[1:3]))
                follows = bool(boxes) and (takes == boxes[-1]["makes"] or kind == "detail")
                boxes.append({"kind": kind or f"{moved.get('arrow', '')}{k}x{k}{arrow}",
                              "block": block, "parameters": 0, "macs": 0,
                              "follows": follows})  # fmt: skip
            moved.clear()
            boxes[-1]["makes"] = tuple(made.shape[1:3])
            boxes[-1]["macs"] += module.weight.numel() * places.numel()
        if boxes:
            own = module.parameters(recurse=isinstance(module, CONVS))
            boxes[-1]["parameters"] += sum(p.numel() for p in own)

    hooks = [module.register_forward_hook(listen) for module in parts.values()]
    with torch.no_grad(), Shuffles(down, up):
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return boxes


@cache  # once a preset: the menu below answers at once
def figure_1(arch, side=256):
    """Boxes of E, h_a, h_s, G and D, and whether hfx counts the same multiply-adds."""
    with FakeTensorMode():
        x, y = torch.zeros(1, 3, side, side), torch.zeros(1, arch.latent, side // 16, side // 16)
        z, tier = torch.zeros(1, arch.hyper, side // 64, side // 64), torch.zeros(1)
        nets = {
            "E: x to y": (networks.encoder_of(arch), x),
            "h_a: y to z": (networks.HyperAnalysis(arch), y),
            "h_s: z to mu, sigma": (networks.HyperSynthesis(arch), z),
            "G: y to x'": (networks.generator_of(arch), y, tier),
            "D: (x, y) to a verdict": (networks.Discriminator(arch), x, y),
        }
        rows = {name: walk(net.eval(), *inputs) for name, (net, *inputs) in nets.items()}
        agree = all(
            sum(box["macs"] for box in rows[name]) == macs.count(net, *inputs).macs
            for name, (net, *inputs) in nets.items()
        )
    return rows, agree


def short(n):
    return f"{n / 1e9:.1f}G" if n >= 1e9 else f"{n / 1e6:.1f}M" if n >= 1e6 else f"{n / 1e3:.0f}k"


HUES = {"residual": "tab:green", "detail": "tab:olive", "↓": "tab:orange", "↑": "tab:red"}


def draw(preset):
    rows, _ = figure_1(PRESETS[preset])
    wide = max(map(len, rows.values()))
    fig, lanes = plt.subplots(5, 1, figsize=(max(8, 0.85 * wide), 9.5), layout="constrained")
    for axes, (name, row) in zip(lanes, rows.items(), strict=True):
        for i, box in enumerate(row):
            channels, side = box["makes"]
            height = 0.35 + 0.065 * math.log2(channels)
            hue = next((HUES[k] for k in HUES if k in box["kind"]), "tab:blue")
            axes.bar(i, height, 0.76, color=hue, alpha=0.75)
            axes.text(i, height + 0.03, box["kind"], ha="center", fontsize=8)
            axes.text(i, height / 2, f"{channels}\n{side}²", ha="center", va="center", fontsize=8)
            cost = f"{short(box['parameters'])}\n{short(box['macs'])}"
            axes.text(i, -0.05, cost, ha="center", va="top", fontsize=8)
            if box["follows"]:
                axes.text(i - 0.5, height / 2, "›", ha="center", va="center", fontsize=12)
        parameters, work = (sum(box[k] for box in row) for k in ("parameters", "macs"))
        axes.set(xlim=(-0.6, wide - 0.4), ylim=(-0.42, 1.2))
        axes.set_title(f"{name}: {short(parameters)} parameters, {short(work)} multiply-adds",
                       loc="left", fontsize=10)  # fmt: skip
        axes.axis("off")
    fig.suptitle(f"preset {preset}: channels and map in the box, parameters and work below")
    plt.show()


totals, agreed = {}, True
for preset, arch in PRESETS.items():
    rows, agree = figure_1(arch)
    agreed &= agree
    four = [box for name, row in rows.items() if name[0] != "D" for box in row]
    totals[preset] = {key: sum(box[key] for box in four) for key in ("parameters", "macs")}
    print(f"{preset:8} E, G, h_a and h_s: {totals[preset]['parameters'] / 1e6:6.2f} M parameters, "
          f"{totals[preset]['macs'] / 1e9:6.2f} G multiply-adds for 256 x 256")  # fmt: skip
print("hfx.macs counts the same:", agreed)
draw("compact")

# --- and now by hand
from ipywidgets import Dropdown, interact

choice = interact(draw, preset=Dropdown(options=list(PRESETS), value="tiny"))

# %% [markdown]
# ## 2. How far does a box see?
#
# A 3 x 3 convolution lets a pixel see one neighbour on each side, and one step on a map that is
# sixteen times smaller is sixteen pixels of the picture. Added up, that is the **receptive
# field**, and hfx needs it as a number: to compress a large picture tile by tile, each tile is cut
# with a margin, a *halo*, that covers it. `halo_of_encoder` and `halo_of_generator` add it up from
# the architecture. We do not believe them and measure: differentiate one latent by all pixels, and
# look where the gradient is not zero. Reach depends on kernels and strides, not on widths, so thin
# copies of the presets will do.

# %%
from hfx.networks import halo_of_encoder, halo_of_generator


def extent(gradient, start, stop):
    """How far it is not zero beyond [start, stop) on either side, the larger of both axes."""
    mass = gradient.abs().sum(tuple(range(gradient.dim() - 2)))
    places = mass.nonzero()
    return int((start - places.min(0).values).max()), int((places.max(0).values + 1 - stop).max())


def thin(arch):
    n = len(arch.widths)
    return replace(arch, widths=(6,) * n, latent=6, hyper=6)


reach = {}
print("                E, pixels: left, right, halo        G, latents: left, right, halo")
for preset, arch in PRESETS.items():
    torch.manual_seed(0)
    halo_e, halo_g = halo_of_encoder(arch), halo_of_generator(arch)
    around = halo_e // 16 + 2  # latents on each side
    E, x = networks.encoder_of(thin(arch)), torch.rand(1, 3, *[16 * (2 * around + 1)] * 2)
    E(x.requires_grad_())[:, :, around, around].sum().backward()
    e = extent(x.grad, 16 * around, 16 * around + 16)

    around = halo_g + 1
    G, y = networks.generator_of(thin(arch)), torch.randn(1, 6, *[2 * around + 1] * 2)
    made = G(y.requires_grad_(), torch.zeros(1))
    made[..., 16 * around : 16 * around + 16, 16 * around : 16 * around + 16].sum().backward()
    g = extent(y.grad, around, around + 1)
    reach[preset] = (e, halo_e, g, halo_g)
    print(f"{preset:8} {e[0]:20}, {e[1]:5}, {halo_e:4} {g[0]:25}, {g[1]:5}, {halo_g:4}")

# %% [markdown]
# In `paper` left and right differ: a strided 3 x 3 kernel lies on pixels 2i - 1, 2i and 2i + 1, so
# it looks one further to the left than to the right. One halo for both is on the safe side. The
# ladder sees equally far to both sides, because moving pixels adds nothing to what it sees, and
# the 3 x 3 kernels of its blocks are not strided.
#
# That is how far a latent *can* see. How far does it look? Ask the trained weights: what one
# latent looks at is a gradient again; what one symbol changes is seen by changing it by one. The
# white square is the latent's own 16 x 16 pixels, the cyan one the halo.

# %%
from skimage.data import astronaut

import hfx
from hfx.validate import silenced

codec = hfx.load()
E, G, arch = codec.weights.encoder, codec.weights.generator, codec.weights.arch
photo = torch.tensor(astronaut()).permute(2, 0, 1)[None] / 255
x = photo[..., 64:320, 64:320].clone().requires_grad_()
y = E(x)
y[0, :, 8, 8].square().sum().backward()
looks = x.grad[0].abs().sum(0)

with torch.no_grad():
    y = y.detach()
    poked = y.clone()
    poked[0, 10, 8, 8] += 1
    paints = (G(poked, torch.ones(1)) - G(y, torch.ones(1)))[0].abs().sum(0)

shares = {}
fig, row = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
for axes, values, title, halo in (
    (row[0], looks, "what a latent looks at (log10)", halo_of_encoder(arch)),
    (row[1], paints, "what a symbol changes (log10)", 16 * halo_of_generator(arch)),
):
    shown = axes.imshow((values / values.max()).clamp_min(1e-9).log10(), cmap="magma", vmin=-9)
    fig.colorbar(shown, ax=axes)
    for side, colour in ((0, "white"), (halo, "tab:cyan")):
        axes.add_patch(plt.Rectangle((128 - side - 0.5,) * 2, *[16 + 2 * side] * 2, fill=False,
                                     edgecolor=colour))  # fmt: skip
    axes.set(title=title, xticks=[], yticks=[])
for name, values in (("E looks", looks), ("G paints", paints)):
    rings = list(range(0, 97, 4))
    share = [values[128 - r : 144 + r, 128 - r : 144 + r].sum() / values.sum() for r in rings]
    shares[name] = float(share[0])
    row[2].plot(rings, share, label=name)
row[2].set(xlabel="pixels beyond the own 16 x 16", ylabel="share of all", ylim=(0, 1.03),
           title="most of it is near")  # fmt: skip
row[2].legend(frameon=False)
plt.show()
with torch.no_grad():
    # y without E's blocks; weights from before the ladder have a linear path of their own
    linear = silenced(E)(photo) if arch.ladder else E.linear(photo - 0.5)
    added, linear = (float(v.std((2, 3)).mean()) for v in (E(photo) - linear, linear))
print({name: f"{share:.0%} within the own block" for name, share in shares.items()})
print(f"of y, what is not linear in E makes {added:.3f} (standard deviation), its linear "
      f"transform {linear:.3f}")  # fmt: skip

# %% [markdown]
# Measuring pays. In the weights that ship as this is written, E is not a ladder yet: convolutions
# and a linear transform of 16 x 16 pixels run side by side, and their results are added. The
# convolutions have all but fallen silent. What they add is tens of times smaller than what the
# linear transform gives, and E looks at its own block and nowhere else. G does the work. A shape
# of a network says what it *may* do; only its weights say what it does.
#
# That is why the ladder has no second way beside its blocks: the blocks are all that it has to be
# better than a linear transform.
#
# ## 3. ChannelNorm
#
# A norm keeps activations at a size where training works: subtract a mean, divide by a deviation.
# The names differ in *over what* these are taken:
#
# | | mean and deviation over |
# |---|---|
# | ChannelNorm (the paper) | all channels, at one pixel |
# | InstanceNorm | all pixels of one picture, for one channel |
# | BatchNorm | all pixels of all crops of the batch, for one channel; later a remembered value |
#
# InstanceNorm lets every pixel see every other: its receptive field is the picture, whatever size
# that has. So we train `tiny` three times for a few seconds, with each norm, and ask three
# questions. Is a picture that was coded in **tiles** the same as one coded whole? Does it matter
# how **large** the picture is around a crop? And who else is in the **batch**?

# %%
from skimage.data import chelsea, coffee, rocket

from hfx.config import Losses, Training
from hfx.data import Crops
from hfx.run import start
from hfx.step import train_step
from hfx.tiles import analyse, synthesise

album, cpu = [chelsea(), coffee(), rocket()], torch.device("cpu")
rgb = astronaut()[:256, 192:448]
whole_photo = photo[..., :256, 192:448]


def trained(norm, steps=80):
    settings = Training(
        preset="tiny", changes={"norm": norm}, steps=steps, batch=4, crop=64, lr=2e-3, warmup=10,
        decay=40, bf16=False, losses=Losses(k_P=0),
    )  # fmt: skip
    run = start(settings, cpu, album)
    arch = run.model.arch
    crops = Crops(album, 64, 4, (arch.latent, arch.hyper), len(arch.tiers))
    for step in range(steps):
        train_step(run, run.model, None, [], crops.at(step, cpu))
        run.step += 1
    return run.model


def coded(model, tile):
    """The picture through E and G in tiles of so many latents a side, with halos, as hfx does."""
    y = analyse(model.encoder, -(-halo_of_encoder(model.arch) // 16), rgb, tile)
    halo = halo_of_generator(model.arch)
    return synthesise(model.generator, halo, lambda a, b: y[:, :, a, b], 2.0, rgb.shape[:2], tile)


def grey_levels(a, b):
    return 255 * float((a - b).abs().max())


models, seams, answers = {}, {}, {}
for norm in ("channel", "instance", "batch"):
    model = models[norm] = trained(norm).eval()
    seams[norm] = np.abs(coded(model, 96).astype(int) - coded(model, 4)).max(2)
    with torch.no_grad():

        def through(x, model=model):
            return model.generator(model.encoder(x), torch.full((len(x),), 2.0))

        # the middle of a crop, far enough from its edge, alone and within the whole picture
        edge = halo_of_encoder(model.arch) + 16 * halo_of_generator(model.arch)
        wide = photo[..., : 2 * edge + 64, : 2 * edge + 64]
        inner = slice(edge, edge + 64)
        size = grey_levels(through(wide)[..., inner, inner], through(photo)[..., inner, inner])
        model.train()
        alone = through(whole_photo)
        company = grey_levels(alone, through(torch.cat([whole_photo, 1 - whole_photo]))[:1])
        model.eval()
        later = grey_levels(alone, through(whole_photo))
    answers[norm] = (int(seams[norm].max()), size, company, later)

print("largest difference in grey levels")
print("            tiles    size    company in the batch    training against use")
for norm, (tiles, size, company, later) in answers.items():
    print(f"{norm:9} {tiles:7} {size:7.2f} {company:15.2f} {later:22.2f}")

fig, row = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
row[0].imshow(coded(models["instance"], 4).mean(2)[:128, 128:], "gray", interpolation="nearest")
row[0].set_title("instance, tiles of 64 pixels")
for axes, (norm, difference) in zip(row[1:], seams.items(), strict=True):
    blocks = difference.reshape(64, 4, 64, 4).max((1, 3))
    shown = axes.imshow(blocks, cmap="magma", vmin=0, vmax=8, interpolation="nearest")
    axes.set_title(f"{norm}: tiles - whole")
fig.colorbar(shown, ax=row[3], label="grey levels")
for axes in row:
    axes.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ChannelNorm differs in nothing but the last digit of a float. With InstanceNorm, almost every
# place of the picture comes out differently when it is cut into tiles, and a crop changes when the
# picture around it grows: HiFiC reports that it darkens pictures larger than the training crops.
# BatchNorm is harmless once it uses remembered values, but then it is not the network that was
# trained: in training, one picture's result depended on who else was there.
#
# (In a codec there is one more trap: if decoding depends on the size of tiles, two decoders with
# different memory disagree.)
#
# ## 4. SpectralNorm, and how steep D can get
#
# D is trained to say 1 and 0. A network can do that by being *steep*: a tiny change of the picture
# flips its answer. Then its gradient, which is all that G learns from, is huge here and zero
# there. SpectralNorm divides each layer's weights by their largest singular value, found by power
# iteration. A layer with largest singular value 1 stretches no difference, so neither does a chain
# of them: D's **Lipschitz constant** is bounded, however long it trains.
#
# The fine print: PyTorch (like the original paper) takes the singular value of the kernel as a
# *matrix*, of size outputs x (inputs $\cdot$ 16). A convolution of 4 x 4 at stride 2 uses each
# pixel in four places, and may stretch by up to $\sqrt 4 = 2$; at stride 1 in sixteen, by up to 4.
# So for this D the guarantee is not 1 but $2 \cdot 2 \cdot 4 \cdot 1$, times 2 because D first
# maps pixels from [0, 1] to [-1, 1].
#
# We train D to tell photographs from slightly blurred ones, with and without, and measure both:
# what its layers could do at worst (their operator norms, multiplied), and what D does (the
# largest singular value of its Jacobian at four photographs).

# %%
from hfx.losses import spotting


def crops_of(pictures, count, dice, side=64):
    cut = []
    for _ in range(count):
        picture = pictures[dice.integers(len(pictures))]
        top, left = (dice.integers(n - side) for n in picture.shape[:2])
        cut.append(picture[top : top + side, left : left + side])
    return torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2) / 255


def soft(x):
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


@torch.no_grad()
def stretch(conv, side=24, rounds=20):
    """How much a convolution can lengthen a difference, by power iteration."""
    how = {"stride": conv.stride, "padding": conv.padding}
    v = torch.randn(1, conv.weight.shape[1], side, side)
    for _ in range(rounds):
        u = F.conv2d(v / v.norm(), conv.weight, **how)
        v = F.conv_transpose2d(u, conv.weight, **how)
    return float(u.norm())


def steepest(D, x, y, rounds=6):
    """The largest singular value of D's Jacobian at some pictures, likewise."""
    v = torch.randn_like(x)
    for _ in range(rounds):
        v = v / v.flatten(1).norm(dim=1)[:, None, None, None]
        _, u = torch.func.jvp(lambda x: D(x, y), (x,), (v,))
        (v,) = torch.func.vjp(lambda x: D(x, y), x)[1](u)
    return float(u.detach().flatten(1).norm(dim=1).max())


nothing = torch.zeros(1, TINY.latent, 4, 4)  # this D sees no latents
probe = crops_of(album, 4, np.random.default_rng(9))
CAP = 2 * 2 * 2 * 4 * 1
slopes = {}
for spectral in (True, False):
    torch.manual_seed(0)
    dice = np.random.default_rng(0)
    D = networks.Discriminator(replace(TINY, conditional=False, spectral=spectral))
    optimiser = torch.optim.Adam(D.parameters(), 2e-3, betas=(0.5, 0.9))
    trace = slopes["with SpectralNorm" if spectral else "without"] = []
    for step in range(151):
        if step % 30 == 0:
            D.eval()
            convs = [m for m in D.modules() if isinstance(m, nn.Conv2d)]
            bound = 2 * math.prod(map(stretch, convs))
            trace.append((step, steepest(D, probe, nothing), bound))
            D.train()
        x = crops_of(album, 8, dice)
        real, fake = D(torch.cat([x, soft(x)]), nothing).chunk(2)
        optimiser.zero_grad()
        spotting(real, fake).backward()
        optimiser.step()

fig, axes = plt.subplots(figsize=(7.5, 3.2))
for (name, trace), colour in zip(slopes.items(), ("tab:blue", "tab:orange"), strict=True):
    steps, measured, bound = zip(*trace, strict=True)
    axes.plot(steps, measured, "o-", color=colour, label=f"{name}: measured")
    axes.plot(steps, bound, "--", color=colour, label=f"{name}: layers multiplied")
axes.axhline(CAP, color="k", ls=":", label=f"SpectralNorm's guarantee: {CAP}")
axes.set(yscale="log", xlabel="steps of D", ylabel="largest slope",
         title="How steep D is between sharp and blurred")  # fmt: skip
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# Without the norm, the steepest way to a lower loss is to grow, and D grows. With it, D has to
# find better *directions*. (A slope of 10 is still steep. SpectralNorm does not make D gentle, it
# makes it bounded.)
#
# ## 5. Q: is the straight-through gradient any good?
#
# Notebook 03 showed that rounding has slope 0 everywhere, and that straight-through pretends a
# slope of 1. Can a lie be trusted? Take the real codec, differentiate the squared error of the
# decoded picture by the latents through the lie, and walk against it, a little at a time. The
# error that is drawn is that of honest rounding, which no gradient ever saw.

# %%
from hfx.codec import real_gain
from hfx.compressor import round_straight_through
from hfx.networks.layers import pick_tier

MEDIUM = 1.0
gain = torch.from_numpy(real_gain(codec.weights.prior.gain(256)))[None]
degain = pick_tier(codec.weights.log2_degain, torch.tensor([MEDIUM])).exp2()
face = photo[..., 40:168, 120:248]
with torch.no_grad():
    v = E(face) * gain


def error(v, Q):
    return ((G(Q(v) * degain, torch.tensor([MEDIUM])) - face) * 255).square().mean()


roundings = {"round, honestly": torch.round, "straight-through": round_straight_through,
             "as if not rounded": lambda v: v}  # fmt: skip
draw = torch.Generator().manual_seed(0)
descents, lengths = {}, {}
for name in (*roundings, "any direction"):
    at, descents[name] = v.clone(), []
    for _ in range(10):
        with torch.no_grad():
            descents[name].append(float(error(at, torch.round)))
        if name in roundings:
            at.requires_grad_()
            (gradient,) = torch.autograd.grad(error(at, roundings[name]), at)
        else:
            gradient = torch.randn(v.shape, generator=draw)
            gradient *= lengths["straight-through"] / gradient.norm()
        lengths.setdefault(name, float(gradient.norm()))
        at = at.detach() - 0.05 * gradient

fig, axes = plt.subplots(figsize=(7, 3))
for name, errors in descents.items():
    axes.plot(errors, "o-", label=name)
axes.set(xlabel="steps of gradient descent on the latents", ylabel="MSE, rounded",
         title="Walking by four gradients, measured honestly")  # fmt: skip
axes.legend(frameon=False)
plt.show()
print("length of the first gradient:", {k: f"{n:.1f}" for k, n in lengths.items()})

# %% [markdown]
# So the lie points downhill, at first even better than a gradient that ignores rounding, because
# it sees the picture as it will be decoded. But it notices that a symbol moves only when it jumps:
# with strides four times as long it overshoots. Try it.
#
# ## 6. What D sees: NN $\uparrow$ 16
#
# Notebook 01 said it in the plane: a D that does not see what G was given cannot make G heed it.
# Here $s$ is $\hat y$, one vector per 16 x 16 pixels, and D wants a map as large as the picture.
# So Figure 1 repeats each vector 16 x 16 times ("NN $\uparrow$ 16", nearest neighbour) and lays
# the result behind the three colours, as more channels. hfx, like HiFiC, first squeezes the
# latents to twelve channels.
#
# What can D do with it? We hand it sharp, perfect photographs, half of which belong to *another
# file*. Nothing in the pixels gives these away.

# %%
dice = np.random.default_rng(0)
stock, unseen = crops_of(album, 160, dice), crops_of([astronaut()], 64, dice)
with torch.no_grad():
    told, told_unseen = (torch.cat([E(x) for x in of.split(32)]) for of in (stock, unseen))

right = {}
for conditional in (True, False):
    torch.manual_seed(0)
    D = networks.Discriminator(replace(TINY, latent=arch.latent, conditional=conditional))
    optimiser = torch.optim.Adam(D.parameters(), 3e-3, betas=(0.5, 0.9))
    trace = right["D sees (x, y)" if conditional else "D sees x alone"] = []
    for step in range(121):
        if step % 20 == 0:
            D.eval()
            with torch.no_grad():
                own = D(unseen, told_unseen).mean((1, 2, 3))
                other = D(unseen.roll(1, 0), told_unseen).mean((1, 2, 3))
            trace.append(float((own > other).float().mean()))
            D.train()
        mine, strangers = (torch.from_numpy(dice.permutation(160)[:8]) for _ in range(2))
        y = told[mine]
        real, fake = D(torch.cat([stock[mine], stock[strangers]]), torch.cat([y, y])).chunk(2)
        optimiser.zero_grad()
        spotting(real, fake).backward()
        optimiser.step()
    if conditional:
        with torch.no_grad():
            behind = F.interpolate(D.condition(told_unseen[:1]), scale_factor=16)[0]

fig, row = plt.subplots(1, 5, figsize=(13, 2.8), width_ratios=(1, 1, 1, 1, 2.2),
                        layout="constrained")  # fmt: skip
row[0].imshow(unseen[0].mean(0), cmap="gray")
row[0].set_title("x (64 x 64)")
for axes, channel in zip(row[1:4], behind.std((1, 2)).topk(3).indices, strict=True):
    axes.imshow(behind[channel], cmap="viridis", interpolation="nearest")
    axes.set_title(f"behind it: channel {3 + int(channel)}")
for axes in row[:4]:
    axes.set(xticks=[], yticks=[])
for name, trace in right.items():
    row[4].plot(range(0, 121, 20), trace, "o-", label=name)
row[4].axhline(0.5, color="k", ls=":", label="a coin")
row[4].set(xlabel="steps of D", ylabel="pairs judged rightly", ylim=(0.3, 1.03),
           title="Which photograph belongs to y? (unseen)")  # fmt: skip
row[4].legend(frameon=False)
plt.show()

# %% [markdown]
# The blind D is as good as a coin, and no training will change that. (Section 5 in passing is how
# `hfx compress --effort` works: it walks the latents of one picture by straight-through
# gradients.)
#
# ## What to remember
#
# * Figure 1 is small: E and G are convolutions with a norm, D looks at patches. Most parameters
#   sit where the map is smallest and channels are many.
# * What a box can see is arithmetic, and can be measured by a gradient. What it does look at, only
#   trained weights can tell.
# * ChannelNorm looks at one pixel, so the networks stay local: tiles, sizes and company do not
#   matter. InstanceNorm and BatchNorm each give that up somewhere.
# * SpectralNorm bounds D's slope. The bound is not 1, but it stays where it is.
# * Straight-through is a lie that points downhill.
# * D must see y, or it cannot punish a picture that does not belong to the file.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. How many pixels to the left does one output of a stack of convolutions see? `layers` lists
#    (kernel, stride) from the first to the last; kernels are odd and centred.
# 2. The multiply-adds of a convolution with `k` x `k` kernels from `c_in` to `c_out` channels,
#    whose output is `h` x `w`.
# 3. ChannelNorm without its learned scale and shift, for an array `f` of shape (C, H, W): mean 0
#    and deviation 1 at each pixel.
# 4. Which networks, once trained, give the same on a tile with a sufficient halo as on the whole?
#    With (a) ChannelNorm, (b) InstanceNorm, (c) BatchNorm using remembered values, (d) no norm.
#    Four truth values.
# 5. SpectralNorm of a matrix `w`: the matrix divided by its largest singular value.
# 6. NN $\uparrow$ n: an array `s` of shape (C, h, w) becomes (C, n h, n w), each value repeated.


# %% tags=["exercise"]
def left_reach(layers):
    # BEGIN SOLUTION
    reach, step = 0, 1
    for kernel, stride in layers:
        reach += kernel // 2 * step
        step *= stride
    return reach
    # END SOLUTION


check("06.1", left_reach)


# %% tags=["exercise"]
def multiply_adds(c_in, c_out, k, h, w):
    # BEGIN SOLUTION
    return c_in * c_out * k * k * h * w
    # END SOLUTION


check("06.2", multiply_adds)


# %% tags=["exercise"]
def channel_norm(f):
    # BEGIN SOLUTION
    return (f - f.mean(0)) / f.std(0)
    # END SOLUTION


check("06.3", channel_norm)

# %% tags=["exercise"]
same_on_tiles = True, False, True, True  # SOLUTION
check("06.4", same_on_tiles)


# %% tags=["exercise"]
def spectral_norm_of(w):
    # BEGIN SOLUTION
    return w / np.linalg.svd(w, compute_uv=False)[0]
    # END SOLUTION


check("06.5", spectral_norm_of)


# %% tags=["exercise"]
def nearest_up(s, n):
    # BEGIN SOLUTION
    return s.repeat(n, 1).repeat(n, 2)
    # END SOLUTION


check("06.6", nearest_up)

# %% [markdown]
# ## References
#
# * Mentzer et al., *High-Fidelity Generative Image Compression*, NeurIPS 2020, arXiv:2006.09965:
#   Figure 2 and appendix A, ChannelNorm in section 3.2.
# * Ulyanov et al., *Instance Normalization*, arXiv:1607.08022; Ioffe and Szegedy, *Batch
#   Normalization*, arXiv:1502.03167.
# * Miyato et al., *Spectral Normalization for Generative Adversarial Networks*, arXiv:1802.05957;
#   Sedghi et al., *The Singular Values of Convolutional Layers*, arXiv:1805.10408: the fine print.
# * Luo et al., *Understanding the Effective Receptive Field*, arXiv:1701.04128.
# * Bengio et al., *Estimating or Propagating Gradients Through Stochastic Neurons*,
#   arXiv:1308.3432: straight-through.
#
# The claims of this notebook, checked:

# %%
assert agreed, "the boxes' multiply-adds are those that hfx.macs counts"
assert totals["compact"]["parameters"] < 9e6 < 180e6 < totals["paper"]["parameters"] < 182e6
for e, halo_e, g, halo_g in reach.values():
    assert max(e) == halo_e and max(g) == halo_g, "a halo is what gradients can reach, and no more"
assert max(answers["channel"]) <= 1, "ChannelNorm: tiles, size and company do not matter"
assert answers["instance"][0] > 3 and answers["instance"][1] > 1, "InstanceNorm: they do"
assert answers["batch"][0] <= 1 < answers["batch"][2], "BatchNorm: company does, in training"
held, free = slopes["with SpectralNorm"][-1], slopes["without"][-1]
assert held[1] < held[2] < 1.3 * CAP < free[2], "SpectralNorm bounds D's slope"
assert lengths["round, honestly"] == 0 < lengths["straight-through"]
assert min(descents["straight-through"]) < 0.98 * descents["straight-through"][0], "downhill"
assert min(descents["any direction"]) > 0.99 * descents["any direction"][0], "by no accident"
assert right["D sees (x, y)"][-1] > 0.85 > 0.65 > right["D sees x alone"][-1], "D must see y"
