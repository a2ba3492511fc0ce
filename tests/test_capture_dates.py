"""Dates in words are resolved against the moment they were said, and the words are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore.capture.dates import mentions, validity

SAID = datetime(2026, 11, 18, 10, tzinfo=UTC)  # a Wednesday


def resolved(text: str) -> list[tuple[str, str, str]]:
    return [(m.words, m.at.date().isoformat(), m.until.date().isoformat()) for m in mentions(text, SAID)]


def valid(text: str) -> tuple[str | None, str | None]:
    start, end = validity(text, mentions(text, SAID))
    return (start.date().isoformat() if start else None, end.date().isoformat() if end else None)


class TestResolution:
    @pytest.mark.parametrize(
        ("text", "words", "at"),
        [
            ("We ship on Thursday.", "Thursday", "2026-11-19"),
            ("It broke on Monday, we were surprised.", "Monday", "2026-11-16"),
            ("The review is on Wednesday.", "Wednesday", "2026-11-25"),
            ("Let's meet next Thursday.", "next Thursday", "2026-11-26"),
            ("We met last Friday.", "last Friday", "2026-11-13"),
            ("It broke yesterday.", "yesterday", "2026-11-17"),
            ("Due the day after tomorrow.", "the day after tomorrow", "2026-11-20"),
            ("We decided it 3 days ago.", "3 days ago", "2026-11-15"),
            ("It ships in two weeks.", "two weeks", "2026-12-02"),
            ("We froze it a couple of weeks ago.", "a couple of weeks ago", "2026-11-04"),
            ("By the end of the month.", "end of the month", "2026-11-30"),
            ("We plan it for next quarter.", "next quarter", "2027-01-01"),
            ("We launched last spring.", "last spring", "2026-03-01"),
            ("The meeting on March 15 is fixed.", "March 15", "2027-03-15"),
            ("We decided on 15 March 2024.", "15 March 2024", "2024-03-15"),
            ("Frozen since 2026-03-01.", "2026-03-01", "2026-03-01"),
            ("It is planned for Q3 2027.", "Q3 2027", "2027-07-01"),
        ],
    )
    def test_the_words_and_the_date_are_both_kept(self, text: str, words: str, at: str) -> None:
        (found,) = resolved(text)
        assert found[:2] == (words, at)

    def test_an_interval_is_as_wide_as_the_words(self) -> None:
        assert resolved("We shipped it in March.") == [("March", "2026-03-01", "2026-04-01")]
        assert resolved("early next week") == [("next week", "2026-11-23", "2026-11-30")]

    @pytest.mark.parametrize(
        "text",
        [
            "We may ship; the second service sat idle.",
            "February 31",
            "in 1200 rows",
            "March on!",
            "the last one",
            "Sun is out",
        ],
    )
    def test_words_that_are_no_dates_are_left_alone(self, text: str) -> None:
        assert resolved(text) == []

    def test_the_day_is_that_of_the_moment_in_utc(self) -> None:
        late = datetime(2026, 11, 18, 23, tzinfo=timezone(timedelta(hours=-5)))
        assert mentions("today", late)[0].at == datetime(2026, 11, 19, tzinfo=UTC)

    @given(st.text(max_size=120), st.integers(0, 40_000).map(lambda days: SAID - timedelta(days=20_000 - days)))
    def test_any_text_gives_ordered_disjoint_quotes_and_no_error(self, text: str, said: datetime) -> None:
        at = 0
        for mention in mentions(text + " next Friday or 9999 years ago", said):
            assert (text + " next Friday or 9999 years ago")[mention.start : mention.end] == mention.words
            assert mention.start >= at
            assert mention.at < mention.until
            at = mention.end


class TestValidity:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Starting Monday we use tabs.", ("2026-11-23", None)),
            ("We keep Redis until March.", (None, "2027-04-01")),
            ("The freeze holds for the next two weeks.", (None, "2026-12-02")),
            ("We ship on Thursday.", (None, None)),
            ("It is due by Friday.", (None, None)),
        ],
    )
    def test_is_what_the_statement_says_of_itself(self, text: str, expected: tuple[str | None, str | None]) -> None:
        assert valid(text) == expected
