"""The backend of Anthropic's memory tool (`memory_20250818`): Claude sees files, the store keeps facts.

    from memstore.agents.memory_tool import MemstoreMemoryTool
    client.beta.messages.tool_runner(..., tools=[MemstoreMemoryTool(store)])

Every command answers in the published words, to the letter, because models were trained on them. What Claude
creates, it can view again exactly (but for secrets, which are masked before they are written). The class needs
the package `anthropic`; `MemoryCommands` is the same without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from memstore.agents.memory_files import ROOT, MemoryFiles, resolve, words
from memstore.errors import MemstoreError, MissingExtra, UsageError

if TYPE_CHECKING:
    from memstore.store import MemoryStore

MAX_LINES = 999_999
DIRECTORY_BYTES = 4096  # what a directory shows as its size; here it has none


class MemoryCommands:
    """The commands on plain arguments. A refusal is a `UsageError` whose message is the published text."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.files = MemoryFiles(store)

    def view(self, path: str, view_range: Sequence[int] | None = None) -> str:
        """A directory two levels deep, or a file with line numbers (`view_range` from 1, -1 for the end)."""
        found = resolve(path)
        content = self.files.read(found)
        if content is not None:
            return _numbered(path, content, _span(view_range))
        if not self.files.is_directory(found):
            raise UsageError(f"The path {path} does not exist. Please provide a valid path.")
        header = f"Here're the files and directories up to 2 levels deep in {path}, excluding hidden items:"
        lines = [header, f"{_size(DIRECTORY_BYTES)}\t{path}"]
        for below in self.files.below(found):
            relative = below[len(found) + 1 :]
            parts = relative.rstrip("/").split("/")
            if len(parts) <= 2 and not any(part.startswith(".") for part in parts):
                size = DIRECTORY_BYTES if below.endswith("/") else len((self.files.read(below) or "").encode())
                lines.append(f"{_size(size)}\t{path}/{relative}")
        return "\n".join(lines)

    def create(self, path: str, file_text: str) -> str:
        """Make a file that is not there yet."""
        found = resolve(path)
        words("file_text", file_text)
        with self.store.transaction():
            if self._exists(found):
                raise UsageError(f"File {path} already exists")
            self.files.write(found, file_text)
        return f"File created successfully at: {path}"

    def str_replace(self, path: str, old_str: str, new_str: str) -> str:
        """Replace the one occurrence of a text."""
        found = resolve(path)
        words("old_str", old_str), words("new_str", new_str)
        with self.store.transaction():
            content = self._content(path, found)
            places = _places(content, old_str)
            if not places:
                raise UsageError(
                    f"No replacement was performed, old_str `{old_str}` did not appear verbatim in {path}."
                )
            if content.count(old_str) > 1:
                lines = ", ".join(str(content.count("\n", 0, place) + 1) for place in places)
                raise UsageError(
                    f"No replacement was performed. Multiple occurrences of old_str `{old_str}` in lines: {lines}. "
                    "Please ensure it is unique"
                )
            replaced = content.replace(old_str, new_str)
            self.files.write(found, replaced)
        changed = content.count("\n", 0, places[0])
        lines_now = replaced.split("\n")
        around = range(max(0, changed - 2), min(len(lines_now), changed + 3))
        snippet = "\n".join(f"{n + 1:>6}\t{lines_now[n]}" for n in around)
        return (
            f"The memory file has been edited. Here is the snippet showing the change (with line numbers):\n{snippet}"
        )

    def insert(self, path: str, insert_line: int, insert_text: str) -> str:
        """Put a text after a line; 0 puts it first."""
        found = resolve(path)
        words("insert_text", insert_text)
        with self.store.transaction():
            content = self._content(path, found)
            lines = content.removesuffix("\n").split("\n") if content else []
            if type(insert_line) is not int or not 0 <= insert_line <= len(lines):
                raise UsageError(
                    f"Invalid `insert_line` parameter: {insert_line}. It should be within the range [0, {len(lines)}]."
                )
            lines.insert(insert_line, insert_text.rstrip("\n"))
            text = "\n".join(lines)
            self.files.write(found, text if text.endswith("\n") else f"{text}\n")
        return f"The file {path} has been edited."

    def delete(self, path: str) -> str:
        """Take away a file or a whole directory. History keeps it; `memstore forget` erases."""
        found = resolve(path)
        if found == ROOT:
            raise UsageError("Cannot delete the /memories directory itself")
        with self.store.transaction():
            if not self._exists(found):
                raise UsageError(f"The path {path} does not exist")
            self.files.delete(found)
        return f"Successfully deleted {path}"

    def rename(self, old_path: str, new_path: str) -> str:
        """Move a file or directory to a path that is free."""
        old, new = resolve(old_path), resolve(new_path)
        if old == ROOT:
            raise UsageError("Cannot rename the /memories directory itself")
        with self.store.transaction():
            if self._exists(new):
                raise UsageError(f"The destination {new_path} already exists")
            if not self._exists(old):
                raise UsageError(f"The path {old_path} does not exist")
            self.files.rename(old, new)
        return f"Successfully renamed {old_path} to {new_path}"

    def clear_all_memory(self) -> str:
        """Take away every file. What others said stays."""
        with self.store.transaction():
            self.files.delete(ROOT)
        return "All memory cleared"

    def _exists(self, path: str) -> bool:
        return self.files.is_directory(path) or self.files.read(path) is not None

    def _content(self, path: str, found: str) -> str:
        content = self.files.read(found)
        if content is None:
            if self.files.is_directory(found):
                raise UsageError(f"The path {path} is not a file.")
            raise UsageError(f"The path {path} does not exist. Please provide a valid path.")
        return content


def _places(content: str, wanted: str) -> list[int]:
    """Where a text begins, overlapping ones too."""
    places: list[int] = []
    place = content.find(wanted)
    while place != -1:
        places.append(place)
        place = content.find(wanted, place + 1)
    return places


def _span(view_range: Sequence[int] | None) -> tuple[int, int] | None:
    """The two numbers of a range; None, for the whole file, where there are not two."""
    if view_range is None:
        return None
    if not isinstance(view_range, list | tuple) or any(type(number) is not int for number in view_range):
        raise UsageError(f"Invalid `view_range` parameter: {view_range!r}. It should be two line numbers.")
    return (view_range[0], view_range[1]) if len(view_range) == 2 else None


def _numbered(path: str, content: str, span: tuple[int, int] | None) -> str:
    lines = content.split("\n")
    if len(lines) > MAX_LINES:
        raise UsageError(f"File {path} exceeds maximum line limit of 999,999 lines.")
    first, last = 0, len(lines)
    if span is not None:
        first = max(1, span[0]) - 1
        last = len(lines) if span[1] == -1 else span[1]
    shown = "\n".join(f"{n:>6}\t{line}" for n, line in enumerate(lines[first:last], first + 1))
    return f"Here's the content of {path} with line numbers:\n{shown}"


def _size(count: int) -> str:
    """Bytes as the published tool shows them: `0B`, `12B`, `1.5K`, `4K`."""
    if count == 0:
        return "0B"
    power = min((count.bit_length() - 1) // 10, 3)
    scaled = count / 1024**power
    return (f"{int(scaled)}" if scaled == int(scaled) else f"{scaled:.1f}") + "BKMG"[power]


def _tool_class() -> type:
    """The class over the SDK's abstract one, made when it is first asked for: the SDK takes a second to import."""
    try:
        from anthropic.tools import BetaAbstractMemoryTool, ToolError
    except ImportError as error:
        raise MissingExtra("anthropic", "claude", "the memory tool") from error

    class MemstoreMemoryTool(BetaAbstractMemoryTool):
        """Anthropic's memory tool over a store. Safe to share between threads; every command is one transaction."""

        def __init__(self, store: MemoryStore, *, cache_control: Any = None) -> None:
            super().__init__(cache_control=cache_control)
            self.commands = MemoryCommands(store)

        def _run(self, command: str, *arguments: Any) -> str:
            try:
                answer: str = getattr(self.commands, command)(*arguments)
                return answer
            except MemstoreError as error:
                raise ToolError(str(error)) from error

        def view(self, command: Any) -> str:
            return self._run("view", command.path, command.view_range)

        def create(self, command: Any) -> str:
            return self._run("create", command.path, command.file_text)

        def str_replace(self, command: Any) -> str:
            return self._run("str_replace", command.path, command.old_str, command.new_str)

        def insert(self, command: Any) -> str:
            return self._run("insert", command.path, command.insert_line, command.insert_text)

        def delete(self, command: Any) -> str:
            return self._run("delete", command.path)

        def rename(self, command: Any) -> str:
            return self._run("rename", command.old_path, command.new_path)

        def clear_all_memory(self) -> str:
            return self._run("clear_all_memory")

    return MemstoreMemoryTool


def __getattr__(name: str) -> Any:
    if name != "MemstoreMemoryTool":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()[name] = _tool_class()
    return made
