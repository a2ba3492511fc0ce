"""A definition that is said to stand word for word is the same to the parser; everything in doubt is left to it."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore.coherence import symbols
from memstore.coherence.word_for_word import stands

pytest.importorskip("tree_sitter_python")

SOURCE = '''\
import os


class Box:
    """Holds things."""

    size = 3

    @property
    def full(self) -> bool:
        return len(self.things) >= self.size

    def put(self, thing):
        # keep it
        self.things.append(thing)

    async def take(self):
        return self.things.pop()


def sort(boxes):
    return sorted(boxes)


if os.name == "nt":

    @overload
    def term(x: int) -> int: ...
    @overload
    @cached
    def term(x):
        return x

else:

    def term(x):
        return -x
'''
SORT = "def sort(boxes):\n    return sorted(boxes)"
NAMES = ("Box.full", "Box.put", "Box.take", "sort", "put", "Box", "term")


def seen(name: str, source: str = SOURCE) -> str:
    found = symbols.find("m.py", source.encode(), name)
    assert found is not None
    return found.source


class TestWhatStands:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("edit", ["# first\n", "def other():\n    pass\n\n\n", "\n\n"])
    def test_an_edit_elsewhere_leaves_it(self, name: str, edit: str) -> None:
        assert stands("m.py", name, seen(name), (edit + SOURCE + "\n\nLAST = 1\n").encode())

    @pytest.mark.parametrize("head", ["):", ") -> dict[str, int]:", ") -> int: ..."])
    def test_a_head_of_several_lines_above_it_leaves_it(self, head: str) -> None:
        body = "" if head.endswith("...") else "    return 1\n\n\n"
        edited = SOURCE.replace("def sort(", f"def other(\n    boxes,\n{head}\n{body}def sort(")
        ast.parse(edited)
        assert stands("m.py", "sort", seen("sort"), edited.encode())

    @pytest.mark.parametrize(
        ("name", "old", "new"),
        [
            ("sort", "def sort(", "@(\n    cached\n) if 1 else lambda: ...\ndef sort("),
            ("sort", "def sort(", "@cached[f(\n    1,\n): ...]\ndef sort("),
            ("Box.put", "append(thing)", "append(thing)\n        self.size += 1"),
            ("Box.put", "    def put(", "    @cached\n    def put("),
            ("Box.put", "    def put(", "    @cached\n    # why\n\n    def put("),
            ("sort", "def sort(", "@cached(1,\n        2)\ndef sort("),
            ("sort", "def sort(", "@cached([\n    1,\n])\ndef sort("),
            ("sort", SORT, f"OLD = '''\n{SORT}\n'''"),
            ("Box.full", "    @property\n", "    @cached\n    @property\n"),
            ("Box.put", "class Box", "class Crate"),
            ("Box.take", "async def take", "def take"),
            ("sort", "sorted(boxes)", "sorted(boxes)[:3]"),
            ("sort", "def sort(boxes)", "def sort(crates)"),
            ("Box.put", "def sort", "    def put(self):\n        pass\n\n\ndef sort"),
            ("sort", "import os", "sort = None"),
            ("term", "return x", "return x + 1"),
            ("term", "    @cached\n", ""),
            ("term", "return -x", "return -x\n\n\ndef term(y):\n    pass"),
        ],
    )
    def test_what_changed_or_may_have_is_left_to_the_parser(self, name: str, old: str, new: str) -> None:
        assert old in SOURCE
        assert not stands("m.py", name, seen(name), SOURCE.replace(old, new).encode())

    def test_only_python_is_read_so(self) -> None:
        assert not stands("m.rs", "sort", seen("sort"), SOURCE.encode())

    @given(
        st.sampled_from(NAMES),
        st.integers(0, len(SOURCE)),
        st.sampled_from(
            ["", " ", "\n", "#", "x", "    ", "@a\n", "def put(self): pass\n", "'''", "return", ")", "\\\n"]
        ),
        st.integers(0, 12),
    )
    def test_after_any_small_edit_what_is_said_to_stand_is_the_same_to_the_parser(
        self, name: str, at: int, put: str, cut: int
    ) -> None:
        edited = SOURCE[:at] + put + SOURCE[at + cut :]
        try:
            ast.parse(edited)
        except SyntaxError:
            return  # a file in the middle of an edit: the parser may find less than what stands there
        before, after = (symbols.find("m.py", text.encode(), name) for text in (SOURCE, edited))
        if stands("m.py", name, seen(name), edited.encode()):
            assert after is not None
            assert after.form == before.form
