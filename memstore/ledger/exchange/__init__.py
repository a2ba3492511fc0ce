"""Export and import as JSON Lines: lossless, versioned, streaming, and the same ids on both sides.

    {"type": "header", "format": "memstore", "version": 1, …}
    {"type": "event", …}        in the order recorded
    {"type": "fact", …}         with its provenance and premises
    {"type": "transition", …}   with the facts on both sides, and the pointers that it added
    {"type": "footer", …}       counts; a file without it was cut off

Importing is idempotent: what is there already (by id; an event also by its scope, session and ref) is passed over.
Every line is checked before the first is written. Lines are then written in batches, each whole or not at all, so
that other processes can write in between. Where two stores disagree, nothing is decided silently: a key that both
held becomes a recorded conflict, and a supersession that would close a circle is kept as a refused one.
"""

VERSION = 1
