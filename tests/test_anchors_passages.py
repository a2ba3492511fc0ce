"""Text without a grammar: what a heading, a key or a section stands for, and what does not count as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore.coherence import passages

GUIDE = """\
Guide
=====

## Install

```sh
# Install
pip install it
## Use
```

Then restart.

### On Linux ###
nothing more

Use
---
Run it.

~~~
## Install
~~~
the end
"""

SETTINGS = """\
; cache.ttl is explained here
root = 1
[cache]
ttl = 30
hosts =
    one
    two
size: 5
[other]
# ttl = 9
ttl=1
"""


def lines(path: str, text: str, name: str) -> list[str] | None:
    found = passages.find(path, text, name)
    return None if found is None else found[0]


class TestHeadings:
    def test_a_section_goes_on_past_the_comments_in_its_code(self) -> None:
        section = lines("guide.md", GUIDE, "install")
        assert section is not None
        assert section[0] == "## Install"
        assert section[-2] == "nothing more"
        assert "Then restart." in section

    @pytest.mark.parametrize(
        ("name", "first"), [("Use", "Use"), ("## On Linux", "### On Linux ###"), ("guide", "Guide")]
    )
    def test_every_kind_of_heading_is_one(self, name, first) -> None:
        section = lines("guide.md", GUIDE, name)
        assert section is not None
        assert section[0] == first

    def test_the_last_section_reaches_the_end_whatever_its_code_says(self) -> None:
        section = lines("guide.md", GUIDE, "Use")
        assert section is not None
        assert section[-1] == "the end"

    @pytest.mark.parametrize(
        "text", ["#hashtag\n", "    # code\n", "- item\n---\n", "---\ntitle: hashtag\n---\n", "```\n# x\n"]
    )
    def test_what_only_looks_like_a_heading_is_a_mention_at_most(self, text) -> None:
        assert list(passages._headings(text.splitlines())) == []


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("cache.ttl", ["ttl = 30"]),
            ("other.ttl", ["ttl=1"]),
            ("ttl", ["ttl = 30", "ttl=1"]),
            ("cache.hosts", ["hosts =", "    one", "    two"]),
            ("root", ["root = 1"]),
            ("other", ["[other]", "ttl=1"]),
            ("two", ["    two"]),
            ("nothing", None),
        ],
    )
    def test_a_name_is_a_key_a_key_of_a_section_or_a_section_else_a_mention(self, name, expected) -> None:
        assert lines("app.ini", SETTINGS, name) == expected

    def test_an_exported_variable_is_a_key(self) -> None:
        assert lines(".env", "A=1\nexport B=2\n", "B") == ["export B=2"]


@pytest.mark.parametrize(
    "text",
    ["#" + " " * 200_000 + "x", "# a" + " #" * 200_000 + "x", "`" * 200_000 + "x`", "[" * 200_000, "a" * 400_000],
)
@pytest.mark.parametrize("path", ["a.md", "a.ini"])
def test_one_hostile_line_takes_no_more_than_its_length(path, text) -> None:
    assert passages.find(path, text, "name") is None  # a quadratic reading would take minutes


@given(st.text(max_size=200), st.text(min_size=1, max_size=10), st.sampled_from(["a.md", "a.ini", "a.txt"]))
def test_any_text_can_be_read_and_gives_its_own_lines(text, name, path) -> None:
    found = passages.find(path, text, name)
    if found is not None:
        told, at = found
        assert told[0] == text.splitlines()[at]
        assert set(told) <= set(text.splitlines())
