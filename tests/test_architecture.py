"""The layout tells the story: layers import upwards only, and each rare power has one home."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Runs only as a command of its own; tests/test_tagger_cues.py holds that nothing else imports it.
TRAINING = ROOT / "memstore" / "capture" / "tagger" / "train"
LAYERS = [
    "errors",
    "model",
    "reports",
    "settings",
    "policy",
    "claude",
    "ledger",
    "coherence",
    "index",
    "recall",
    "capture",
    "markdown",
    "store",
    "agents",
    "cli",
]
MODULES = sorted((ROOT / "memstore").rglob("*.py"))
EVALS = sorted((ROOT / "evals").rglob("*.py"))
HEAVY = {
    "chromadb", "anthropic", "onnxruntime", "tokenizers", "pandas", "matplotlib", "mcp", "rich", "scipy",
    "statsmodels", "torch", "dateparser", "watchfiles", "tree_sitter", "detect_secrets",
}  # fmt: skip


def layer_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "memstore").with_suffix("").parts
    return parts[0]


def imports(path: Path) -> list[tuple[str, bool]]:
    """(dotted module, at top level) for every absolute import in a file, `from x import y` as x.y."""
    tree = ast.parse(path.read_text())
    top = {id(n) for n in tree.body}
    found: list[tuple[str, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(a.name, id(node) in top) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [(f"{node.module}.{a.name}", id(node) in top) for a in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_layer_imports_only_layers_above_it(path: Path) -> None:
    layer = layer_of(path)
    if layer in ("__init__", "__main__"):
        return
    assert layer in LAYERS, f"{layer} is not a layer of the design"
    for name, _ in imports(path):
        parts = name.split(".")
        assert parts[0] != "evals", f"{path.name} imports evals"
        if parts[0] == "memstore" and len(parts) > 1 and parts[1] in LAYERS:
            assert LAYERS.index(parts[1]) <= LAYERS.index(layer), f"{layer} imports {parts[1]}, which is below it"


@pytest.mark.parametrize("path", EVALS, ids=lambda p: str(p.relative_to(ROOT)))
def test_evals_uses_only_the_public_api_of_memstore(path: Path) -> None:
    public = {"memstore", "memstore.errors", "memstore.model", "memstore.reports"}
    for name, _ in imports(path):
        if name.split(".")[0] == "memstore":
            assert name.rpartition(".")[0] in public, f"{path.name} reaches into {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_are_imported_lazily(path: Path) -> None:
    if path.is_relative_to(TRAINING):
        return
    heavy = [n for n, top in imports(path) if top and n.split(".")[0] in HEAVY]
    assert not heavy, f"{path.name} pays for {heavy} at import"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_one_place_opens_the_database_and_one_reads_the_environment(path: Path) -> None:
    relative = str(path.relative_to(ROOT / "memstore"))
    used = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    if relative != "ledger/connection.py":
        assert "connect" not in used, f"{relative} opens a database"
    if relative != "settings.py":
        assert not used & {"environ", "getenv"}, f"{relative} reads the environment"


@pytest.mark.parametrize("path", MODULES + EVALS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_can_be_held_in_the_head_and_opens_with_what_it_is(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= 500, "split it"
    assert ast.get_docstring(ast.parse(source)), "a module opens with what it is and why"
