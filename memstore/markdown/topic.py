"""A topic file: a few lines of frontmatter that say when to read it, and a body that is read only then.

    ---
    name: Storage
    description: redis, ttl, expiry of short links
    type: project
    ---

    - We use Redis. We could refresh the TTL on each access.

The frontmatter is the small part of YAML that people write by hand: one `key: value` a line, quoted when it must
be. Lines that are not understood are kept as they are and written back, so reading and writing a file that
somebody else made loses nothing. A file without frontmatter is a topic named after the file.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from memstore.errors import UsageError
from memstore.model import Kind

NAME_CHARACTERS = 80
DESCRIPTION_CHARACTERS = 200  # an index entry is one line that a reader can scan

_FENCE = re.compile(r"---[ \t]*\r?\n")
_END = re.compile(r"^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_FIELD = re.compile(r"(name|description|type):[ \t]*(.*?)[ \t\r]*")
_PLAIN = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`](?:[^:#]|:(?! |$)|(?<! )#)*")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic file: `file` is its name in the memory folder, `extra` the frontmatter lines nobody here reads."""

    file: str
    name: str
    description: str
    body: str
    kind: Kind = Kind.PROJECT
    extra: tuple[str, ...] = ()

    def checked(self) -> Topic:
        """The same topic with name and description on one line each. Raises `UsageError` when they cannot be."""
        name, description = (" ".join(value.split()) for value in (self.name, self.description))
        if not name or len(name) > NAME_CHARACTERS or set("[]") & set(name):
            raise UsageError(f"a topic's name is 1 to {NAME_CHARACTERS} characters without brackets, got {name[:99]!r}")
        if len(description) > DESCRIPTION_CHARACTERS:
            raise UsageError(
                f"the description of {name!r} has {len(description)} characters, at most {DESCRIPTION_CHARACTERS}: "
                "it is one line of the index; the rest belongs in the body"
            )
        if not self.file.endswith(".md") or re.search(r"[\s()]", self.file):
            raise UsageError(f"a topic file is named like storage.md, without spaces or parentheses, got {self.file!r}")
        return replace(self, name=name, description=description)


def render(topic: Topic) -> str:
    """The text of a topic file; `parse` gives the same topic back."""
    fields = (f"name: {_quoted(topic.name)}", f"description: {_quoted(topic.description)}", f"type: {topic.kind}")
    return "\n".join(("---", *fields, *topic.extra, "---", "", topic.body))


def parse(file: str, text: str) -> Topic:
    """Read a topic file, whoever wrote it. An unknown or missing type counts as `project` and is kept as it was."""
    stem = file.rsplit("/", 1)[-1].removesuffix(".md")
    opening = _FENCE.match(text)
    closing = _END.search(text, opening.end()) if opening else None
    if not opening or not closing:
        first = next((line.strip("# \t") for line in text.splitlines() if line.strip("# \t")), "")
        return Topic(file, stem, first[:DESCRIPTION_CHARACTERS], text)
    fields: dict[str, str] = {}
    extra: list[str] = []
    for line in text[opening.end() : closing.start()].split("\n")[:-1]:
        field = _FIELD.fullmatch(line)
        if not field or field[1] in fields or (field[1] == "type" and field[2] not in set(Kind)):
            extra.append(line)
        else:
            fields[field[1]] = _unquoted(field[2])
    body = text[closing.end() :]
    return Topic(
        file,
        fields.get("name", stem),
        fields.get("description", ""),
        body[1:] if body.startswith("\n") else body,
        Kind(fields.get("type", Kind.PROJECT)),
        tuple(extra),
    )


def _quoted(value: str) -> str:
    """A YAML scalar: plain when it is one that no reader could take for anything else, else double-quoted."""
    plain = _PLAIN.fullmatch(value) and value == value.strip() and value.lower() not in _WORDS
    return value if plain and not _NUMBER.fullmatch(value) else json.dumps(value, ensure_ascii=False)


_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "~", "y", "n"}
_NUMBER = re.compile(r"[-+.\d][\d_.:eExXoOa-fA-F+\-]*")


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    return value
