"""Asking Claude, within limits: every call is counted, booked and cached, and whatever goes wrong is an outcome.

A limit that is reached, a refusal, a rate limit, an answer that is not the JSON asked for: none of these is an error to
whoever asks. They get an `Answer` that says which it was, and do the work another way. What was spent on an answer
that could not be used is booked all the same. Errors are never cached. The SDK retries what is worth retrying.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from memstore.errors import MissingExtra
from memstore.model import Usage

if TYPE_CHECKING:
    from anthropic import Anthropic

DEFAULT_MODEL = "claude-haiku-4-5"
COUNTER = "anthropic usage"


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
    """Limits: calls per session, tokens in all (input and output together), and tokens of one answer."""

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
class Asking:
    """One caller's conversation with the API: its budget, its cache and its bill.

    `client` is made on first use when none is given (it reads ANTHROPIC_API_KEY); `cache` may be any mapping that
    outlives the process; `book` is called once for every response that was paid for, `price` turns (model,
    input tokens, output tokens) into dollars and the date of the price, (None, None) when it is not known.
    """

    client: Anthropic | None = None
    model: str = DEFAULT_MODEL
    budget: Budget = field(default_factory=Budget)
    cache: MutableMapping[str, str] = field(default_factory=dict)
    book: Callable[[Usage], None] = lambda usage: None
    price: Callable[[str, int, int], tuple[float | None, str | None]] = lambda model, given, told: (None, None)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    purpose: str = "write"
    calls: Counter[str] = field(default_factory=Counter)
    tokens: int = 0

    def ask(self, *, session: str, system: str, content: str, schema: Mapping[str, Any]) -> Answer:
        """One question; the answer is a JSON object of `schema`. Raises only MissingExtra."""
        key = hashlib.sha256(json.dumps([self.model, system, content, schema], sort_keys=True).encode()).hexdigest()
        if key in self.cache:
            return Answer(Outcome.ANSWERED, json.loads(self.cache[key]), cached=True)
        if self.calls[session] >= self.budget.calls_per_session:
            return Answer(Outcome.CALLS_SPENT, note=f"{self.budget.calls_per_session} calls for session {session}")
        # Four characters a token is a guess on the safe side for prose; the bill uses what the API reports.
        expected = (len(system) + len(content)) // 4 + self.budget.answer_tokens
        if self.tokens + expected > self.budget.tokens:
            return Answer(Outcome.TOKENS_SPENT, note=f"{self.tokens} of {self.budget.tokens} tokens used")
        self.calls[session] += 1
        answer = self._call(system, content, schema)
        if answer.outcome is Outcome.ANSWERED:
            self.cache[key] = json.dumps(answer.data)
        return answer

    def _call(self, system: str, content: str, schema: Mapping[str, Any]) -> Answer:
        client = self._connected()
        import anthropic

        try:
            response = client.messages.create(
                model=self.model,
                max_tokens=self.budget.answer_tokens,
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
        except anthropic.AnthropicError as error:  # no key, or a response that is no message
            return Answer(Outcome.REJECTED, note=_said(error))
        self._pay(response.model, response.usage)
        if response.stop_reason == "refusal":
            return Answer(Outcome.REFUSED)
        text = "".join(block.text for block in response.content if block.type == "text")
        if response.stop_reason == "max_tokens":
            return Answer(Outcome.TRUNCATED, note=f"{self.budget.answer_tokens} tokens were not enough")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            return Answer(Outcome.MALFORMED, note=str(error))
        if not isinstance(data, dict):
            return Answer(Outcome.MALFORMED, note="not a JSON object")
        return Answer(Outcome.ANSWERED, data)

    def _connected(self) -> Anthropic:
        if self.client is None:
            try:
                from anthropic import Anthropic
            except ImportError as error:
                raise MissingExtra("anthropic", "claude", "extraction by Claude") from error
            self.client = Anthropic()
        return self.client

    def _pay(self, model: str, usage: Any) -> None:
        read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        given, told = usage.input_tokens + read + written, usage.output_tokens
        self.tokens += given + told
        cost, dated = self.price(model, given, told)
        self.book(Usage(self.clock(), self.purpose, model, COUNTER, given, told, cost, dated))


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
