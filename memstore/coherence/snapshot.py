"""What an anchor saw, and whether it still is so.

`observe` takes a frozen `Snapshot` of a file, of some lines, or of a definition; `check` looks again and gives a
`Verdict`. What is compared is the normal form (see `symbols`): layout may change, and what was tied to may move —
within the file, with its file, or to another file — without a false alarm; a change or a loss is told with its
reason and a diff of what was seen. Both are pure readers: they write nothing, anywhere.
"""

from __future__ import annotations

import difflib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path, PurePosixPath

from memstore.coherence import files, git, symbols, word_for_word
from memstore.coherence.anchors import AnchorTarget
from memstore.errors import AnchorRefused, MissingExtra, NotFound

MAX_SEEN = 16_000
"""Characters of source that a snapshot keeps, to show later what was seen. The hash covers all of it."""
MAX_DIFF_LINES = 60
MAX_SEARCHED = 20_000
HASTY_BYTES = 256 * 1024
"""The largest changed file that is read into while an answer waits: parsing more takes longer than one may wait."""
_WINDOWED = 3_000_000
_HASTY_WINDOWED = 100_000
"""How many words are compared to find lines that moved within their file."""

Mask = Callable[[str], str]
"""Takes secrets out of a text before it is kept or shown."""

Read = Callable[[Path, str], tuple[bytes, str]]
"""Root, path → content and its SHA-256; raises as `files.read` does."""


class State(StrEnum):
    """How the world stands to a snapshot. `changed` and `missing` make a fact suspect; the others do not.

    `unreadable` is not knowing: the file may not be read, was swapped for a link out, or grew beyond the bound.
    """

    UNCHANGED = "unchanged"
    MOVED = "moved"
    CHANGED = "changed"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `target` was when it was looked at.

    `sha256` is of the file's bytes and `form` of the normal form of what was tied to (hexadecimal). `seen` is its
    source, masked, at most `MAX_SEEN` characters ('' for a binary file). `blob` and `commit` are git's names for the
    file's content and the commit that was checked out; both None outside a repository.
    """

    target: AnchorTarget
    sha256: str
    form: str
    seen: str
    blob: str | None
    commit: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check` found. `target` is where the thing is now; `diff` is unified, '' where there is none to show."""

    state: State
    reason: str
    target: AnchorTarget
    diff: str = ""

    @property
    def doubtful(self) -> bool:
        """Whether the fact that was tied to this needs revalidation."""
        return self.state in (State.CHANGED, State.MISSING)


@dataclass(frozen=True, slots=True)
class _Look:
    form: str
    source: str
    lines: tuple[int, int] | None = None


def observe(root: Path, target: AnchorTarget, *, mask: Mask = str) -> Snapshot:
    """Look at `target` under `root` and keep what was seen.

    Raises NotFound when the file, the lines or the symbol do not exist; AnchorRefused when the file is outside the
    root, too large, or may not be read; MissingExtra when a symbol's grammar is not installed.
    """
    target = replace(target, path=files.relative(root, target.path))
    content, sha256 = files.read_hashed(root, target.path)
    look = _look(target, content)
    if look is None:
        raise NotFound(f"there is no {target} under {root}")
    commit = git.head(root)
    return Snapshot(
        target,
        sha256,
        look.form,
        mask(look.source)[:MAX_SEEN],
        git.blob(content) if commit else None,
        commit,
    )


def check(
    root: Path,
    snapshot: Snapshot,
    *,
    mask: Mask = str,
    search: float = 1.0,
    hasty: bool = False,
    known: bool = False,
    read: Read = files.read_hashed,
    asker: git.Asker | None = None,
) -> Verdict:
    """Look again. What is gone from its place is searched for, for at most `search` seconds (0: not at all).

    When `hasty`, an answer waits: a definition that stands word for word is looked at no closer, a large file that
    changed is not read into, which is `unreadable`, and git gets no more time than the search. If its doubt is `known`
    then, what is gone is not searched for again, and no diff is made. `read` may remember what it has read, and `asker`
    what git has answered, so that many looks see one moment and ask once.
    Never raises for what a file may be or have become; MissingExtra alone is raised, since without the grammar
    nothing can be said.
    """
    target = snapshot.target
    known = known and hasty
    search = 0.0 if known else search
    try:
        content, sha256 = read(root, files.relative(root, target.path))
    except NotFound:
        return _elsewhere(root, snapshot, f"{target.path} is gone", mask, search, hasty, asker)
    except AnchorRefused as error:
        return Verdict(State.UNREADABLE, str(error), target)
    if sha256 == snapshot.sha256:
        return Verdict(State.UNCHANGED, "same bytes", target)
    if hasty and len(content) > HASTY_BYTES:
        return Verdict(State.UNREADABLE, f"{target.path} changed, and is too large to be read into meanwhile", target)
    kept = snapshot.seen if hasty and len(snapshot.seen) < MAX_SEEN else ""
    if target.symbol and word_for_word.stands(target.path, target.symbol, kept, content):
        return Verdict(State.UNCHANGED, "word for word as it was", target)
    look = _again(target, content, snapshot.form, _HASTY_WINDOWED if hasty else _WINDOWED)
    if look is None:
        return _elsewhere(root, snapshot, f"{target} is gone", mask, search, hasty, asker)
    if look.form == snapshot.form:
        if look.lines is not None and look.lines != target.lines:
            moved = replace(target, lines=look.lines)
            return Verdict(State.MOVED, f"{target} moved to lines {look.lines[0]}-{look.lines[1]}", moved)
        return Verdict(State.UNCHANGED, "same but for layout, place or comments", target)
    if known:
        return Verdict(State.CHANGED, f"{target} changed", target)
    return _changed(snapshot, target, look, mask, f"{target} changed")


def _changed(snapshot: Snapshot, now: AnchorTarget, look: _Look, mask: Mask, reason: str) -> Verdict:
    return Verdict(State.CHANGED, reason, now, _diff(snapshot, mask(look.source)[:MAX_SEEN]))


def _look(target: AnchorTarget, content: bytes) -> _Look | None:
    """What `target` is in `content`; None when it is not there. The form of what has no text is its bytes."""
    if files.is_binary(content):
        if target.lines or target.symbol:
            return None
        return _Look(hashlib.sha256(content).hexdigest(), "")
    reading = _read_form if len(content) <= 512 * 1024 else _read_form.__wrapped__
    return reading(PurePosixPath(target.path).name, target.lines, target.symbol, content)


@lru_cache(maxsize=128)
def _read_form(name: str, lines: tuple[int, int] | None, symbol: str | None, content: bytes) -> _Look | None:
    # Pure in its arguments, so a file with other changes is parsed once and not at every recall.
    if symbol is not None:
        found = symbols.find(name, content, symbol)
        return _Look(_sha(found.form), found.source) if found else None
    tokens = symbols.tokens(name, content)
    if lines is None:
        return _Look(_sha(symbols.form_of(tokens)), content.decode("utf-8", "replace"))
    first, last = lines
    source = content.decode("utf-8", "replace").splitlines()
    if last > len(source):
        return None
    words = [t for t in tokens if not _structure(t) and first - 1 <= t.first and t.last <= last - 1]
    return _Look(_sha(symbols.form_of(words)), "\n".join(source[first - 1 : last]), lines)


def _again(target: AnchorTarget, content: bytes, form: str, most: int = _WINDOWED) -> _Look | None:
    """Like `_look`; lines are looked for in their old place first, then wherever they may have moved in the file.

    At most `most` words are compared for that.
    """
    look = _look(target, content)
    if target.lines is None or (look is not None and look.form == form) or files.is_binary(content):
        return look
    words = [t for t in symbols.tokens(target.path, content) if not _structure(t)]
    source = content.decode("utf-8", "replace").splitlines()
    for first, last, window in _windows(words, target.lines[1] - target.lines[0] + 1, most):
        if _sha(symbols.form_of(window)) == form:
            return _Look(form, "\n".join(source[first : last + 1]), (first + 1, last + 1))
    return look


def _windows(words: list[symbols.Token], height: int, most: int) -> Iterator[tuple[int, int, list[symbols.Token]]]:
    """Runs of whole lines, about as high as what was seen: formatters make three lines of one, or one of three."""
    starts = [at for at, t in enumerate(words) if at == 0 or t.first != words[at - 1].first]
    for index, start in enumerate(starts):
        for ends in range(index + 1, min(index + 3 * height + 3, len(starts)) + 1):
            stop = starts[ends] if ends < len(starts) else len(words)
            most -= stop - start
            if most < 0:
                return
            yield words[start].first, words[stop - 1].last, words[start:stop]


def _structure(token: symbols.Token) -> bool:
    return token.text[:1] in (symbols.OPEN, symbols.CLOSE)


def _elsewhere(
    root: Path, snapshot: Snapshot, reason: str, mask: Mask, search: float, hasty: bool, asker: git.Asker | None
) -> Verdict:
    """Where what is gone from its place may be now: by git's renames, else the same thing under another path."""
    if search <= 0:
        return Verdict(State.MISSING, reason, snapshot.target)
    gone = Verdict(State.MISSING, reason, snapshot.target, _diff(snapshot, ""))
    deadline = time.monotonic() + search
    target = snapshot.target
    # Where git cannot tell in half of the time, the other half is for the same thing under another path.
    seconds = search if hasty else search / 2
    commit = snapshot.commit
    followed = git.renamed(root, target.path, commit, seconds=seconds, asker=asker) if commit else None
    if followed is not None:
        there = replace(target, path=followed)
        look = _look_at(root, there, snapshot.form, hasty)
        if look is not None:
            there = replace(there, lines=look.lines)
            if look.form == snapshot.form:
                return Verdict(State.MOVED, f"{target.path} became {followed}", there)
            return _changed(snapshot, there, look, mask, f"{target.path} became {followed}, and {target} changed")
    same_name = PurePosixPath(target.path).name
    suffix = PurePosixPath(target.path).suffix
    candidates = [
        path
        for path in files.walk(root, limit=MAX_SEARCHED, deadline=deadline)
        if PurePosixPath(path).suffix == suffix and path != target.path
    ]
    alike: list[str] = []
    for path in sorted(candidates, key=lambda path: PurePosixPath(path).name != same_name):
        if time.monotonic() > deadline:
            return gone
        if target.symbol is None and PurePosixPath(path).name != same_name:
            # Under another name, a file with these very bytes is the file; what was edited too is git's to follow.
            alike += [path] if _is_copy(root, path, snapshot.sha256, hasty) else []
            continue
        there = replace(target, path=path)
        look = _look_at(root, there, snapshot.form, hasty)
        if look is not None and look.form == snapshot.form:
            return Verdict(State.MOVED, f"{target} moved to {path}", replace(there, lines=look.lines))
    if len(alike) == 1:
        return Verdict(State.MOVED, f"{target.path} became {alike[0]}", replace(target, path=alike[0]))
    return gone


def _is_copy(root: Path, path: str, sha256: str, hasty: bool) -> bool:
    """Whether a file holds just these bytes, and any at all."""
    try:
        content = files.read(root, path, limit=HASTY_BYTES if hasty else files.MAX_BYTES)
    except (NotFound, AnchorRefused):
        return False
    return bool(content) and hashlib.sha256(content).hexdigest() == sha256


def _look_at(root: Path, target: AnchorTarget, form: str, hasty: bool) -> _Look | None:
    try:
        content = files.read(root, target.path, limit=HASTY_BYTES if hasty else files.MAX_BYTES)
    except (NotFound, AnchorRefused):
        return None
    name = (target.symbol or "").rpartition(".")[2].encode()
    if name and name not in content:  # not worth a parse
        return None
    try:
        return _again(target, content, form)
    except MissingExtra:
        return None


def _diff(snapshot: Snapshot, now: str) -> str:
    """A unified diff of what was seen against what is there, cut to a bound."""
    path = snapshot.target.path
    before, after = snapshot.seen.splitlines(), now.splitlines()
    if len(before) * len(after) > 400_000:  # difflib is quadratic at best, and the text is anybody's
        return ""
    lines = list(difflib.unified_diff(before, after, f"{path} (seen)", f"{path} (now)", lineterm="", n=2))
    if len(lines) > MAX_DIFF_LINES:
        lines = [*lines[:MAX_DIFF_LINES], f"… {len(lines) - MAX_DIFF_LINES} more lines"]
    return "\n".join(lines)


def _sha(form: str) -> str:
    return hashlib.sha256(form.encode("utf-8", "surrogatepass")).hexdigest()
