"""The commands of `memeval`, a file for each family; `evals.cli` loads only the one that was asked for."""
