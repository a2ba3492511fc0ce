"""The default extractor: every sentence is a claim that quotes itself, tagged with what it claims to be doing.

Nothing is rewritten, so nothing can be lost in rewriting. What the extractor does decide:

- **division**: a sentence whose clauses differ in modality becomes one claim a clause; otherwise it stays whole;
- **reference**: speaker, section, list lead-in and antecedent go beside the quote, never into it;
- **settling**: a user's "yes, do that" becomes a decision that points at both turns (`settle`);
- **reasons**: feedback keeps the sentence that says why, or how to apply it;
- **omission**: code, listings and what the repository can tell again are passed over, and counted.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from memstore.capture import dates, settle
from memstore.capture.blocks import Form
from memstore.capture.exercises import frames
from memstore.capture.extract import Claim, Extraction
from memstore.capture.kinds import kind_of
from memstore.capture.segment import Segment, plain, segments
from memstore.capture.sources.claude_mem import IMPORTED
from memstore.capture.states import fragment
from memstore.capture.tagger import Tag, Tagger, default_tagger
from memstore.model import Event, Kind, Modality, Origin, Span
from memstore.policy import strength

OPEN = frozenset({Modality.OPTION_CONSIDERED, Modality.HYPOTHESIS, Modality.QUESTION})
SURE_ENOUGH_TO_CUT = 0.75
"""How probable the standing of each clause must be, settled or open, before a sentence is divided between them."""
BATCH = 512
"""Sentences a call of the tagger: enough to fill its batch, few enough to keep memory flat."""
_REMEMBERED = 8 * BATCH

AGREED = 0.9
"""Probability given to a settled proposal: the referent is unique by construction, the assent is read by rule."""

IMPORTED_AT_MOST = 0.5
"""Cap on the probability of a claim that another memory's model wrote: the words it came from are gone."""

_WORD = re.compile(r"[^\W\d_]{2,}")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # scripts whose words are not set apart by spaces
_PLEASANTRY = re.compile(
    r"(?:hi|hello|hey|thanks|thank you|thx|ty|cheers|ok|okay|cool|great|nice|perfect|awesome|got it|sure|yes|no|yep|nope|"
    r"you(?:'|’)re welcome|no problem|understood|noted|will do|of course|certainly|sounds good|happy to help|glad to help|good (?:morning|afternoon|evening)|welcome|sorry|oops|hmm+|bye|lol)"
    r"(?:[ ,]+(?:so much|a lot|again|there|all|everyone|claude|for (?:that|this)|very much))*[\s.!,…:)]*$",
    re.IGNORECASE,
)
_GIT = re.compile(
    r"(?:commit [0-9a-f]{7,40}\b|[0-9a-f]{7,40} \S|author: .*@|date:\s+\w{3} \w{3} \d|on branch \S+$|your branch is |"
    r"(?:modified|new file|deleted|renamed):\s|changes (?:not staged|to be committed)|untracked files:|"
    r"nothing to commit|no changes added|\d+ files? changed|create mode \d+|\(use \"git )",
    re.IGNORECASE,
)
# Sections and lead-ins under which a bare statement is something weighed, not something chosen.
_WEIGHED = re.compile(
    r"\b(?:alternatives?|options?|ideas?|possibilit(?:y|ies)|considered|rejected|brainstorm\w*|nice to have|wish ?list|"
    r"future (?:work|possibilities|extensions?)|unresolved|open (?:questions?|issues?)|undecided|tbd|to be decided|"
    r"we (?:could|might)|i (?:could|might)|could either|pros|cons|drawbacks)\b",
    re.IGNORECASE,
)
_CHOSEN = re.compile(r"\b(?:decisions?|decided|chosen|outcome|agreed|rationale|selected|accepted)\b", re.IGNORECASE)
_ANAPHOR = re.compile(
    r"(?:(?:and|but|so|or|also|then|otherwise|instead|however)[,\s]+)?"
    r"(?:it|this|that|these|those|they|them|he|she|its|their|his|her|both|neither|the (?:actual|new|correct|real|updated|current|former|latter|same|first|second|other))\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^\W*(?:why|how\s+to\s+apply)\W{0,3}:\W{0,3}\s+(?=\w)", re.IGNORECASE)
_REASON = re.compile(
    r"(?:(?:\*\*)?(?:why|reason|rationale|because|how to apply|context)(?:\*\*)?\s*[:—–-]|(?:the|my|our) (?:main )?reason\b|"
    r"(?:this|that|it)(?:'s|’s| is) (?:because|since|so)\b|last time\b|otherwise\b|that way\b|this way\b|so that\b|"
    r"(?:we|i) (?:got|were|was) burned\b|i(?:'|’)ve been burned\b|it(?:'|’)s (?:important|critical) because\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence or clause on its way to a claim."""

    event: Event
    segment: Segment
    start: int
    end: int
    tag: Tag
    context: dict[str, str]

    @property
    def text(self) -> str:
        return self.event.text[self.start : self.end]


class VerbatimExtractor:
    """Sentence- and clause-level claims whose text is their quote. Offline and deterministic."""

    name = "verbatim"
    portion = 40_000

    def __init__(self, tagger: Tagger | None = None) -> None:
        self._tagger = tagger or default_tagger()
        self.beside = tagger is None
        self._read: dict[str, Tag] = {}

    @property
    def version(self) -> str:
        """The rules of division and the tagger both decide what a claim is, so both are named."""
        return f"4+{self._tagger.version}"

    def extract(self, events: Sequence[Event], before: Sequence[Event] = ()) -> Extraction:
        """Claims of `events` in the order said. Linear in the text; each sentence is tagged once, in batches."""
        skipped: Counter[str] = Counter()
        claims: list[Claim] = []
        previous = next((e for e in reversed(before) if e.text.strip()), None)
        proposal_turn: list[settle.Said] = []
        proposer: Event | None = None
        if previous is not None and previous.origin is Origin.ASSISTANT:
            proposer = previous
            proposal_turn = _said(list(self._pieces([previous], Counter())))
        for event, pieces in self._by_event(events, skipped):
            rest = pieces
            if event.origin is Origin.USER and proposer is not None:
                agreed, rest = _settle(event, pieces, proposer, proposal_turn)
                claims += agreed
            claims += self._claims(rest, skipped)
            if event.origin is Origin.ASSISTANT:
                proposer, proposal_turn = event, _said(pieces)
            elif event.origin is Origin.USER:
                proposer = None
        return Extraction(tuple(claims), dict(skipped))

    def _by_event(self, events: Sequence[Event], skipped: Counter[str]) -> Iterator[tuple[Event, list[_Piece]]]:
        """Each event with its pieces, tagged in batches that span events."""
        held: list[_Piece] = []
        waiting = iter(events)
        current = next(waiting, None)
        for piece in self._pieces(events, skipped):
            while current is not None and piece.event is not current:
                yield current, held
                held, current = [], next(waiting, None)
            held.append(piece)
        while current is not None:
            yield current, held
            held, current = [], next(waiting, None)

    def _pieces(self, events: Sequence[Event], skipped: Counter[str]) -> Iterator[_Piece]:
        batch: list[tuple[Event, Segment, str | None]] = []
        size = 0
        for event in events:
            antecedent: str | None = None
            for segment in segments(event.text):
                words = event.text[segment.start : segment.end]
                reason = _omitted(segment, words, event.origin)
                if reason:
                    skipped[reason] += 1
                    continue
                batch.append((event, segment, antecedent))
                size += 1 + (len(segment.cuts) + 1 if segment.cuts else 0)
                antecedent = words
                if size >= BATCH:
                    yield from self._divide(batch)
                    batch, size = [], 0
        yield from self._divide(batch)

    def _divide(self, batch: list[tuple[Event, Segment, str | None]]) -> Iterator[_Piece]:
        """Tag whole sentences and their possible clauses together; divide those whose clauses differ in modality."""
        texts: list[str] = []
        parts: list[list[tuple[int, int]]] = []
        for event, segment, _ in batch:
            spans = _parts(segment)
            parts.append(spans)
            texts.append(_read_as(event.text[segment.start : segment.end]))
            if len(spans) > 1:
                texts += [_read_as(event.text[a:b]) for a, b in spans]
        tags = iter(self._tags(texts))
        for (event, segment, antecedent), spans in zip(batch, parts, strict=True):
            whole = next(tags)
            chosen = [((segment.start, segment.end), whole)]
            if len(spans) > 1:
                chosen = _grouped(spans, [next(tags) for _ in spans]) or chosen
            for (start, end), tag in chosen:
                context = _context(event, segment, antecedent, start, end)
                yield _weighed(_Piece(event, segment, start, end, tag, context))
                antecedent = event.text[start:end]

    def _tags(self, texts: Sequence[str]) -> list[Tag]:
        """The tag of each text. What is said over and over is read once: transcripts repeat themselves."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._read]
        if len(self._read) + len(fresh) > _REMEMBERED:
            self._read.clear()
            fresh = list(dict.fromkeys(texts))
        self._read |= zip(fresh, self._tagger.tag(fresh), strict=True)
        return [self._read[text] for text in texts]

    def _claims(self, pieces: Sequence[_Piece], skipped: Counter[str]) -> Iterator[Claim]:
        held: Claim | None = None
        for piece in pieces:
            if settle.is_agreement(piece.text) and piece.event.origin is Origin.USER:
                skipped["acknowledgement"] += 1  # it agreed to nothing that can be named
                continue
            if held is not None and _gives_reason(held, piece):
                span = Span(piece.event.id, held.spans[0].start, piece.end)
                held = replace(held, text=piece.event.text[span.start : span.end], spans=(span, *held.spans[1:]))
                continue
            if held is not None:
                yield held
            held = _claim(piece)
        if held is not None:
            yield held


def _parts(segment: Segment) -> list[tuple[int, int]]:
    edges = [segment.start]
    for left, right in segment.cuts:
        edges += [left, right]
    edges.append(segment.end)
    return list(zip(edges[::2], edges[1::2], strict=True))


def _grouped(spans: list[tuple[int, int]], tags: list[Tag]) -> list[tuple[tuple[int, int], Tag]] | None:
    """Neighbouring clauses of like standing joined; None when the sentence is of one standing, or it is unclear.

    Joined clauses take the weaker reading's tag, so that no clause is carried by a stronger neighbour.
    """
    groups: list[tuple[tuple[int, int], Tag]] = []
    for span, tag in zip(spans, tags, strict=True):
        if groups and (groups[-1][1].modality in OPEN) == (tag.modality in OPEN):
            (start, _), first = groups[-1]
            groups[-1] = ((start, span[1]), min(first, tag, key=lambda t: strength(t.modality)))
        else:
            groups.append((span, tag))
    if len(groups) < 2 or any(_standing(tag) < SURE_ENOUGH_TO_CUT for _, tag in groups):
        return None
    readings = {tag.modality for _, tag in groups}
    if {Modality.QUESTION, Modality.DECISION} <= readings:
        return None  # "I want to cut the leak, but I'm not sure how": the wish is how the question is put
    return groups


def _read_as(words: str) -> str:
    """The words as the tagger reads them: on one line, and without a label that only looks like a question ("Why: …")."""
    text = plain(words)
    return text if text.rstrip().endswith("?") else _LABEL.sub("", text)


def _standing(tag: Tag) -> float:
    """How probable it is that the words are as open, or as settled, as the tag says: a decision is more than settled."""
    if tag.modality is Modality.DECISION:
        return tag.probability
    is_open = tag.modality in OPEN
    return sum(p for modality, p in tag.probabilities.items() if (modality in OPEN) == is_open)


def _omitted(segment: Segment, words: str, origin: Origin) -> str | None:
    """Why a segment is not worth a fact, or None."""
    if segment.form in (Form.CODE, Form.LAYOUT):
        return str(segment.form)
    count = len(_WORD.findall(words[:400]))
    if count == 0 and not _WIDE.search(words):
        return "fragment"
    if segment.form is Form.HEADING and count < 4:
        return "heading"
    if _PLEASANTRY.match(words) and origin is not Origin.USER:
        return "pleasantry"
    if origin is Origin.USER and frames(words):
        return "exercise"
    if origin is Origin.TOOL:
        if _GIT.match(words):
            return "git"
        if count < 3 and not _WIDE.search(words):
            return "fragment"
    return None


def _context(event: Event, segment: Segment, antecedent: str | None, start: int, end: int) -> dict[str, str]:
    context = {"speaker": event.role}
    if segment.headings:
        context["section"] = " › ".join(segment.headings)
    if segment.lead:
        context["lead"] = segment.lead
    # A pronoun, or a state without its subject, looks back to the sentence before; a later clause to those before it.
    leans = start > segment.start or _ANAPHOR.match(event.text, start, end) or fragment(event.text[start:end])
    if antecedent is not None and leans:
        context["antecedent"] = plain(antecedent)[:200]
    return context


def _weighed(piece: _Piece) -> _Piece:
    """Lower a bare decision that stands where things are only weighed, or that is somebody else's, quoted."""
    if piece.tag.modality is not Modality.DECISION:
        return piece
    if piece.segment.form is Form.QUOTE:
        return _lowered(piece, Modality.OBSERVATION, "a quotation: somebody else's words")
    near = piece.segment.lead or (piece.segment.headings[-1] if piece.segment.headings else "")
    if _WEIGHED.search(near) and not _CHOSEN.search(near) and not _CHOSEN.search(piece.text):
        return _lowered(piece, Modality.OPTION_CONSIDERED, f"stands under {near!r}")
    return piece


def _lowered(piece: _Piece, modality: Modality, why: str) -> _Piece:
    tag = replace(piece.tag, modality=modality, why=(why, *piece.tag.why))
    return replace(piece, tag=tag, context={**piece.context, "weakened": why})


def _claim(piece: _Piece) -> Claim:
    event, text = piece.event, piece.text
    found = dates.mentions(text, event.at)
    valid_from, valid_to = (None, None) if piece.tag.modality is Modality.QUESTION else dates.validity(text, found)
    probability, context = piece.tag.probability, piece.context
    if event.role == IMPORTED:
        probability = min(probability, IMPORTED_AT_MOST)
        context = {**context, "imported": "written by another memory's model; provenance reaches the session only"}
    if found:
        context = {**context, "dates": "; ".join(f"{d.words} = {d.at.date().isoformat()}" for d in found)}
    return Claim(
        text=text,
        modality=piece.tag.modality,
        probability=probability,
        why=piece.tag.why,
        kind=kind_of(text, event.origin, piece.tag.modality),
        origin=event.origin,
        spans=(Span(event.id, piece.start, piece.end),),
        valid_from=valid_from,
        valid_to=valid_to,
        dates=found,
        context=context,
    )


def _gives_reason(held: Claim, piece: _Piece) -> bool:
    """Does this sentence say why, or how to apply, the feedback just before it? A hedged reason stays a claim of its own."""
    span = held.spans[0]
    return (
        held.kind is Kind.FEEDBACK
        and span.event_id == piece.event.id
        and piece.tag.modality not in OPEN
        and piece.end - span.start <= 600
        and bool(_REASON.match(piece.text))
    )


def _said(pieces: Sequence[_Piece]) -> list[settle.Said]:
    return [
        settle.Said(p.start, p.end, p.text, p.tag.modality, p.segment.form is Form.ITEM and p.segment.opens)
        for p in pieces
    ]


def _settle(
    event: Event, pieces: list[_Piece], proposer: Event, turn: list[settle.Said]
) -> tuple[list[Claim], list[_Piece]]:
    """The claim that the opening of a user's turn makes of the assistant's proposal, and the rest of the turn."""
    if not pieces:
        return [], pieces
    first = pieces[0]
    proposal = settle.settled(first.text, turn)
    qualified_by_next = len(pieces) > 1 and pieces[1].tag.modality is Modality.QUESTION
    if proposal is None or qualified_by_next:
        return [], pieces
    text = f"{first.text} — agreed to: “{proposal.text}”"
    claim = Claim(
        text=text,
        modality=Modality.DECISION,
        probability=AGREED,
        why=("the user agreed to one definite proposal of the assistant's",),
        kind=kind_of(proposal.text, Origin.ASSISTANT, Modality.DECISION),
        origin=Origin.USER,
        spans=(Span(event.id, first.start, first.end), Span(proposer.id, proposal.start, proposal.end)),
        context={"speaker": event.role, "settles": plain(proposal.text)[:200]},
    )
    return [claim], pieces[1:]
