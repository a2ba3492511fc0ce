"""The command line: what a person types, and the first way to see what an agent remembers.

Data goes to standard output and everything else to standard error. Exit codes: 0 done, 1 an error (or `verify`
found problems), 2 the command was not understood. Bad input is answered with one line, and changes nothing.
Every module here imports what it needs inside the command that needs it: `memstore recall` has to be there
before a person notices.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `arguments` are those of the process unless given."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if len(words) == 2 and words[0] == "hook" and not words[1].startswith("-"):
        # An agent waits for this one: it does not pay for a parser of options that are not there, nor for collecting
        # garbage while it loads, which is a sixth of its time and frees nothing.
        gc.disable()
        from memstore.agents.claude_code import sooner

        sooner.put_off()
        from memstore.agents.claude_code.run import main as hook

        hook(words[1])
        if arguments is None:
            os._exit(0)  # nor for taking all of it down again: what it had to write is written
        return 0
    from memstore.cli.app import run

    return run(words)
