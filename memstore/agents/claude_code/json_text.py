"""Changing some entries of a JSON text, and leaving every other byte as it is.

A settings file is its owner's: its indentation, the order of its entries and how its lists are broken are theirs. So
what is new is put in, and what is gone taken out, as text, at the place where a parser found it. What was put in and is
taken out again leaves the text as it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

_decode = json.JSONDecoder().raw_decode
_SPACE = " \t\n\r"


class _Part(NamedTuple):
    """A member of an object or an element of a list, and where it lies in the text."""

    begin: int
    value_begin: int
    end: int
    key: str | None
    value: Any


def rewritten(text: str, value: dict[str, Any]) -> str:
    """The text of a JSON object, changed to say `value`."""
    begin = _skip(text, 0)
    old, end = _decode(text, begin)
    parts = _parts(text[begin:end])
    unit = text[begin + 1 : begin + parts[0].begin].rpartition("\n")[2] if parts else ""
    made = text[:begin] + _value(text[begin:end], old, value, "", unit or "  ") + text[end:]
    # Two entries of one name cannot be told apart: then all of it is written anew.
    return made if json.loads(made) == value else json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _value(text: str, old: Any, new: Any, indent: str, unit: str) -> str:
    """The text of one value, which stands `indent` deep, changed from `old` to `new`."""
    if old == new:
        return text
    if isinstance(old, dict) and isinstance(new, dict):
        kept = [(part, new[part.key]) for part in _parts(text) if part.key in new]
        added = [(key, new[key]) for key in new if key not in old]
    elif isinstance(old, list) and isinstance(new, list):
        kept, added = _aligned(_parts(text), new)
    else:
        return _dumped(new, indent, unit)
    return _assembled(text, kept, added, indent, unit)


def _aligned(parts: Sequence[_Part], new: Sequence[Any]) -> tuple[list[tuple[_Part, Any]], list[tuple[None, Any]]]:
    """Which elements of a list stay (some of them changed), in their order, and what comes after them."""
    kept: list[tuple[_Part, Any]] = []
    old = [part.value for part in parts]
    at = 0
    for part in parts:
        if at < len(new) and (part.value == new[at] or (part.value not in new and new[at] not in old)):
            kept.append((part, new[at]))
            at += 1
    return kept, [(None, value) for value in new[at:]]


def _assembled(
    text: str, kept: Sequence[tuple[_Part, Any]], added: Sequence[tuple[str | None, Any]], indent: str, unit: str
) -> str:
    """An object or a list of what is kept, each with the space that was before it, and of what is added behind."""
    parts = _parts(text)
    if not kept and not added:
        return text[0] + text[-1]
    inner = text[1 : parts[0].begin] if parts else f"\n{indent}{unit}"
    deeper = inner.rpartition("\n")[2] if "\n" in inner else indent
    before = {part.begin: text[last.end : part.begin] for last, part in pairwise(parts)}
    made = ""
    for part, value in kept:
        made += before[part.begin] if made else inner
        made += text[part.begin : part.value_begin] + _value(
            text[part.value_begin : part.end], part.value, value, deeper, unit
        )
    for key, value in added:
        made += f",{inner or ' '}" if made else inner
        made += "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
        made += _dumped(value, deeper, unit) if "\n" in inner else json.dumps(value, ensure_ascii=False)
    return text[0] + made + (text[parts[-1].end :] if parts else f"\n{indent}{text[-1]}")


def _dumped(value: Any, indent: str, unit: str) -> str:
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", f"\n{indent}")


def _parts(text: str) -> list[_Part]:
    """What the object or list that the text is holds."""
    found: list[_Part] = []
    at = _skip(text, 1)
    while text[at] not in "}]":
        begin, key = at, None
        if text[0] == "{":
            key, at = _decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        value, end = _decode(text, at)
        found.append(_Part(begin, at, end, key, value))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
