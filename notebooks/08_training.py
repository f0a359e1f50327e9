# %% [markdown]
# # 08 · Training a codec end to end
#
# *Sections 3.2 and 3.3 of the paper at work. About 45 minutes to read, less than a minute to run.*
#
# Everything so far was taken apart. Here it is put together: we train a whole codec, E, G and
# hyperprior, in a few seconds, on four photographs. It will be a bad one. But it is trained by the
# same code as the good one, it writes real files, and everything that can go wrong in a week of
# training can go wrong in ten seconds as well: rates that swing, runs that are interrupted, two
# processes that should do the work of one.
#
# You need notebook 03 (Eq. 5). Notebook 05 says more about the rate constraint, 06 about the
# networks.

# %% tags=["setup"]
import csv
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image

from hfx.check import check
from hfx.config import TINY, Losses, Training

torch.set_num_threads(1)  # networks this small run fastest on one core
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## 1. What there is to decide
#
# `Training` holds all settings of a run, and is kept in its checkpoint. Ours: preset `tiny`, three
# rates at once ("tiers"), stage 1, which is Eq. 5 with the paper's distortion,
#
# $$\zeta'\, r(y) + k_M\, \text{MSE} + k_P\, \text{LPIPS}.$$
#
# We set $k_P = 0$: LPIPS would take longer than all the rest, and needs the weights of networks
# that were trained by others. (`hfx train` has $k_P = 2$.) Crops are random, and yet not: which
# pictures, where, mirrored or not, at which scale, and even the noise that stands in for rounding
# depend on the seed and the *number of the step* alone. Everything in sections 5 and 6 follows
# from that.

# %%
from skimage import data as photos

from hfx.data import Crops, load_pictures

folder = tempfile.TemporaryDirectory(prefix="hfx-")  # removed when the kernel ends
room = Path(folder.name)
album = room / "album"
album.mkdir()
for name, picture in {"cat": photos.chelsea(), "cup": photos.coffee(), "rocket": photos.rocket(),
                      "motorcycle": photos.stereo_motorcycle()[0]}.items():  # fmt: skip
    Image.fromarray(picture).save(album / f"{name}.png")

settings = Training(
    preset="tiny", steps=150, batch=3, crop=128, lr=2e-3, warmup=10, decay=75, ema=0.95,
    bf16=False, losses=Losses(k_P=0),
)  # fmt: skip
pictures = load_pictures([album])
crops = Crops(pictures, settings.crop, settings.batch, (TINY.latent, TINY.hyper), 3, settings.seed)
cpu = torch.device("cpu")
batch, after, again = (crops.at(step, cpu) for step in (7, 8, 7))
print(
    "step 7 is step 7:",
    torch.equal(batch.x, again.x) and torch.equal(batch.noise_y, again.noise_y),
)

fig, row = plt.subplots(1, 6, figsize=(9, 1.9), layout="constrained")
x, tiers = torch.cat([batch.x, after.x]), torch.cat([batch.tier, after.tier])
for number, (axes, crop, tier) in enumerate(zip(row, x, tiers, strict=True)):
    axes.imshow(crop.permute(1, 2, 0)[::2, ::2].numpy(), interpolation="nearest")
    axes.set(xticks=[], yticks=[], title=f"step {7 + number // 3}: {TINY.tiers[tier]}")
plt.show()

# %% [markdown]
# Three crops a step, one for each tier. The first crop of step 7 is no photograph. One crop in
# eight is a *drawing* (`hfx.graphics`): flat colours, lines, charts, text. A codec that has seen
# nothing but photographs is bad at them. A drawing must not rule the run, though: its hard edges
# cost a large error and its flat areas cost no bits. So its loss counts only a quarter, and its
# rate is not compared with $r_t$.
#
# Crops of 128 are small for a good codec, by the way: the hyperprior looks at cells of 64 x 64
# through kernels of 5 x 5 and sees mostly border. hfx's own weights were trained on 256.
#
# ## 2. Train
#
# One call. It leaves a folder: `checkpoint.safetensors`, from which everything can go on, and
# `log.csv`, a row every ten steps here. In a shell the same is
#
#     hfx train --data album --out run --preset tiny --steps 150 --batch 3 --crop 128 --k-P 0 ...

# %%
import time

from hfx.train import train


def rows_of(run):
    """log.csv as a list of dictionaries of numbers; an empty cell is nan."""
    with open(run / "log.csv", newline="") as file:
        return [{k: float(v or "nan") for k, v in row.items()} for row in csv.DictReader(file)]


begun = time.process_time()
run = train(settings, [album], room / "run", log_every=5)
seconds = time.process_time() - begun
log = rows_of(room / "run")
print(f"{run.step} steps in {seconds:.1f} s of processor time; files:",
      sorted(p.name for p in (room / "run").iterdir()))  # fmt: skip
for row in (log[0], log[-1]):
    print(
        {k: round(row[k], 3) for k in ("step", "loss", "mse", "bpp_low", "bpp_medium", "bpp_high")}
    )

# %% [markdown]
# ## 3. Reading the curves
#
# **The loss does not tell you much.** It is a sum whose weights change under way: whenever a rate
# rises above its target $r_t$, its $\zeta'$ jumps from $\zeta^{(b)}$ to $\zeta^{(a)}$, and the
# loss with it. Read in this order:
#
# 1. *Rates*, one a tier, against their targets. They must come to the dotted lines and stay
#    near. Under them, which $\zeta'$ acts (the share of steps with the large one).
# 2. *MSE at these rates.* It jumps because crops differ: a step that drew the cat's fur is worse
#    than one that drew the rocket's sky. Only the trend counts. Pull the slider.
# 3. *Length of the gradient*, before it is clipped to 1. Peaks are fine, growth is not.

# %%
HUES = dict(zip(TINY.tiers, ("tab:blue", "tab:orange", "tab:green"), strict=True))


def smooth(values, memory):
    out, mean = [], None
    for value in values:
        mean = value if mean is None or mean != mean else memory * mean + (1 - memory) * value
        out.append(mean)
    return out


TITLES = ("rate, bits per pixel", "share of steps with the large zeta", "MSE, 0 to 255",
          "length of the gradient")  # fmt: skip


def curves(memory):
    steps = [row["step"] for row in log]
    fig, row = plt.subplots(1, 4, figsize=(13, 2.9), layout="constrained")
    for tier, target in zip(TINY.tiers, settings.losses.rate_targets, strict=True):
        rate = [r[f"bpp_{tier}"] for r in log]
        row[0].plot(steps, smooth(rate, memory), color=HUES[tier], label=tier)
        row[0].axhline(target, color=HUES[tier], ls=":", lw=1)
        a, b = (dict(zip(TINY.tiers, z, strict=True))[tier]
                for z in (settings.losses.zeta_a, settings.losses.zeta_b))  # fmt: skip
        share = [(r[f"zeta_{tier}"] - b) / (a - b) for r in log]
        row[1].plot(steps, smooth(share, memory), color=HUES[tier])
    row[0].set_ylim(0, 0.62)
    row[0].legend(frameon=False, fontsize=8, loc="upper left", ncols=3)
    row[2].plot(steps, smooth([r["mse"] for r in log], memory), "k")
    row[3].plot(steps, smooth([r["grad_norm"] for r in log], memory), "k")
    row[3].axhline(settings.clip, color="tab:red", ls=":", label="clipped to")
    row[3].legend(frameon=False, fontsize=8)
    for axes, title in zip(row, TITLES, strict=True):
        axes.set(title=title, xlabel="step")
    row[3].set_yscale("log")
    plt.show()


curves(0.6)

# --- and now by hand
from ipywidgets import FloatSlider, interact

slider = interact(curves, memory=FloatSlider(0.6, min=0, max=0.95, step=0.05))

# %% [markdown]
# ## 4. Has it learned anything?
#
# A photograph that was never trained on says so. The comparison must be at *equal rate*: a point
# further down costs more if it is also further left. `run.average` is what counts, a running mean
# of the weights, and what is exported: single steps jitter around it.
#
# The run did not begin from noise. E and G are a ladder (notebook 06), and hfx starts its mixes
# at the principal components of patches: a linear transform of 16 x 16 pixels, a JPEG of sorts.
# Networks from scratch take thousands of steps to invent that (`warm=False` shows it). So the
# question is what 150 steps add to a block transform.

# %%
from hfx.run import start
from hfx.validate import validate, wholes

(room / "held").mkdir()
Image.fromarray(photos.astronaut()[:384, :448]).save(room / "held" / "astronaut.png")
held = wholes(room / "held", cpu)

stages = {"step 0: principal components": start(settings, cpu, pictures).average,
          f"step {settings.steps}": run.average}  # fmt: skip
points = {name: validate(model, held, None) for name, model in stages.items()}
cold = validate(start(replace(settings, warm=False), cpu, pictures).average, held, None)

fig, axes = plt.subplots(figsize=(6.5, 3.2))
for name, found in points.items():
    axes.plot([of.bpp for of in found], [of.psnr for of in found], "o-", label=name)
    for of in found:
        print(f"{name:30} {of.tier:6} {of.bpp:.3f} bpp, {of.psnr:.2f} dB")
_, of, _ = cold
print(f"{'step 0 from scratch':30} {of.tier:6} {of.bpp:.3f} bpp, {of.psnr:.2f} dB")
axes.set(xlabel="bits per pixel", ylabel="PSNR, dB", title="A photograph never trained on")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# At the low rate, 150 steps have made a better picture of the same number of bits. At the higher
# rates they have not, yet: the points lie about where the line of the start would go on. The best
# linear transform is hard to beat there, and 150 steps are few.
#
# ## 5. One step, opened
#
# What happened 150 times is `train_step` in `hfx.step`. Here is one step by hand, from the same
# batch and the same weights, with nothing but the model, Eq. 5 and the smaller weight of a
# drawing; then `train_step` does its own, and the numbers are compared. Look at the two rates.
# Under **noise** rounding has a slope, so that is what is descended. The rate that is compared
# with $r_t$ is the **rounded** one, what a coder would need: noise leaks over the edges of nearly
# certain symbols, which costs bits that no file has.

# %%
from hfx.losses import distortion, mse255, rate_distortion
from hfx.step import DRAWN, train_step

fresh = start(settings, cpu, pictures)
out = fresh.model(batch.x, batch.tier.float(), (batch.noise_y, batch.noise_z))
pixels = settings.crop**2
noisy, rounded = ((bits / pixels).detach() for bits in (out.bits_y + out.bits_z, out.bits))
zeta = torch.tensor([fresh.rate.zeta(t) for t in range(3)])[batch.tier]
d = distortion(mse255(batch.x, out.x_hat), torch.zeros(3), settings.losses.k_M, 0)
weight = torch.where(batch.drawn, DRAWN, 1.0)
by_hand = rate_distortion(weight * zeta, (out.bits_y + out.bits_z) / pixels, weight * d)
reported = train_step(fresh, fresh.model, None, [], batch)
print("crop    tier     weight   zeta'   rate with noise   rounded    k_M MSE")
for i, tier in enumerate(batch.tier):
    numbers = f"{weight[i]:4.2f} {zeta[i]:8.2f} {noisy[i]:14.3f} {rounded[i]:12.3f} {d[i]:10.3f}"
    print(f"{i:4}    {TINY.tiers[tier]:8} {numbers}")
print(f"loss by hand {by_hand.item():.6f}, reported {reported['loss']:.6f}")

# %% [markdown]
# ## 6. Interrupted, and gone on with
#
# Training takes hours, and machines are taken away. A run that goes on must not merely be *like*
# the run that was not interrupted, but equal, or a bug hides in the difference. What does the next
# step depend on? The weights; what the optimisers remember (Adam two moments of a weight, Muon,
# which trains the blocks' convolutions, one); the averaged weights; the rate controller's memory;
# the number of the step, and through it the batch. A checkpoint holds all of these and nothing
# else.
#
# We do twelve steps in one sitting, and in three: after the first and the second step somebody
# pulls the plug (`max_minutes=0` stops after one step, as Ctrl-C would). And once carelessly: the
# weights are kept, the rest is forgotten, so that Adam begins anew and sees the same crops again.

# %%
from hfx import checkpoint

twelve = replace(settings, steps=12, crop=64, decay=4)
sittings = {"in one sitting": [{}],
            "in three": [{"max_minutes": 0}, {"max_minutes": 0, "resume": True},
                         {"resume": True}]}  # fmt: skip
ends = {}
for name, parts in sittings.items():
    for part in parts:
        done = train(twelve, [album], room / name, log_every=1, **part)
        print(f"{name}: stopped after step {done.step}")
    ends[name] = checkpoint.read(room / name / "checkpoint.safetensors")

(tensors, meta), (others, other_meta) = ends.values()
equal = {key: torch.equal(value, others[key]) for key, value in tensors.items()}
kept = {}
for key, value in tensors.items():
    part = key.split(".")[0]
    kept[part] = kept.get(part, 0) + value.numel() * value.element_size()
print(f"{sum(equal.values())} of {len(equal)} tensors are equal to the last bit")
print("kept:", ", ".join(f"{part} {size / 2**20:.1f} MB" for part, size in kept.items()),
      "; besides:", ", ".join(meta))  # fmt: skip

# a careless restart: the weights after two steps, and nothing else
train(replace(twelve, steps=2), [album], room / "two steps")
train(replace(twelve, steps=10), [album], room / "careless", start_from=room / "two steps",
      log_every=1)  # fmt: skip

fig, axes = plt.subplots(figsize=(7, 3))
for name, style, already in (("in one sitting", "k-", 0), ("in three", "--", 0),
                             ("careless, after two steps", "o:", 2)):  # fmt: skip
    found = rows_of(room / name.split(",")[0])
    axes.plot([r["step"] + already for r in found], [r["loss"] for r in found], style, label=name)
axes.set(xlabel="step", ylabel="loss", title="Three runs, two lines")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## 7. Two processes, one run
#
# On a machine with eight GPUs eight processes share a batch: each takes its slice, computes its
# gradients, and all take the mean before anyone steps. Nothing may depend on how many they are.
# `torchrun` starts them and tells each its rank; `hfx train` needs no other option. Two processes
# on one core are slower than one, of course. What we check is that they are *one run*.

# %%
shared = replace(settings, steps=4, batch=4, crop=64, decay=2, warmup=4)
train(shared, [album], room / "one process", log_every=1)

options = ["--data", album, "--out", room / "two processes", "--preset", "tiny", "--steps", 4,
           "--batch", 4, "--crop", 64, "--lr", 2e-3, "--warmup", 4, "--decay", 2, "--ema", 0.95,
           "--k-P", 0, "--precision", "fp32", "--log-every", 1, "--device", "cpu"]  # fmt: skip
with socket.create_server(("127.0.0.1", 0)) as free:
    port = str(free.getsockname()[1])
torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
            "--master-addr", "127.0.0.1", "--master-port", port]  # fmt: skip
one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
finished = subprocess.run([*torchrun, "-m", "hfx.train", *map(str, options)], env=one_thread,
                          capture_output=True, text=True, timeout=240)  # fmt: skip
assert finished.returncode == 0, finished.stderr[-2000:]

alone, together = rows_of(room / "one process"), rows_of(room / "two processes")
names = ("loss", "mse", "grad_norm", "bpp_low", "bpp_medium", "bpp_high")
apart = max(abs(a[k] / b[k] - 1) for a, b in zip(alone, together, strict=True) for k in names
            if a[k] == a[k])  # fmt: skip
print("step    loss, one process    loss, two processes")
for a, b in zip(alone, together, strict=True):
    print(f"{a['step']:4.0f} {a['loss']:17.8f} {b['loss']:22.8f}")
print(f"largest relative difference of any number in the log: {apart:.0e}")

# %% [markdown]
# The last digits differ: a mean of two halves is added up in another order than one whole. In
# notebook 03 that broke a decoder. In training it is harmless, which is why training may be in
# floating point and coding may not.
#
# ## 8. Your own codec
#
# `export` turns a run into weights that code: it takes the averaged model, turns the hyperprior
# into integers, and gives the result a fingerprint. Then `hfx.load(FILE)` is a codec like the
# shipped one. It is worse, and by how much is what a few hours of training are worth.

# %%
import hfx
from hfx import metrics
from hfx.export import export

mine_file = room / "mine.safetensors"
export(room / "run", mine_file)
mine, shipped = hfx.load(mine_file), hfx.load()
picture = photos.astronaut()[:384, :448]
file = mine.compress(picture, tier="medium")
decoded = np.asarray(mine.decompress(file))
theirs = shipped.compress(picture, target_bytes=len(file), neighbours="none")
estimate = points[f"step {settings.steps}"][1].bpp
info = hfx.info(file)
print(f"mine   : {len(file)} bytes, {info['bpp']:.3f} bpp (training expected {estimate:.3f}), "
      f"{metrics.psnr(picture, decoded):.2f} dB")  # fmt: skip
best = np.asarray(shipped.decompress(theirs))
print(f"shipped: {len(theirs)} bytes, {hfx.info(theirs)['bpp']:.3f} bpp, "
      f"{metrics.psnr(picture, best):.2f} dB")  # fmt: skip
try:
    shipped.decompress(file)
    refusal = None
except hfx.BitstreamError as error:
    refusal = str(error)
print("the shipped codec, given my file:", refusal)

fig, row = plt.subplots(1, 3, figsize=(7.5, 2.9), layout="constrained")
for axes, x, title in zip(row, (picture, decoded, best), ("original", "mine", "shipped"),
                          strict=True):  # fmt: skip
    axes.imshow(x[80:210, 150:280].mean(2), "gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[], title=title)
plt.show()

# %% [markdown]
# ## 9. What a GPU would change
#
# How many multiply-adds does a run take? A forward pass of E, $h_a$, $h_s$ and G for each crop;
# the backward pass takes twice that (gradients by inputs, and by weights). **Hours in this section
# are calculated, not measured**, from this:
#
# * two cores: 0.25 TFLOP/s, half of what their convolutions reach alone;
# * a GPU: a third of its maker's 989 TFLOP/s for dense bfloat16 (a guess), and no step below 10
#   ms, because its thousands of small kernels must be started one by one (another).
#
# LPIPS, D and reading pictures come on top, and a machine is seldom one's own: hfx's
# weights took 7.5 hours for 25,462 steps, where the arithmetic says less than three.

# %%
from torch._subclasses.fake_tensor import FakeTensorMode

from hfx import macs, networks
from hfx.config import PRESETS


def forward_macs(preset, side=256):
    """Multiply-adds of E, h_a, h_s and G for one crop."""
    arch = PRESETS[preset]
    with FakeTensorMode():
        x, y = torch.zeros(1, 3, side, side), torch.zeros(1, arch.latent, side // 16, side // 16)
        z, tier = torch.zeros(1, arch.hyper, side // 64, side // 64), torch.zeros(1)
        passes = ((networks.encoder_of(arch), x), (networks.HyperAnalysis(arch), y),
                  (networks.HyperSynthesis(arch), z),
                  (networks.generator_of(arch), y, tier))  # fmt: skip
        return sum(macs.count(net, *inputs).macs for net, *inputs in passes)


def training_flop(preset, steps, batch, side=256):
    return 2 * 3 * forward_macs(preset, side) * steps * batch  # a multiply-add is two operations


here = training_flop("tiny", settings.steps, settings.batch, settings.crop) / seconds
print(
    f"measured : this run, {here / 1e9:.1f} GFLOP/s on one thread (tiny tensors: mostly overhead)"
)
work = {
    "compact,\n20,000 steps of 3 crops": (training_flop("compact", 20_000, 3), 20_000),
    "paper,\n2,000,000 of 8 (HiFiC's)": (training_flop("paper", 2_000_000, 8), 2_000_000),
}
machines = {"two CPU cores": (0.25e12, 0), "one H100": (989e12 / 3, 0.01)}  # speed, least a step
hours = {
    run: [steps * max(flop / steps / speed, least) / 3600 for speed, least in machines.values()]
    for run, (flop, steps) in work.items()
}
print(f"counted: {forward_macs('compact') / 1e9:.1f} G multiply-adds a crop forward for compact, "
      f"{forward_macs('paper') / 1e9:.1f} G for paper")  # fmt: skip
for name, values in hours.items():
    print(f"calculated: {name.replace(chr(10), ' '):34}", ", ".join(f"{v:.2g} h" for v in values))

fig, axes = plt.subplots(figsize=(8, 2.6))
colours = ("silver", "tab:green")
for i, (machine, colour) in enumerate(zip(machines, colours, strict=True)):
    spans = [values[i] for values in hours.values()]
    axes.barh(np.arange(2) + 0.3 * (0.5 - i), spans, 0.28, color=colour, label=machine)
for span, name in ((1 / 3600, "a second"), (1 / 60, "a minute"), (1, "an hour"), (24, "a day"),
                   (24 * 365, "a year")):  # fmt: skip
    axes.axvline(span, color="k", lw=0.6, ls=":")
    axes.text(span, 1.55, name, ha="center", fontsize=8)
axes.set(xscale="log", yticks=range(2), yticklabels=work, xlabel="hours, calculated",
         xlim=(1e-4, 3e4))  # fmt: skip
axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## What to remember
#
# * Read rates against their targets first, then distortion at these rates. The loss by itself says
#   little, its weights change under way.
# * Rates are descended under noise and compared as rounded.
# * A warm start from principal components saves thousands of steps.
# * A run that goes on equals the run that was never interrupted, to the last bit, because batches
#   depend on the number of the step and a checkpoint holds everything else. Test for equality.
# * Several processes are one run up to the order of a sum.
# * An export codes real files; the estimate made in training is their size.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. The factor on the learning rate at a `step` (counted from 0) of a run of `steps`: up in a
#    straight line, reaching 1 in the last of `warmup` steps; down to 0 over the last `decay` ones.
#    Where both act, they multiply.
# 2. The averaged weight after a run: it starts at the first of `values`, then keeps the share
#    `keep` of itself at every further one.
# 3. Of a batch, process `rank` of `world` takes crops from `start` up to, not including, `stop`.
#    Return both. (The batch can be shared evenly.)
# 4. Why evenly: `g` holds a gradient per crop. One process has the first `k` of them, another the
#    rest; each takes its mean, and the two means are averaged. By how much is the result off the
#    mean over all crops?
# 5. The operations of a run, a multiply-add being two: `forward` multiply-adds a crop, `batch`
#    crops a step, `steps` steps, forward and backward.
# 6. What must a checkpoint of hfx hold? (a) Adam's moments. (b) The training pictures. (c) The
#    state of a random generator. (d) The number of the step. (e) The rate controller's running
#    rates. Five truth values.


# %% tags=["exercise"]
def lr_factor(step, steps, warmup, decay):
    # BEGIN SOLUTION
    return min(1, (step + 1) / warmup) * min(1, (steps - step) / decay)
    # END SOLUTION


check("08.1", lr_factor)


# %% tags=["exercise"]
def averaged(values, keep):
    # BEGIN SOLUTION
    mean = values[0]
    for value in values[1:]:
        mean = keep * mean + (1 - keep) * value
    return mean
    # END SOLUTION


check("08.2", averaged)


# %% tags=["exercise"]
def slice_of(batch, rank, world):
    # BEGIN SOLUTION
    return rank * batch // world, (rank + 1) * batch // world
    # END SOLUTION


check("08.3", slice_of)


# %% tags=["exercise"]
def off_by(g, k):
    # BEGIN SOLUTION
    return (g[:k].mean() + g[k:].mean()) / 2 - g.mean()
    # END SOLUTION


check("08.4", off_by)


# %% tags=["exercise"]
def operations(forward, batch, steps):
    # BEGIN SOLUTION
    return 2 * 3 * forward * batch * steps
    # END SOLUTION


check("08.5", operations)

# %% tags=["exercise"]
must_hold = True, False, False, True, True  # SOLUTION
check("08.6", must_hold)

# %% [markdown]
# ## References
#
# * Mentzer et al., *High-Fidelity Generative Image Compression*, NeurIPS 2020, arXiv:2006.09965:
#   section 4 and appendix A: two stages, rate targets, learning rates.
# * Ballé et al., *Variational Image Compression with a Scale Hyperprior*, arXiv:1802.01436;
#   *End-to- end Optimized Image Compression*, arXiv:1611.01704: noise in training.
# * Kingma and Ba, *Adam*, arXiv:1412.6980; Polyak and Juditsky, *Acceleration of Stochastic
#   Approximation by Averaging*, 1992: the averaged weights.
# * Li et al., *PyTorch Distributed*, arXiv:2006.15704; PyTorch's page on `torchrun`.
#
# The claims of this notebook, checked:

# %%
first, last = points["step 0: principal components"], points[f"step {settings.steps}"]
bits, quality = zip(*[(of.bpp, of.psnr) for of in first], strict=True)
assert bits[0] < last[0].bpp < bits[2], "low: at a rate of the start's,"
assert last[0].psnr > np.interp(last[0].bpp, bits, quality) + 0.3, "a better picture"
assert last[1].psnr > cold[1].psnr + 10, "and far from where nothing is given to begin with"
assert abs(by_hand.item() / reported["loss"] - 1) < 1e-5, "a step holds nothing but Eq. 5"
assert (noisy > rounded).float().mean() > 0.5, "noise costs bits that no file has"
assert all(equal.values()) and meta["rates"] == other_meta["rates"], "resuming is exact"
assert meta["step"] == other_meta["step"] == 12
assert apart < 1e-4, "two processes are one run"
assert abs(info["bpp"] / estimate - 1) < 0.05, "training's estimate is the file's size"
assert refusal is not None, "a file of other weights is refused"
assert metrics.psnr(picture, best) > metrics.psnr(picture, decoded) > 24
