"""Whether a text says a phrase: as whole words, and not in a negation.

Plain substring search inflated the first published resurrection scores of StateBench: "2 weeks" was found in "12
weeks", and "we are not using Kafka" counted as a mention of Kafka. Both are ruled out here. `contains_phrase` is the
benchmark's own rule, kept apart and named as theirs.
"""

from __future__ import annotations

import re
from functools import lru_cache

# A negator within the few words before a phrase, in the same clause, takes the mention back.
NEGATED = re.compile(
    r"\b(?:not|no|never|without|no longer|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|won't|can't|cannot"
    r"|instead of|rather than|in place of|invalidated)\b[^.;!?\n]{0,25}$",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def _whole(phrase: str) -> re.Pattern[str]:
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def stands_in(text: str, phrase: str) -> bool:
    """True if `phrase` stands in `text` as whole words."""
    return bool(phrase.strip()) and _whole(phrase).search(text) is not None


def mentions(text: str, phrase: str) -> bool:
    """True if `phrase` (or one of its `a|b` alternatives) stands in `text` as whole words outside a negation."""
    for alternative in phrase.split("|"):
        if not alternative.strip():
            continue
        # A phrase that is itself negative ("no impact") is looked for as it stands.
        for found in _whole(alternative.strip()).finditer(text):
            if not NEGATED.search(text[: found.start()]):
                return True
    return False


CONTRACTIONS = (("do not", "don't"), ("cannot", "can't"), ("should not", "shouldn't"))


def contains_phrase(response: str, phrase: str) -> bool:
    """StateBench's published rule: substring, `regex:` patterns, `a|b` alternatives, three contractions."""
    response, phrase = response.lower(), phrase.lower()
    if phrase.startswith("regex:"):
        return re.search(phrase.removeprefix("regex:"), response) is not None
    if "|" in phrase:
        return any(contains_phrase(response, part.strip()) for part in phrase.split("|"))
    if phrase in response:
        return True
    return any(
        phrase.replace(one, other) in response
        for pair in CONTRACTIONS
        for one, other in (pair, pair[::-1])
        if one in phrase
    )
