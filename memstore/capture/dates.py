"""Dates in words, resolved against the moment they were said: "Thursday" → the date, the words kept.

"We ship on Thursday" is worthless next month unless it is known which Thursday was meant. Each mention becomes a
half-open interval `[at, until)` in UTC, as wide as the words are ("in March" is a month). The quote is never touched.

A grammar of our own finds the mentions and python-dateutil does the calendar arithmetic; it comes with sqlite-utils, so
nothing is added to the base install. dateparser was measured and not taken: 1.5 s to its first answer, no answer
for quarters, seasons and "end of the month", and its search takes "may" and "sat" for dates. A sentence without a
date word costs one search of one pattern.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from dateutil.relativedelta import relativedelta

from memstore.capture.extract import Mention
from memstore.capture.states import goes_on, rules, runs_out

_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTHS = "january february march april may june july august september october november december".split()
_NUMBERS = {
    word: number
    for number, words in enumerate(
        (
            "",
            "a an one",
            "two couple",
            "three few",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        )
    )
    for word in words.split()
}
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_UNITS = "minute hour day week month quarter year".split()

_DAY = rf"(?P<day>{'|'.join(_DAYS)}|(?-i:Mon|Tues?|Wed|Thur?s?|Fri)(?!\w))"
_MONTH = (
    r"(?P<month>(?-i:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec))\b(?:\.(?=\s+\d))?"
)
_COUNT = rf"(?:a\s+)?(?P<count>\d{{1,4}}|{'|'.join(_NUMBERS)})(?:\s+of)?"
_UNIT = rf"(?P<unit>{'|'.join(_UNITS)})s?"
_NUMBER_OF_DAY = r"(?P<date>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d{2})"

_MAYBE = re.compile(
    rf"\b(?:(?:19|20)\d\d|today|tonight|yesterday|tomorrow|ago|from now|{'|'.join(d[:3] for d in _DAYS)}|"
    rf"{'|'.join(m[:3] for m in _MONTHS)}|next|last|past|this|coming|Q[1-4]|end of|in (?:\d|{'|'.join(_NUMBERS)}))",
    re.IGNORECASE,
)

Interval = tuple[datetime, datetime]
_Resolver = Callable[[re.Match[str], datetime, int], Interval | None]


def mentions(text: str, said: datetime) -> tuple[Mention, ...]:
    """Every date mentioned in `text`, in order, resolved against `said` (an aware datetime). Offsets are within `text`."""
    if not _MAYBE.search(text):
        return ()
    said = said.astimezone(UTC)
    towards = _direction(text)
    found: list[Mention] = []
    for start, end, interval in sorted(_found(text, said, towards), key=lambda f: (f[0], -f[1])):
        if not found or start >= found[-1].end:
            found.append(Mention(text[start:end], start, end, *interval))
    return tuple(found)


_FROM = re.compile(
    r"\b(?:from|since|starting(?:\s+(?:on|from|in))?|as\s+of|effective|beginning)\s+(?:the\s+)?$", re.IGNORECASE
)
_TO = re.compile(r"\b(?:until|till|through|up\s+to|valid\s+to)\s+(?:the\s+)?$", re.IGNORECASE)
_BEFORE = re.compile(r"\b(?:only\s+)?before\s+(?:the\s+)?$", re.IGNORECASE)
_RUNNING = re.compile(rf"(?:today|tonight|tomorrow|{_COUNT}\s+{_UNIT})\b", re.IGNORECASE)
_FOR_THE_NEXT = re.compile(r"\bfor\s+(?:the\s+)?$", re.IGNORECASE)


def validity(text: str, dates: tuple[Mention, ...]) -> Interval | tuple[datetime | None, datetime | None]:
    """When the statement holds, as far as it says so itself: "from Monday", "until March", "for the next two weeks".

    What counts down ("due in four hours") holds until the time that it counts down to; what ends or begins
    then ("support ends today"), or tells of what comes after, is as true when its time has come.
    """
    valid_from = valid_to = None
    running = bool(dates) and runs_out(text)
    for date in dates:
        lead = text[max(0, date.start - 24) : date.start]
        for_the_next = _FOR_THE_NEXT.search(lead) and "next" in date.words.lower()
        if not for_the_next and _RUNNING.match(date.words) and rules(text):
            continue
        if _TO.search(lead) or for_the_next:
            valid_to = date.until
        elif _BEFORE.search(lead):
            valid_to = None  # a deadline, not a lifetime
        elif _FROM.search(lead):
            valid_from = date.at
        elif running and valid_to is None and _RUNNING.match(date.words):
            valid_to = date.until
    if valid_to is not None and goes_on(text):
        valid_to = None
    if valid_from is not None and valid_to is not None and valid_to <= valid_from:
        return None, None
    return valid_from, valid_to


# --- which way an ambiguous date lies ---------------------------------------------------------------------------------

_HALF_A_YEAR = timedelta(days=183)
_AHEAD = re.compile(
    r"\b(?:will|won(?:'|’)t|(?:'|’)ll|shall|going\s+to|plan\w*|due|deadline|by|until|till|before|starting|want|need|must|should|could|might|"
    r"schedul\w+|upcoming|launch|let(?:'|’)?s)\b",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    r"\b(?:was|were|did|had|got|met|went|came|made|took|saw|told|said|sent|began|chose|wrote|ran|broke|found|left|lost|gave|kept|since|"
    r"already|(?:i|we|you|he|she|they|it|just|recently|have|has|(?:'|’)ve)\s+\w{3,}ed)\b",
    re.IGNORECASE,
)


def _direction(text: str) -> int:
    """+1 when the sentence looks ahead, -1 when it looks back, 0 when it does not say."""
    return 1 if _AHEAD.search(text) else -1 if _BEHIND.search(text) else 0


# --- the resolvers: each gets the match, the moment of saying, and which way the sentence looks ----------------------


def _day(moment: datetime) -> Interval:
    start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return start, start + timedelta(days=1)


def _unit(moment: datetime, unit: str) -> Interval:
    """The day, week, month, quarter or year that `moment` lies in."""
    start = _day(moment)[0]
    if unit == "week":
        start -= timedelta(days=start.weekday())
        return start, start + timedelta(days=7)
    if unit == "month":
        start = start.replace(day=1)
        return start, start + relativedelta(months=1)
    if unit == "quarter":
        start = start.replace(day=1, month=(start.month - 1) // 3 * 3 + 1)
        return start, start + relativedelta(months=3)
    if unit == "year":
        start = start.replace(day=1, month=1)
        return start, start + relativedelta(years=1)
    return start, start + timedelta(days=1)


def _iso(match: re.Match[str], said: datetime, towards: int) -> Interval:
    return _day(datetime.fromisoformat(match[0]).replace(tzinfo=UTC))


def _spoken_day(match: re.Match[str], said: datetime, towards: int) -> Interval:
    words = match[0].lower()
    offset = 1 if "tomorrow" in words else -1 if "yesterday" in words or words == "last night" else 0
    if words.startswith("the day"):
        offset *= 2
    return _day(said + timedelta(days=offset))


def _weekday(match: re.Match[str], said: datetime, towards: int) -> Interval:
    target = next(i for i, day in enumerate(_DAYS) if day.startswith(match["day"].lower()[:3]))
    which = (match["which"] or "").lower()
    ahead = (target - said.weekday()) % 7 or 7
    if which in ("last", "past"):
        return _day(said + timedelta(days=ahead - 7 if ahead < 7 else -7))
    if which == "next":
        return _day(_unit(said + timedelta(days=7), "week")[0] + timedelta(days=target))
    if which in ("this", "coming"):
        return _day(said + timedelta(days=ahead % 7))
    if towards < 0:
        return _day(said + timedelta(days=ahead - 7 if ahead < 7 else -7))
    return _day(said + timedelta(days=ahead))


def _counted(match: re.Match[str], said: datetime, towards: int) -> Interval | None:
    count = match["count"].lower()
    number = int(count) if count.isdigit() else _NUMBERS[count]
    unit = match["unit"].lower()
    words = match[0].lower()
    sign = -1 if re.search(r"\b(?:ago|back|last|past)\b", words) else 1
    step = relativedelta(months=3 * number) if unit == "quarter" else relativedelta(**{f"{unit}s": number})
    there = said + step if sign > 0 else said - step
    if re.match(r"(?:next|last|past)\b", words):  # a stretch of time that touches now
        return (said, there) if sign > 0 else (there, said)
    if unit in ("minute", "hour"):
        return there, there + relativedelta(**{f"{unit}s": 1})
    return _unit(there, "day" if unit in ("day", "week") else unit)


def _named_unit(match: re.Match[str], said: datetime, towards: int) -> Interval:
    unit = match["unit"].lower()
    which = (match["which"] or "this").lower()
    step = {"next": 1, "coming": 1, "last": -1, "past": -1}.get(which, 0)
    if unit in _SEASONS:
        start = _unit(said, "year")[0] + relativedelta(months=_SEASONS[unit] - 1)
        while step < 0 and start + relativedelta(months=3) > said:
            start -= relativedelta(years=1)
        while step > 0 and start <= said:
            start += relativedelta(years=1)
        return start, start + relativedelta(months=3)
    base = "week" if unit in ("weekend", "sprint") else unit
    shift = relativedelta(months=3 * step) if base == "quarter" else relativedelta(**{f"{base}s": step})
    start, end = _unit(said + shift, base)
    if unit == "weekend":
        return start + timedelta(days=5), end
    part = (match["part"] or "").lower()
    if part.startswith("end"):
        return end - timedelta(days=1), end
    if part.startswith(("start", "begin")):
        return start, start + timedelta(days=1)
    return start, end


def _calendar(match: re.Match[str], said: datetime, towards: int) -> Interval | None:
    groups = match.groupdict()
    month = next(i for i, name in enumerate(_MONTHS, 1) if name.startswith(match["month"].lower()[:3]))
    date = int(groups["date"]) if groups.get("date") else None
    year = int(groups["year"]) if groups.get("year") else None
    start = datetime(year or said.year, month, date or 1, tzinfo=UTC)
    end = start + (timedelta(days=1) if date else relativedelta(months=1))
    if year is None:
        towards = {"last": -1, "past": -1, "next": 1, "coming": 1}.get((groups.get("which") or "").lower(), towards)
        shift = 0
        if start > said and (towards < 0 or (towards == 0 and start - said > _HALF_A_YEAR)):
            shift = -1
        elif end <= said and (towards > 0 or (towards == 0 and said - start > _HALF_A_YEAR)):
            shift = 1
        start, end = start + relativedelta(years=shift), end + relativedelta(years=shift)
    return start, end


def _quarter(match: re.Match[str], said: datetime, towards: int) -> Interval:
    year = int(match["year"]) if match["year"] else said.year
    start = datetime(year, 3 * int(match["quarter"]) - 2, 1, tzinfo=UTC)
    return start, start + relativedelta(months=3)


def _whole_year(match: re.Match[str], said: datetime, towards: int) -> Interval:
    start = datetime(int(match["year"]), 1, 1, tzinfo=UTC)
    return start, start + relativedelta(years=1)


_WHICH = r"(?P<which>last|next|this|coming|past)"
_GRAMMAR: tuple[tuple[re.Pattern[str], _Resolver], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), resolver)
    for pattern, resolver in (
        (r"\b\d{4}-\d{2}-\d{2}(?!\d)", _iso),
        (r"\b(?:the\s+day\s+(?:after\s+tomorrow|before\s+yesterday)|today|tonight|this\s+(?:morning|afternoon|evening)|"
         r"yesterday|tomorrow|last\s+night)\b", _spoken_day),
        (rf"(?:\b{_WHICH}\s+)?\b{_DAY}\b(?!s)", _weekday),
        (rf"\b{_COUNT}\s+{_UNIT}\s+(?:ago|back|from\s+(?:now|today))\b", _counted),
        (rf"(?<=\bin\s){_COUNT}\s+{_UNIT}(?:(?:'|’)?\s+time)?\b", _counted),
        (rf"\b(?:next|last|past)\s+{_COUNT}\s+{_UNIT}\b", _counted),
        (rf"\b(?:(?P<part>end|start|beginning|middle)\s+of\s+(?:the\s+)?)?{_WHICH}\s+"
         rf"(?P<unit>week(?:end)?|sprint|month|quarter|year|{'|'.join(_SEASONS)})\b", _named_unit),
        (r"\b(?P<part>end|start|beginning)\s+of\s+(?:the\s+)(?P<which>)(?P<unit>week|sprint|month|quarter|year)\b", _named_unit),
        (rf"\b{_MONTH}\s+{_NUMBER_OF_DAY}(?!\d|:)(?:,?\s+{_YEAR})?\b", _calendar),
        (rf"\b{_NUMBER_OF_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?", _calendar),
        (rf"\b{_MONTH}\s+{_YEAR}\b", _calendar),
        (rf"(?:(?<=\bin\s)|(?<=\bsince\s)|(?<=\buntil\s)|(?<=\bby\s)|(?<=\bmid-)|(?<=\bearly\s)|(?<=\blate\s)|(?<=\bof\s)|\b{_WHICH}\s+){_MONTH}(?!\s+\d)",
         _calendar),
        (rf"\bQ(?P<quarter>[1-4])(?:(?:\s+of)?\s+{_YEAR})?\b", _quarter),
        (rf"(?:(?<=\bin\s)|(?<=\bsince\s)|(?<=\buntil\s)|(?<=\bby\s)|(?<=\bduring\s)){_YEAR}\b(?!\s*\w*(?:ms|mb|px|\s(?:rows|tokens|lines|users|items)))",
         _whole_year),
    )
)  # fmt: skip


def _found(text: str, said: datetime, towards: int) -> Iterator[tuple[int, int, Interval]]:
    for pattern, resolver in _GRAMMAR:
        for match in pattern.finditer(text):
            try:
                interval = resolver(match, said, towards)
            except (ValueError, OverflowError):
                continue  # "February 31", "in 9999 years"
            if interval is not None:
                yield *match.span(), interval
