"""Export and import as JSON Lines: lossless, versioned, streaming, and the same ids on both sides.

    {"type": "header", "format": "memstore", "version": 2, …}
    {"type": "event", …}        in the order recorded
    {"type": "fact", …}         with its provenance and premises
    {"type": "transition", …}   with the facts on both sides, and the pointers that it added
    {"type": "anchor", …}       what a fact is tied to, and what was seen there (since version 2)
    {"type": "footer", …}       counts; a file without it was cut off

Importing is idempotent: what is there already (by id; an event also by its scope, session and ref) is passed over.
Every line is checked before the first is written. Lines are then written in batches, each whole or not at all, so
that other processes can write in between. Where two stores disagree, nothing is decided silently: a key that both
held becomes a recorded conflict, and a supersession that would close a circle is kept as a refused one. No file is
looked at on the word of an export: an anchor is bound to a root that whoever imports has named, or it waits for one.
"""

VERSION = 2
