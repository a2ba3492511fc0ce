"""Memories by others that install beside this one and run offline, without a key: skipped, with a reason, when absent.

They are used through their own public interface, with the settings their authors recommend where those need no
network, and with the same sentence encoder as every other arm where they take one. The harness remembers which record
is which turn. Whoever finds one of them handled unfairly should open an issue: that would be a bug of the harness.
"""

from evals.arms.inspeximus import Inspeximus
from evals.arms.mem0 import Mem0
from evals.arms.mempalace import MemPalace
from evals.arms.memware import Memware

PEERS = (Memware, Inspeximus, MemPalace, Mem0)
