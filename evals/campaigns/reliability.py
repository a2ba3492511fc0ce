"""The reliability diagram of the confidence model that is shipped: what was stated against what turned out right.

    python -m evals.campaigns.reliability [OUT]

It draws the report that `evals.campaigns.confidence` wrote beside the weights, on conversations and packages that the
fit had not seen; a point's area is how many answers it stands for, its bar the 95 % Wilson interval of the share.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import click

from evals.stats import wilson

SHIPPED = Path(str(files("memstore.coherence")))


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False), default=SHIPPED / "reliability.svg")
def main(out: Path) -> None:
    """Draw the diagram of the shipped weights as SVG."""
    kept = json.loads((SHIPPED / "confidence.json").read_text(encoding="utf-8"))
    draw({"all": kept["report"], "conversations alone": kept["report_conversations_alone"]}, out)


def draw(reports: dict[str, dict], out: Path) -> None:
    """One panel for each report."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "reliability"  # the same data give the same bytes
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(reports), figsize=(4.2 * len(reports), 4.2), squeeze=False)
    for panel, (title, report) in zip(panels[0], reports.items(), strict=True):
        panel.plot([0, 1], [0, 1], color="0.75", linewidth=1)
        for stated, right, n in report["reliability"]:
            low, high = wilson(round(right * n), n)
            panel.plot([stated, stated], [low, high], color="tab:blue", linewidth=1)
            panel.scatter([stated], [right], s=12 + n, color="tab:blue", alpha=0.6)
        panel.set_title(f"{title}: n={report['n']}, ECE {report['ece']:.3f}, Brier {report['brier']:.3f}", fontsize=9)
        panel.set_xlabel("stated")
        panel.set_ylabel("turned out right")
        panel.set_xlim(-0.03, 1.03)
        panel.set_ylim(-0.03, 1.03)
    figure.tight_layout()
    figure.savefig(out, format="svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
