"""Indexes: caches over the ledger, which may lag or be lost at no cost but recall and time.

    places      where a statement stands in the conversation, packed into one integer
    lexical     full text, FTS5, in the same file and the same transaction as the facts
    lists       its entries packed by word, to be read whole
    kept        what a connection has read of both, for as long as it holds
    columns     arithmetic on what was read, with numpy or without
    vector      vectors of turns and statements, in the same file, scanned exactly
    chroma      a copy of them in Chroma, searched approximately
    embedding   the sentence encoder, pinned by hash

Recall never believes an index: what it finds is looked up in the ledger before it is said.
"""
