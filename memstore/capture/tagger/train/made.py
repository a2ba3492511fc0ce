"""Sentences made from parts, in the manner of code review and project talk; the teachers say what they are.

No review comment may be trained on (licence), and chats and RFCs hold few orders, hints and half-questions
about code. This grammar says them in great number, and above all says the same thing in the ways that are
confused: settled and open, plain and negated, one's own and reported, on a condition and without. What it
says need not make sense; what matters is how it is said.
"""

from __future__ import annotations

import random
import re

NOUNS = (
    "cache|parser|retry loop|timeout|index|config file|logger|helper|constructor|test|fixture|"
    "migration|endpoint|schema|query|lock|mutex|queue|worker|scheduler|session|token|header|payload|"
    "callback|hook|plugin|adapter|wrapper|interface|base class|enum|flag|constant|variable|parameter|"
    "return type|docstring|comment|error message|log line|import|dependency|branch|condition|loop|"
    "check|assertion|exception handler|thread pool|buffer|stream|channel|table|column|view|template|"
    "component|stylesheet|route|middleware|job|cron entry|metric|dashboard|alert|bucket|cluster|"
    "region|license header|changelog entry|release note|API|client|server|proxy|gateway|database|"
    "replica|budget|schedule|itinerary|contract|outline|first chapter|gym plan|meal plan|"
    "savings account|guest list|visa application"
).split("|")
NAMES = (
    "user_id|MAX_RETRIES|getUser|parse_args|`tmp`|`fooBar`|config.yaml|`Optional`|self._lock|`data`|"
    "err|ctx|`None`|isEmpty|to_string|README|`x`|`retry_count`|BaseModel|utils|init()|`flush()`|"
    "`std::move`|`const`|HashMap|the second argument|this line|this block|this one|that|it|this method|"
    "this class|the old version|both of them"
).split("|")
CHOICES = (
    "Redis|Postgres|Kafka|SQLite|gRPC|REST|Docker|Terraform|React|Vue|Django|FastAPI|Celery|"
    "RabbitMQ|MongoDB|Elasticsearch|Kubernetes|Nginx|TypeScript|Rust|Go|mypy|pytest|Bazel|Gradle|"
    "a message broker|a plain file|a feature flag|a background job|two tables|a separate service|"
    "a linter rule|the standard library|an env variable|a soft delete|UUIDs|JSON|YAML|protobuf|"
    "the larger flat|the train|the yearly plan|a fixed rate"
).split("|")
VERBS = (
    "rename|remove|move|extract|inline|split|merge|cache|drop|simplify|document|test|mock|log|"
    "validate|skip|reuse|deprecate|replace|refactor|reorder|make private|turn off|raise|lower|rewrite|"
    "delete|sort|initialise|lock|close|escape|hard-code|generate|pin"
).split("|")
STATES = (
    "slow|stale|null|empty|unused|redundant|thread-safe|nullable|too long|confusing|flaky|out of sync|"
    "immutable|expensive|off by one|racy|private|case-sensitive|missing|deprecated"
).split("|")
PEOPLE = (
    "Ann|Tom|Priya|the reviewer|my manager|the vendor|Jonas|the team lead|somebody on the list|the docs|"
    "my sister|the previous maintainer|Lee|the RFC"
).split("|")
ENDINGS = (
    "because the build is slow|since we ship on Friday|to keep the API small|as it is only used once|"
    "for readability|so that old clients keep working|to save money|given the deadline|for now|in a follow-"
    "up|before the release|after the migration|in the next version|on startup|at the call site|everywhere|"
    "when the list is empty|on Windows|under load|if the token expires|unless it is cached|for the tests|"
    "in production"
).split("|")

#: `<name>` is any rule of that name, `[a|b]` either; what a rule may be is one line each.
GRAMMAR: dict[str, list[str]] = {
    "noun": NOUNS,
    "choice": CHOICES,
    "person": PEOPLE,
    "state": STATES,
    "verb": VERBS,
    "thing": [*(["<name>"] * 3), "the <noun>", "the <noun>", "this <noun>", "a <noun>", "our <noun>", "<noun>"],
    "name": NAMES,
    "end": ["", " <ending>"],
    "ending": ENDINGS,
    "act": [
        "<verb> <thing>",
        "use <choice>",
        "use <choice> instead of <choice>",
        "move <thing> to <thing>",
        "switch to <choice>",
        "keep <thing>",
        "add <thing>",
        "return [early|an error|None|a copy|the default]",
        "store <thing> in <choice>",
    ],
    "done": [
        "renamed",
        "removed",
        "moved to <thing>",
        "replaced by <choice>",
        "kept",
        "dropped",
        "cached",
        "split in two",
        "stored in <choice>",
        "deprecated",
        "validated",
        "skipped",
        "made private",
    ],
    "claim": [
        "<thing> is <state>",
        "<thing> returns [null|404|a list|the wrong type|a promise]",
        "<thing> [breaks|leaks|fails|hangs|gets called twice|is never closed|gets slower|needs a lock]",
        "we [lose|duplicate|miss|overwrite] <thing>",
    ],
    "sentence": [
        "<act><end>",
        "please <act><end>",
        "<thing> [should|must|can|could|will|may|does not need to|might need to|needs to] be <done><end>",
        "<thing> [is|was|has been] <done><end>",
        "we [could|can|should|might|may want to|will|must|need to|decided to|agreed to|chose to|plan to|have to|would|"
        "do not|never|always|are going to|considered whether to|did not] <act><end>",
        "I [will|'ll|would|could|might|want to|decided to|plan to|tried to|need to|think we should|think we could|"
        "don't want to|was going to|prefer to|am going to] <act><end>",
        "[should|could|can|shall|do] we <act>[?|?| instead?| here?|]",
        "[what if we|how about we|why don't we|why not|maybe|perhaps|let's|lets|maybe we should|would it make sense to|"
        "any reason not to|is it worth it to|do you want to|did you mean to|could you|can you|how do I|how can we|"
        "why did you|when do we|who will|where do we] <act>[?|?|]",
        "<claim><end>",
        "[I think|it seems|it looks like|maybe|probably|apparently|I suspect|I guess|not sure, but|I doubt that|"
        "as far as I know|I believe|presumably|I'm afraid|I noticed that|note that|now|today|at the moment|"
        "we know that|the log says] <claim><end>",
        "if <claim>, <claim>",
        "if <claim>, we [should|could|will|would have to|must|can] <act>",
        "if we <act>, <claim>",
        "without <thing>, <claim>",
        "<person> [suggested|proposed|said|thinks|asked|decided|insists|recommended|mentioned|wondered if|told us] "
        "[we should|that we|we could|we] <act>",
        "we [dropped|abandoned|no longer use|moved away from|rejected|kept|ruled out|considered|are evaluating|"
        "went with|settled on|are stuck with|tried|stopped using|replaced] <choice><end>",
        "we [considered|looked at|discussed|thought about] <choice>, but "
        "[went with|decided on|stayed with|ruled it out in favour of|are not sure about] <choice>",
        "[an alternative is to|one option is to|another approach would be to|it would be better to|it is possible to|"
        "it is necessary to|the plan is to|the decision is to|the idea is to|the proposal is to|it makes sense to|"
        "there is no need to|remember to|make sure to|consider whether to|feel free to|it was decided to] <act><end>",
        "[why is|is|isn't|when is|was|how is] <thing> <state>[?|?|]",
        "[does|doesn't|did|won't|will] <thing> [need a lock|handle nulls|break|get called twice|still work]<end>?",
        "<choice> [is|would be|might be|could be|seems|should be|looks] [faster|simpler|cheaper|enough|overkill|"
        "a better fit|the default|the way to go|easier to maintain]<end>",
        "we have not decided whether to <act>",
        "it is [still open|unclear|undecided|not settled] whether to <act>",
        "I'm [not sure how to|wondering whether to|thinking about whether to|trying to|not sure if we should|about to|"
        "leaning towards a plan to|curious why we] <act>",
        "let's not <act>",
        "don't <act><end>",
        "no need to <act>",
        "we will not <act><end>",
        "we are not going to <act>",
        "this [RFC|document|proposal|change|PR|ADR] [proposes to|does not|will|makes it possible to|could also|"
        "requires us to|describes how to|should] <act>",
    ],
    "before": [
        "nit: ",
        "hmm, ",
        "minor: ",
        "yeah, ",
        "ok, ",
        "also, ",
        "so ",
        "but ",
        "however, ",
        "actually, ",
        "IMO ",
        "- ",
    ],
    "after": [
        " thanks",
        " though",
        " right?",
        ", no?",
        ", ok?",
        " please",
        "...",
        " I think",
        " imo",
        " or is that on purpose?",
        ", but it's up to you",
        ", but I'm not sure",
        ", what do you think?",
        ", as discussed",
        ", if possible",
        " instead",
    ],
    "and": [" and ", " but ", "; ", ", so ", ". "],
}
_HOLE = re.compile(r"<(\w+)>|\[([^\[\]]*)\]")


def made(count: int, seed: int) -> list[str]:
    """`count` different sentences; the same for the same seed."""
    order = random.Random(seed)

    def fill(text: str) -> str:
        while hole := _HOLE.search(text):
            ways = GRAMMAR[hole[1]] if hole[1] else hole[2].split("|")
            text = text[: hole.start()] + order.choice(ways) + text[hole.end() :]
        return text.replace("I 'll", "I'll")

    found: dict[str, None] = {}
    while len(found) < count:
        text = fill("<sentence>")
        text = fill("<before>") + text if order.random() < 0.12 else text
        text = text.rstrip("?") + fill("<after>") if order.random() < 0.12 else text
        text = text + fill("<and><sentence>") if order.random() < 0.08 else text
        if order.random() < 0.6:  # the rest stays as it is typed in haste
            text = text[:1].upper() + text[1:]
            text += "" if text.endswith(("?", ".")) or order.random() < 0.15 else "."
        found[text] = None
    return list(found)
