"""When a user settles what an assistant proposed.

An assistant's "we could move the sessions to Valkey" stays the assistant's option for ever. The user's "yes, do that"
is a *new* claim, a decision of the user's, that points at both turns (invariant 5). Agreement is read narrowly:
a reply that qualifies, doubts or asks settles nothing, and neither does a bare "ok" unless it answers a question
that proposed one definite thing. What is not settled here costs a memory; what is settled wrongly costs trust.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memstore.model import Modality

_OPENING = r"(?:(?:yes|yep|yeah|yup|ok|okay|sure|great|perfect|right|agreed|alright|good|nice|cool|fine|excellent|absolutely|definitely|exactly)[,.!:;\s–—-]+){0,3}"
# "do it" is assent; "use it as the key" and "do this migration" say something else.
_ALONE = r"(?=\s*(?:$|[,.!;:–—-]|(?:please|then|now|for|in|on|everywhere|too|as\s+well|with)\b))"
# An order to carry the proposal out, or plain assent to it.
_DO_THAT = re.compile(
    rf"""^{_OPENING}(?:
        (?:please\s+)?(?:do|implement|make|use|take|try|adopt|apply|ship)\s+(?:that|it|this|so){_ALONE}
      | (?:please\s+)?(?:go\s+ahead|proceed|go\s+for\s+(?:it|that)|make\s+it\s+so|ship\s+it)\b
      | let(?:'|’)?s\s+(?:do|go\s+with|use|take|try|adopt)\s+(?:that|it|this){_ALONE}
      | (?:i|we)(?:'|’)?(?:ll)?\s+(?:agree|accept|approve|go\s+with\s+(?:that|it|this)|do\s+(?:that|it|this)){_ALONE}
      | (?:agreed|approved|accepted|confirmed|lgtm|deal)\b
      | please\s+do\b
      | that\s+is\s+what\s+(?:i|we)\s+want\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_PICK = re.compile(
    rf"""^{_OPENING}(?:(?:let(?:'|’)?s|we(?:'|’)?ll|i(?:'|’)?ll|please|i(?:'|’)?d)?\s*(?:go\s+(?:with|for)|use|do|take|choose|pick|prefer)\s+)?
        (?:(?:the\s+)?(?P<ordinal>first|second|third|fourth|fifth|last|latter|former)(?:\s+(?:one|option|approach|choice|alternative|suggestion))?
         | (?:option|approach|choice|alternative|number|variant|plan)\s+(?P<label>\d|[a-e]|one|two|three|four|five)
         | (?:\#|no\.\s?)(?P<number>\d))(?=\s*(?:$|[,.!;:–—-]|(?:please|then|now)\b))""",
    re.VERBOSE | re.IGNORECASE,
)
_BARE = re.compile(
    r"^(?:yes|yep|yeah|yup|ok|okay|sure|agreed|absolutely|definitely|exactly|of course|sounds good|sounds great|please|perfect|"
    r"great|yes,? please|👍)(?:[,.!\s]+(?:please|thanks|thank you|sure|sounds good|great|perfect))*[.!\s]*$",
    re.IGNORECASE,
)
# Words that take assent back, or attach a condition that the proposal did not have.
_QUALIFIED = re.compile(
    r"\?|\b(?:but|except|unless|however|only if|if|not|no|don(?:'|’)?t|doesn(?:'|’)?t|won(?:'|’)?t|can(?:'|’)?t|maybe|perhaps|instead|later|"
    r"wait|first|before|although|though|might|could|probably|did|already|yesterday|was|were)\b",
    re.IGNORECASE,
)
_PROPOSING_QUESTION = re.compile(
    r"(?:^|[,:;.]\s+)(?:so\s+|then\s+)?(?:shall|should|can|may|could)\s+(?:i|we)\b|\b(?:do|would|did)\s+you\s+(?:want|like|prefer)\b|"
    r"\bwant\s+me\s+to\b|\bok(?:ay)?\s+(?:to|if)\b|\bhow\s+about\b|\bwhat\s+if\s+we\b",
    re.IGNORECASE,
)
_EITHER = re.compile(r"\bor\b(?!\s+(?:so|not|more|less)\b)", re.IGNORECASE)
_FIRST_PERSON = re.compile(
    r"\b(?:i|we)(?:'|’)?(?:ll| will| can| could| would|'d| suggest| recommend| propose| plan)\b|\blet(?:'|’)?s\b", re.I
)
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1, "latter": -1, "former": 0}


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence of the assistant's turn, as tagged: where it stands, its words, and whether it is a list item."""

    start: int
    end: int
    text: str
    modality: Modality
    item: bool


def is_agreement(reply: str) -> bool:
    """True when the sentence does nothing but agree; it then says nothing of its own to remember."""
    said = _BARE.match(reply) or _DO_THAT.match(reply) or _PICK.match(reply)
    return said is not None and len(reply[said.end() :].split()) <= 2 and not _qualified(reply)


def settled(reply: str, turn: Sequence[Said]) -> Said | None:
    """The one proposal of the assistant's `turn` that the user's sentence `reply` settles, or None."""
    if not turn or _qualified(reply):
        return None
    pick = _PICK.match(reply)
    if pick:
        return _picked(pick, turn)
    last = turn[-1]
    question = last if "?" in last.text and _PROPOSING_QUESTION.search(last.text) else None
    if question and _EITHER.search(question.text):
        return None
    if _BARE.match(reply):
        return question
    if not _DO_THAT.match(reply):
        return None
    if question:
        return question
    proposals = [
        s
        for s in turn
        if not s.item
        and "?" not in s.text
        and (
            s.modality is Modality.OPTION_CONSIDERED
            or (s.modality is Modality.DECISION and _FIRST_PERSON.search(s.text))
        )
    ]
    return proposals[0] if len(proposals) == 1 and not _EITHER.search(proposals[0].text) else None


def _qualified(reply: str) -> bool:
    body = _PICK.sub("", reply, count=1) if _PICK.match(reply) else reply
    return bool(_QUALIFIED.search(body))


def _picked(pick: re.Match[str], turn: Sequence[Said]) -> Said | None:
    items = [s for s in turn if s.item]
    if not items:
        return None
    if pick["ordinal"]:
        index = _ORDINALS[pick["ordinal"].lower()]
    else:
        label = (pick["label"] or pick["number"]).lower()
        index = (int(label) if label.isdigit() else _WORDS.get(label, ord(label[0]) - ord("a") + 1)) - 1
    return items[index] if -1 <= index < len(items) else None
