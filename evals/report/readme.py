"""The results section of a README, made from the logs that ship: one table over all tasks, then every task's own.

A row is a headline metric, a column a memory; the best memory of a row is in bold (bounds and controls do not compete).
Below it stands, in words, where another memory came out ahead of memstore, and whether that can be told from chance:
paired by question, clustered by conversation, corrected by Holm over everything that is compared there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evals import stats
from evals.log import RunLog, SampleRecord
from evals.report.markdown import render as tables
from evals.report.tables import TaskTable, number, task_tables
from evals.stats import Comparison
from evals.summary import values

OURS = "memstore"
NOT_A_MEMORY = frozenset({"no_memory", "full_context", "recency", "oracle", "markdown_oracle", "markdown_curated"})
ALPHA = 0.05


def render(run: RunLog) -> str:
    """The whole section. Every number in it is in the logs; nothing is rounded twice."""
    found = task_tables(run)
    parts = [
        _table(found, run),
        _behind(found, run),
        "<details><summary>Every headline metric, with n, 95 % intervals, what could not be scored, tokens and latency"
        "</summary>",
        tables(run),
        "</details>",
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _table(found: Sequence[TaskTable], run: RunLog) -> str:
    ran = {line.arm for table in found for line in table.lines}
    arms = [arm for arm in run.header["arms"] if arm in ran and not _is_ablation(arm)]
    lines = [
        "| task | metric | " + " | ".join(f"`{arm}`" for arm in arms) + " |",
        "|---|---|" + "---:|" * len(arms),
    ]
    for table in found:
        cells = {line.arm: line.cells for line in table.lines}
        for place, column in enumerate(table.columns):
            lower = column in table.lower_is_better
            means = {a: row.estimate.mean for a in arms if (row := cells.get(a, {}).get(column))}
            known = {a: m for a, m in means.items() if m is not None and a not in NOT_A_MEMORY}
            best = (min if lower else max)(known.values(), default=None)
            shown = [_bold(number(means.get(a), column), a in known and means[a] == best) for a in arms]
            name = f"**{table.task}**" if place == 0 else ""
            lines.append(f"| {name} | `{column}`{' ↓' if lower else ''} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _behind(found: Sequence[TaskTable], run: RunLog) -> str:
    """Where another memory is ahead of memstore, and where only chance may be."""
    compared: dict[tuple[str, str, str], Comparison] = {}
    groups: dict[tuple[str, str], list[SampleRecord]] = {}
    for sample in run.samples:
        groups.setdefault((sample.task, sample.arm), []).append(sample)
    for table in found:
        rivals = [line.arm for line in table.lines if line.arm not in NOT_A_MEMORY and not line.arm.startswith(OURS)]
        for column in table.columns:
            ours = values(groups.get((table.task, OURS), ()), column)
            for arm in rivals:
                one = stats.compare(values(groups[table.task, arm], column), ours)
                if ours and one.difference.n:
                    compared[table.task, column, arm] = one
    holm = stats.holm({key: one.p for key, one in compared.items()})
    lower = {(t.task, c) for t in found for c in t.lower_is_better}
    sure, unsure = _ahead(compared, holm, lower, sure=True), _ahead(compared, holm, lower, sure=False)
    said = [f"**Where others beat {OURS}** ({len(compared)} paired comparisons of headline metrics, Holm-corrected):"]
    said.append("\n".join(f"- {line}" for line in sure) if sure else "- nowhere beyond chance.")
    if unsure:
        said.append("Also ahead, but not beyond chance: " + "; ".join(unsure) + ".")
    return "\n\n".join(said)


def _ahead(
    compared: Mapping[tuple[str, str, str], Comparison],
    holm: Mapping[tuple[str, str, str], float | None],
    lower: set[tuple[str, str]],
    *,
    sure: bool,
) -> list[str]:
    """One entry for each task and metric: the arms that are better there, by how much."""
    found: dict[tuple[str, str], list[str]] = {}
    for (task, column, arm), one in compared.items():
        gain = one.difference.mean
        p = holm[task, column, arm]
        better = gain is not None and gain != 0 and (gain < 0) == ((task, column) in lower)
        if better and (p is not None and p < ALPHA) == sure:
            assert gain is not None
            size = f"by {number(abs(gain), column)}"
            found.setdefault((task, column), []).append(f"`{arm}` {size}")
    return [f"{task} `{column}`: {', '.join(arms)}" for (task, column), arms in found.items()]


def _is_ablation(arm: str) -> bool:
    return arm.startswith(f"{OURS}_no_")


def _bold(text: str, best: bool) -> str:
    return f"**{text}**" if best and text != "–" else text
