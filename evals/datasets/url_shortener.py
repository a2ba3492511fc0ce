"""The measured case that started this project, written out: four decisions about a URL shortener, one of them a hedge.

Two samples share the first session. `published` asks for the four statements at the start of the next session, as
the published measurement did. `two_sessions` adds a second session, which takes one decision back, confirms another,
and reports a build that passes; a week later it asks for what now holds. Each sample ships the file that a careful
person would have kept by hand (the first is 1,075 characters, about 269 tokens at characters ÷ 4, as published); that
its lines are word for word what was said is that person's labour, which no automatic memory gets for free.

The text was written for this repository. It is one project: it reproduces the shape of a case, it measures nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.model import Probe, Query, Sample, Turn

REDIS = "Let's use Redis for storage."
BASE62 = "We'll generate the short codes in base62."
TTL = "We'll give every link a 30-day TTL."
HEDGE = "We could refresh the TTL on each access."
REVERSAL = "We'll give every link a 90-day TTL instead of 30."
BUILD = "The build passes this morning."
CONFIRMED = "We keep Redis for storage."

FIRST = (
    ("r1", "user", "I'm starting a URL shortener, a small service with one endpoint to shorten and one to redirect."),
    ("r2", "assistant", "Good scope. Where should the mapping from code to address live?"),
    ("r3", "user", f"{REDIS} One lookup per redirect, and expiry comes for free."),
    ("r4", "assistant", "Redis fits that. How should the codes look: random hex, hashids, or base62?"),
    ("r5", "user", f"{BASE62} Seven characters are plenty."),
    ("r6", "assistant", "Seven base62 characters give about 3.5 trillion codes. How long should a link live?"),
    ("r7", "user", TTL),
    ("r8", "assistant", "I'll set it when the key is written. Should popular links be allowed to expire as well?"),
    ("r9", "user", f"{HEDGE} Not sure it is worth the extra write, so leave it open for now."),
    ("r10", "assistant", "Understood, the TTL is set once and the refresh stays an open idea."),
)
SECOND = (
    ("s1", "user", BUILD),
    ("s2", "assistant", "Then it is a good day to change something. What is it to be?"),
    ("s3", "user", "I want to revisit how long links live."),
    ("s4", "assistant", "At the moment each key is written with a TTL of 30 days. What should change?"),
    ("s5", "user", f"Thirty days turned out to be too short for printed posters. {REVERSAL}"),
    ("s6", "assistant", "Then I change the constant and leave existing keys to run out."),
    ("s7", "user", f"Fine. {CONFIRMED}"),
)

CLAUDE_MD = f"""# URL shortener

A small service: one endpoint to shorten an address, one to redirect. Keep it boring.

## Decisions
- {REDIS} One lookup per redirect, and expiry comes for free.
- {BASE62} Seven characters are plenty.
- {TTL}

## Open, not decided
- {HEDGE} Not sure it is worth the extra write, so leave it open for now.

## Working here
- Run `make test` before every commit; the suite needs Redis on the default port.
- Handlers live in `app/handlers.py`, the storage layer in `app/store.py`, codes in `app/codes.py`.
- Handlers never talk to Redis themselves: they go through `app/store.py`, so tests can swap it.
- A code that is unknown, or has expired, answers 404, never a redirect home.
- Only http and https addresses are accepted; anything else answers 400.
- Log the code, never the address behind it; addresses can hold private tokens.
- Settings come from the environment, with defaults in `app/settings.py`.
- Ask before adding a dependency.
"""
CLAUDE_MD_LATER = CLAUDE_MD.replace(f"- {TTL}\n", f"- {REVERSAL}\n")


def load(data: Path, limit: int | None = None) -> list[Sample]:
    """Both samples. The text is in this file: `data` is not read."""
    return [_published(), _two_sessions()][:limit]


def _turns(session: str, day: datetime, said: tuple[tuple[str, str, str], ...]) -> tuple[Turn, ...]:
    return tuple(
        Turn(ref, session, role, text, day.replace(minute=minute)) for minute, (ref, role, text) in enumerate(said)
    )


FIRST_SESSION = _turns("first", datetime(2025, 3, 3, 9, tzinfo=UTC), FIRST)
SECOND_SESSION = _turns("second", datetime(2025, 3, 10, 9, tzinfo=UTC), SECOND)


def _published() -> Sample:
    now = datetime(2025, 3, 4, 9, tzinfo=UTC)
    probes = (
        _asks("storage", "What do we use for storage?", now, ["r3"], REDIS, "decision"),
        _asks("codes", "How are the short codes made?", now, ["r5"], BASE62, "decision"),
        _asks("ttl", "Which TTL does a link get?", now, ["r7"], TTL, "decision"),
        _asks("hedge", "Is the TTL refreshed on each access?", now, ["r9"], HEDGE, "option_considered"),
        # The same, asked without a word that was said: what only a semantic search can find.
        _asks("storage_paraphrased", "Where are the addresses kept?", now, ["r3"], REDIS, None, "paraphrase"),
        _asks("ttl_paraphrased", "After how many days is an entry gone?", now, ["r7"], TTL, None, "paraphrase"),
        _never_said("region", "Which cloud region does it run in?", now),
        _asks("last_turn", "What was said last?", now, ["r10"], FIRST[-1][2], None, "control_last_turn"),
    )
    return Sample("published", "url_shortener", FIRST_SESSION, probes, {"markdown_curated": CLAUDE_MD})


def _two_sessions() -> Sample:
    now = datetime(2025, 3, 17, 9, tzinfo=UTC)
    between = datetime(2025, 3, 6, 9, tzinfo=UTC)
    changed = {"current": ["s5"], "stale": ["r7"]}
    probes = (
        _asks("reversal", "Which TTL does a link get?", now, ["s5"], REVERSAL, "decision", "reversal", **changed),
        _asks(
            "as_of",
            "Which TTL did a link get before we changed it?",
            now,
            ["r7"],
            TTL,
            "decision",
            "as_of",
            as_of=between,
            current=["r7"],
            stale=["s5"],
            asks="as_of",
        ),
        _asks("confirmed", "What do we use for storage?", now, ["r3", "s7"], CONFIRMED, "decision", live=["r3", "s7"]),
        _asks("hedge", "Is the TTL refreshed on each access?", now, ["r9"], HEDGE, "option_considered", live=["r9"]),
        # A week later nobody knows whether the build passes: given as current, this morning's news is stale.
        Probe(
            "two_sessions/expiry", Query("Does the build pass?", now), {"stale": ["s1"], "answerable": False}, "expiry"
        ),
        _never_said("region", "Which cloud region does it run in?", now, "two_sessions"),
    )
    extras = {"markdown_curated": CLAUDE_MD_LATER}
    return Sample("two_sessions", "url_shortener", (*FIRST_SESSION, *SECOND_SESSION), probes, extras)


def _asks(
    name: str,
    text: str,
    now: datetime,
    evidence: list[str],
    words: str,
    modality: str | None,
    category: str = "decision",
    as_of: datetime | None = None,
    **more: Any,
) -> Probe:
    expect = {"evidence": evidence, "words": words, "answer": words, **more}
    if modality:
        expect["modality"] = modality
    if modality == "option_considered":
        category = "hedge"
    sample = "two_sessions" if now > SECOND_SESSION[0].at else "published"
    return Probe(f"{sample}/{name}", Query(text, now, k=5, as_of=as_of), expect, category)


def _never_said(name: str, text: str, now: datetime, sample: str = "published") -> Probe:
    return Probe(f"{sample}/{name}", Query(text, now, k=5), {"answerable": False}, "control_never_said")
