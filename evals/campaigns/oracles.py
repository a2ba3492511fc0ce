"""What a file defines, told without the parser under test: the ground truth of the anchors campaign.

Python      `ast.dump` of the standard library's own parser, docstrings stripped of indentation
Rust        a scanner that knows comments, strings and braces, and nothing else
Markdown    markdown-it's tokens of each section, white space collapsed

Each returns {symbol: content}: two files define the same thing when the contents are equal.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter, defaultdict
from pathlib import Path

_RUST = re.compile(
    r'//[^\n]*|/\*.*?\*/|b?r(?P<h>#*)".*?"(?P=h)|b?"(?:\\.|[^"\\])*"|'
    r"b?'(?:\\x[0-9A-Fa-f]{2}|\\[^ux]|\\u\{[^}]*\}|[^'\\])'|\d\w*(?:\.\d\w*)?|'?\w+|"
    r"->|=>|::|\.\.[.=]?|&&|\|\||(?:<<|>>|[-+*/%&|^!<>=])=|<<|>>|\S",
    re.DOTALL,
)


def symbols(path: Path) -> dict[str, str]:
    """What the file defines; empty for a kind of file that no oracle knows, or that its own parser refuses."""
    oracle = {".py": _python, ".rs": _rust, ".md": _markdown}.get(path.suffix)
    return oracle(path.read_text(encoding="utf-8", errors="replace")) if oracle else {}


def relaid(path: Path) -> str | None:
    """The file laid out anew, meaning the same; None where a formatter does that better (Python)."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".rs":
        return "\n".join(_rust_tokens(text)) + "\n"
    if path.suffix == ".md":
        return _reflow(text)
    return None


def _python(text: str) -> dict[str, str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = "\n".join(line.strip() for line in node.value.value.strip().splitlines())
    found: dict[str, list[str]] = defaultdict(list)

    def visit(node: ast.AST, above: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found[".".join((*above, child.name))].append(ast.dump(child))
                if isinstance(child, ast.ClassDef):
                    visit(child, (*above, child.name))
            elif not isinstance(child, ast.expr):
                visit(child, above)

    visit(tree, ())
    return {name: "\n".join(dumps) for name, dumps in found.items()}


def _rust_tokens(text: str) -> list[str]:
    return [m[0] for m in _RUST.finditer(text) if not m[0].startswith(("//", "/*"))]


def _rust(text: str) -> dict[str, str]:
    """Functions whose name is used once in the file, from their attributes and signature to their closing brace."""
    tokens = _rust_tokens(text)
    named = Counter(tokens[at + 1] for at, token in enumerate(tokens[:-1]) if token == "fn")
    found = {}
    for at, token in enumerate(tokens[:-1]):
        if token != "fn" or named[tokens[at + 1]] != 1 or not tokens[at + 1].isidentifier():
            continue
        depth, end = 0, at
        for end in range(at, len(tokens)):
            depth += (tokens[end] in "{([") - (tokens[end] in "})]")
            if depth == 0 and tokens[end] in ("}", ";"):
                break
        body = tokens[_rust_start(tokens, at) : end + 1]
        found[tokens[at + 1]] = " ".join(t for t, after in zip(body, [*body[1:], ""], strict=True)
                                         if not (t == "," and after in ("}", ")", "]", ">")))  # fmt: skip
    return found


def _rust_start(tokens: list[str], at: int) -> int:
    """Where what stands before `fn` begins: `pub(crate)`, `async`, `#[attributes]`."""
    while at > 0:
        if tokens[at - 1] in ("pub", "async", "unsafe", "const", "extern", "crate", "super", "(", ")", '"C"'):
            at -= 1
        elif tokens[at - 1] == "]":
            depth = 0
            start = at - 1
            while start >= 0:
                depth += (tokens[start] == "]") - (tokens[start] == "[")
                if depth == 0:
                    break
                start -= 1
            if start < 1 or tokens[start - 1] != "#":
                return at
            at = start - 1
        else:
            return at
    return at


def _markdown(text: str) -> dict[str, str]:
    """Sections whose heading is used once, each with the sections under it."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt().parse(text)
    heads = [(at, int(t.tag[1]), tokens[at + 1].content) for at, t in enumerate(tokens) if t.type == "heading_open"]
    heads = [head for head in heads if tokens[head[0]].markup.startswith("#") and tokens[head[0]].level == 0]
    named = Counter(title.casefold() for _, _, title in heads)
    found = {}
    for at, level, title in heads:
        if named[title.casefold()] == 1 and title and not set(title) & set("`*_[]<>&\\#"):
            end = next((to for to, other, _ in heads if to > at and other <= level), len(tokens))
            found[title] = " ".join(" ".join(t.content.split()) for t in tokens[at:end] if t.content.strip())
    return found


def _reflow(text: str) -> str:
    """Plain paragraphs wrapped anew at 60 columns; everything that is not plainly a paragraph stays."""
    blocks = re.split(r"(\n\s*\n)", text)
    fenced = False
    for at, block in enumerate(blocks):
        plain = not fenced and all(re.match(r"[A-Za-z(]", line) for line in block.splitlines()) and "  \n" not in block
        if block.count("```") % 2:
            fenced = not fenced
        elif plain and block.strip() and "```" not in block:
            blocks[at] = textwrap.fill(" ".join(block.split()), 60, break_long_words=False, break_on_hyphens=False)
    return "".join(blocks)
