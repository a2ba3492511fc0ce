"""Asking Claude, within limits: every call is counted, booked and cached, and whatever goes wrong is an outcome.

    MemoryStore("agent.db", claude=Claude())

is the one way in: without it nothing is ever sent. Capture, recall and review ask through the store, which books each
answer in its ledger. A limit that is reached, a refusal, a rate limit, an answer that is not the JSON asked for: none
of these is an error to whoever asks. They get an `Answer` that says which it was, and do the work another way. What was
spent on an answer that could not be used is booked all the same. Errors are never cached. The SDK retries what is worth
retrying.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from memstore import settings
from memstore.errors import MissingExtra, UsageError
from memstore.model import Usage

if TYPE_CHECKING:
    from anthropic import Anthropic
    from anthropic.types import Message

COUNTER = "anthropic usage"
Price = Callable[[str, int, int], tuple[float | None, str | None]]


class Outcome(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    CALLS_SPENT = "calls of the session spent"
    TOKENS_SPENT = "token budget spent"
    RATE_LIMITED = "rate limited"
    OVERLOADED = "service overloaded"
    UNREACHABLE = "service unreachable"
    REJECTED = "request rejected"
    REFUSED = "refused by the model"
    TRUNCATED = "answer cut off"
    MALFORMED = "answer malformed"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits: calls per session, tokens in all (input and output together), and tokens of one answer.

    Capture asks on behalf of the session that it reads. Recall and review are about no session: for them a session is
    one day (UTC) of one scope, recall and review each for itself.
    """

    calls_per_session: int = 20
    tokens: int = 500_000
    answer_tokens: int = 4_096


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is the JSON object when `outcome` is ANSWERED, and None otherwise; `note` says more."""

    outcome: Outcome
    data: Mapping[str, Any] | None = None
    note: str = ""
    cached: bool = False


@dataclass(slots=True)
class Claude:
    """Claude as one program uses it: a model, limits, and what was spent of them. Safe to share between threads.

    `client` is made on first use when none is given (the SDK reads ANTHROPIC_API_KEY). `price` turns (model, input
    tokens, output tokens) into dollars and the date of the price, (None, None) where it is not known.
    Answers are kept in memory only, so that what is forgotten is nowhere on disk.
    """

    model: str = settings.CLAUDE_MODEL
    budget: Budget = field(default_factory=Budget)
    client: Anthropic | None = None
    price: Price = lambda model, given, told: (None, None)
    calls: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    _answers: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connected(self) -> Anthropic:
        """The client. Raises MissingExtra where the SDK is not installed."""
        if self.client is None:
            try:
                from anthropic import Anthropic
            except ImportError as error:
                raise MissingExtra("anthropic", "claude", "asking Claude") from error
            self.client = Anthropic()
        return self.client

    def forget(self) -> None:
        """Drop the answers that were kept."""
        with self._lock:
            self._answers.clear()


def asked_for(flag: bool = False) -> Claude | None:
    """Claude if the user asked for it: by a flag, or by MEMSTORE_CLAUDE where there is also an ANTHROPIC_API_KEY.

    Raises UsageError for a flag without a key.
    """
    model = settings.claude_model()
    if not settings.anthropic_key():
        if flag:
            raise UsageError("Claude needs a key: set ANTHROPIC_API_KEY, or leave --claude out")
        return None
    return Claude(model or settings.CLAUDE_MODEL) if flag or model else None


@dataclass(frozen=True, slots=True)
class Asking:
    """Claude with its bill: `book` is called once for every response that was paid for.

    `spent` says how many are on the bill already, whoever asked: of a session or, for None, of a purpose since a day
    began.
    """

    claude: Claude
    book: Callable[[Usage], None]
    clock: Callable[[], datetime]
    spent: Callable[[str | None, str, datetime], int] = lambda session, purpose, day: 0

    def itemised(self, bill: list[Usage]) -> Asking:
        """The same, with every entry of the bill noted in a list as well."""

        def book(entry: Usage) -> None:
            bill.append(entry)
            self.book(entry)

        return replace(self, book=book)

    def ask(self, *, session: str | None, purpose: str, system: str, content: str, schema: Mapping[str, Any]) -> Answer:
        """One question; the answer is a JSON object of `schema`. Raises only MissingExtra.

        `session` is what the calls are limited by: those of this program, and those on the bill, if they are more
        (a call that another process is making at this instant is on neither). It is a recorded session; None is for
        what is asked on behalf of none, and the day (UTC) is the session then, for each purpose by itself. `purpose`
        is what they are booked under (write, retrieve, judge …).
        Never ask inside a transaction: an answer may take a minute.
        """
        claude = self.claude
        asked = json.dumps([claude.model, system, content, schema], sort_keys=True)
        key = hashlib.sha256(asked.encode(errors="surrogatepass")).hexdigest()
        # Four characters a token is a guess on the safe side for prose; the bill uses what the API reports.
        expected = (len(system) + len(content)) // 4 + claude.budget.answer_tokens
        day = self.clock().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        limited = f"{purpose} on {day:%Y-%m-%d}" if session is None else session
        billed = self.spent(session, purpose, day)
        with claude._lock:
            if key in claude._answers:
                return Answer(Outcome.ANSWERED, json.loads(claude._answers[key]), cached=True)
            if max(claude.calls[limited], billed) >= claude.budget.calls_per_session:
                return Answer(Outcome.CALLS_SPENT, note=f"{claude.budget.calls_per_session} calls for {limited}")
            if claude.tokens + expected > claude.budget.tokens:
                return Answer(Outcome.TOKENS_SPENT, note=f"{claude.tokens} of {claude.budget.tokens} tokens used")
            claude.calls[limited] += 1
        answer = self._call(session, purpose, system, content, schema)
        if answer.outcome is Outcome.ANSWERED:
            with claude._lock:
                claude._answers[key] = json.dumps(answer.data)
        return answer

    def _call(self, session: str | None, purpose: str, system: str, content: str, schema: Mapping[str, Any]) -> Answer:
        client = self.claude.connected()
        import anthropic

        try:
            response: object = client.messages.create(
                model=self.claude.model,
                max_tokens=self.claude.budget.answer_tokens,
                system=system,
                messages=[{"role": "user", "content": content}],
                output_config={"format": {"type": "json_schema", "schema": dict(schema)}},
            )
        except anthropic.RateLimitError as error:
            return Answer(Outcome.RATE_LIMITED, note=_said(error))
        except anthropic.APIStatusError as error:
            return Answer(Outcome.OVERLOADED if error.status_code >= 500 else Outcome.REJECTED, note=_said(error))
        except anthropic.APIConnectionError as error:  # timeouts included
            return Answer(Outcome.UNREACHABLE, note=_said(error))
        except ValueError as error:  # it says that it is JSON, and is not
            return Answer(Outcome.MALFORMED, note=_said(error))
        except (anthropic.AnthropicError, TypeError) as error:  # TypeError is how the SDK says that there is no key
            return Answer(Outcome.REJECTED, note=_said(error))
        # The SDK does not check what it received: a proxy may answer with a page, with half a message, or with anything
        # where a message has something else.
        if not isinstance(response, anthropic.types.Message):
            return Answer(Outcome.MALFORMED, note="not a message")
        self._pay(session, purpose, response)
        if response.stop_reason == "refusal":
            return Answer(Outcome.REFUSED)
        text = _text(response)
        if response.stop_reason == "max_tokens":
            return Answer(Outcome.TRUNCATED, note=f"{self.claude.budget.answer_tokens} tokens were not enough")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            return Answer(Outcome.MALFORMED, note=str(error))
        if not isinstance(data, dict):
            return Answer(Outcome.MALFORMED, note="not a JSON object")
        return Answer(Outcome.ANSWERED, data)

    def _pay(self, session: str | None, purpose: str, message: Message) -> None:
        usage = message.usage
        if usage is None or getattr(usage, "input_tokens", None) is None:
            return  # it does not say what it cost
        given = sum(map(_count, (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens)))
        told = _count(usage.output_tokens)
        with self.claude._lock:
            self.claude.tokens += given + told
        model = message.model or self.claude.model
        cost, dated = self.claude.price(model, given, told)
        self.book(Usage(self.clock(), purpose, model, COUNTER, given, told, cost, dated, session))


def _text(message: Message) -> str:
    blocks: object = message.content
    found = (
        [getattr(one, "text", None) for one in blocks if getattr(one, "type", None) == "text"]
        if isinstance(blocks, list)
        else []
    )
    return "".join(text for text in found if isinstance(text, str))


def _count(tokens: object) -> int:
    return tokens if isinstance(tokens, int) and tokens > 0 else 0


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
