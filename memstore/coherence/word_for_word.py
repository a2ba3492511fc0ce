"""Whether a Python definition still stands in a changed file word for word, told without parsing the file.

A recall that waits has milliseconds, and parsing a large module takes twenty. Most edits of a file leave most of its
definitions as they are; that one is can be seen in its text. Only what is certain is said: False means "parse it".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

_HEAD = re.compile(rb"(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)")
_DEFINES = re.compile(rb"[ \t]*(?:(?:async[ \t]+)?(?:def|class)[ \t]+)?$")
_GIVES = re.compile(rb"[ \t]*[:=]")
_BETWEEN = re.compile(rb"\n(?=@|(?:async )?def |class )")
_DEFINED = re.compile(rb"^[ \t]*(?:async )?(?:def|class) ", re.MULTILINE)
_QUOTES = (b'"""', b"'''")
_DECORATES = (b"@", b")", b"]", b"}", *_QUOTES)  # a decorator, or what may be its last line
# `) -> int:` ends a definition's head, and no decorator.
_HEADER_END = re.compile(rb"\)(?:[ \t]*->[^#'\"]*)?:(?: \.\.\.)?")
_CODE = re.compile(rb"^([ \t]*)[^\s#]", re.MULTILINE)


def stands(path: str, symbol: str, seen: str, content: bytes) -> bool:
    """True if `symbol` is defined in `content` under the same names, and just the text `seen`."""
    parts = [part.encode() for part in symbol.split(".") if part.isidentifier()]
    if PurePosixPath(path).suffix not in (".py", ".pyi") or len(parts) != symbol.count(".") + 1:
        return False
    text = seen.encode("utf-8", "surrogatepass")
    pieces = _pieces(text)
    defined = list(_definitions(content, parts[-1])) if pieces[0] in content else []
    if len(defined) != len(pieces):
        return False
    end = 0
    for piece, line in zip(pieces, defined, strict=True):
        begin = content.find(piece, end)
        first, end = content.rfind(b"\n", 0, begin) + 1, begin + len(piece)
        if begin < 0 or content[first:begin].strip(b" ") or not first <= line < end:
            return False
        if not (_ends(content, end, begin - first) and _begins(content, first, begin - first, parts[:-1])):
            return False
    return True


def _pieces(seen: bytes) -> list[bytes]:
    """The definitions of one name, which were seen together: overloads, or one for each system."""
    pieces: list[bytes] = []
    for part in _BETWEEN.split(seen):
        if pieces and not _DEFINED.search(pieces[-1]):  # so far there are decorators
            pieces[-1] += b"\n" + part
        else:
            pieces.append(part)
    return pieces


def _definitions(content: bytes, name: bytes) -> Iterator[int]:
    """Where lines begin by defining `name`, by `def`, `class` or a value."""
    at = content.find(name)
    while at >= 0:
        line = content.rfind(b"\n", 0, at) + 1
        end = at + len(name)
        before = content[line:at]
        whole = len(before) < 200 and _DEFINES.match(before) and not _is_word(content[end : end + 1])
        if whole and (before.strip() or _GIVES.match(content, end)):
            yield line
        at = content.find(name, end)


def _is_word(byte: bytes) -> bool:
    return byte.isalnum() or byte == b"_" or byte > b"\x7f"


def _ends(content: bytes, end: int, indent: int) -> bool:
    """Nothing follows on its last line, and the next line of code is no deeper: nothing was added to its end."""
    if end < len(content) and content[end : end + 1] != b"\n":
        return False
    following = _CODE.search(content, end)
    return following is None or (b"\t" not in following[1] and len(following[1]) <= indent)


def _begins(content: bytes, first: int, indent: int, parents: list[bytes]) -> bool:
    """It stands in code, no decorator was added above it, and what it stands in has the names that it had."""
    if any(content.count(quotes, 0, first) % 2 for quotes in _QUOTES):
        return False  # it may be words in a string
    wanted = list(parents)
    nearest = True
    while first > 0:
        start = content.rfind(b"\n", 0, first - 1) + 1
        line = content[start : first - 1]
        told = line.strip()
        first = start
        depth = len(line) - len(line.lstrip(b" "))
        if not told or told.startswith(b"#") or depth >= indent + nearest:
            continue
        if nearest:  # of those as deep as it is, or less: what is deeper ends something that begins further up
            if told.startswith(_DECORATES) and not _HEADER_END.fullmatch(told):
                return False
            nearest = False
        if not wanted:
            return True
        if depth >= indent:
            continue
        head = _HEAD.match(told)
        if head is None or head[1] != wanted.pop():
            return False
        indent = depth
    return not wanted
