"""The anchors campaign: its oracles are right without the parser under test, and its counts are what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.campaigns import oracles
from evals.campaigns.anchors import VARIANTS, measure, render

BEFORE = '''
def kept(a, b):
    """Adds
    things."""
    return a + b


def changed(a):
    return a


def gone():
    return 1


class Box:
    def size(self):
        return 1
'''
AFTER = '''
import os


class Box:
    def size(self):
        return 2


def changed(a):
    return a + 1


def kept(a, b):
    """Adds
    things."""
    return a + b
'''


def truth(path: Path, text: str) -> dict[str, str]:
    path.write_text(text)
    return oracles.symbols(path)


def test_the_python_oracle_sees_meaning_and_not_layout(tmp_path) -> None:
    one = truth(tmp_path / "a.py", "def f(a,b):\n  'doc'\n  return (a+b)\nclass C:\n  def m(self): return 1\n")
    other = truth(
        tmp_path / "a.py", 'class C:\n    def m(self):\n        return 1\ndef f(a, b):\n    "doc"\n    return a + b'
    )
    assert one == other
    assert set(one) == {"f", "C", "C.m"}
    assert truth(tmp_path / "a.py", "def f(a, b):\n    'doc'\n    return a - b\n")["f"] != one["f"]


def test_the_rust_oracle_sees_attributes_and_bodies_and_not_comments(tmp_path) -> None:
    one = truth(tmp_path / "a.rs", "#[inline]\npub fn f(a: u8) -> u8 { g(\"}\", '{', a,) } // x\nfn g() {}\n")
    other = truth(tmp_path / "a.rs", "#[inline]\n// why\npub fn f(\n a: u8\n) -> u8\n{ g(\"}\", '{', a) }\nfn g() {}")
    assert one == other
    assert set(one) == {"f", "g"}
    assert truth(tmp_path / "a.rs", "pub fn f(a: u8) -> u8 { 1 }\nfn g() {}\n")["f"] != one["f"]
    assert truth(tmp_path / "a.rs", oracles.relaid(tmp_path / "a.rs") or "")["g"] == one["g"]


def test_the_rust_oracle_lays_out_every_character_it_may_meet(tmp_path) -> None:
    one = truth(tmp_path / "a.rs", r"fn f() { g(b'\xA1'..=b'\xff', '\'', '\\\\', '\u{1F600}', b'x', 'a) }")
    anew = oracles.relaid(tmp_path / "a.rs") or ""
    assert r"b'\xA1'" in anew.split("\n")
    assert truth(tmp_path / "a.rs", anew) == one


def test_the_markdown_oracle_sees_sections_and_not_wrapping(tmp_path) -> None:
    path = tmp_path / "a.md"
    one = truth(path, "# A\nintro\n## Use\nRun this and\nthat.\n## Other\nx\n")
    assert set(one) == {"A", "Use", "Other"}
    assert truth(path, "# A\n\nintro\n\n## Use\n\nRun this\nand that.\n\n## Other\n\nx\n") == one
    assert truth(path, oracles.relaid(path) or "") == one


@pytest.mark.parametrize("variant", VARIANTS)
def test_anchors_fire_for_what_changed_or_went_and_for_nothing_else(tmp_path, variant) -> None:
    for release, text in (("1", BEFORE), ("2", AFTER)):
        (tmp_path / release / "pkg").mkdir(parents=True)
        (tmp_path / release / "pkg" / "a.py").write_text(text)
    cases = measure("pkg", tmp_path / "1", tmp_path / "2", variant, sample=50, seed=0)
    assert {c.symbol: c.truth for c in cases} == {
        "kept": "same", "changed": "changed", "gone": "missing", "Box": "changed", "Box.size": "changed",
    }  # fmt: skip
    assert {c.symbol for c in cases if c.fired} == {"changed", "gone", "Box", "Box.size"}
    assert all(c.baseline for c in cases)
    table = render(cases)
    assert table.startswith("n=5  changed=3  missing=1  same=1")
    assert "anchors    precision 1.000" in table
    assert "file hash  precision 0.800" in table
