"""What a statement is about: the person (`user`), how to work with them (`feedback`), where to look (`reference`),
or the work itself (`project`). Surface cues only, and only a user or the system can speak of the first two:
"I am a data scientist" in a tool's output says nothing about our user.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re

from memstore.model import Kind, Modality, Origin

# A standing word about how the assistant should work: correction, prohibition, praise, habit.
_FEEDBACK = re.compile(
    r"""(?:^|[.!;,:]\s+|\b(?:please|and|but|so|ok|okay|no|yes)[,.]?\s+)
        (?:(?:always|never|don(?:'|’)?t|do\ not|stop|avoid|quit|keep|prefer|make\ sure|remember\ to|remember\ that\ i)\s+\w+)
      | \b(?:from\ now\ on|in\ (?:the\ )?future|going\ forward|next\ time|every\ time\ you|whenever\ you|when\ you\ (?:write|add|make|change|commit|
          review|answer|reply|summari[sz]e)|you\ (?:should|must|need\ to|don(?:'|’)?t\ (?:need|have)\ to|keep\ \w+ing|always|never)|
          i(?:'|’)?d\ (?:rather|prefer)\ (?:you|that\ you|if\ you)|i\ (?:want|would\ like|like|prefer|need)\ (?:you|your|it\ when\ you)|
          i\ (?:hate|dislike|love|like)\ (?:it\ )?(?:when|how|that)\ you)\b
      | \b(?:that|this|it|what\ you\ did|your\ \w+)(?:'|’)?s?\ (?:is\ |was\ |were\ )?(?:exactly|just|precisely)\ (?:what\ i|right|how\ i)
      | \b(?:good|great|right|wrong|bad|perfect)\ (?:call|move|choice|approach|instinct)\b
      | ^(?:no|nope|wrong|stop)[,.!]\s+\w+
      | ^(?:yes|yeah|perfect|exactly|great|nice)[,.!]\s+(?:exactly|keep|that(?:'|’)?s|just\ like|more\ of)
    """,
    re.VERBOSE | re.IGNORECASE,
)
# A verdict on what was done is feedback however its reason is hedged ("…, splitting it would only have been churn").
_VERDICT = re.compile(
    r"\b(?:was|were)\s+(?:(?:exactly|just|precisely|absolutely|definitely|really)\s+)?(?:right\b(?!-|\s+(?:after|before|now|on|in|at|there|here|next|under|above|below|behind|beside|up|down|around|by|where|into)\b)|"
    r"(?:the|an?)\s+(?:good|great|right|wrong|bad|perfect)\s+(?:call|move|choice|approach|instinct)\b)",
    re.IGNORECASE,
)
_USER = re.compile(
    r"""\b(?:i(?:'|’)?m|i\ am|i(?:'|’)?ve\ been|i\ have\ been|i\ was)\ (?:an?\ |the\ |not\ an?\ |working\ as\ |in\ charge|responsible|new\ to|
            based\ in|from\ |located|living|the\ only|currently\ an?\ |allergic|used\ to|experienced|familiar|a\ beginner|colou?r.?blind|left.?handed|\d\d\b)
      | \b(?:my|our)\ (?:name|role|job|title|background|team\ lead|manager|boss|time\ ?zone|expertise|experience|degree|major|wife|husband|partner|
            son|daughter|kids?|birthday|age|pronouns|native\ language|editor|laptop|preference|hobby|hobbies)\b
      | \bi\ (?:prefer|like|love|hate|dislike|enjoy|work\ (?:at|for|as|in|on)|live\ (?:in|at|near)|speak|know|own|studied|grew\ up|use\ (?:vim|emacs|vs))\b
      | \bi(?:'|’)?ve\ (?:used|worked|written|never\ (?:used|touched|worked))\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"""https?://\S+
      | \b(?:see|refer\ to|documented\ in|documentation\ (?:is|lives)|described\ in|tracked\ in|look\ (?:at|in|up)|check\ out|lives\ (?:in|at)|
            can\ be\ found\ (?:in|at)|is\ (?:kept|stored|written\ up)\ in|dashboard\ (?:is|at|lives)|runbook|wiki\ page|
            (?:linear|jira|notion|confluence|slack|grafana|sentry|datadog)\ (?:project|board|page|space|channel|dashboard|ticket))\b
    """,
    re.VERBOSE | re.IGNORECASE,
)


def kind_of(text: str, origin: Origin, modality: Modality) -> Kind:
    """The kind of one statement. `project` when nothing says otherwise."""
    if origin in (Origin.USER, Origin.SYSTEM):
        told = modality in (Modality.DECISION, Modality.OBSERVATION)
        if (told and _FEEDBACK.search(text)) or ((told or modality is Modality.HYPOTHESIS) and _VERDICT.search(text)):
            return Kind.FEEDBACK
        if modality is not Modality.QUESTION and _USER.search(text):
            return Kind.USER
    if _REFERENCE.search(text):
        return Kind.REFERENCE
    return Kind.PROJECT
