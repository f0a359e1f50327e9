# %% [markdown]
# # 09 · Experiments
#
# *Section 4 of the paper, Tables 1 to 3. About 50 minutes to read and play, half a minute to run.*
#
# The paper shows three tables: sizes, pictures, and six measures of quality. Here they are made
# again: whole from `data/results`, where the numbers of all 24 Kodak photographs lie, and a small
# part live, so that you see where such numbers come from. Then we turn the instruments against
# themselves. Which pictures fool PSNR, SSIM and LPIPS? What happens to a measure that one trains
# on? And what do the printed digits say about each other? You will audit a table with nothing but
# the table.
#
# You need notebook 00. Notebooks 03 (bits) and 07 (neighbours) explain what Table 1 compares.

# %% tags=["setup"]
import csv
import io
import math
from statistics import mean

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Image, display
from skimage import data as photos

import hfx
from hfx import metrics
from hfx.backbones import find_backbone
from hfx.check import check
from hfx.results import PUBLISHED

torch.set_num_threads(1)
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})
RESULTS = PUBLISHED.parent  # data/results: see the README there for what made each file
TIERS = ("low", "medium", "high")
has_lpips = find_backbone("alexnet") is not None  # AlexNet's features: HFX_WEIGHTS or the cache
if not has_lpips:
    print("LPIPS is left out: AlexNet's weights are not at hand (set HFX_WEIGHTS)")


def rows_of(name):
    """A CSV of data/results; what looks like a number becomes one, what is blank becomes nan."""
    with open(RESULTS / name, newline="", encoding="utf-8") as file:
        return [{k: number(v) for k, v in row.items()} for row in csv.DictReader(file)]


def number(text):
    try:
        return float(text or "nan")
    except ValueError:
        return text


def photographs(fig):
    """Show a figure as JPEG: photographs as PNG would make this notebook ten times as large."""
    file = io.BytesIO()
    fig.savefig(file, format="jpeg", dpi=70, pil_kwargs={"quality": 70})
    plt.close(fig)
    display(Image(file.getvalue()))


# %% [markdown]
# ## 1. Table 1: sizes
#
# Table 1 of the paper gives the megabytes of seven photographs, at three tiers, by "HiFi", "HiFi +
# KNN" and "HiFi + XGBoost". We read it as notebook 07 does: **one set of symbols, spelled three
# ways**. The picture is the same to the bit, so bytes are all there is to compare.
#
# The paper's seven photographs are not public, so the digits cannot be repeated. Shares can be
# compared: how much smaller do the neighbours make the file? And any size can be turned into bits
# per pixel, $8 \cdot \text{bytes} / (\text{width} \cdot \text{height})$, and held against the rate
# that a tier is supposed to have (0.14, 0.30 and 0.45).

# %%
printed1, ours1 = rows_of("published_table1.csv"), rows_of("table1.csv")
KINDS = list(dict.fromkeys(row["kind"] for row in ours1))


def total(rows, column, tier, kind):
    return sum(r[column] for r in rows if (r["tier"], r["kind"]) == (tier, kind))


share, bpp = {}, {}
for whose, rows, column in (("printed", printed1, "megabytes"), ("measured", ours1, "bytes")):
    for tier in TIERS:
        sizes = [total(rows, column, tier, kind) for kind in KINDS]
        share[whose, tier] = [size / sizes[0] for size in sizes]
bpp["printed"] = [8e6 * r["megabytes"] / (r["width"] * r["height"]) for r in printed1]
bpp["measured"] = [r["bpp"] for r in ours1]

fig, row = plt.subplots(1, 3, figsize=(12, 3), layout="constrained", width_ratios=(1, 1, 1.1))
for axes, whose in zip(row, ("printed", "measured"), strict=False):
    for k, (kind, shade) in enumerate(zip(KINDS, ("0.75", "tab:orange", "tab:blue"), strict=True)):
        bars = axes.bar(np.arange(3) + 0.27 * k, [share[whose, t][k] for t in TIERS], 0.25,
                        color=shade, label=kind)  # fmt: skip
        if k:
            axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.set(xticks=np.arange(3) + 0.27, xticklabels=TIERS, ylim=(0, 1.15), ylabel="bytes / HiFi")
    axes.set_title(f"{whose}: Table 1, as shares")
fig.legend(*row[1].get_legend_handles_labels(), loc="outside lower left", ncols=3, frameon=False)
for height, whose in enumerate(("measured", "printed")):
    rows = printed1 if whose == "printed" else ours1
    for tier, colour in zip(TIERS, ("tab:green", "tab:olive", "tab:red"), strict=True):
        of = [b for b, r in zip(bpp[whose], rows, strict=True) if r["tier"] == tier]
        place = height + 0.22 * (TIERS.index(tier) - 1)
        row[2].plot(of, [place] * len(of), "o", ms=3, color=colour, alpha=0.6,
                    label=tier if height else None)  # fmt: skip
row[2].axvspan(0.14, 0.45, color="0.9")
row[2].set(xscale="log", yticks=(0, 1), yticklabels=("measured", "printed"), ylim=(-0.5, 1.9))
row[2].set(xlabel="bits per pixel (grey: 0.14 to 0.45)", title="the rates behind the sizes")
row[2].legend(frameon=False, ncols=3, loc="upper center", fontsize=8)
plt.show()

high_below_low = [
    one["megabytes"] < other["megabytes"]
    for one in printed1 for other in printed1
    if one["tier"] == "high" and other["tier"] == "low"
    and (one["image"], one["kind"]) == (other["image"], other["kind"])
]  # fmt: skip
print(f"printed: {min(bpp['printed']):.1f} to {max(bpp['printed']):.1f} bpp; 'high' is smaller "
      f"than 'low' in {sum(high_below_low)} of {len(high_below_low)} rows")  # fmt: skip
print(f"measured: {min(bpp['measured']):.2f} to {max(bpp['measured']):.2f} bpp, headers included")

# %% [markdown]
# Several bits per pixel are what a picture has that was decoded and saved again, as PNG or JPEG:
# probably the *decoded* pictures were weighed, not the bitstreams. And a "high" that is smaller
# than "low" is no rate ladder. So beside our Table 1 the paper's can only be shown, not compared.
#
# The same for one photograph, live: one analysis, one set of symbols a tier, three files each.

# %%
codec = hfx.load()
coffee = photos.coffee()
files = {(tier, kind): codec.compress(coffee, tier=tier, neighbours=kind)
         for tier in TIERS for kind in ("none", "knn", "xgb")}  # fmt: skip
decoded = {key: np.asarray(codec.decompress(data)) for key, data in files.items()
           if key[0] == "low" or key[1] == "none"}  # fmt: skip
same = all((decoded["low", kind] == decoded["low", "none"]).all() for kind in ("knn", "xgb"))
print("Table 1, one row of it:  bytes (share of HiFi)")
for tier in TIERS:
    sizes = [len(files[tier, kind]) for kind in ("none", "knn", "xgb")]
    print(f"{tier:8}", "   ".join(f"{k} {s:6} ({s / sizes[0]:.3f})"
                                  for k, s in zip(KINDS, sizes, strict=True)))  # fmt: skip
print("the low files decode to the same picture:", same)

# %% [markdown]
# ## 2. Table 2: what the pictures look like
#
# Table 2 of the paper puts decoded photographs side by side. Ours needs one column a tier and not
# three, since the neighbour models do not change a pixel. `hfx tables` makes such a sheet of all
# 24 photographs. Look at edges, at fine texture and at smooth areas, in this order: they break
# first.

# %%
cut = slice(60, 260), slice(190, 390)
fig, row = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
views = {"original": coffee}
views |= {f"{t}: {8 * len(files[t, 'xgb']) / coffee[..., 0].size:.2f} bpp": decoded[t, "none"]
          for t in TIERS}  # fmt: skip
for axes, (title, view) in zip(row, views.items(), strict=True):
    axes.imshow(view[cut], interpolation="nearest")
    axes.set(xticks=[], yticks=[], title=title)
photographs(fig)

# %% [markdown]
# ## 3. Table 3: six measures
#
# Table 3 of the paper: FID, KID, LPIPS, PSNR, MSE and SSIM of each photograph and tier.
#
# * **MSE**, **PSNR**: how far each grey level is off, squared; and the same in decibels.
# * **SSIM**: do means, contrasts and patterns agree, window by window? 1 is best.
# * **LPIPS**: how far a network's features are off. 0 is best, 1 is a lot.
# * **FID**, **KID**: how far two *crowds* of pictures differ, whoever is who. Of a single picture
#   the crowd is its patches (ours of Kodak: eight), so read these down a column only.
#
# On top what is printed, below what we measured. If tiers mean anything, then from left to right
# PSNR and SSIM rise, and all others fall. Find the panels in which they do not.

# %%
printed3, ours3 = rows_of("published_table3.csv"), rows_of("table3.csv")
COLUMNS = ("fid", "kid", "lpips", "psnr", "mse", "ssim")
means3 = {
    (whose, name, tier): mean(r[name] for r in rows if r["tier"] == tier)
    for whose, rows in (("printed", printed3), ("measured", ours3))
    for name in COLUMNS for tier in TIERS
}  # fmt: skip

fig, grid = plt.subplots(2, 6, figsize=(13, 4.6), layout="constrained")
for line, (whose, rows) in zip(grid, (("printed", printed3), ("measured", ours3)), strict=True):
    for axes, name in zip(line, COLUMNS, strict=True):
        for place, tier in enumerate(TIERS):
            of = [r[name] for r in rows if r["tier"] == tier]
            axes.plot([place] * len(of), of, "o", ms=3, color="tab:blue", alpha=0.35)
        axes.plot([means3[whose, name, t] for t in TIERS], "s-", color="tab:red", ms=4)
        axes.set(xticks=range(3), xticklabels=TIERS, xlim=(-0.4, 2.4))
        axes.set_title(f"{whose} {name.upper()}", fontsize=10)
plt.show()


def rises(whose, name):
    low, medium, high = (means3[whose, name, tier] for tier in TIERS)
    return low < medium < high


for whose, rows in (("printed", printed3), ("measured", ours3)):
    lpips = [r["lpips"] for r in rows]
    print(f"{whose:9} PSNR rises: {rises(whose, 'psnr')}, SSIM rises: {rises(whose, 'ssim')}; "
          f"LPIPS {min(lpips):.2f} to {max(lpips):.2f}")  # fmt: skip
print("\nTable 3, the live photograph:")
live = {tier: (coffee, decoded[tier, "none"]) for tier in TIERS}
for tier, pair in live.items():
    lpips = f"{metrics.lpips(*pair):.3f}" if has_lpips else "not at hand"
    print(f"{tier:8} PSNR {metrics.psnr(*pair):.2f} dB   MSE {metrics.mse(*pair):6.1f}   "
          f"SSIM {metrics.ssim(*pair):.3f}   LPIPS {lpips}")  # fmt: skip

# %% [markdown]
# ## 4. "Superior even at twice the bitrate"?
#
# So says the paper of itself. For such a sentence one needs rivals *at known bytes*, and several
# measures, because each measure has its favourites. `kodak_summary.csv` holds the means over 24
# photographs; each classical file has at most our file's bytes, picture by picture. The
# **BD-rate** sums two curves up in one number: how many more bytes the one takes for the same
# quality, on average over what both reach. Minus means fewer.

# %%
from hfx.bdrate import delta

summary = rows_of("kodak_summary.csv")
RIVALS = ("JPEG", "WebP", "AVIF", "JPEG XL", "JPEG 2000")
YARDS = {"psnr": True, "ssim": True, "lpips": False, "lpips_squeeze": False}  # higher is better?


def curve(name, column):
    return [(r["bpp"], r[column]) for r in summary
            if r["codec"] == name and r["setting"] != "published"]  # fmt: skip


fig, row = plt.subplots(1, 4, figsize=(12, 2.8), layout="constrained")
for axes, (column, higher) in zip(row, YARDS.items(), strict=True):
    for name in ("hfx", *RIVALS):
        axes.plot(*zip(*curve(name, column), strict=True), "o-", ms=3,
                  lw=2.5 if name == "hfx" else 1, label=name)  # fmt: skip
    axes.set(
        xlabel="bits per pixel", title=f"{column}, {'higher' if higher else 'lower'} is better"
    )
row[0].legend(frameon=False, fontsize=7)
plt.show()

print("BD-rate of hfx against AVIF, and who is beaten by our low tier at twice its bytes or more:")
for column, higher in YARDS.items():
    (rate, ours), *_ = sorted(curve("hfx", column))
    sign = 1 if higher else -1
    beaten = [name for name in RIVALS
              for bits, value in sorted(curve(name, column))
              if 2 * rate <= bits < 3 * rate and sign * ours > sign * value]  # fmt: skip
    bd = delta(curve("AVIF", column), curve("hfx", column), higher).rate
    print(f"{column:14} {bd:+6.1f} %   {', '.join(beaten) or 'nobody'}")

# %% [markdown]
# So the sentence has no truth value until somebody says *whose* bitrate and *which* measure. And
# two of the columns deserve suspicion: LPIPS, of AlexNet and of SqueezeNet (`lpips_squeeze`), is
# what hfx was trained to lower. Hold that thought.
#
# ## 5. Fool them
#
# What does a measure measure? Give it pictures whose damage you know. Below, one photograph is
# damaged in six ways, each of them **dosed to the same MSE**: that of a shift by one pixel, which
# nobody would ever notice. PSNR cannot tell the six apart, by construction. You can.

# %%
from PIL import Image as Pil
from PIL import ImageFilter

from hfx.classical import CODECS, Ladder, decode

x = np.ascontiguousarray(photos.coffee()[100:356, :256])
grain = np.random.default_rng(0).standard_normal(x.shape)


def jpeg(x, dose):
    codec = CODECS[0]  # its ladder has settings 2 % apart
    return decode(codec.encode(x, round((len(codec.ladder) - 1) * (1 - dose))))


def as_bytes(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


DAMAGE = {  # from nothing at 0 to a lot at 1
    "brighter": lambda x, s: as_bytes(x * (1 + s)),
    "less contrast": lambda x, s: as_bytes(x.mean() + (x - x.mean()) * (1 - s)),
    "blur": lambda x, s: np.asarray(Pil.fromarray(x).filter(ImageFilter.GaussianBlur(10 * s))),
    "noise": lambda x, s: as_bytes(x + 100 * s * grain[: len(x)]),
    "JPEG": jpeg,
}


def dosed(damage, x, wanted):
    """The dose with a wanted MSE, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if metrics.mse(x, damage(x, middle)) < wanted else (low, middle)
    return damage(x, high)


moved = np.roll(x, 1, axis=1)
damaged = {"one pixel aside": moved}
damaged |= {name: dosed(how, x, metrics.mse(x, moved)) for name, how in DAMAGE.items()}
scores = {
    name: {"PSNR / dB": metrics.psnr(x, y), "SSIM": metrics.ssim(x, y),
           "LPIPS": metrics.lpips(x, y) if has_lpips else math.nan}
    for name, y in damaged.items()
}  # fmt: skip

fig, row = plt.subplots(1, 6, figsize=(12, 2.4), layout="constrained")
for axes, (name, y) in zip(row, damaged.items(), strict=True):
    axes.imshow(y, interpolation="nearest")
    axes.set(xticks=[], yticks=[], title=name)
photographs(fig)

fig, row = plt.subplots(1, 3, figsize=(12, 2.6), layout="constrained", sharey=True)
for axes, measure in zip(row, ("PSNR / dB", "SSIM", "LPIPS"), strict=True):
    bars = axes.barh(list(scores), [s[measure] for s in scores.values()], color="tab:blue")
    axes.bar_label(bars, fmt="%.2f", padding=2)
    axes.set_title(f"{measure}: {'lower' if measure == 'LPIPS' else 'higher'} is better")
    axes.margins(x=0.15)
    if measure == "LPIPS" and not has_lpips:
        axes.text(0.1, 0.5, "AlexNet's weights are not at hand", transform=axes.transAxes)
row[0].invert_yaxis()
plt.show()

# %% [markdown]
# SSIM forgives light, and puts the shift, which nobody sees, far below it. LPIPS looks at
# features, which a shift moves but little; what it minds are noise, blur and blocks. No measure
# here is *the* right one: each answers a question of its own. By hand: choose a damage and a dose,
# and see which measure minds.


# %%
def hurt(damage, dose):
    y = DAMAGE[damage](x, dose)
    fig, axes = plt.subplots(figsize=(2.6, 2.8), layout="constrained")
    axes.imshow(y)
    axes.set(xticks=[], yticks=[], title=f"{damage}, {dose:.2f}")
    photographs(fig)
    lpips = f"{metrics.lpips(x, y):.3f}" if has_lpips else "not at hand"
    print(f"PSNR {metrics.psnr(x, y):.1f} dB, SSIM {metrics.ssim(x, y):.3f}, LPIPS {lpips}")


from ipywidgets import FloatSlider, interact

slider = interact(hurt, damage=list(DAMAGE), dose=FloatSlider(0.3, min=0.02, max=1, step=0.02))

# %% [markdown]
# ## 6. A measure that one trains on
#
# "When a measure becomes a target, it ceases to be a good measure" (Goodhart's law). AlexNet's
# first layer looks at every *fourth* pixel, the second at every eighth, the others at every
# sixteenth. What if something learns where exactly it looks?
#
# Left, in the open: take a blurred picture, and move its pixels down LPIPS's own gradient, forty
# steps. Then measure again with both pictures cropped by some pixels, so that the network's grid
# falls on others. If the picture had really become better, a pixel more or less would not matter.
#
# Right, the same test on files: hfx's low tier against AVIF at equal bytes, in two photographs.
# Weights that were trained while LPIPS always began at the same pixel (hfx's second weights were)
# have learnt dots that please it there: their curve dips at 0, 8 and 16. Weights trained with
# the window at a random place, as `hfx.step.window` has it now, have no reason for one. Nor has
# AVIF.

# %%
from hfx.perceptual import LPIPS

SHIFTS = list(range(17))
before, after, rise = [], [], {"hfx": [], "AVIF": []}
if has_lpips:
    network = LPIPS("alex").eval()
    target = torch.from_numpy(x[64:208, 64:208].copy()).permute(2, 0, 1)[None] / 255
    blurred = torch.from_numpy(damaged["blur"][64:208, 64:208].copy()).permute(2, 0, 1)[None] / 255
    sly = blurred.clone().requires_grad_()
    adam = torch.optim.Adam([sly], 0.01)
    for _ in range(40):
        adam.zero_grad()
        network(target[..., :128, :128], sly[..., :128, :128]).sum().backward()
        adam.step()
        sly.data.clamp_(0, 1)
    with torch.inference_mode():
        for k in SHIFTS:
            window = (..., slice(k, k + 112), slice(k, k + 112))
            before.append(float(network(target[window], blurred[window])))
            after.append(float(network(target[window], sly[window])))
    gained = [float(-10 * (v[..., :128, :128] - target[..., :128, :128]).square().mean().log10())
              for v in (blurred, sly.detach())]  # fmt: skip
    avif = next(c for c in CODECS if c.name == "AVIF")
    for name in ("astronaut", "rocket"):
        photo = getattr(photos, name)()
        data = codec.compress(photo, tier="low")
        ladder = Ladder(avif, photo)
        rung = ladder.largest_within(len(data))
        copies = {"hfx": np.asarray(codec.decompress(data)), "AVIF": decode(ladder.at(rung)[0])}
        for who, copy in copies.items():
            windows = [np.s_[64 + k : 304 + k, 128 + k : 368 + k] for k in SHIFTS]
            values = [metrics.lpips(photo[at], copy[at]) for at in windows]
            rise[who].append([v / values[0] - 1 for v in values])

fig, (left, right) = plt.subplots(1, 2, figsize=(12, 3.2), layout="constrained")
if has_lpips:
    left.plot(SHIFTS, before, "o-", color="0.6", label=f"blurred: {gained[0]:.1f} dB")
    left.plot(SHIFTS, after, "o-", color="tab:red", label=f"after descent: {gained[1]:.1f} dB")
    left.legend(frameon=False)
    left.set_ylim(0, 1.35 * max(before))
    for who, colour in (("hfx", "tab:blue"), ("AVIF", "tab:orange")):
        right.plot(SHIFTS, 100 * np.array(rise[who]).T, color=colour, alpha=0.35, lw=1)
        right.plot(SHIFTS, 100 * np.mean(rise[who], 0), "o-", color=colour, label=who)
    right.legend(frameon=False)
    near = {who: np.mean(np.array(values)[:, 1:4]) for who, values in rise.items()}
    print("LPIPS when both pictures are cropped by 1 to 3 pixels:",
          ", ".join(f"{who} {value:+.1%}" for who, value in near.items()))  # fmt: skip
else:
    for axes in (left, right):
        axes.text(0.2, 0.5, "AlexNet's weights are not at hand", transform=axes.transAxes)
left.set(xticks=SHIFTS[::2], xlabel="pixels cropped", ylabel="LPIPS", title="made to please it")
right.set(xticks=SHIFTS[::2], xlabel="pixels cropped", ylabel="change of LPIPS, %",
          title="files of equal bytes")  # fmt: skip
plt.show()

# %% [markdown]
# So G learns from two networks now, AlexNet and SqueezeNet, in windows at random places. Then both
# columns of LPIPS are its teachers', and a judge from outside is wanted: FID's Inception, which it
# never saw, and people, in notebook 10.
#
# ## 7. The audit, step one: two columns, one formula
#
# Now the printed Table 3 alone. PSNR is a function of MSE and nothing else:
# $\text{PSNR} = 10 \log_{10}(255^2 / \text{MSE})$. So compute it, row by row, and compare. Before
# you run the cell: how far may they be apart, if MSE is printed with two digits after the point?

# %%
from hfx.audit import audit

implied = {whose: [10 * math.log10(255**2 / r["mse"]) for r in rows]
           for whose, rows in (("printed", printed3), ("measured", ours3))}  # fmt: skip
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
for whose, rows, colour in (("measured", ours3, "0.7"), ("printed", printed3, "tab:red")):
    left.plot(implied[whose], [r["psnr"] for r in rows], "o", ms=4, color=colour, label=whose)
left.plot((21, 37), (21, 37), "k:", lw=1, label="PSNR = 10 log10(255² / MSE)")
left.set(xlabel="PSNR that the MSE column implies, dB", ylabel="PSNR column, dB")
left.legend(frameon=False, fontsize=8)
for whose, colour in (("printed", "tab:red"), ("measured", "0.6")):
    path = [(means3[whose, "mse", t], means3[whose, "psnr", t]) for t in TIERS]
    right.plot(*zip(*path, strict=True), "o-", color=colour, label=whose)
    for (mse, psnr), tier in zip(path, TIERS, strict=True):
        right.annotate(tier, (mse, psnr), xytext=(6, 4), textcoords="offset points", fontsize=8)
right.set(xscale="log", xlabel="MSE, mean of the tier", ylabel="PSNR, mean of the tier / dB")
right.set_xticks((30, 50, 100, 150), ("30", "50", "100", "150"))
right.minorticks_off()
right.set_title("PSNR must rise where MSE falls")
right.legend(frameon=False)
plt.show()
worst = max(zip(printed3, implied["printed"], strict=True), key=lambda p: abs(p[0]["psnr"] - p[1]))
print(f"worst printed row, {worst[0]['tier']} {worst[0]['image']:.0f}: MSE {worst[0]['mse']} "
      f"means {worst[1]:.2f} dB, printed {worst[0]['psnr']:.2f}")  # fmt: skip

# %% [markdown]
# The printed PSNR even *falls* from low to high while MSE falls too. On one scale, over the same
# pictures, that cannot be.
#
# ## Step two: three columns, one measurement
#
# FID compares means and covariances of features, KID compares them by a kernel, LPIPS compares
# pairs of pictures by another network. They should agree roughly, as ours do. Plot one column
# against another and put a straight line through it. Then ask how far the *farthest* row is from
# the line, and compare with the last digit printed.

# %%
findings = {whose: {f.check: f for f in audit(whose, rows)}
            for whose, rows in (("printed", printed3), ("measured", ours3))}  # fmt: skip
fig, row = plt.subplots(1, 4, figsize=(12, 2.8), layout="constrained")
panels = [(w, c) for w in ("printed", "measured") for c in ("kid", "lpips")]
for axes, (whose, column) in zip(row, panels, strict=True):
    rows = printed3 if whose == "printed" else ours3
    found = findings[whose][f"{column} against fid"]
    fid = np.array([r["fid"] for r in rows])
    axes.plot(fid, [r[column] for r in rows], "o", ms=4,
              color="tab:red" if whose == "printed" else "0.5")  # fmt: skip
    ends = np.array([fid.min(), fid.max()])
    axes.plot(ends, found.slope * ends + found.intercept, "k-", lw=0.8)
    axes.set(xlabel="FID", ylabel=column.upper())
    digits = 10 if whose == "printed" else 2
    axes.set_title(f"{whose}: correlation {found.correlation:.{digits}f}", fontsize=9)
plt.show()
for whose, of in findings.items():
    for check_, f in of.items():
        if f.slope is not None:
            print(f"{whose:9} {check_:18} = {f.slope:.6f} x FID {f.intercept:+.5f}; "
                  f"farthest row {f.largest:.5f} off")  # fmt: skip
print(f"1 / 15 = {1 / 15:.6f}")

# %% [markdown]
# Twenty-one rows of KID lie on FID / 15 + 0.3 to within a third of a thousandth, and LPIPS on
# another line just as well. Three instruments that look at different things do not agree like
# this: **two of the columns were computed from the first**. And an LPIPS of 2 to 8 is not on the
# scale of LPIPS. What we cannot know is how it came about; a table does not tell intentions. What
# we can say is that it holds one measurement less than columns, three times over.
#
# ## What to remember
#
# * A size is a claim about a file. Ask for bytes of the bitstream, and turn them into bits per
#   pixel: wrong by a factor of ten shows at once.
# * Coding one set of symbols three ways changes bytes, never pixels. So Table 1 needs no quality
#   column, and Table 2 one picture a tier.
# * At one MSE lie pictures that look perfect and pictures that look ruined. SSIM and LPIPS choose
#   differently among them. Report several.
# * A measure that was trained on flatters. Judge by one that was not, and by people.
# * Tables can be audited from the outside: formulas that tie columns, ranges, orders, and
#   agreement that is too good.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. Bits per pixel of a file of so many `megabytes` (10^6 bytes) for `width` x `height` pixels.
# 2. The MSE that a PSNR of `psnr` dB stands for.
# 3. The audit's instrument: the largest distance of a row from the straight line through `x` and
#    `y` by least squares (`np.polyfit`).
# 4. SSIM of one window, without weights: for arrays `x` and `y` in [0, 1],
#    $\frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}{(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 +
#    \sigma_y^2 + c_2)}$, with $c_1$ = 0.0001, $c_2$ = 0.0009, and means where sums could divide by
#    n - 1.
# 5. What can be concluded? (a) Equal PSNR: the pictures look equally good. (b) KNN's file is
#    smaller, the neighbour model is lossless: the picture is as good. (c) LPIPS by the network
#    that was trained on fell: the pictures are better. (d) PSNR falls and MSE falls over the same
#    pictures: a slip. Four truth values.


# %% tags=["exercise"]
def bits_per_pixel(megabytes, width, height):
    # BEGIN SOLUTION
    return 8e6 * megabytes / (width * height)
    # END SOLUTION


check("09.1", bits_per_pixel)


# %% tags=["exercise"]
def mse_of(psnr):
    # BEGIN SOLUTION
    return 255**2 / 10 ** (psnr / 10)
    # END SOLUTION


check("09.2", mse_of)


# %% tags=["exercise"]
def farthest(x, y):
    # BEGIN SOLUTION
    slope, intercept = np.polyfit(x, y, 1)
    return np.abs(y - slope * x - intercept).max()
    # END SOLUTION


check("09.3", farthest)


# %% tags=["exercise"]
def similarity(x, y):
    # BEGIN SOLUTION
    together = ((x - x.mean()) * (y - y.mean())).mean()
    light = (2 * x.mean() * y.mean() + 1e-4) / (x.mean() ** 2 + y.mean() ** 2 + 1e-4)
    return light * (2 * together + 9e-4) / (x.var() + y.var() + 9e-4)
    # END SOLUTION


check("09.4", similarity)

# %% tags=["exercise"]
follows = False, True, False, True  # SOLUTION
check("09.5", follows)

# %% [markdown]
# ## References
#
# * Wang, Bovik, Sheikh, Simoncelli, *Image Quality Assessment: From Error Visibility to Structural
#   Similarity*, 2004: SSIM, and pictures of one MSE.
# * Zhang et al., *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric*, CVPR
#   2018, arXiv:1801.03924: LPIPS.
# * Heusel et al., arXiv:1706.08500: FID; Bińkowski et al., arXiv:1801.01401: KID.
# * Bjontegaard, *Improvements of the BD-PSNR Model*, VCEG-AI11, 2008: the BD-rate.
# * Blau and Michaeli, *The Perception-Distortion Tradeoff*, CVPR 2018, arXiv:1711.06077: why no
#   codec can win by all of them.
# * `data/results/README.md`: which command makes which number.
#
# The claims of this notebook, checked:

# %%
for tier in TIERS:
    assert 1 > share["measured", tier][1] > share["measured", tier][2], "KNN saves, XGBoost more"
    assert len(files[tier, "xgb"]) < len(files[tier, "knn"]) < len(files[tier, "none"])
assert same, "and the picture does not change by a bit"
assert min(bpp["printed"]) > 2 * max(0.14, 0.30, 0.45), "printed sizes are not of such bitstreams"
assert rises("measured", "psnr") and not rises("printed", "psnr"), "tiers order ours, not theirs"
psnrs = [s["PSNR / dB"] for s in scores.values()]
assert max(psnrs) - min(psnrs) < 0.3, "six kinds of damage, one PSNR"
assert scores["one pixel aside"]["SSIM"] < scores["brighter"]["SSIM"] - 0.1, "SSIM minds a pixel"
if has_lpips:
    assert scores["one pixel aside"]["LPIPS"] < 0.5 * scores["noise"]["LPIPS"], "LPIPS does not"
    assert after[0] < 0.5 * before[0] and mean(after[1:4]) > 1.5 * after[0], "pleased here only"
assert max(abs(r["psnr"] - i) for r, i in zip(ours3, implied["measured"], strict=True)) < 0.01
assert findings["printed"]["psnr against mse"].largest > 3, "3 dB between two spellings of one"
assert findings["printed"]["kid against fid"].correlation > 0.9999999 > 0.99 > (
    findings["measured"]["kid against fid"].correlation
), "measured columns agree roughly, printed ones too well"  # fmt: skip
