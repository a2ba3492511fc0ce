"""The results section of a README: small tables with a memory in each row, and where another memory beats memstore.

The columns are the entries of the reproduction file that name a table; the figures are its figures. Bold is the best
memory of a column (bounds and controls do not compete). Below them stands, in words, where another memory came out
ahead of memstore in any headline metric of any task, and whether that can be told from chance: paired by question,
clustered by conversation, corrected by Holm over all that is compared on a task. It is read from the logs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evals import stats
from evals.log import RunLog, SampleRecord
from evals.report.tables import TaskTable, number, task_tables
from evals.reproduction import Entry
from evals.stats import Comparison
from evals.suites import ABLATED
from evals.summary import is_share, values

OURS = "memstore"
NOT_A_MEMORY = frozenset({"no_memory", "full_context", "recency", "oracle", "markdown_oracle", "markdown_curated"})
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of one task: the mean of each memory, which way is better, and over how many questions at most."""

    table: str
    task: str
    metric: str
    means: Mapping[str, float]
    lower: bool
    n: int

    @property
    def head(self) -> str:
        measure = self.metric.rpartition("/")[2].replace("_", " ")
        return f"{self.task.replace('_', ' ')}<br>{measure}{' ↓' if self.lower else ''}<br>n {self.n:,}"

    def cell(self, arm: str) -> str:
        if arm not in self.means:
            return "–"
        best = (min if self.lower else max)((m for a, m in self.means.items() if _competes(a)), default=None)
        shown = number(self.means[arm], self.metric)
        return f"**{shown}**" if _competes(arm) and self.means[arm] == best else shown


def render(run: RunLog, entries: Sequence[Entry]) -> str:
    """The whole section. Every number in it is in the logs; nothing is rounded twice."""
    columns = [_column(entry, run) for entry in entries if entry.table and entry.figures]
    names = dict.fromkeys(column.table for column in columns)
    parts = [*(_table(name, columns, run.header["arms"]) for name in names), _behind(task_tables(run), run)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _column(entry: Entry, run: RunLog) -> Column:
    assert entry.table
    assert entry.metric
    scored: Counter[str] = Counter()
    for sample in run.samples:
        if sample.task == entry.task:
            scored[sample.arm] += len(values([sample], entry.metric))
    task = run.header["tasks"].get(entry.task, {})
    lower = entry.metric in task.get("lower_is_better", ()) or not is_share(entry.metric)
    means = {f.arm: f.value for f in entry.figures if f.value is not None}
    return Column(entry.table, entry.task, entry.metric, means, lower, max(scored.values(), default=0))


def _table(name: str, columns: Sequence[Column], arms: Iterable[str]) -> str:
    """A row for each memory that any column has a figure for, in the order of the logs."""
    columns = [column for column in columns if column.table == name]
    shown = [a for a in arms if any(a in column.means for column in columns)]
    lines = [
        f"**{name}**",
        "",
        "| memory | " + " | ".join(column.head for column in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for arm in shown:
        name = f"**{arm}**" if arm == OURS else arm
        lines.append(f"| {name} | " + " | ".join(column.cell(arm) for column in columns) + " |")
    return "\n".join(lines)


def _behind(found: Sequence[TaskTable], run: RunLog) -> str:
    """Where another memory is ahead of memstore, and where only chance may be."""
    compared: dict[tuple[str, str, str], Comparison] = {}
    groups: dict[tuple[str, str], list[SampleRecord]] = {}
    for sample in run.samples:
        groups.setdefault((sample.task, sample.arm), []).append(sample)
    for table in found:
        rivals = [line.arm for line in table.lines if _competes(line.arm) and not line.arm.startswith(OURS)]
        for column in table.columns:
            ours = values(groups.get((table.task, OURS), ()), column)
            for arm in rivals:
                one = stats.compare(values(groups[table.task, arm], column), ours)
                if ours and one.difference.n:
                    compared[table.task, column, arm] = one
    # Within a task: a loss on one must not fade because others were added.
    holm: dict[tuple[str, str, str], float | None] = {}
    for table in found:
        holm |= stats.holm({key: one.p for key, one in compared.items() if key[0] == table.task})
    lower = {(t.task, c) for t in found for c in t.lower_is_better}
    sure, unsure = _ahead(compared, holm, lower, sure=True), _ahead(compared, holm, lower, sure=False)
    how = f"{len(compared)} paired comparisons of headline metrics, Holm-corrected within each task"
    said = [f"**Where others beat {OURS}** ({how}):"]
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


def _competes(arm: str) -> bool:
    return arm not in NOT_A_MEMORY and arm not in ABLATED
