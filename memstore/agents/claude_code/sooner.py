"""Starting sooner: parts of the standard library that a hook hardly ever uses are loaded when it does.

A hook lives for a tenth of a second, and most of that goes into loading modules. `dataclasses` loads `inspect` (and
with it a parser and a disassembler) to describe classes that have no docstring, `pathlib` loads what reads IPv6
addresses and Windows paths, and a checksum, which only writing needs, loads OpenSSL.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

HARDLY_EVER = ("copy", "fnmatch", "hashlib", "inspect", "ipaddress", "ntpath", "unicodedata")


class Later(ModuleType):
    """Stands for a module until something in it is asked for; then that module is loaded, and takes its place."""

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        value = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, value)
        return value


def put_off(names: tuple[str, ...] = HARDLY_EVER) -> None:
    """Let these wait until they are used; those that are loaded already stay."""
    for name in names:
        sys.modules.setdefault(name, Later(name))
