"""What a text names and the root holds becomes an anchor; what is ambiguous, absent or outside does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from memstore.coherence.anchors import AnchorTarget, find_anchors
from memstore.coherence.inventory import Inventory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in {
        "src/auth/login.py": "TOKEN_AGE = 9\n\ndef parse_header(v):\n    return v\n\nclass TokenStore:\n"
        "    def get(self):\n        return 1\n",
        "src/auth/tokens.py": "def refresh_token():\n    return 1\n\ndef shared():\n    return 2\n",
        "src/other/login.py": "def shared():\n    return 1\n",
        "src/cli.py": "import click\n\n@click.option('--dry-run/--no-dry-run')\ndef main(dry_run):\n    f(1)\n",
        "crates/pool.rs": "impl Pool { pub fn grow(&self) -> u8 { 1 } }\n",
        "config/app.toml": "[cache]\nttl_seconds = 30\n",
        "docs/notes.md": "parse_header() is documented here, and refresh_token.\n",
        "node_modules/x/index.js": "function vendored() { return 1 }\n",
        ".env": "DATABASE_URL=x\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def named(text: str, root: Path) -> list[str]:
    return [str(target) for target in find_anchors(text, root)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We keep the session code in src/auth/login.py.", ["src/auth/login.py"]),
        ("See ./src/auth/login.py, please", ["src/auth/login.py"]),
        ("tokens.py holds the refresh", ["src/auth/tokens.py"]),
        ("auth/login.py is the one", ["src/auth/login.py"]),
        ("The bug is at src/auth/login.py:3-4", ["src/auth/login.py:3-4"]),
        ("src/auth/login.py#L3-L4 is wrong", ["src/auth/login.py:3-4"]),
        ("src/auth/login.py:3: look", ["src/auth/login.py:3-3"]),
        ("parse_header() strips the prefix", ["parse_header in src/auth/login.py"]),
        ("`parse_header` in src/auth/login.py strips it", ["parse_header in src/auth/login.py"]),
        ("TokenStore.get() is hot, and so is TokenStore.", ["TokenStore.get in src/auth/login.py",
                                                            "TokenStore in src/auth/login.py"]),
        ("shared() in src/other/login.py returns one", ["shared in src/other/login.py"]),
        ("we pass --dry-run in CI", ["--dry-run in src/cli.py"]),
        ("`cache.ttl_seconds` is thirty", ["cache.ttl_seconds in config/app.toml"]),
        ("TOKEN_AGE is nine and DATABASE_URL is set", ["TOKEN_AGE in src/auth/login.py", "DATABASE_URL in .env"]),
        ("`Pool::grow` allocates", ["Pool::grow in crates/pool.rs"]),
    ],
)  # fmt: skip
def test_what_a_text_names_is_found(root, text, expected) -> None:
    assert named(text, root) == expected


@pytest.mark.parametrize(
    "text",
    [
        "We use Redis, because it is fast.",
        "login.py is where it lives",  # two files have that name
        "shared() is called twice",  # two files define it
        "nothing_here() and `Missing.method` and --no-such-flag and lost.py",
        "see https://example.org/src/auth/login.py for more",
        "../../etc/passwd and /etc/passwd and src/../../x.py",
        "vendored() comes from a package",
        "version 1.2.3 of v2.0, e.g. i.e. 3.11",
    ],
)
def test_what_is_ambiguous_absent_or_outside_is_left_out(root, text) -> None:
    assert named(text, root) == []


def test_a_link_out_of_the_root_is_no_anchor(root, tmp_path_factory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "plan.py"
    outside.write_text("def leaked():\n    return 1\n")
    (root / "plan.py").symlink_to(outside)
    assert named("plan.py says so, leaked() too", root) == []


def test_the_number_of_anchors_and_the_search_are_bounded(root) -> None:
    text = " ".join(["src/auth/login.py", "src/auth/tokens.py", "src/cli.py", "config/app.toml"])
    assert len(find_anchors(text, root, limit=2)) == 2
    assert find_anchors("parse_header() there", root, inventory=Inventory(root, seconds=-1.0)) == []


@pytest.mark.parametrize("run", ["a", "--a", "a.", "a/", "a::", "Aa", "a_", "`a", ":", "a.py:", "a.py ", "f() "])
def test_a_long_run_of_anything_is_read_in_time_with_its_length(root, run) -> None:
    assert find_anchors(run * (200_000 // len(run)) + "()", root) == []  # a quadratic reading takes minutes


def test_one_inventory_serves_many_texts_and_reads_each_file_once(root) -> None:
    inventory = Inventory(root)
    first = find_anchors("refresh_token() there", root, inventory=inventory)
    (root / "src/late.py").write_text("def latecomer():\n    return 1\n")
    assert find_anchors("refresh_token() there", root, inventory=inventory) == first
    assert find_anchors("latecomer() there", root, inventory=inventory) == []
    assert find_anchors("latecomer() there", root) == [AnchorTarget("src/late.py", symbol="latecomer")]
