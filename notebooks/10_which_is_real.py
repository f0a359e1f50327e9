# %% [markdown]
# # 10 · Which is real?
#
# *The user study of section 4. About 45 minutes to read and play, half a minute to run.*
#
# The paper says that people preferred its pictures, and shows no votes. hfx has the instrument:
# blind pairs at equal bytes, votes, a ranking with intervals (`hfx study`, and a page of the
# dashboard). **It ships no votes**: the people are yours. This notebook takes the instrument apart
# before anyone is asked, because afterwards it is too late. What does one ask? How do choices
# become a ranking? How far can it be trusted, and how many answers are enough?
#
# Wherever votes appear below, they are **simulated**, and called so. That has one advantage over
# people: we know the truth, and can see whether the method finds it.
#
# You need to know what a probability and a standard deviation are.

# %% tags=["setup"]
import csv
import io
import math
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Image, display
from skimage import data as photos

import hfx
from hfx.check import check

torch.set_num_threads(1)
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})


def photographs(fig):
    """Show a figure as JPEG: photographs as PNG would make this notebook ten times as large."""
    file = io.BytesIO()
    fig.savefig(file, format="jpeg", dpi=90, pil_kwargs={"quality": 85})
    plt.close(fig)
    display(Image(file.getvalue()))


# %% [markdown]
# ## 1. A pair
#
# Asked for a mark from 1 to 10, people drift: the first picture sets the scale. Asked **which of
# two**, everybody can answer. So a trial is one photograph by two codecs, side by side, under
# blind names. Three things have to be equal, or the answer means something else: the photograph,
# the place on the screen (each codec as often on the left), and the **bytes**. `prepare` makes our
# file first; every rival gets its largest file that is not larger.

# %%
from hfx.study import prepare

folder = Path(tempfile.mkdtemp()) / "study"
pictures = {
    "coffee": photos.coffee()[:384, 100:484],
    "astronaut": photos.astronaut()[:384, 64:448],
    "rocket": photos.rocket()[:384, 128:512],
}
setup = prepare.Setup(codecs=("hfx", "JPEG", "WebP", "AVIF"), pairs=9, catches=2, side=384)
study = prepare.prepare(pictures, setup, hfx.load(), folder, tell=print)
for photograph in study.photographs:
    sizes = (f"{codec} {shown.bytes}" for codec, shown in photograph.shown.items())
    print(f"{photograph.name:10}", ", ".join(sizes), "bytes")


def seen(number, codec):
    return plt.imread(io.BytesIO(study.png(number, codec)))


fig, row = plt.subplots(1, 6, figsize=(13, 2.5), layout="constrained")
for number, photograph in enumerate(study.photographs):
    for axes, codec, title in zip(row[2 * number :], ("hfx", "AVIF"), "AB", strict=False):
        axes.imshow(seen(number, codec), interpolation="nearest")
        axes.set(xticks=[], yticks=[], title=f"{photograph.name}, {title}")
photographs(fig)

# %% [markdown]
# Now you. Which looks more like a real photograph? Sides are drawn by chance; the answer comes
# after the last pair. (In JupyterLab; on a page without a kernel the buttons are missing, and the
# pairs above, where A is always ours, must do.)

# %%
from ipywidgets import HTML, Button, HBox, VBox
from ipywidgets import Image as Picture

dice = np.random.default_rng()
order = [(number, *dice.permutation(["hfx", "AVIF"])) for number in range(len(pictures))]
chosen = []
left, right = (Picture(format="png") for _ in range(2))
note = HTML()


def turn():
    """Show the next pair, or what came of it."""
    if len(chosen) < len(order):
        number, *sides = order[len(chosen)]
        left.value, right.value = (study.png(number, str(codec)) for codec in sides)
        note.value = f"pair {len(chosen) + 1} of {len(order)}"
    else:
        note.value = (
            f"you chose {', '.join(chosen)}: ours in {chosen.count('hfx')} of {len(order)}"
        )


def choose(side):
    if len(chosen) < len(order):
        chosen.append(str(order[len(chosen)][1 + side]))
    turn()


buttons = [Button(description=text) for text in ("the left one", "the right one")]
for side, button in enumerate(buttons):
    button.on_click(lambda _, side=side: choose(side))
turn()
viewer = VBox([HBox([left, right]), HBox(buttons), note])
viewer

# %% [markdown]
# ## 2. From choices to a ranking
#
# Bradley and Terry (1952): let each codec have a strength $\theta$. Then
#
# $$P(i \text{ is preferred to } j) = \frac{1}{1 + e^{\theta_j - \theta_i}}.$$
#
# Equal strengths toss a coin; one unit more is preferred in 73 of 100. Only differences count, so
# we fix the mean at 0. It is the same model as Elo's for chess. Fitting it is a short loop: with
# $\pi_i = e^{\theta_i}$, $W_i$ the wins of $i$ and $n_{ij}$ the trials between $i$ and $j$, repeat
#
# $$\pi_i \leftarrow W_i \Big/ \sum_{j \ne i} \frac{n_{ij}}{\pi_i + \pi_j}.$$
#
# Each turn raises the likelihood (Zermelo did it for chess in 1929). hfx calls `choix` for it, and
# lets every two codecs begin with a tenth of a vote each way: a codec that never lost would
# otherwise be infinitely strong. Five imaginary codecs A to E, 40 simulated voters, 12 votes each:

# %%
from hfx.study import ranking

NAMES = "ABCDE"
STRENGTH = np.array([1.0, 0.5, 0.0, -0.5, -1.0])


def simulated(theta, people, votes, taste, dice, careless=None):
    """Votes of simulated people (N, K, K): wins of the row over the column, person by person.

    Everybody's strengths are the crowd's, and a taste of one's own; who is careless tosses coins.
    """
    own = theta + taste * dice.standard_normal((people, len(theta)))
    if careless is not None:
        own[careless] = 0
    a = dice.integers(len(theta), size=(people, votes))
    b = (a + dice.integers(1, len(theta), size=(people, votes))) % len(theta)
    who = np.arange(people)[:, None].repeat(votes, 1)
    first = dice.random((people, votes)) < 1 / (1 + np.exp(own[who, b] - own[who, a]))
    wins = np.zeros((people, len(theta), len(theta)))
    np.add.at(wins, (who, np.where(first, a, b), np.where(first, b, a)), 1)
    return wins


def zermelo(wins, turns=2000):
    """The loop above, with the tenth of a vote."""
    wins = wins + ranking.PRIOR * (1 - np.eye(len(wins)))
    trials, pi = wins + wins.T, np.ones(len(wins))
    for _ in range(turns):
        pi = wins.sum(1) / (trials / (pi[:, None] + pi)).sum(1)
        pi /= np.exp(np.log(pi).mean())
    return np.log(pi)


votes = simulated(STRENGTH, 40, 12, 0, np.random.default_rng(1))
wins = votes.sum(0)
by_hand, by_choix = zermelo(wins), ranking.strengths(wins)
print("by hand :", np.round(by_hand, 5))
print("by choix:", np.round(by_choix, 5))

fig, (one, two) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
one.imshow(wins, cmap="Blues")
for (i, j), n in np.ndenumerate(wins):
    if i != j:
        one.text(j, i, f"{n:.0f}", ha="center", va="center",
                 color="white" if n > 0.6 * wins.max() else "k")  # fmt: skip
one.set(xticks=range(5), yticks=range(5), xticklabels=NAMES, yticklabels=NAMES)
one.set(xlabel="over", ylabel="wins of", title="480 simulated votes")
two.axline((0, 0), slope=1, color="k", ls=":", lw=1)
two.plot(STRENGTH, by_choix, "o")
for name, x, y in zip(NAMES, STRENGTH, by_choix, strict=True):
    two.annotate(name, (x, y), xytext=(6, -10), textcoords="offset points")
two.margins(0.15)
two.set(xlabel="true strength", ylabel="estimated", title="what the votes know of it")
plt.show()

# %% [markdown]
# ## 3. How far off may it be?
#
# An estimate without an interval is a rumour. The **bootstrap**: draw the votes again, with
# replacement, hundreds of times; fit each; the middle 95 % of the fits is the interval. It needs
# no formula, but one decision that is easily made wrongly: draw *what* again?
#
# Votes of one person hang together, because people have tastes: who dislikes blur dislikes it in
# all 12 trials. So hfx draws **whole people**. Does it matter? We can know, since here we know the
# truth: 60 simulated studies of 15 voters with tastes, an interval for each codec, and a count of
# how many intervals hold the truth (the strengths that 20,000 voters of the kind agree on). An
# interval of 95 % should do so in 95 of 100.

# %%
TASTE, STUDIES = 1.5, 60
dice = np.random.default_rng(2)
truth = ranking.strengths(simulated(STRENGTH, 20_000, 12, TASTE, dice).sum(0))


def one_by_one(wins):
    """The same votes, as if each had come from a person of its own: (votes, K, K)."""
    _, i, j = np.nonzero(wins)
    number = wins[wins > 0].astype(int)
    i, j = i.repeat(number), j.repeat(number)
    single = np.zeros((len(i), *wins.shape[1:]))
    single[np.arange(len(i)), i, j] = 1
    return single


drawn = {"people are drawn": lambda wins: wins, "votes are drawn": one_by_one}
intervals = {how: [] for how in drawn}
for _ in range(STUDIES):
    wins = simulated(STRENGTH, 15, 12, TASTE, dice)
    for how, split in drawn.items():
        found = ranking.rank(split(wins), resamples=200)
        intervals[how].append((found.low, found.high))

held = {}
fig, row = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained", sharey=True)
for axes, (how, ends) in zip(row, intervals.items(), strict=True):
    low, high = np.moveaxis(np.array(ends), 1, 0)  # (studies, K) each
    inside = (low <= truth) & (truth <= high)
    held[how] = inside.mean()
    for number, (bottom, top, hit) in enumerate(
        zip(low[:, 0], high[:, 0], inside[:, 0], strict=True)
    ):
        axes.plot([number] * 2, [bottom, top], lw=2, color="tab:blue" if hit else "tab:red")
    axes.axhline(truth[0], color="k", lw=0.8)
    axes.set(xlabel="simulated study", title=f"{how}: {held[how]:.0%} of all intervals hold it")
row[0].set_ylabel("interval of A's strength")
plt.show()

# %% [markdown]
# Red intervals miss the truth (the line). If votes are drawn, they miss it far too often: twelve
# votes of one person are not twelve people. This mistake is common, and always flattering.
#
# ## 4. How many answers are enough?
#
# Decide it before. The **power** of a study is the chance that it finds a difference that is
# there. Two codecs; the typical voter prefers the better one in 55, 60 or 70 of 100; ten votes
# each, tastes as different as 0.5. We simulate 60 studies of each size and count those whose
# interval excludes a tie. Dotted: what the formula for independent votes promises.

# %%
PEOPLE = (4, 8, 16, 32, 64)
PREFERENCE = (0.55, 0.60, 0.70)


def pair_of(p):
    """Two strengths whose better one is preferred with probability p."""
    return np.log(p / (1 - p)) * np.array([0.5, -0.5])


def found_in(p, people, votes, taste, studies, dice, resamples=200):
    """Intervals of the better one's strength, (studies, 2); found where the lower end is > 0."""
    every = (simulated(pair_of(p), people, votes, taste, dice) for _ in range(studies))
    return np.array([(r.low[0], r.high[0]) for r in (ranking.rank(w, resamples) for w in every)])


def promised(p, n):
    """Power of n independent votes: the share is normal about p, and must be 1.96 se from 1/2."""
    z = (p - 0.5) / math.sqrt(0.25 / n)
    return 0.5 * (1 + math.erf((z - 1.96) / math.sqrt(2)))


dice = np.random.default_rng(3)
power = {p: [(found_in(p, n, 10, 0.5, STUDIES, dice)[:, 0] > 0).mean() for n in PEOPLE]
         for p in PREFERENCE}  # fmt: skip
fig, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
for (p, values), colour in zip(
    power.items(), ("tab:blue", "tab:orange", "tab:green"), strict=True
):
    axes.plot(PEOPLE, values, "o-", color=colour, label=f"{p:.0%} prefer it")
    axes.plot(PEOPLE, [promised(p, 10 * n) for n in PEOPLE], ":", color=colour)
axes.axhline(0.8, color="k", lw=0.6, label="80 %, the custom")
axes.set(xscale="log", xticks=PEOPLE, xticklabels=PEOPLE, ylim=(-0.02, 1.04))
axes.minorticks_off()
axes.set(xlabel="simulated people, ten votes each", ylabel="power",
         title="a small difference needs many people")  # fmt: skip
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
for p, values in power.items():
    enough = [n for n, v in zip(PEOPLE, values, strict=True) if v >= 0.8]
    print(f"{p:.0%}: {f'{enough[0]} people' if enough else f'more than {PEOPLE[-1]} people'}")

# %% [markdown]
# A class of thirty sees a preference of 70 %, and hardly ever one of 55 %. Halving a difference
# costs four times the people. Plan one of your own: each bar is the interval of one simulated
# study, blue where it excludes the tie. Is it better to ask more people, or each of them more?


# %%
def plan(people, votes, preference, taste):
    ends = found_in(preference, people, votes, taste, 30, np.random.default_rng(0), 100)
    fig, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    for number, (low, high) in enumerate(1 / (1 + np.exp(-2 * ends))):
        axes.plot([number, number], [low, high], lw=3, color="tab:blue" if low > 0.5 else "0.7")
    axes.axhline(0.5, color="k", lw=0.8)
    axes.set(ylim=(0, 1), xlabel="simulated study", ylabel="preferred")
    axes.set_title(f"{people * votes} votes; found in {np.mean(ends[:, 0] > 0):.0%} of 30 studies")
    plt.show()


from ipywidgets import FloatSlider, IntSlider, interact

sliders = interact(
    plan,
    people=IntSlider(20, min=3, max=80),
    votes=IntSlider(10, min=2, max=40),
    preference=FloatSlider(0.6, min=0.5, max=0.9, step=0.01),
    taste=FloatSlider(0.5, min=0, max=1.5, step=0.1),
)

# %% [markdown]
# ## 5. Who looks?
#
# Some people click to be done. Their coins pull every preference towards one half. **Catch
# trials** find them: the original beside a picture of JPEG's quality 1, where nobody who looks can
# err. hfx shows two among the others; who misses one is flagged. Flagging is a filter with holes:
# a coin gets two of two right in one case of four.

# %%
dice = np.random.default_rng(4)
SHARES = np.linspace(0, 0.6, 7)
spread = {"everybody": [], "without the flagged": []}
slipped = []
for careless_share in SHARES:
    people = 3000
    careless = np.arange(people) < careless_share * people
    caught = careless & (dice.random((people, 2)) < 0.5).any(1)  # missed one of two, or both
    wins = simulated(STRENGTH, people, 12, 0, dice, careless)
    for who, counted in zip(spread, (np.ones(people, bool), ~caught), strict=True):
        theta = ranking.strengths(wins[counted].sum(0))
        spread[who].append(theta[0] - theta[-1])
    slipped.append((careless & ~caught).sum() / max(1, careless.sum()))

fig, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for (who, values), style in zip(spread.items(), ("o--", "s-"), strict=True):
    axes.plot(100 * SHARES, values, style, label=who)
axes.axhline(STRENGTH[0] - STRENGTH[-1], color="k", ls=":", label="truth")
axes.set(ylim=(0, 2.2), xlabel="careless simulated voters, %", ylabel="strength of A less E")
axes.legend(frameon=False, loc="lower left")
axes.set_title("coins shrink differences; catch trials bring most of it back")
plt.show()
print(f"of the careless, {slipped[-1]:.0%} were not caught")

# %% [markdown]
# Say *before* the study whether the flagged are left out. Afterwards one would choose what one
# likes better.
#
# ## 6. The whole instrument, and its file
#
# Now the study of section 1, as `hfx` runs it: people join, get their trials (each comparison
# equally often), vote into SQLite, and an export has one line a vote. The thirty voters are
# simulated: they compare SSIM to the original, with noise, and one in ten tosses coins. So the
# ranking should come out much as *SSIM's*, and says nothing of what people like.

# %%
from hfx import metrics
from hfx.study import outcome
from hfx.study import votes as ballots

original = [np.round(255 * seen(n, "original")).astype(np.uint8) for n in range(len(pictures))]


def likeness(number, codec):
    return metrics.ssim(original[number], np.round(255 * seen(number, codec)).astype(np.uint8))


score = {
    (number, codec): likeness(number, codec)
    for number, photograph in enumerate(study.photographs)
    for codec in (*photograph.shown, "catch", "original")
}
dice = np.random.default_rng(5)
for voter in range(30):
    token = ballots.join(study, seed=voter)
    sharpness = 0 if voter % 10 == 9 else 25
    for asked in ballots.trials_of(study, token):
        at = asked.trial.photograph
        margin = sharpness * (score[at, asked.trial.left] - score[at, asked.trial.right])
        side = "left" if dice.random() < 1 / (1 + math.exp(-margin)) else "right"
        ballots.vote(study, token, asked.number, side, seconds=1.0)

table = folder / "votes.csv"
print(outcome.export(study, table), "simulated votes in", table.name)
print(*table.read_text().splitlines()[:4], sep="\n")

# %% [markdown]
# This is the file that you get from a study of your own: the button on the dashboard's page, or
# `hfx study results STUDY -o votes.csv`. Put its path in the first line below. A few lines turn it
# into a ranking, and the same numbers come out as in the product.

# %%
with open(table, newline="", encoding="utf-8") as file:
    lines = [row for row in csv.DictReader(file) if row["kind"] == "pair"]
codecs = sorted({row[side] for row in lines for side in ("left", "right")})
people = sorted({row["participant"] for row in lines})
of_people = np.zeros((len(people), len(codecs), len(codecs)))
for row in lines:
    loser = row["right"] if row["chosen"] == row["left"] else row["left"]
    who = people.index(row["participant"])
    of_people[who, codecs.index(row["chosen"]), codecs.index(loser)] += 1
read = ranking.rank(of_people)
flagged = {row["participant"] for row in lines if row["flagged"] == "1"}
left_share = np.mean([row["side"] == "left" for row in lines])

fig, axes = plt.subplots(figsize=(7, 2.4), layout="constrained")
by_rank = np.argsort(read.strength)
for place, k in enumerate(by_rank):
    ends = ranking.chance(np.array([read.low[k], read.high[k]]))
    axes.plot(ends, [place] * 2, lw=4, color="tab:blue", alpha=0.5)
    axes.plot(ranking.chance(read.strength[k]), place, "ko", ms=5)
axes.axvline(0.5, color="k", ls=":", lw=0.8)
axes.set(yticks=range(len(codecs)), yticklabels=[codecs[k] for k in by_rank], xlim=(0, 1))
axes.set(xlabel="preferred to an average rival, by simulated voters who see SSIM")
plt.show()
product = {s.codec: s.strength for s in outcome.outcome(study).standings}
for k in by_rank[::-1]:
    mean_ssim = np.mean([score[n, codecs[k]] for n in range(len(pictures))
                         if (n, codecs[k]) in score])  # fmt: skip
    print(f"{codecs[k]:5} {read.strength[k]:+.2f} (the product says {product[codecs[k]]:+.2f}), "
          f"mean SSIM {mean_ssim:.3f}")  # fmt: skip
print(f"{len(flagged)} of {len(people)} flagged; the left picture was chosen in {left_share:.0%}")

# %% [markdown]
# ## What to remember
#
# * Ask which of two, blind, at equal bytes, sides by chance. Then choices are all you need.
# * Bradley and Terry turn choices into strengths. Only differences of strengths mean something.
# * Draw people again, not votes: else the intervals are too narrow, and nobody notices.
# * Power comes before the study. Half the difference needs four times the people; more votes from
#   the same few do not replace people with other tastes.
# * Catch trials find most who do not look. Decide first what you do with them.
# * A ranking answers the question that was asked, of the people who were asked, for these
#   photographs. Simulated voters only show that the instrument works.
#
# ## Exercises
#
# Replace the dots and run; a hint appears after two misses. They need the setup cell only.
#
# 1. How probably is a codec of strength `i` preferred to one of strength `j`?
# 2. How many different comparisons do `codecs` codecs on `pictures` photographs make?
# 3. Half of the 95 % interval of a share `p` from `n` independent votes, by the normal
#    approximation: $1.96 \sqrt{p (1 - p) / n}$. And so: how many votes make it at most `half`?
#    Return the smallest whole number for a `p` of one half.
# 4. How probably does somebody who tosses coins pass all of `catches` catch trials?
# 5. One turn of the loop in section 2: from `wins` (K x K, no tenths added) and `pi`, the new
#    $\pi$, scaled so that its sum is 1.
# 6. Sound? (a) 20 people voted 50 times each, so the interval is that of 1000 votes. (b) Those
#    flagged by catch trials are left out, as was announced. (c) The interval still holds the tie,
#    so we ask on until it does not. (d) The rivals' files were larger, but they lost, so ours is
#    better at fewer bytes. Four truth values.


# %% tags=["exercise"]
def preferred(i, j):
    # BEGIN SOLUTION
    return 1 / (1 + math.exp(j - i))
    # END SOLUTION


check("10.1", preferred)


# %% tags=["exercise"]
def comparisons(codecs, pictures):
    # BEGIN SOLUTION
    return pictures * codecs * (codecs - 1) // 2
    # END SOLUTION


check("10.2", comparisons)


# %% tags=["exercise"]
def votes_needed(half):
    # BEGIN SOLUTION
    return math.ceil((1.96 * 0.5 / half) ** 2)
    # END SOLUTION


check("10.3", votes_needed)


# %% tags=["exercise"]
def slips_through(catches):
    # BEGIN SOLUTION
    return 0.5**catches
    # END SOLUTION


check("10.4", slips_through)


# %% tags=["exercise"]
def next_turn(wins, pi):
    # BEGIN SOLUTION
    trials = wins + wins.T
    new = wins.sum(1) / (trials / (pi[:, None] + pi)).sum(1)
    return new / new.sum()
    # END SOLUTION


check("10.5", next_turn)

# %% tags=["exercise"]
sound = False, True, False, True  # SOLUTION
check("10.6", sound)

# %% [markdown]
# ## References
#
# * Bradley and Terry, *Rank Analysis of Incomplete Block Designs*, Biometrika 39, 1952; Zermelo,
#   *Die Berechnung der Turnier-Ergebnisse*, 1929; Hunter, *MM Algorithms for Generalized
#   Bradley-Terry Models*, 2004.
# * Maystre, `choix`: the library. Hesterberg, *What Teachers Should Know about the Bootstrap*, The
#   American Statistician 69, 2015: why few people need wider ends.
# * Mentzer et al., arXiv:2006.09965, section 5: HiFiC's study, with Elo ratings; ITU-R BT.500: how
#   broadcasters ask.
# * `hfx/study/`: everything above, in use.
#
# The claims of this notebook, checked:

# %%
for photograph in study.photographs:
    for shown in photograph.shown.values():
        assert shown.bytes <= photograph.budget, "nobody has more bytes than ours"
assert np.abs(by_hand - by_choix).max() < 1e-5, "the loop is what the library does"
assert list(np.argsort(-by_choix)) == [0, 1, 2, 3, 4], "480 votes find the order of the five"
assert held["people are drawn"] > 0.88 > held["votes are drawn"], "draw people, not votes"
assert power[0.70][3] > 0.9 > 0.5 > power[0.55][3], "32 people see 70 %, and not 55 %"
assert spread["everybody"][-1] < 0.6 * 2 < spread["without the flagged"][-1], "coins shrink it"
assert abs(slipped[-1] - 0.25) < 0.05, "one coin in four slips through"
for k, codec in enumerate(codecs):
    assert abs(read.strength[k] - product[codec]) < 1e-6, "the file holds all that is ranked"
