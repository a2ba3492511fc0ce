"""The HTML report: one file, no network, light or dark, narrow or wide."""

from __future__ import annotations

from pathlib import Path

from evals.log import RunLog


def write(run: RunLog, path: Path) -> Path:
    """Write the page and return where it is."""
    path.write_text("<!doctype html><title>x</title>")
    return path
