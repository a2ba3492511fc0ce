"""The values in a statement — money, shares, dates, times, versions, counts — and the words that say of what.

Updates of what people say are mostly updates of a value: the deadline moves, the quota grows, the coverage improves.
Two values are comparable when they are of one type and, for counts, of one unit; whether they are values *of the
same thing* is judged by the words around them.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_NUMBER_WORDS = dict(
    zip("one two three four five six seven eight nine ten eleven twelve".split(), range(1, 13), strict=True)
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
)
_VALUE = re.compile(
    rf"""(?P<money>[$€£¥]\s?\d[\d,]*+(?:\.\d+)?\s?(?:[kKmM]\b|million\b|billion\b)?|\b\d[\d,]*+(?:\.\d+)?\s(?:dollars|euros|usd|eur)\b)
      | (?P<share>\b\d+(?:\.\d+)?\s?(?:%|percent\b))
      | (?P<clock>\b\d{{1,2}}(?::\d\d)?\s?(?i:[ap]\.?m\b\.?)|\b\d{{1,2}}:\d\d\b)
      | (?P<date>\b\d{{4}}-\d\d-\d\d\b|\b{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?\b(?!:)|\b\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}
          |\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b)
      | (?P<version>\bv?\d+\.\d+(?:\.\d+)+\b|\bv\d+(?:\.\d+)?\b)
      | (?P<measure>\b\d[\d,]*+(?:\.\d+)?\s?(?:ns|µs|us|ms|secs?|seconds?|s|mins?|minutes?|hrs?|hours?|[kKMGT]i?B|bytes|fps|[kM]?px|[kM]?Hz|rps|qps|kg|km|cm|mm)\b)
      | (?P<count>\b\d[\d,]*+(?:\.\d+)?(?:[kKmM]\b)?(?![\w:/-])|\b(?:{"|".join(_NUMBER_WORDS)})\b)
    """,
    re.VERBOSE,
)
_SCALES = {  # unit → (dimension, how many of the base unit)
    "ns": ("time", 1e-9), "µs": ("time", 1e-6), "us": ("time", 1e-6), "ms": ("time", 1e-3), "s": ("time", 1.0),
    "sec": ("time", 1.0), "second": ("time", 1.0), "min": ("time", 60.0), "minute": ("time", 60.0),
    "hr": ("time", 3600.0), "hour": ("time", 3600.0), "byte": ("size", 1.0), "kb": ("size", 1e3), "mb": ("size", 1e6),
    "gb": ("size", 1e9), "tb": ("size", 1e12),
}  # fmt: skip
_UNIT = re.compile(r"\s?[- ]?\s?((?:[a-zA-Z][\w/]*[ -]?){0,3})")
_WORD = re.compile(r"#\d+|[^\W_][\w'’./+#-]*[^\W_]|[^\W_]")

_CONTRACTED = re.compile(r"(?i)(?:n['’]t|['’](?:m|ve|re|ll|d))$|^(?:it|that|let|what|here|there|he|she)['’]s$")
STOPWORDS = frozenset(
    """a about above after again all also am an and any anymore are as at be because been before being below between both but by can could
    did do does doing don done down during each either else even ever every few for from further get gets getting give go goes going gonna
    got had has have having he her here him his how i if in instead into is it its itself just kinda kind know let like ll look looking lot
    lots m make makes making may maybe me might more most much must my need needs new next no nor not now of off on once only or other our
    out over own per please put quite re really s said same saw say see she should since so some something sort still such sure t take
    than thank thanks that the their them then there these they thing things think this those though through to too trying try tried under
    until up us use used uses using ve very via want wanted wants was way we well were what when where which while who why will with within
    without wondering won worried would yes yet you your help suggest provide ensure currently recently actually considering
    feel feeling good great able plan planning start starting work working idea ideas best better""".split()
)
_CHANGING = frozenset(
    """adjust adjusted change changed increase increased decrease decreased extend extended raise raised reduce reduced move moved update
    updated reschedule rescheduled switch switched revise revised bump bumped cut lower lowered set improve improved grow grew grown
    correct corrected push pushed postpone postponed shift shifted become became total""".split()
)


_IDLE = STOPWORDS | _CHANGING


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its type, its canonical form, the unit it counts, where it stands, and the stems around it."""

    type: str
    canonical: str
    unit: frozenset[str]
    start: int
    end: int
    about: frozenset[str]


def stem(word: str) -> str:
    """A crude, fast stem: enough that "deadlines" meets "deadline" and "meeting" meets "meetings"."""
    word = word.lower().strip("'’.-").removesuffix("'s").removesuffix("’s")
    if len(word) > 4 and word.isalpha():
        if len(word) > 7:
            word = word.removesuffix("s").removesuffix("ment")  # a deployment is what one deploys
        for suffix, replacement in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
            if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
                return word.removesuffix(suffix) + replacement
    return word


def content(text: str) -> list[str]:
    """Stems of the words of `text` that say what it is about, in order: no function words, no bare numbers."""
    return [told for word in _WORD.findall(text) if (told := telling_stem(word))]


@lru_cache(maxsize=1 << 16)
def telling_stem(word: str) -> str:
    """The stem of a word that tells something; empty for one that does not. Words repeat, so this is remembered."""
    lowered = word.lower()
    idle = (
        len(word) < 2
        or word[0].isdigit()
        or lowered in _IDLE
        or (("’" in word or "'" in word) and _CONTRACTED.search(word))
    )
    return "" if idle else stem(word)


def values(text: str, about: str = "", reach: int = 70) -> tuple[Value, ...]:
    """Every value in `text`, with the content stems within `reach` characters of it, and those of `about`."""
    found = []
    context = content(about)
    matches = list(_VALUE.finditer(text))
    for match in matches:
        kind = str(match.lastgroup)
        unit: frozenset[str] = frozenset()
        if kind == "count":
            after = _UNIT.match(text, match.end())
            unit = frozenset(content(after[1])) if after else frozenset()
            if match[0].lower() in ("one", "two") and not unit:
                continue
        elif kind == "measure":
            unit = frozenset({_measured(match[0])[0]})
        left, right = text[max(0, match.start() - reach) : match.start()], text[match.end() : match.end() + reach]
        near = frozenset(content(left.split(" ", 1)[-1]) + content(right.rsplit(" ", 1)[0]) + context)
        found.append(Value(kind, _canonical(kind, match[0]), unit, match.start(), match.end(), near))
    return tuple(found)


def comparable(one: Value, other: Value) -> bool:
    """Could one be a newer value of what the other measures? Type and unit only."""
    if one.type != other.type:
        return False
    if one.type == "count":
        return bool(one.unit & other.unit) or not (one.unit and other.unit)
    if one.type == "measure":
        return one.unit == other.unit
    if one.type == "date":  # a weekday is no other date than the fifth of May, until both are resolved
        return one.canonical.isalpha() == other.canonical.isalpha()
    return True


def _canonical(kind: str, words: str) -> str:
    plain = words.lower().replace(",", "").replace(" ", "").strip(".")
    if kind == "date":
        if plain[:4].isdigit():
            return plain[5:]
        month = next((i for i, m in enumerate(_MONTHS, 1) if m in plain), None)
        day = re.search(r"\d+", plain)
        return f"{month:02}-{int(day[0]):02}" if month and day else plain
    if kind == "clock":
        time = re.match(r"(\d+)(?::(\d+))?(\w)?", plain.replace(".", ""))
        assert time is not None
        hour = int(time[1]) % 12 + 12 * (time[3] == "p") if time[3] else int(time[1])
        return f"{hour:02}:{time[2] or '00'}"
    if kind == "measure":
        dimension, amount = _measured(words)
        return f"{amount:.12g} {dimension}"
    if kind == "version":
        return plain.lstrip("v")
    if plain in _NUMBER_WORDS:
        return str(_NUMBER_WORDS[plain])
    number = re.search(r"\d+(?:\.\d+)?", plain)
    scale = (
        1e3
        if re.search(r"\dk$", plain)
        else 1e6
        if re.search(r"\dm$|million", plain)
        else 1e9
        if "billion" in plain
        else 1
    )
    return f"{float(number[0]) * scale:.12g}" if number else plain


def _measured(words: str) -> tuple[str, float]:
    """ "512 MB" → ("size", 512e6); a unit without a scale is its own dimension."""
    match = re.match(r"([\d,.]+)\s?(.*)", words)
    assert match is not None
    unit = match[2].lower().replace("ib", "b")
    unit = unit if unit in ("s", "ms", "ns", "us", "µs") else unit.removesuffix("s")
    dimension, scale = _SCALES.get(unit, (unit, 1.0))
    return dimension, float(match[1].replace(",", "").strip(".")) * scale
