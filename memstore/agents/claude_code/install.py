"""Putting the plugin's hooks into Claude Code's settings, and taking them out again: nothing else is touched.

For a project: `.claude/settings.json` and `.mcp.json`. For a user: `settings.json` in Claude Code's own folder; the
MCP server is then added with `claude mcp add`, because that file is Claude Code's to write. Other entries, their
order, how the file is laid out, and the built-in memory stay as they are. Installing twice is the same as once.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memstore.agents.claude_code.json_text import rewritten
from memstore.errors import NotFound, UsageError
from memstore.markdown.folder import Folder

PLUGIN = Path(__file__).parent / "plugin"
_OURS = re.compile(r"(?:^|[/ '\"])memstore(?:\.cli)?['\"]? hook \w+$")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One file before and after. `after` is None where nothing of ours or others' is left in it."""

    path: Path
    before: str | None
    after: str | None

    def diff(self) -> str:
        """What would change, as a unified diff."""
        old, new = ((text or "").splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(difflib.unified_diff(old, new, f"{self.path} (now)", f"{self.path} (then)"))

    def apply(self) -> None:
        folder = Folder(self.path.parent)
        if self.after is None:
            folder.remove(self.path.name)
        else:
            mode = self.path.stat().st_mode & 0o777 if self.before is not None else 0o644
            folder.write(self.path.name, self.after)
            self.path.chmod(mode)


def install(directory: Path, *, project: bool) -> list[Change]:
    """The changes that install into a project's directory, or into Claude Code's own one."""
    return _changes(directory, project, _add_hooks, _add_server)


def uninstall(directory: Path, *, project: bool) -> list[Change]:
    """The changes that take out what `install` put in."""
    return _changes(directory, project, _remove_hooks, _remove_server)


def command() -> str:
    """How a shim calls memstore: by name where it is always on the path, in a virtual environment by its full path.

    An agent may be started from another terminal, where that environment is not active.
    """
    found = shutil.which("memstore")
    if found is None:
        return f"{shlex.quote(sys.executable)} -m memstore.cli"
    here_alone = sys.prefix != sys.base_prefix and Path(found).is_relative_to(sys.prefix)
    return shlex.quote(found) if here_alone else "memstore"


def _changes(
    directory: Path, project: bool, hooks: Callable[[Json], None], server: Callable[[Json], None]
) -> list[Change]:
    files = {directory / ".claude/settings.json" if project else directory / "settings.json": hooks}
    if project:
        files[directory / ".mcp.json"] = server
    found = [_changed(path, change) for path, change in files.items()]
    return [change for change in found if change.before != change.after]


def _changed(path: Path, change: Callable[[Json], None]) -> Change:
    try:
        before = Folder(path.parent).read(path.name)
    except NotFound:
        before = None
    try:
        settings = json.loads(before or "{}")
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error}): mend it first, it was left alone") from error
    if not isinstance(settings, dict):
        raise UsageError(f"{path} does not hold a JSON object: it was left alone")
    now = json.loads(json.dumps(settings))
    change(now)
    if now == settings:
        return Change(path, before, before)
    return Change(path, before, rewritten(before or "{}\n", now) if now else None)


def _add_hooks(settings: Json) -> None:
    _remove_hooks(settings)
    hooks = settings.setdefault("hooks", {})
    if not isinstance(hooks, dict):
        raise UsageError("the settings' hooks are not an object: they were left alone")
    ours = json.loads((PLUGIN / "hooks/hooks.json").read_text(encoding="utf-8"))["hooks"]
    for event, groups in ours.items():
        for group in groups:
            for hook in group["hooks"]:
                hook["command"] = re.sub(r"^memstore\b", lambda _: command(), hook["command"])
        hooks.setdefault(event, []).extend(groups)


def _remove_hooks(settings: Json) -> None:
    hooks = settings.get("hooks")
    if not isinstance(hooks, dict):
        return
    for event, groups in list(hooks.items()):
        if not isinstance(groups, list):
            continue
        kept = [left for group in groups if (left := _without_ours(group)) is not None]
        if kept:
            hooks[event] = kept
        elif groups:
            del hooks[event]
    if not hooks:
        del settings["hooks"]


def _without_ours(group: Any) -> Any:
    """A group of hooks without ours; None when it held only ours."""
    if not isinstance(group, dict) or not isinstance(group.get("hooks"), list):
        return group
    kept = [hook for hook in group["hooks"] if not (isinstance(hook, dict) and _OURS.search(str(hook.get("command"))))]
    if len(kept) == len(group["hooks"]):
        return group
    return {**group, "hooks": kept} if kept else None


def _add_server(settings: Json) -> None:
    servers = settings.setdefault("mcpServers", {})
    if not isinstance(servers, dict):
        raise UsageError("mcpServers is not an object: it was left alone")
    ours = json.loads((PLUGIN / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]
    first, *rest = shlex.split(command())
    for server in ours.values():
        server["command"], server["args"] = first, [*rest, *server["args"]]
    servers.update(ours)


def _remove_server(settings: Json) -> None:
    servers = settings.get("mcpServers")
    if isinstance(servers, dict) and "memstore" in servers:
        del servers["memstore"]
        if not servers:
            del settings["mcpServers"]
