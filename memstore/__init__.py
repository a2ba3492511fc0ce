"""memstore: a cross-session memory for agents that have to act on what they remember."""
