"""Pictures of runs for notebooks, drawn by matplotlib: one function each, from logs to axes, so that a notebook has
no logic of its own.

Every mean is drawn with its 95 % interval, where an honest one exists; memstore's arms have one colour and everybody
else's another, bounds that are shown the answer are grey, so that a reader finds them without a legend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from evals.analysis import Logs, labels_df, opened, runs_df
from evals.commands.scoring import comparisons
from evals.log import RunLog
from evals.model import EvalError
from evals.publish import joined
from evals.report import costs
from evals.report.tables import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, OTHERS, BOUNDS, BAD, INK = "#b4521e", "#3b6ea5", "#9a9a9a", "#b3261e", "#333333"
SHOWN_THE_ANSWER = frozenset({"oracle", "markdown_oracle", "full_context", "no_memory"})


def measure(logs: Logs, metric: str, *, task: str = "", title: str = "", lower: bool = False) -> Axes:
    """Arms by one metric, best on top, each with its interval and n."""
    frame = runs_df(together(logs))
    frame = frame[(frame.metric == metric) & frame["mean"].notna()]
    if task:
        frame = frame[frame.task == task]
    if frame.empty:
        raise EvalError(f"no arm of these logs has a score for {metric}")
    frame = frame.sort_values("mean", ascending=not lower)
    _, axes = _canvas(8.5, 0.34 * len(frame) + 1.3)
    for place, row in enumerate(frame.itertuples()):
        colour = _colour(row.arm)
        if row.low == row.low:  # not NaN
            axes.plot([row.low, row.high], [place, place], color=colour, alpha=0.45, linewidth=3, solid_capstyle="butt")
        axes.plot(row.mean, place, "o", color=colour, markersize=7)
        axes.text(1.02, place, f"{number(row.mean, metric)}  n {row.n}", va="center", fontsize=8.5, color=INK,
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_yticks(range(len(frame)), frame.arm)
    axes.set_xlabel(f"{metric} ({'lower' if lower else 'higher'} is better)")
    if frame["mean"].max() <= 1:
        axes.set_xlim(-0.02, 1.02)
    return _titled(axes, title or metric)


def confusion(logs: Logs, arms: Sequence[str]) -> Figure:
    """How it was meant × how it came back marked, a matrix for each arm: shares of the row, counts written in."""
    from evals.report.page import MODALITIES

    frame = labels_df(together(logs))
    figure, grid = _figure(len(arms), 4.6, 4.2)
    for arm, axes in zip(arms, grid, strict=True):
        mine = frame[frame.arm == arm]
        counts = [[int(((mine.gold == g) & (mine.got == m)).sum()) for m in MODALITIES] for g in MODALITIES]
        shares = [[n / max(1, sum(row)) for n in row] for row in counts]
        axes.imshow(shares, cmap="Oranges", vmin=0, vmax=1)
        for y, row in enumerate(counts):
            for x, n in enumerate(row):
                wrong = x == 0 and y > 0 and n > 0
                colour = BAD if wrong else "white" if shares[y][x] > 0.6 else INK
                axes.text(x, y, n or "", ha="center", va="center", color=colour, weight="bold" if wrong else "normal")
        names = [m.replace("_considered", "") for m in MODALITIES]
        axes.set_xticks(range(5), names, rotation=35, ha="right")
        axes.set_yticks(range(5), names)
        axes.set(xlabel="came back marked", ylabel="was meant" if arm == arms[0] else "")
        _titled(axes, f"{arm} (n {len(mine)})")
    return figure


def side_by_side(logs: Logs, metrics: Sequence[str], *, task: str, arms: Sequence[str]) -> Axes:
    """Several metrics of one task in groups, one bar an arm, with intervals."""
    frame = runs_df(together(logs))
    frame = frame[(frame.task == task) & frame.metric.isin(metrics) & frame.arm.isin(arms)]
    if frame.empty:
        raise EvalError(f"{', '.join(arms)} have no score for {', '.join(metrics)} on {task} in these logs")
    _, axes = _canvas(9.5, 4.2)
    width = 0.8 / len(arms)
    shades = _shades(arms)
    for place, arm in enumerate(arms):
        mine = frame[frame.arm == arm].set_index("metric").reindex(list(metrics))
        xs = [group + (place - (len(arms) - 1) / 2) * width for group in range(len(metrics))]
        below, above = (mine["mean"] - mine.low).fillna(0), (mine.high - mine["mean"]).fillna(0)
        axes.bar(xs, mine["mean"].fillna(0), width * 0.92, color=shades[arm], label=arm)
        axes.errorbar(xs, mine["mean"], [below, above], fmt="none", ecolor=INK, elinewidth=1, alpha=0.6)
    axes.set_xticks(range(len(metrics)), [m.split("/")[1].replace("_", " ") for m in metrics])
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, ncols=min(len(arms), 6), loc="upper center", bbox_to_anchor=(0.5, -0.1), fontsize=9)
    return _titled(axes, f"{task}: share of questions")


def by_depth(logs: Logs, *, task: str, arms: Sequence[str]) -> Axes:
    """Whether the head of a chain comes first, by how many replacements lie between the question and it."""
    frame = runs_df(together(logs))
    frame = frame[(frame.task == task) & frame.metric.str.startswith("staleness/head_depth")]
    depths = sorted(frame.metric.unique())
    _, axes = _canvas(7.5, 3.8)
    shades = _shades(arms)
    for arm in arms:
        mine = frame[frame.arm == arm].set_index("metric").reindex(depths)
        axes.plot(range(len(depths)), mine["mean"], "o-", color=shades[arm], label=arm, linewidth=2)
    axes.set_xticks(range(len(depths)), [d.removeprefix("staleness/head_depth") for d in depths])
    axes.set(xlabel="replacements between the document asked about and the one in force", ylim=(-0.04, 1.04))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return _titled(axes, f"{task}: the one in force comes first")


def cost_curves(logs: Logs, arms: Sequence[str] = ()) -> Axes:
    """Dollars by size of the memory for each arm, over the sizes measured; a ring wherever the cheaper one changes."""
    run = together(logs)
    task = costs.widest(run)
    curves = {arm: f for arm, f in costs.arm_curves(run, task).items() if not arms or arm in arms}
    _, axes = _canvas(9, 5)
    shades = _shades(list(curves))
    ends = []
    for arm, points in costs.lines(curves).items():
        axes.plot(*zip(*points, strict=True), color=shades[arm], linewidth=2)
        ends.append((points[-1][1], points[-1][0], arm))
    for crossing in costs.crossings(curves):
        axes.plot(crossing.size, curves[crossing.below].dollars(crossing.size), "o", mfc="white", mec=INK, ms=7)
    axes.set(xscale="log", yscale="log", xlabel="source tokens held (characters ÷ 4)")
    axes.set_ylabel(f"dollars for {costs.QUERIES} questions, {costs.CHURN:.0%} of it changed once")
    _label_ends(axes, ends, shades)
    return _titled(axes, f"{task}: what each memory costs to build, keep and ask")


def crossovers(logs: Logs) -> Any:
    """The crossings of the curves as a frame: up to `tokens`, `cheaper below` costs less; from there on, the other."""
    import pandas as pd

    run = together(logs)
    found = costs.crossings(costs.arm_curves(run, costs.widest(run)))
    rows = [{"tokens": round(c.size), "cheaper below": c.below, "cheaper above": c.above} for c in found]
    return pd.DataFrame(rows, columns=["tokens", "cheaper below", "cheaper above"])


def riding_along(logs: Logs, *, task: str, turns: Iterable[int] = (0, 5, 10, 20, 40)) -> Axes:
    """What one recollection costs as it stays in the prompt for later turns, at cache-read prices."""
    run = together(logs)
    frame = runs_df(run)
    frame = frame[frame.task == task].drop_duplicates("arm")
    _, axes = _canvas(8, 4.2)
    steps = list(turns)
    shades = _shades(list(frame.arm))
    ends = []
    for row in frame.itertuples():
        tokens = sum(n for n in (row.tokens_inject, row.tokens_retrieve) if n == n and n)
        cents = [100 * (costs.riding(tokens, n) or 0) for n in steps]
        if cents[-1] > 0:
            axes.plot(steps, cents, "o-", color=shades[row.arm], markersize=4)
            ends.append((cents[-1], steps[-1], row.arm))
    axes.set(xlabel="turns that follow in the same session", ylabel="cents for one question", yscale="log")
    _label_ends(axes, ends, shades)
    return _titled(axes, f"{task}: what is recalled once is paid for in every later turn")


def forest(logs: Logs, ours: str, others: Sequence[str], *, task: str, metric: str) -> Axes:
    """`ours` minus each other memory, paired by question, with the interval of the difference: right of 0 is higher."""
    run = together(logs)
    found = []
    for other in others:
        sides = [(arm, run, [s for s in run.samples if s.arm == arm]) for arm in (ours, other)]
        found += [(other, row) for row in comparisons(sides[0], sides[1], task, metric)]
    _, axes = _canvas(8.5, 0.42 * len(found) + 1.3)
    axes.axvline(0, color=INK, linewidth=1)
    for place, (_, row) in enumerate(reversed(found)):
        sure = row["p_holm"] is not None and row["p_holm"] < 0.05
        colour = OTHERS if not sure else OURS
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=3, alpha=0.5)
        axes.plot(row["difference"], place, "o", color=colour)
        tally = f"better {row['wins']} · equal {row['ties']} · worse {row['losses']}"
        axes.text(1.02, place, tally, va="center", fontsize=8.5, color=INK, transform=axes.get_yaxis_transform())
    axes.set_yticks(range(len(found)), [f"{ours} − {other}" for other, _ in reversed(found)])
    axes.set_xlabel(f"difference in {metric}, paired by question (95 %; strong colour: p < .05)")
    return _titled(axes, f"{task}: {metric}")


def together(logs: Logs) -> RunLog:
    """Several logs as one run."""
    return joined(opened(logs))


def _colour(arm: str) -> str:
    return BOUNDS if arm in SHOWN_THE_ANSWER else OURS if arm.startswith("memstore") else OTHERS


def _shades(arms: Sequence[str]) -> dict[str, Any]:
    """A colour for each arm: memstore's warm, the others cool, bounds grey; shades tell neighbours apart."""
    from matplotlib import colormaps

    found: dict[str, Any] = {}
    for base, name in ((OURS, "Oranges"), (OTHERS, "GnBu"), (BOUNDS, "Greys")):
        mine = [arm for arm in arms if _colour(arm) == base]
        for place, arm in enumerate(mine):
            found[arm] = colormaps[name](0.85 - 0.45 * place / max(1, len(mine) - 1))
    return found


def _label_ends(axes: Axes, ends: Sequence[tuple[float, float, str]], shades: dict[str, Any]) -> None:
    """Names at the right ends of lines, pushed apart so that none hides another. The y axis must be logarithmic."""
    import math

    low, high = axes.get_ylim()
    step = (math.log10(high) - math.log10(low)) / 24
    at = -math.inf
    right = max(x for _, x, _ in ends)
    for y, x, arm in sorted(ends):
        at = max(math.log10(y), at + step)
        line = {"arrowstyle": "-", "color": shades[arm], "lw": 0.6}
        label = (right * 1.25, 10**at)
        axes.annotate(
            arm, (x, y), label, color=shades[arm], fontsize=9, va="center", annotation_clip=False, arrowprops=line
        )


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure, (axes,) = _figure(1, width, height)
    return figure, axes


def _figure(columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(1, columns, figsize=(width * columns, height), squeeze=False, layout="constrained")
    for axes in grid[0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=INK, labelsize=9)
    return figure, list(grid[0])


def _titled(axes: Axes, title: str) -> Axes:
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    return axes
