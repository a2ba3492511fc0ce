"""The words by which people say that something has changed, no longer holds, was meant otherwise, or still stands.

Patterns alone: what they are worth together is weighed in `capture.updates`.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re

CUE = re.compile(
    r"\b(?:adjusted|changed|increased|decreased|extended|raised|reduced|rescheduled|updated|revised|bumped|lowered|corrected|postponed|"
    r"shifted|pushed\s+(?:back|out|to)|moved\s+(?:up|back|to|from|the)|moving\s+(?:the|from|to|it)|brought\s+forward|cut\s+to|grown\s+to|(?:went|gone|down|up)\s+(?:up\s+|down\s+)?to|"
    r"improved\s+(?:to|from)|new(?:ly)?|now|no\s+longer|any\s?more|instead|actually|correction|rather\s+than|switch(?:ed|ing)?|reversed?|"
    r"(?:re)?allocated|change\s+of\s+plan|scratch\s+that|cancel+ed|dropped|replac(?:es?|ed|ing)|supersedes?|overrid(?:es?|den)|"
    r"delayed|slipped|actual|corrects?|withdrawn|invalid(?:ated)?|outdated|incorrect|latest|as\s+of|turns\s+out|recently|finally|reached|up\s+from|down\s+from)\b",
    re.IGNORECASE,
)
NEGATED = re.compile(
    r"\b(?:no|not(?!\s+(?:sure|only|just|certain))|never|none|without|cannot|(?:do|does|did|is|are|was|were|will|would|should|can|could|have|has|must)n(?:'|’)t|won(?:'|’)t|"
    r"no\s+longer|any\s?more|stop(?:ped)?|dropped|cancel+ed|removed?|disabled?|avoid)\b",
    re.IGNORECASE,
)
_OBJECT = r"(?!(?:due|because|to|in|on|by|for|at|as|after)\b)(?P<old>[^\s,.;:!?()]+(?:\s+[^\s,.;:!?()]+){0,4}?)"
_STOP = r"(?=\s+(?:to|with|by|in|for|and|but|because|as|since|so|anymore|any\s+more|on|at|from|now|after|entirely|completely|altogether)\b|[,.;:!?()]|\s*$)"
PREDECESSOR = re.compile(
    rf"""\b(?:(?:switch(?:ed|ing)?|mov(?:ed?|ing)|migrat(?:ed?|ing)|chang(?:ed?|ing)|went|going|adjusted|increased|decreased|raised|lowered|reduced|updated)\b[^,.;!?]{{0,40}}?\s(?:away\s+)?from\s+
      | instead\s+of\s+ | rather\s+than\s+ | replac(?:es?|ed|ing)\s+ | (?:is|are|was|were)\s+no\s+longer\s+ | no\s+longer\s+(?:use|using|need|have|on|support|run|want|do|require)?\s*
      | (?:dropped|dropping|abandon(?:ed|ing)|scrapped|ditched|retired|deprecat(?:ed|ing)|stopped\s+using|got(?:ten)?\s+rid\s+of|phas(?:ed|ing)\s+out|
           revert(?:ed|ing)|cancel+ed|supersedes|overrides)\s+
      | (?:not|n(?:'|’)t)\s+(?:use|using|do|doing|want)\s+(?=[^,.;!?]{{1,40}}\s(?:any\s?more|any\s+longer)))
      (?:the\s+|a\s+|an\s+|our\s+|my\s+)?{_OBJECT}{_STOP}""",
    re.VERBOSE | re.IGNORECASE,
)
# "This ADR supersedes ADR 12": the document whose place is taken, by its number.
REPLACED_NUMBER = re.compile(
    r"\b(?:supersed(?:es?|ing)|replac(?:es?|ing|ement\s+(?:for|of))|obsolet(?:es?|ing)|in\s+(?:place|lieu)\s+of|success(?:or|ion)\s+(?:to|of)|revis(?:es|ion\s+of)|(?:new|next|updated|second|third)\s+version\s+of)\b"
    r"[^.;!?]{0,40}?\b(?P<kind>[^\W\d_][\w’'-]*?)[\s#-]+(?P<number>\d[\w.]*\b)",
    re.IGNORECASE,
)
ALSO = re.compile(
    r"\b(?:also|in\s+addition|additionally|as\s+well|furthermore|on\s+top|plus|too|except|only\s+(?:for|when|if))\b",
    re.IGNORECASE,
)
STILL = re.compile(
    r"\b(?:still|as\s+(?:before|agreed|decided)|remains?|confirmed|unchanged|again|same)\b", re.IGNORECASE
)
# "The order #45 is cancelled", "cancel that order": what comes before, or after, is what no longer stands.
CANCELLED = re.compile(
    r"(?P<subject>(?:[^\s.;:!?]+\s+){1,7}?)(?:(?:is|was|are|were|has\s+been|have\s+been|got)\s+)?(?:now\s+)?"
    r"(?:cancel+ed|called\s+off|scrapped|withdrawn|revoked|rescinded|abandoned|off\s+the\s+table|obsolete)\b",
    re.IGNORECASE,
)
SUPPOSED = re.compile(
    r"\b(?:if|when(?:ever)?|ensure|should|would|want|until|unless|so\s+that|in\s+case)\b", re.IGNORECASE
)
QUOTED = re.compile(r"(?<!\w)[\"“'‘`]([^\"“”‘`]{12,300}?)[\"”'’`](?!\w)")
UNDONE = re.compile(
    r"\b(?:incorrect|wrong|invalid(?:ated)?|outdated|no\s+longer|withdrawn|superseded|recalculated|revoked|mistaken|obsolete|void)\b",
    re.IGNORECASE,
)
# "switch to weekly syncs", "use the list-based UI instead": the new choice, whose head may be the head of the old one.
NEW_CHOICE = re.compile(
    r"\b(?:(?:switch(?:ed|ing)?|mov(?:e|ed|ing)|chang(?:e|ed|ing)|go(?:ing)?|went|migrat(?:e|ed|ing))\s+(?:back\s+|over\s+)?to\s+(?P<to>(?:[\w/+#-]+\s*){2,4}?)(?=[.,;!]|\s*$|\s+(?:instead|for|from|because|since|as|now)\b)"
    r"|(?:use|try|take|do|pick|choose|prefer|have)\s+(?P<use>(?:[\w/+#-]+\s+){2,4}?)instead\b)",
    re.IGNORECASE,
)
RETRACTED = re.compile(
    r"\b(?:cancel+ed|no\s+longer|scrapped|called\s+off|dropped|abandoned|deprecated|obsolete|reverted)\b", re.IGNORECASE
)
CHOICE = re.compile(
    r"\b(?:use|uses|using|prefer|prefers|choose|chose|pick|picked|run|runs|is|are|be|to|on|with|default)\s+(?:the\s+|an?\s+|our\s+)?([\w./+#-]+)",
    re.IGNORECASE,
)
WAS = re.compile(r"\W*(?P<subject>(?:[\w’'-]+\s+){1,6}?)(?:was|were|used\s+to\s+be|had\s+been)\b", re.IGNORECASE)
IS = re.compile(r"\W*(?P<subject>(?:[\w’'-]+\s+){1,7}?)(?:is|are)\b(?:\s+(?:now|actually|really)\b)?", re.IGNORECASE)
REALLY = re.compile(r"\b(?:actual(?:ly)?|now|corrected|correct|new|current(?:ly)?|real(?:ly)?)\b", re.IGNORECASE)
# A plan as it was told before it changed, and as it came out. "Initial" and "final" alone also name the first and the last of
# many steps ("initial draft: May 3", "final review: May 20"), of which neither replaces the other; a plan's date has no steps.
AT_FIRST = re.compile(
    r"\b(?:(?:originally|initially|at\s+first|first\s+(?:planned|set|scheduled)|previously|used\s+to|"
    r"then\s+(?:we|it|they|i)\s+(?:was\s+|were\s+)?(?:moved|changed|pushed|switched|went))\b"
    r"|(?:original\s+(?:[\w’'-]+\s+){1,3}?|(?:initial|previous|earlier)\s+(?:[\w’'-]+\s+){0,2}?"
    r"(?:date|day|deadline|time|slot|schedule|plan|target|estimate|budget|quote|price|limit|figure|number)s?\s+)(?:was|were|had\s+been)\b)",
    re.IGNORECASE,
)
FINAL = re.compile(
    r"\b(?:(?:finali[sz]ed|finally\s+\w+ed|in\s+the\s+end|ended\s+up|settled\s+on|now\s+(?:is|it(?:'|’)s)|is\s+now|it(?:'|’)s\s+now)\b"
    r"|final\s+(?:[\w’'-]+\s+){1,3}?(?:is|are|was|were|will\s+be)\b)",
    re.IGNORECASE,
)
# What a value is said of, after it: "10 days for new customers", "60 seconds on mobile".
LIMITED = re.compile(r"\b(?:for|on|in|during|among|when(?:ever)?|if|unless|only)\s+(?P<of>[^.;!?]+)", re.IGNORECASE)
NAME = re.compile(r"\b[A-Z][\w+#-]*(?:\.\w+)*\b")
FORMER = re.compile(
    r"\b(?:from|was|were|used\s+to\s+be|previously|originally|formerly|instead\s+of|rather\s+than|no\s+longer|not|before\s+it\s+was)"
    r"(?:\s+(?:at|set\s+to|around|about|only|the|planned\s+for|scheduled\s+for|value|was|were|is|on|:))*[\s:]*$",
    re.IGNORECASE,
)
AIM = re.compile(
    r"\b(?:goals?|targets?|aim(?:ing)?|under|below|at\s+most|at\s+least|up\s+to|limit(?:ed)?|max(?:imum)?|want|hope|need|less\s+than|more\s+than|"
    r"over|above|achieve|towards?)\b",
    re.IGNORECASE,
)
