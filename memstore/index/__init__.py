"""Indexes: caches over the ledger, which may lag or be lost at no cost but recall and time.

    places      where a statement stands in the conversation, packed into one integer
    lexical     full text, FTS5, in the same file and the same transaction as the facts
    vector      vectors of turns and statements, in the same file, scanned exactly
    embedding   the sentence encoder, pinned by hash

Recall never believes an index: what it finds is looked up in the ledger before it is said.
"""
