"""Indexes: caches over the ledger, which may lag or be lost at no cost but recall and time.

    lexical   full text, FTS5, in the same file and the same transaction as the facts

Recall never believes an index: what it finds is looked up in the ledger before it is said.
"""
