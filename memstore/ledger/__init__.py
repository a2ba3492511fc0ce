"""The ledger: one SQLite file that keeps every event, every fact and everything that happened to them.

    connection    opens the file; transactions; maps SQLite's errors to ours
    turnstile     whose turn it is to write
    ids           numbers that sort by time, and how they are spelt
    migrations    the numbered schema
    events        verbatim items of the source
    facts         statements and their provenance
    transitions   what happened to facts; chains
    standing      the state of a fact, derived from its transitions (pure)
    anchors       ties of facts to files
    forgetting    erasing content, and proving it
    exchange      export and import as JSONL
    usage         tokens booked

Functions take the `Transaction` (or, to read, the connection) they run in; only `connection` opens the file.
Times are integers, microseconds since 1970 UTC. Primary keys (`pk`) never leave this layer; ids do.
"""
