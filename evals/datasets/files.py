"""Where data files are, what they should hash to, and how they are read: the same for every loader.

A `Source` says what a set is called, under which licence it comes and where to get it. `locate` finds it under a data
directory or accepts the published file itself; what is missing or broken ends in one line that says what to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.model import DataMissing, EvalError


@dataclass(frozen=True, slots=True)
class Source:
    """A published set. `patterns` are globs inside its folder, the preferred split first.

    `beside` are the other files it cannot do without; `sha256` are the checksums of published files, by name.
    """

    folder: str
    title: str
    patterns: tuple[str, ...]
    where: str
    licence: str
    ships: bool
    beside: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)


def locate(data: Path, source: Source) -> list[Path]:
    """The files of one split: those of the first pattern that matches anything. Splits are never mixed.

    `data` may be the data directory, the set's own folder, or one published file.
    """
    data = Path(data)
    if data.is_file():
        return _checked([data], source)
    if not data.is_dir():
        raise DataMissing(f"{source.folder}: {data} does not exist. {how_to_get(source)}")
    for folder in (data / source.folder, data):
        for pattern in source.patterns:
            if found := sorted(path for path in folder.glob(pattern) if path.is_file()):
                return _checked(found, source)
    raise DataMissing(f"{source.folder}: nothing of it under {data}. {how_to_get(source)}")


def _checked(paths: list[Path], source: Source) -> list[Path]:
    for path in paths:
        if missing := [name for name in source.beside if not (path.parent / name).exists()]:
            raise DataMissing(f"{source.folder}: {', '.join(missing)} should lie beside {path}. {how_to_get(source)}")
        known = source.sha256.get(path.name)
        if known and sha256(path) != known:
            raise EvalError(
                f"{path}: not the published {path.name} (SHA-256 {known[:12]}…); fetch it again, or rename it to use it"
            )
    return paths


def how_to_get(source: Source) -> str:
    return f"Get {source.title} from {source.where}, or name another place with --data or MEMSTORE_DATA."


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataMissing(f"{path} is not there; fetch the whole set again") from None
    except OSError as error:
        raise EvalError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise EvalError(f"{path}: not UTF-8 text; fetch the file again") from None


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """One object per line; a line that is not JSON is named by its number."""
    # Not splitlines(): a line separator inside a string is part of the string.
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise EvalError(f"{path}, line {number}: not JSON ({error.msg}); fetch the file again") from None
            if not isinstance(row, dict):
                raise EvalError(f"{path}, line {number}: expected one JSON object per line")
            yield row


def read_json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise EvalError(f"{path}: not JSON ({error.msg}, line {error.lineno}); fetch the file again") from None


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a published file that may be one JSON array or JSON lines."""
    if path.suffix == ".jsonl":
        return list(read_jsonl(path))
    content = read_json(path)
    if isinstance(content, list) and all(isinstance(row, dict) for row in content):
        return content
    raise EvalError(f"{path}: expected a list of objects; is this the published file?")


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def wrong_format(path: Path, source: Source, detail: object) -> EvalError:
    """The error for a file that reads well but is not what its name says."""
    return EvalError(f"{path}: not in the format of {source.title} ({detail}); see {source.where}")


def utc(text: str) -> datetime:
    """An ISO time as an aware datetime; what names no zone is taken as UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
