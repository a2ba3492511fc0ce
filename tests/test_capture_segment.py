"""Sentences and clauses: boundaries that a reader would draw, and no word lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore.capture.blocks import Form, looks_like_code
from memstore.capture.segment import LONGEST, plain, segments


def sentences(text: str) -> list[str]:
    return [text[s.start : s.end] for s in segments(text) if s.form not in (Form.CODE, Form.LAYOUT, Form.HEADING)]


def clauses(text: str) -> list[str]:
    (only,) = list(segments(text))
    edges = [only.start, *(edge for cut in only.cuts for edge in cut), only.end]
    return [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


class TestSentenceBoundaries:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("We use Redis. It holds sessions.", ["We use Redis.", "It holds sessions."]),
            ("Upgrade to v2.1. Then restart.", ["Upgrade to v2.1.", "Then restart."]),
            ("See main.py and docs/adr-7.md for more.", ["See main.py and docs/adr-7.md for more."]),
            ("It runs on Node.js. We like it.", ["It runs on Node.js.", "We like it."]),
            ("Use a cache, e.g. Redis, i.e. the fast one.", ["Use a cache, e.g. Redis, i.e. the fast one."]),
            ("Ask Dr. Smith. He knows.", ["Ask Dr. Smith.", "He knows."]),
            ("Hmm... maybe not. OK", ["Hmm... maybe not.", "OK"]),
            ("Wait… We changed it.", ["Wait…", "We changed it."]),
            ("It is at https://x.example/a.b?c=d. Look there!", ["It is at https://x.example/a.b?c=d.", "Look there!"]),
            ("We take option B. It is cheap.", ["We take option B.", "It is cheap."]),
            ("No. 5 is broken. Really?", ["No. 5 is broken.", "Really?"]),
            ('"Is it done?" he asked. Yes!', ['"Is it done?" he asked.', "Yes!"]),
            ("Call `foo.bar()! x. y` first. Then stop.", ["Call `foo.bar()! x. y` first.", "Then stop."]),
            ("just curious. how fast is it?", ["just curious.", "how fast is it?"]),
            ("我们使用Redis。可以换成Valkey吗？", ["我们使用Redis。", "可以换成Valkey吗？"]),
            ("first thing\nsecond thing", ["first thing\nsecond thing"]),
            ("First thing\nSecond thing", ["First thing", "Second thing"]),
        ],
    )
    def test_are_where_a_reader_puts_them(self, text: str, expected: list[str]) -> None:
        assert sentences(text) == expected

    def test_a_hard_wrapped_paragraph_is_read_as_one(self) -> None:
        text = (
            "The storage layer keeps every event word for word and the\n"
            "Ledger is the only place that opens the file. Facts are\n"
            "derived from it and can be rebuilt."
        )
        assert [plain(s) for s in sentences(text)] == [
            "The storage layer keeps every event word for word and the Ledger is the only place that opens the file.",
            "Facts are derived from it and can be rebuilt.",
        ]

    def test_a_sentence_that_cannot_stand_alone_joins_the_one_before(self) -> None:
        assert sentences("Never mock the ledger. Because a mock hid the bug. We agreed.") == [
            "Never mock the ledger. Because a mock hid the bug.",
            "We agreed.",
        ]

    def test_an_answer_does_not_join_its_question(self) -> None:
        assert sentences("Why Redis? Because it is fast.") == ["Why Redis?", "Because it is fast."]

    def test_a_run_on_is_divided_and_nothing_is_lost(self) -> None:
        text = "word " * 1_000
        parts = sentences(text)
        assert max(map(len, parts)) <= LONGEST
        assert "".join(parts).count("word") == 1_000


class TestMarkdown:
    TEXT = """# Storage

## Options

We could take one of these:

- Use Mongo. It is known.
- [ ] maybe Postgres

| store | price |
|-------|-------|
| Redis | low |

> They said: you must leave.

```python
x = 1
```

Done.
"""

    def test_every_form_is_told_apart(self) -> None:
        forms = [(s.form, self.TEXT[s.start : s.end]) for s in segments(self.TEXT)]
        assert forms == [
            (Form.HEADING, "Storage"),
            (Form.HEADING, "Options"),
            (Form.PROSE, "We could take one of these:"),
            (Form.ITEM, "Use Mongo."),
            (Form.ITEM, "It is known."),
            (Form.ITEM, "maybe Postgres"),
            (Form.ROW, "store | price"),
            (Form.LAYOUT, "|-------|-------|"),
            (Form.ROW, "Redis | low"),
            (Form.QUOTE, "They said: you must leave."),
            (Form.CODE, "x = 1"),
            (Form.PROSE, "Done."),
        ]

    def test_an_item_knows_its_lead_in_and_its_sections(self) -> None:
        item = next(s for s in segments(self.TEXT) if s.form is Form.ITEM)
        assert item.lead == "We could take one of these:"
        assert item.headings == ("Storage", "Options")

    def test_an_unclosed_fence_hides_no_words(self) -> None:
        assert "We decided to use Redis." in sentences("```\nWe decided to use Redis.\nand more")

    @pytest.mark.parametrize(
        "line",
        [
            "def main(argv: list[str]) -> int:",
            "+++ b/memstore/model.py",
            "@@ -1,3 +1,4 @@",
            "    return x;",
            "const a = require('b');",
            'File "x.py", line 3, in main',
            "     1→import os",
            "drwxr-xr-x 2 root root 4096 .",
            "src/app/main.py:12",
            "}",
        ],
    )
    def test_source_and_listings_are_code(self, line: str) -> None:
        assert looks_like_code(line)

    @pytest.mark.parametrize(
        "line",
        [
            "Let us import the data from the old store.",
            "return early if the cache is empty",
            "We use x = 5 as the default for every service that has no setting of its own.",
            "for now we keep Redis",
            "12 people voted for it",
            "- use Redis for the session store",
        ],
    )
    def test_sentences_about_code_are_not(self, line: str) -> None:
        assert not looks_like_code(line)


class TestClauses:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("We use Redis, but could move to Valkey.", ["We use Redis", "but could move to Valkey."]),
            ("The build passed; maybe we ship today.", ["The build passed", "maybe we ship today."]),
            ("We keep base62 and the TTL is 30 days.", ["We keep base62 and the TTL is 30 days."]),
            ("We could pin it, so that we get the same build.", ["We could pin it, so that we get the same build."]),
            ("If it fails, we could roll back.", ["If it fails, we could roll back."]),
            ("We sell apples, pears and plums.", ["We sell apples, pears and plums."]),
            (
                "It is fast (we measured, but it could change) today.",
                ["It is fast (we measured, but it could change) today."],
            ),
        ],
    )
    def test_are_offered_only_where_a_main_clause_starts(self, text: str, expected: list[str]) -> None:
        assert clauses(text) == expected

    def test_blanks_around_a_joint_are_part_of_none(self) -> None:
        assert clauses("We use Redis   ;   it holds sessions  but we could   move.") == [
            "We use Redis",
            "it holds sessions",
            "but we could   move.",
        ]


class TestNothingIsLost:
    @given(st.text(alphabet=st.sampled_from("ab Z.!?…\n`#>|-*_:;,(){}1あ。\"'"), max_size=200))
    def test_segments_are_in_order_disjoint_and_hold_every_letter(self, text: str) -> None:
        covered: set[int] = set()
        at = 0
        for segment in segments(text):
            assert at <= segment.start < segment.end <= len(text)
            at = segment.end
            covered.update(range(segment.start, segment.end))
            edges = [segment.start, *(edge for cut in segment.cuts for edge in cut), segment.end]
            assert edges == sorted(edges)
        assert all(i in covered for i, c in enumerate(text) if c in "あ")

    @pytest.mark.parametrize(
        "unit", [".", "a, but a ", "`", "> ", "| ", "```\n", "we ", "x = ", "<a>", "\n", "=\n", f"|{' ' * 700}\\\n"]
    )
    def test_hostile_repetition_ends(self, unit: str) -> None:
        assert sum(1 for _ in segments(unit * 20_000)) <= 20_000
