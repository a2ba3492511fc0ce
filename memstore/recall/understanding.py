"""What a query says besides its words, read by rule: which words tell, names of code, times, and what is wanted.

No model is needed and nothing is guessed: where a rule does not fire, ranking goes by the words alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from memstore.model import Modality

# Words that are in every conversation. What remains of a question are the words that tell.
_COMMON = frozenset(
    """a about all also am an and any are as at be been being but by can could did do does doing for from get got had
    has have having he her hers him his how i if in into is it its just let like me might more most much my no nor not
    of on or our ours s she should so some such t than that the their them then there these they this those to too us
    very was we were what when where which while who whom whose why will with would you your yours don didn doesn isn
    wasn aren weren won ve ll re d m""".split()
)
_WORD = re.compile(r"\w+")
# Every name of code has this in it, which is faster to look for. A pattern that tried to find the name itself would
# take the square of the time for a long line without a blank, such as a key or an image, which prompts often hold.
_CODED = re.compile(r"[_./:\\]\w|[a-z][A-Z]")
_PARTS = r"\w[_./:\\]+\w"
_CODE = rf"{_PARTS}|\b[A-Z]?[a-z]+[A-Z]"
_RUN = r"[\w.:/\\-]+"
_MOST_CODE = 64
# Characters of a query that are read. What is longer is a file, not a question.
LONGEST = 50_000


class _Cue(NamedTuple):
    """A turn of phrase, and words one of which is in every text that it fits: few patterns need to be compiled."""

    pattern: str
    hints: tuple[str, ...]

    def fits(self, text: str, folded: str) -> bool:
        return any(map(folded.__contains__, self.hints)) and re.search(self.pattern, text, re.I) is not None


# What came after what ("in order to" is another thing), and what it all came to. "Across our chats" says where to look,
# not what for.
_ORDER = _Cue(
    r"\bin (?:what|which) order\b|\bin order\b(?! to\b)|\border in which\b|\btimeline of\b|\bchronolog",
    ("order", "timeline", "chronolog"),
)
_SUMMARY = _Cue(
    r"\b(?:summar\w+|overview|recap|walk me through(?! how to\b)|over time)\b",
    ("summar", "overview", "recap", "walk me", "over time"),
)
_YOU = r"\byou\b"
_YOU_SAID = r"\b(?:recommend|suggest|advi[sc]e|propos|explain|mention|tell|told|say|said|give|gave|provid|help)"
_REQUEST = r"\s*(?:can|could|would|will) you\b"
_EVER = _Cue(r"\bever\b|\b(?:have|has|had) (?:i|we)\b", ("ever", "have ", "has ", "had "))
_PAST = _Cue(
    r"\b(?:used to|originally|initially|previous(?:ly)?|at first|formerly|earlier|before|back then|old(?:er)?|first"
    r"|history|change[ds]?|changed|evol\w+|as of)\b",
    (
        "used to", "original", "initial", "previous", "first", "former", "earlier", "before", "back then", "old",
        "history", "change", "evol", "as of",
    ),
)  # fmt: skip
_INTENT = (
    (
        Modality.OPTION_CONSIDERED,
        _Cue(
            r"\b(?:consider(?:ed|ing)?|options?|alternatives?|weighed)\b",
            ("consider", "option", "alternative", "weighed"),
        ),
    ),
    (
        Modality.DECISION,
        _Cue(
            r"\b(?:decid\w+|decisions?|chose|chosen|settled?|agreed?|pick(?:ed)?)\b",
            ("decid", "decision", "chose", "settle", "agree", "pick"),
        ),
    ),
    (
        Modality.QUESTION,
        _Cue(
            r"\b(?:open questions?|unresolved|undecided|unanswered)\b",
            ("open question", "unresolved", "undecided", "unanswered"),
        ),
    ),
    (
        Modality.HYPOTHESIS,
        _Cue(
            r"\b(?:suspect(?:ed)?|hypothes\w+|guess(?:ed)?|theor(?:y|ies))\b",
            ("suspect", "hypothes", "guess", "theor"),
        ),
    ),
)

_MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sept sep|october oct"
        "|november nov|december dec".split("|"),
        1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
# These two are compiled when a query has a word that they are about.
_DATES = (
    rf"\b(?P<iso>\d{{4}}-\d\d(?:-\d\d)?)\b(?!-)"
    rf"|\b(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? )?(?P<month>{_MONTH})\b\.?"
    rf"(?: (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b)?(?:,? (?P<year>\d{{4}}))?"
    r"|\b(?:in|of|during|since) (?P<bare>(?:19|20)\d\d)\b(?!-)"
)
_NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
# "For this year" says what something is about, not when it was said.
_RELATIVE = (
    r"\b(?<!for )(?:(?P<named>today|tonight|yesterday|last night|this (?:morning|afternoon|evening|week|month|year)"
    r"|last (?:week|month|year))"
    rf"|last (?P<weekday>{'|'.join(_WEEKDAYS)})"
    rf"|(?P<count>\d{{1,6}}|an?|{'|'.join(_NUMBERS)}) (?P<unit>day|week|month|year)s? ago"
    rf"|(?:last|past) (?P<last>\d{{1,4}}|{'|'.join(_NUMBERS)}) (?P<span>day|week|month|year)s?"
    r"|past (?P<past>day|week|month|year))\b"
)
_SINCE = r"\bsince (?:about |early |late |the )?$"
_TIME = frozenset(
    """today tonight yesterday night morning afternoon evening day days week weeks month months year years
    ago""".split()
    + _WEEKDAYS
)
_COUNTS = {"a": 1, "an": 1, **{name: number for number, name in enumerate(_NUMBERS, 1)}}
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


class Period(NamedTuple):
    """A date as far as it was named (None: any), or, for a relative one, a range of days."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    days: tuple[datetime, datetime] | None = None

    def holds(self, moment: datetime) -> bool:
        if self.days is not None:
            return self.days[0] <= moment < self.days[1]
        return (
            (self.year is None or moment.year == self.year)
            and (self.month is None or moment.month == self.month)
            and (self.day is None or abs(moment.day - self.day) <= 1)
        )


class Query(NamedTuple):
    """A query, read. `words` in lower case, each once; `every_word` includes the common ones, as names are folded.

    `code` are names of code in it, `spelt` those of them that the index does not know as one word, or not as written.
    """

    text: str
    words: tuple[str, ...]
    every_word: frozenset[str]
    code: tuple[str, ...] = ()
    spelt: tuple[str, ...] = ()
    periods: tuple[Period, ...] = ()
    order: bool = False
    summary: bool = False
    of_assistant: bool = False
    ever: bool = False
    past: bool = False
    modality: Modality | None = None

    @property
    def overview(self) -> bool:
        """Whether it is about much of what was said, not about one thing."""
        return self.order or self.summary

    def told(self) -> dict[str, object]:
        """What was read out of the query beside its text, for people to read."""
        read_ = {name: getattr(self, name) for name in self._fields if name not in ("text", "every_word")}
        return {name: value for name, value in read_.items() if value}


def names_in(names: Sequence[str], text: str) -> bool:
    """Whether a text holds one of some names of code, to the letter and as a whole."""
    return any(map(text.__contains__, names)) and (
        re.search(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)", text) is not None
    )


def read(text: str, now: datetime) -> Query:
    """What a query asks for; `now` is what "last week" counts from. Of one beyond `LONGEST` the beginning is read."""
    text = text[:LONGEST]
    folded = text.casefold()
    # In lower case, not folded: the index tells ß from ss.
    every = list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))
    code = tuple(dict.fromkeys(_names_of_code(text)))[:_MOST_CODE] if _CODED.search(text) else ()
    telling = tuple(word for word in every if word not in _COMMON)
    order = _ORDER.fits(text, folded)
    return Query(
        text=text,
        words=telling or tuple(every),
        every_word=frozenset(word.casefold() for word in every),
        code=code,
        # LinkedIn is a word like any other.
        spelt=tuple(name for name in code if not name[0].isupper() or re.search(_PARTS, name)),
        periods=tuple(_periods(text, frozenset(every), now)),
        order=order,
        summary=not order and _SUMMARY.fits(text, folded),
        of_assistant="you" in folded and _of_assistant(text) and not re.match(_REQUEST, text, re.I),
        ever=_EVER.fits(text, folded),
        past=_PAST.fits(text, folded),
        modality=next((modality for modality, cue in _INTENT if cue.fits(text, folded)), None),
    )


def _names_of_code(text: str) -> Iterator[str]:
    """Names with a mark or a capital inside: `parse_tree`, `src/a.py`. What ends a sentence is not theirs."""
    for run in re.findall(_RUN, text):
        if re.search(_CODE, name := run.rstrip(".:-")):
            yield name


def _of_assistant(text: str) -> bool:
    """Whether a sentence says "you" and, after it, that somebody said something."""
    for sentence in re.split(r"[.?]", text):
        if (you := re.search(_YOU, sentence, re.I)) and re.search(_YOU_SAID, sentence[you.end() :], re.I):
            return True
    return False


def _periods(text: str, words: frozenset[str], now: datetime) -> list[Period]:
    found = []
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    dated = not words.isdisjoint(_MONTHS) or not all(map(str.isalpha, words))
    for match in re.finditer(_DATES, text, re.I) if dated else ():
        if match["iso"]:
            year, month, *day = map(int, match["iso"].split("-"))
            found.append(Period(year, month, day[0] if day else None))
        elif match["bare"]:
            found.append(Period(year=int(match["bare"])))
        elif match["month"].lower() != "may" or match["d1"] or match["d2"] or match["year"] or "May" in match[0]:
            day_named = match["d1"] or match["d2"]
            found.append(
                Period(
                    year=int(match["year"]) if match["year"] else None,
                    month=_MONTHS[match["month"].lower()],
                    day=int(day_named) if day_named else None,
                )
            )
        else:
            continue
        if "since" in words and (match[0].lower().startswith("since") or _follows_since(text, match.start())):
            with suppress(ValueError):  # a day that no calendar has
                found[-1] = _from(found[-1], today)
    if words.isdisjoint(_TIME):
        return found
    for match in re.finditer(_RELATIVE, text, re.I):
        with suppress(OverflowError):  # "3000 years ago" was before the calendar begins: nothing was said then
            found.append(_relative(match, today))
    return found


def _follows_since(text: str, at: int) -> bool:
    return re.search(_SINCE, text[max(0, at - 20) : at], re.I) is not None


def _from(period: Period, today: datetime) -> Period:
    """From the beginning of a period, the last one there was, until today."""
    begin = today.replace(year=period.year or today.year, month=period.month or 1, day=period.day or 1)
    if begin > today and period.year is None:
        begin = begin.replace(year=begin.year - 1)
    return Period(days=(begin, today + timedelta(days=1)))


def _relative(match: re.Match[str], today: datetime) -> Period:
    day = timedelta(days=1)
    if match["span"] or match["past"]:
        count = (match["last"] or "one").lower()
        width = _DAYS[(match["span"] or match["past"]).lower()] * (_COUNTS.get(count) or int(count))
        return Period(days=(today - day * width, today + day))
    if match["weekday"]:
        back = (today.weekday() - _WEEKDAYS.index(match["weekday"].lower())) % 7 or 7
        return Period(days=(today - day * back, today - day * (back - 1)))
    if match["unit"]:
        width = _DAYS[match["unit"].lower()]
        count = match["count"].lower()
        then = today - day * width * (_COUNTS.get(count) or int(count))
        slack = day * (width // 2)
        return Period(days=(then - slack, then + day + slack))
    match match["named"].lower():
        case "today" | "tonight" | "this morning" | "this afternoon" | "this evening":
            return Period(days=(today, today + day))
        case "last night":
            return Period(days=(today - day, today + day))
        case "yesterday":
            return Period(days=(today - day, today))
        case "this week":
            return Period(days=(today - day * today.weekday(), today + day))
        case "last week":
            monday = today - day * today.weekday()
            return Period(days=(monday - day * 7, monday))
        case "this year":
            return Period(year=today.year)
        case "this month":
            return Period(year=today.year, month=today.month)
        case "last month":
            before = today.replace(day=1) - day
            return Period(year=before.year, month=before.month)
    return Period(year=today.year - 1)
