"""Find a definition in source text, and say what it means apart from how it is laid out.

A definition is found by its name: every occurrence of the word is looked up in the syntax tree, and those that are
the name of a function, class, constant, flag or configuration key are kept. That takes one parse, in C, and no walk.

Its *normal form* is the syntax tree read out as a list of tokens, with what formatters are free to change left out:
white space, comments, optional commas, semicolons and parentheses, the kind of quotes, the indentation of
docstrings. So the form is the same after `ruff format`, `black` or `gofmt` and after a move, and another one after a
change. Text without a grammar is a list of words, and a name in it stands for a passage (see `passages`).

The grammars are the published `tree-sitter-*` packages (extra `anchors`), one wheel each, with nothing to download
at run time.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from memstore.coherence import passages
from memstore.errors import MissingExtra

if TYPE_CHECKING:
    from tree_sitter import Node, Parser


@dataclass(frozen=True, slots=True)
class Language:
    """A grammar and which of its nodes define a name.

    `blocks` are definitions that bind a value: inside a function they are local variables, which nobody anchors.
    """

    module: str
    entry: str = "language"
    definitions: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset("(),;")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _script(module: str, entry: str = "language") -> Language:
    return Language(
        module,
        entry,
        definitions=_set(
            "function_declaration generator_function_declaration function_signature class_declaration class "
            "abstract_class_declaration method_definition method_signature abstract_method_signature "
            "interface_declaration type_alias_declaration enum_declaration internal_module field_definition "
            "public_field_definition property_signature"
        ),
        values=_set("variable_declarator"),
        functions=_set("function_declaration generator_function_declaration method_definition arrow_function"),
    )


_PYTHON = Language(
    "tree_sitter_python",
    definitions=_set("function_definition class_definition"),
    values=_set("assignment"),
    functions=_set("function_definition lambda"),
)
_RUST = Language(
    "tree_sitter_rust",
    definitions=_set(
        "function_item function_signature_item struct_item enum_item union_item trait_item mod_item const_item "
        "static_item type_item macro_definition enum_variant field_declaration associated_type"
    ),
    functions=_set("function_item"),
    dropped=frozenset("(),"),  # a final `;` in Rust is the difference between a value and none
)
_GO = Language(
    "tree_sitter_go",
    definitions=_set("function_declaration method_declaration type_spec type_alias field_declaration method_elem"),
    values=_set("const_spec var_spec"),
    functions=_set("function_declaration method_declaration func_literal"),
)
_JAVA = Language(
    "tree_sitter_java",
    definitions=_set(
        "class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration "
        "method_declaration constructor_declaration enum_constant"
    ),
    values=_set("variable_declarator"),
    functions=_set("method_declaration constructor_declaration lambda_expression"),
    dropped=frozenset("(),"),
)
_C = Language(
    "tree_sitter_c",
    definitions=_set(
        "function_definition struct_specifier enum_specifier union_specifier type_definition preproc_def "
        "preproc_function_def enumerator field_declaration"
    ),
    values=_set("declaration"),
    functions=_set("function_definition"),
    dropped=frozenset("(),"),
)
_JAVASCRIPT = _script("tree_sitter_javascript")
_PAIRS = _set("pair block_mapping_pair flow_pair")
_YAML = Language("tree_sitter_yaml", values=_PAIRS)
LANGUAGES: dict[str, Language] = {
    **dict.fromkeys((".py", ".pyi"), _PYTHON),
    ".rs": _RUST,
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), _JAVASCRIPT),
    ".ts": _script("tree_sitter_typescript", "language_typescript"),
    ".tsx": _script("tree_sitter_typescript", "language_tsx"),
    ".go": _GO,
    ".java": _JAVA,
    **dict.fromkeys((".c", ".h"), _C),
    ".toml": Language("tree_sitter_toml", values=_PAIRS | {"table", "table_array_element"}),
    **dict.fromkeys((".yaml", ".yml"), _YAML),
    ".json": Language("tree_sitter_json", values=_PAIRS),
}
_SETTINGS = _set(".toml .yaml .yml .json .ini .cfg .conf .env .properties")
_MEMBERS = _set(
    "field_declaration enum_variant property_signature field_definition public_field_definition enum_constant "
    "enumerator"
)
"""Definitions that give way to a function or type of the same name: `issuer()` beside a field `issuer`."""
_NAME_FIELDS = ("name", "left", "property", "declarator", "key")
_OPERATORS = ("operator", "binary", "unary", "comparison", "boolean", "attribute", "member", "call", "subscript")
_WORD = re.compile(r"[^\W_]+|[^\s]")
_CODE = re.compile(r"\\(?:x|u|U)[0-9A-Fa-f]+")
OPEN, CLOSE = "\x01", "\x02"


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a normal form, and the lines (0-based) it was read from. Structure is marked by OPEN and CLOSE."""

    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Found:
    """Where a name is defined: the source as it stands, its normal form, and its first line (1-based)."""

    source: str
    form: str
    line: int


def language_of(path: str) -> Language | None:
    """The grammar for a file's suffix; None for text that has none."""
    return LANGUAGES.get(PurePosixPath(path).suffix.lower())


def holds_settings(path: str) -> bool:
    """Whether the names in this file are configuration keys."""
    name = PurePosixPath(path)
    return (name.suffix or name.name).lower() in _SETTINGS


def missing() -> MissingExtra | None:
    """Why some code cannot be read here: the first package of the extra that is not installed, or None."""
    modules = ("tree_sitter", *sorted({language.module for language in LANGUAGES.values()}))
    return next((_missing(module) for module in modules if importlib.util.find_spec(module) is None), None)


def find(path: str, content: bytes, name: str) -> Found | None:
    """The definition of `name` in the file, or None.

    `name` may be qualified (`Class.method`, `impl::function`, `package.module.function`, `table.key`). Of several
    definitions the outermost is meant, and rather a function or a type than a field; those of one qualified name
    (overloads, property setters) are taken together.
    Raises MissingExtra when the file has a grammar and the extra is not installed.
    """
    language = language_of(path)
    if name.startswith("-"):
        return _find_flag(path, content, name, language)
    if language is None:
        return _find_in_text(path, content.decode("utf-8", "replace"), name)
    parts = tuple(part for part in re.split(r"::|[.#]", name.removesuffix("()")) if part)
    if not parts:
        return None
    root = _parse(content, language)
    nodes = {}
    for leaf in _occurrences(root, content, parts[-1]):
        definition = _defined_by(leaf, language)
        if definition is None:
            continue
        qualified = _qualified(definition, leaf, language)
        if _means(parts, qualified, path):
            nodes[definition.start_byte, definition.end_byte] = (
                definition.type in _MEMBERS,
                len(qualified),
                _whole(definition),
            )
    if not nodes:
        return None
    nearest = min((member, depth) for member, depth, _ in nodes.values())
    chosen = [node for _, (*rank, node) in sorted(nodes.items(), key=lambda item: item[0]) if (*rank,) == nearest]
    return _found(chosen, content, language)


def tokens(path: str, content: bytes) -> list[Token]:
    """The normal form of a whole file, token by token with its lines."""
    language = language_of(path)
    if language is None:
        return [
            Token(word, number, number)
            for number, line in enumerate(content.decode("utf-8", "replace").splitlines())
            for word in _WORD.findall(line)
        ]
    return list(_render([_parse(content, language)], content, language))


def form_of(found: list[Token]) -> str:
    """A normal form as one string, to be hashed or compared."""
    return "\0".join(token.text for token in found)


def _parse(content: bytes, language: Language) -> Node:
    return _parser(language.module, language.entry).parse(content).root_node


def _missing(module: str) -> MissingExtra:
    return MissingExtra(module.replace("_", "-"), "anchors", "Tying a fact to code")


@lru_cache(maxsize=32)
def _parser(module: str, entry: str) -> Parser:
    try:
        import tree_sitter

        grammar = getattr(importlib.import_module(module), entry)()
    except ImportError as error:
        raise _missing(error.name or module) from None
    return tree_sitter.Parser(tree_sitter.Language(grammar))


def _occurrences(root: Node, content: bytes, word: str) -> Iterator[Node]:
    """Leaves of the tree that hold `word`, in order."""
    for match in re.finditer(rb"(?<![\w$])" + re.escape(word.encode()) + rb"(?![\w$])", content):
        leaf = root.named_descendant_for_byte_range(match.start(), match.end())
        if leaf is not None and leaf.child_count <= 3 and "comment" not in leaf.type:
            yield leaf


def _defined_by(leaf: Node, language: Language) -> Node | None:
    """The node that `leaf` is the name of, if that is a definition somebody outside a function can see."""
    node = leaf
    for _ in range(6):
        parent = node.parent
        if parent is None or not _is_name(node, parent, language):
            return None
        if parent.type in language.definitions:
            return parent
        if parent.type in language.values:
            above = parent.parent
            while above is not None:
                if above.type in language.functions:
                    return None
                above = above.parent
            return parent
        node = parent
    return None


def _is_name(node: Node, parent: Node, language: Language) -> bool:
    if parent.type in _PAIRS or parent.type.startswith("table"):
        return parent.named_children[0] == node
    if language.values >= _PAIRS:  # quotes, dotted keys and scalars wrap a key
        return node.type not in ("object", "array", "block_mapping", "flow_mapping")
    return any(parent.child_by_field_name(field) == node for field in _NAME_FIELDS)


def _name_of(definition: Node) -> str:
    """The name a definition gives, in source words, without quotes."""
    if definition.type in _PAIRS or definition.type.startswith("table"):
        return _text(definition.named_children[0]).strip("'\"")
    if definition.type == "impl_item":
        kind = definition.child_by_field_name("type")
        return re.split(r"[<\s]", _text(kind))[0].rpartition("::")[2] if kind is not None else ""
    for field in _NAME_FIELDS:
        node = definition.child_by_field_name(field)
        if node is not None:
            while (inner := node.child_by_field_name("declarator")) is not None:
                node = inner
            return _text(node).strip("'\"")
    return ""


def _qualified(definition: Node, leaf: Node, language: Language) -> tuple[str, ...]:
    names = [_name_of(definition)]
    receiver = definition.child_by_field_name("receiver")
    if receiver is not None:  # Go: the type a method belongs to stands in front of it
        names.append(re.findall(r"\w+", re.sub(r"\[.*", "", _text(receiver)))[-1])
    above = definition.parent
    while above is not None:
        if above.type in language.definitions | language.values or above.type == "impl_item":
            names.append(_name_of(above))
        above = above.parent
    return tuple(part.strip("'\" ") for name in reversed(names) for part in name.split(".") if part)


def _means(asked: tuple[str, ...], qualified: tuple[str, ...], path: str) -> bool:
    """Whether `asked` names `qualified`: the end of it, or all of it with the module's own name in front."""
    if qualified[-len(asked) :] == asked:
        return True
    if asked[-len(qualified) :] != qualified:
        return False
    module = PurePosixPath(path).with_suffix("").parts
    module = module[:-1] if module[-1:] == ("__init__",) else module
    rest = asked[: -len(qualified)]
    return module[-len(rest) :] == rest


def _whole(node: Node) -> Node:
    """A definition with the decorators that wrap it."""
    parent = node.parent
    if parent is not None and parent.type in ("decorated_definition", "export_statement"):
        return parent
    return node


def _found(nodes: list[Node], content: bytes, language: Language) -> Found:
    with_attributes: list[Node] = []
    for node in nodes:
        before = node.prev_sibling if language is _RUST else None
        attributes = []
        while before is not None and (before.type == "attribute_item" or "comment" in before.type):
            attributes.append(before)  # comments between them are left out of the form
            before = before.prev_sibling
        with_attributes += [*reversed(attributes), node]
    return Found(
        "\n".join(content[node.start_byte : node.end_byte].decode("utf-8", "replace") for node in with_attributes),
        form_of(list(_render(with_attributes, content, language))),
        nodes[0].start_point[0] + 1,
    )


def _find_flag(path: str, content: bytes, flag: str, language: Language | None) -> Found | None:
    """A command-line flag: the calls that declare it, else what mentions it."""
    if language is None:
        return _find_in_text(path, content.decode("utf-8", "replace"), flag)
    root = _parse(content, language)
    calls = {}
    for match in re.finditer(rb"(?<![\w-])" + re.escape(flag.encode()) + rb"(?![\w-])", content):
        node = root.named_descendant_for_byte_range(match.start(), match.end())
        if node is None or "string" not in node.type:
            continue
        while node.parent is not None and "call" not in node.type and not node.type.endswith("statement"):
            node = node.parent
        calls[node.start_byte] = node
    if not calls:
        return None
    nodes = [calls[at] for at in sorted(calls)]
    declared = [n for n in nodes if re.search(r"(?i)arg|option|flag|param", _text(n).partition("(")[0])]
    return _found(declared or nodes, content, language)


def _find_in_text(path: str, text: str, name: str) -> Found | None:
    """In text without a grammar: the passage that the name stands for."""
    passage = passages.find(path, text, name)
    if passage is None:
        return None
    lines, at = passage
    return Found("\n".join(lines), "\0".join(_WORD.findall("\n".join(lines))), at + 1)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _render(nodes: list[Node], content: bytes, language: Language) -> Iterator[Token]:
    """The normal form of some nodes, in order. Iterative, because hostile source nests deeper than Python may."""
    stack: list[Node | Token] = list(reversed(nodes))
    while stack:
        item = stack.pop()
        if isinstance(item, Token):
            yield item
            continue
        kind, first, last = item.type, item.start_point[0], item.end_point[0]
        if "comment" in kind or kind == "line_continuation":
            continue
        if kind in ("string", "concatenated_string") and language is _PYTHON:
            stack.extend(reversed(_python_string(item, content)))
            continue
        children = item.children
        if not children or kind in ("format_specifier", "string_content"):
            text = content[item.start_byte : item.end_byte].decode("utf-8", "replace")
            if item.is_named or not (text in language.dropped or text in "'\""):
                yield Token(text.lower() if kind in ("integer", "float") else text, first, last)
            continue
        inner: list[Node | Token] = []
        for child, following in pairwise([*children, None]):
            assert child is not None
            inner.append(child)
            end = following.start_byte if following is not None else child.end_byte
            if gap := content[child.end_byte : end].strip():  # text that the grammar hides
                inner.append(Token(gap.decode("utf-8", "replace"), child.end_point[0], child.end_point[0]))
        if kind in ("parenthesized_expression", "parenthesized_list_splat"):
            above = item.parent.type if item.parent is not None else ""
            if any(word in above for word in _OPERATORS):
                inner = [Token("(", first, first), *inner, Token(")", last, last)]
        elif kind == "argument_list" and len(children) == 2 and item.parent and item.parent.type == "class_definition":
            continue  # class A(): is class A:
        else:
            kind = _SAME.get(kind, kind)
            inner = [Token(OPEN + kind, first, last), *inner, Token(CLOSE, last, last)]
        stack.extend(reversed(inner))


_SAME = {
    **dict.fromkeys(("expression_list", "pattern_list", "tuple_pattern"), "tuple"),
    **dict.fromkeys(("block_mapping_pair", "flow_pair"), "pair"),
}
"""Node types that differ by layout alone."""


def _python_string(node: Node, content: bytes) -> list[Node | Token]:
    """A Python string without its quotes, the letters of its prefix in order, implicit concatenation undone."""
    first, last = node.start_point[0], node.end_point[0]
    parts = [child for child in node.children if child.type == "string"] if node.type != "string" else [node]
    of_bytes = any("b" in _text(part.children[0]).lower() for part in parts)
    out: list[Node | Token] = [Token(OPEN + ("bytes" if of_bytes else "string"), first, last)]
    pending, pending_prefix = "", ""

    def flush() -> None:
        if pending:
            out.append(Token(f"{pending_prefix}'{pending}'", first, last))

    statement = node.parent is not None and node.parent.type in ("expression_statement", "block", "module")
    for part in parts:
        opening = _text(part.children[0]).lower().rstrip("'\"")
        prefix = "".join(sorted(set(opening) - set("uf")))
        for child in part.children:
            if child.type == "string_content":
                piece = content[child.start_byte : child.end_byte].decode("utf-8", "replace")
                if "r" not in prefix:
                    piece = piece.replace("\\'", "'").replace('\\"', '"')
                    piece = _CODE.sub(lambda match: match[0].lower(), piece)
                if "f" in opening:
                    piece = piece.replace("{{", "{").replace("}}", "}")
                if pending and prefix != pending_prefix:
                    flush()
                    pending = ""
                pending, pending_prefix = pending + piece, prefix
            elif child.type == "interpolation":
                flush()
                pending = ""
                out.append(child)
    if statement:
        pending = "\n".join(line.strip() for line in pending.strip().splitlines())
    flush()
    out.append(Token(CLOSE, last, last))
    return out
