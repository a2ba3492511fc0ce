"""The Markdown baseline: what it shows, what it picks, what it refuses, and that it rewrites nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstore import MarkdownMemory, Note, Topic, curate, curated_notes
from memstore.errors import NotFound, PathRefused, UnreadableFile, UsageError
from memstore.markdown.topic import parse, render
from memstore.model import Kind

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

one_line = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="[]"), min_size=1, max_size=40)
prose = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)


@pytest.fixture
def memory(tmp_path: Path) -> MarkdownMemory:
    return MarkdownMemory(tmp_path / "memory")


def topic(file: str = "storage.md", description: str = "redis, ttl", body: str = "We use Redis.\n") -> Topic:
    return Topic(file, file.removesuffix(".md"), description, body)


class TestWhatIsInjected:
    def test_nothing_is_injected_before_anything_was_written_and_nothing_is_created(self, memory):
        assert memory.inject().text == ""
        assert memory.recall("anything") == []
        assert not memory.folder.root.exists()

    def test_a_hand_written_index_is_injected_to_the_letter(self, memory):
        text = "# Decisions\r\n\n- We could refresh the TTL\u2028on access.\n- last line without an end"
        memory.write_index(text)
        assert memory.inject().text == text
        assert not memory.inject().cut

    def test_only_the_first_200_lines_are_injected(self, memory):
        memory.write_index("".join(f"- line {n}\n" for n in range(250)))
        injection = memory.inject()
        assert (injection.lines, injection.total, injection.cut) == (200, 250, True)
        assert injection.text.endswith("- line 199\n")
        assert [p.code for p in memory.verify()] == ["index-cut"]

    def test_at_most_25_kilobytes_are_injected_and_the_cut_is_where_a_line_ends(self, memory):
        memory.write_index("".join(f"- {n:03} " + "é" * 500 + "\n" for n in range(100)))
        injection = memory.inject()
        assert len(injection.text.encode()) <= 25_000 < len(injection.text.encode()) + 1_007
        assert injection.text.endswith("\n")

    def test_a_topic_past_the_cap_cannot_be_chosen_because_no_reader_sees_it(self, memory):
        memory.write(topic())
        memory.write_index("- filler\n" * 200 + memory.index())
        assert memory.recall("redis") == []


class TestRecall:
    def test_it_picks_by_the_description_and_reads_the_body(self, memory):
        memory.write(topic(), topic("codes.md", "base62, short codes", "We chose base62.\n"))
        assert [t.body for t in memory.recall("how are short codes made?")] == ["We chose base62.\n"]

    def test_words_of_the_body_alone_do_not_choose_a_file(self, memory):
        memory.write(topic(description="storage", body="the zebra decision"))
        assert memory.recall("zebra") == []

    def test_it_reads_at_most_five_files(self, memory):
        memory.write(*(topic(f"t{n}.md", "redis") for n in range(9)))
        assert len(memory.recall("redis")) == 5
        with pytest.raises(UsageError, match="at most 5"):
            memory.recall("redis", limit=6)

    def test_equal_matches_keep_the_order_of_the_index_newest_first(self, memory):
        for n in range(4):
            memory.write(topic(f"t{n}.md", "redis"))
        assert [t.file for t in memory.recall("redis")] == ["t3.md", "t2.md", "t1.md", "t0.md"]

    def test_a_rarer_word_counts_for_more(self, memory):
        memory.write(topic("a.md", "redis"), topic("b.md", "redis"), topic("c.md", "cassandra"))
        assert memory.recall("redis or cassandra?")[0].file == "c.md"

    def test_a_missing_file_is_passed_over_and_verify_names_it(self, memory):
        memory.write(topic(), topic("other.md", "redis"))
        (memory.folder.root / "storage.md").unlink()
        assert [t.file for t in memory.recall("redis")] == ["other.md"]
        assert [(p.code, p.record) for p in memory.verify()] == [("dangling", "storage.md")]

    def test_lines_put_the_matching_ones_first_and_keep_their_words(self, memory):
        memory.write(topic(body="We use Redis.\n\nWe could refresh the TTL on each access.\n"))
        memory.write_index("# Memory\n- Codes are base62.\n" + memory.index())
        found = memory.lines("does access refresh the ttl?")
        assert [(line.file, line.number, line.text) for line in found] == [
            ("storage.md", 3, "We could refresh the TTL on each access."),
            ("MEMORY.md", 2, "- Codes are base62."),
            ("storage.md", 1, "We use Redis."),
        ]

    @given(query=prose)
    @settings(max_examples=50, deadline=None)
    def test_any_query_is_answered_the_same_way_twice(self, tmp_path_factory, query):
        memory = MarkdownMemory(tmp_path_factory.mktemp("m"))
        memory.write(topic(), topic("codes.md", "base62, short codes"))
        assert memory.recall(query) == memory.recall(query)


class TestWriting:
    def test_writing_again_replaces_the_body_and_the_one_index_line(self, memory):
        memory.write(topic())
        memory.write(topic(description="postgres", body="We use PostgreSQL.\n"))
        assert memory.index() == "- [storage](storage.md) — postgres\n"
        assert memory.read("storage.md").body == "We use PostgreSQL.\n"

    def test_lines_that_a_person_wrote_stay_where_they_are(self, memory):
        memory.write_index("# Memory\n\n- Codes are base62.\n\n## Later\n- [old](old.md) - legacy\nno end")
        memory.write(topic(), Topic("old.md", "old", "kept", ""))
        assert memory.index() == (
            "# Memory\n\n- [storage](storage.md) — redis, ttl\n- Codes are base62.\n\n## Later\n"
            "- [old](old.md) — kept\nno end"
        )

    def test_removing_takes_the_line_and_the_file(self, memory):
        memory.write(topic(), topic("codes.md"))
        memory.remove("codes.md")
        assert "codes.md" not in memory.index()
        assert memory.verify() == []
        with pytest.raises(NotFound):
            memory.remove("codes.md")

    @pytest.mark.parametrize(
        "bad",
        [
            Topic("a.md", "", "d", ""),
            Topic("a.md", "x](y.md", "d", ""),
            Topic("a.md", "n", "d" * 201, ""),
            Topic("a.txt", "n", "d", ""),
            Topic("a b.md", "n", "d", ""),
            Topic("MEMORY.md", "n", "d", ""),
            Topic("a.md", "n", "d", "x" * 1_000_001),
            Topic("a.md", "n", "d", "\ud800"),
        ],
    )
    def test_what_the_caps_forbid_is_refused_and_the_index_is_as_it_was(self, memory, bad):
        memory.write(topic())
        before = memory.index()
        with pytest.raises(UsageError):
            memory.write(bad)
        assert memory.index() == before
        assert memory.verify() == []

    def test_files_are_for_their_owner_only(self, memory):
        old = os.umask(0)
        try:
            memory.write(topic("team/storage.md"))
        finally:
            os.umask(old)
        root = memory.folder.root
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (root, root / "team", *root.glob("**/*.md"))}
        assert modes == {"memory": 0o700, "team": 0o700, "MEMORY.md": 0o600, "storage.md": 0o600}

    def test_no_temporary_file_is_left_when_a_write_fails(self, memory):
        (memory.folder.root / "storage.md").mkdir(parents=True)
        with pytest.raises(PathRefused):
            memory.write(topic())
        assert {p.name for p in memory.folder.root.iterdir()} == {"storage.md", ".lock"}

    def test_four_processes_writing_at_once_lose_no_topic(self, memory):
        script = (
            "import sys; from memstore import MarkdownMemory, Topic\n"
            "for n in range(8): MarkdownMemory(sys.argv[1]).write(Topic(f't{sys.argv[2]}-{n}.md', 't', 'd', 'b'))"
        )
        command = [sys.executable, "-c", script, str(memory.folder.root)]
        running = [subprocess.Popen([*command, str(n)]) for n in range(4)]
        assert [p.wait(60) for p in running] == [0] * 4
        assert len(memory.entries()) == 32
        assert memory.verify() == []


class TestNoPathLeavesTheRoot:
    @pytest.mark.parametrize(
        "name",
        ["../out.md", "/etc/passwd", "a/../../out.md", "./a.md", "a//b.md", "", "..", "a\\..\\b.md", "a\0.md", "a\n.md",
         "x" * 300 + ".md", "\udcff.md"],
    )  # fmt: skip
    def test_a_name_that_is_not_inside_is_refused_everywhere(self, memory, tmp_path, name):
        memory.write(topic())
        before = sorted(tmp_path.rglob("*"))
        for call in (memory.read, memory.remove, lambda n: memory.folder.write(n, "x")):
            with pytest.raises(PathRefused):
                call(name)
        assert sorted(tmp_path.rglob("*")) == before

    @pytest.mark.parametrize("link", ["storage.md", "team"])
    def test_a_link_is_never_followed_or_replaced(self, memory, tmp_path, link):
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "storage.md").write_text("secret")
        memory.write_index("")
        (memory.folder.root / link).symlink_to(outside if link == "team" else outside / "storage.md")
        file = "team/storage.md" if link == "team" else link
        for call in (memory.read, memory.remove, lambda n: memory.write(topic(n))):
            with pytest.raises(PathRefused):
                call(file)
        memory.write_index(f"- [s]({file}) — secret\n")
        assert memory.recall("secret") == []
        assert [p.code for p in memory.verify()] == ["unreadable"]
        assert (outside / "storage.md").read_text() == "secret"

    def test_a_link_in_place_of_the_index_or_the_lock_is_refused(self, memory, tmp_path):
        memory.folder.root.mkdir()
        (tmp_path / "secret").write_text("secret")
        (memory.folder.root / "MEMORY.md").symlink_to(tmp_path / "secret")
        with pytest.raises(PathRefused):
            memory.inject()
        (memory.folder.root / ".lock").symlink_to(tmp_path / "created")
        with pytest.raises(PathRefused):
            memory.write(topic())
        assert not (tmp_path / "created").exists()

    def test_a_fifo_does_not_hang_the_reader(self, memory):
        memory.write_index("- [f](f.md) — fifo\n")
        os.mkfifo(memory.folder.root / "f.md")
        with pytest.raises(PathRefused):
            memory.read("f.md")

    def test_a_file_is_not_a_directory(self, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(PathRefused, match="not a directory"):
            MarkdownMemory(tmp_path / "file")

    @pytest.mark.parametrize(("data", "why"), [(b"\xff\xfe", "not UTF-8"), (b"x" * 1_000_001, "longer than")])
    def test_what_cannot_be_read_is_named(self, memory, data, why):
        memory.write(topic())
        (memory.folder.root / "storage.md").write_bytes(data)
        with pytest.raises(UnreadableFile, match=why):
            memory.read("storage.md")


class TestTopicFiles:
    @given(
        name=one_line,
        description=one_line,
        body=prose,
        kind=st.sampled_from(Kind),
        extra=st.lists(one_line.filter(lambda s: not s.startswith(("---", "name:", "description:", "type:")))),
    )
    def test_reading_what_was_written_gives_it_back(self, name, description, body, kind, extra):
        written = Topic("a.md", name, description, body, kind, tuple(extra))
        assert parse("a.md", render(written)) == written

    @given(text=prose | prose.map(lambda t: f"---\n{t}\n---\n{t}"))
    def test_any_text_is_a_topic_and_its_words_survive_being_written_back(self, text):
        once = parse("a.md", text)
        assert parse("a.md", render(once)) == once
        assert once.body in text

    @given(
        value=one_line
        | st.sampled_from(["yes", "1e3", "0x1f", "- a", "a: b", "a #b", "'q'", '"q"', "~", ">", "2026-01-01"])
    )
    def test_the_frontmatter_is_yaml_for_everybody_else(self, value):
        yaml = pytest.importorskip("yaml")
        front = render(Topic("a.md", value, value, "")).split("\n---\n")[0]
        assert yaml.safe_load(front) == {"name": value, "description": value, "type": "project"}

    def test_frontmatter_that_somebody_else_wrote_is_kept(self):
        text = "---\nname: \"Storage: notes\"\ntags: [a, b]\ntype: runbook\ndescription: 'it''s redis'\n---\nBody"
        read = parse("s.md", text)
        assert (read.name, read.description, read.kind) == ("Storage: notes", "it's redis", Kind.PROJECT)
        assert read.extra == ("tags: [a, b]", "type: runbook")
        assert read.body == "Body"


class TestTheAutomaticCurator:
    @given(
        turns=st.lists(
            st.tuples(
                prose, st.sampled_from(["user", "assistant"]), st.text(max_size=12), st.sampled_from(["s1", "s[2]"])
            ),
            max_size=12,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_every_turn_comes_back_word_for_word_with_its_source(self, tmp_path_factory, turns):
        memory = MarkdownMemory(tmp_path_factory.mktemp("m"))
        given_notes = [
            Note(text, role, ref.encode("utf-8", "ignore").decode(), session, AT + timedelta(minutes=n))
            for n, (text, role, ref, session) in enumerate(turns)
        ]
        curated = curate(memory, given_notes)
        kept = [n for entry in reversed(memory.entries()) for n in curated_notes(memory.read(entry.file))]
        assert [(n.text, n.role, n.ref, n.at) for n in kept] == [(n.text, n.role, n.ref, n.at) for n in given_notes]
        assert curated.kept == len(given_notes)
        assert memory.verify() == []

    def test_a_topic_holds_one_session_and_at_most_4000_bytes(self, memory):
        notes = [Note(f"turn {n} " + "word " * 100, "user", str(n), f"s{n // 20}", AT) for n in range(40)]
        curate(memory, notes)
        topics = [memory.read(e.file) for e in memory.entries()]
        assert max(len(t.body.encode()) for t in topics) <= 4_000
        assert all(len({int(n.ref) // 20 for n in curated_notes(t)}) == 1 for t in topics)

    def test_the_description_holds_the_words_that_tell_a_topic_from_the_others(self, memory):
        notes = [Note("the service stores links in redis", "user", "1", "s1", AT)]
        notes += [Note(f"the service has a page number {n}", "user", str(n), f"s{n}", AT) for n in range(2, 12)]
        curate(memory, notes)
        assert memory.recall("redis")[0].name.startswith("s1")

    def test_an_endless_turn_is_left_out_and_counted(self, memory):
        curated = curate(memory, [Note("x" * 100_001, "user", "1", "s", AT), Note("short", "user", "2", "s", AT)])
        assert (curated.kept, curated.left_out, curated.topics) == (1, 1, 1)
