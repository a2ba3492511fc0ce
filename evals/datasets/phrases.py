"""Whether a text says a phrase: as whole words; and whether it says it as so: outside a negation or a retraction.

Plain substring search inflated the first published resurrection scores of StateBench: "2 weeks" was found in "12
weeks", and "we are not using Kafka" counted as a mention of Kafka. Both are ruled out here, and so are notices such as
"our conclusion 'ship on Friday' was based on wrong data", which name a value in order to withdraw it.
`contains_phrase` is the benchmark's own rule, kept apart and named as theirs.
"""

from __future__ import annotations

import re
from functools import lru_cache

# A negator within the few words before a phrase, in the same clause, takes the mention back.
NEGATED = re.compile(
    r"\b(?:not|no|never|without|no longer|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|won't|can't|cannot"
    r"|instead of|rather than|in place of)\b[^.;!?\n]{0,25}$",
    re.IGNORECASE,
)

# A text that withdraws what it quotes.
RETRACTED = re.compile(
    r"\binvalidated\b|\bbased on (?:wrong|incorrect|outdated) (?:data|information)\b"
    r"|\bno longer (?:valid|true|holds|applies|in force)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def _whole(phrase: str) -> re.Pattern[str]:
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def says(text: str, phrase: str) -> bool:
    """True if `phrase`, or one of its `a|b` alternatives, stands in `text` as whole words."""
    return any(_whole(part).search(text) for part in map(str.strip, phrase.split("|")) if part)


def asserts(text: str, phrase: str) -> bool:
    """True if `text` says the phrase as what is so. A phrase that is itself negative is looked for as it stands."""
    if RETRACTED.search(text):
        return False
    return any(
        not NEGATED.search(text[: found.start()])
        for part in map(str.strip, phrase.split("|"))
        if part
        for found in _whole(part).finditer(text)
    )


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
