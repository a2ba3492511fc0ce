"""The store: the façade that the rest of the world uses, and where what crosses layers is conducted.

facade     MemoryStore, the public methods
changing   supersede, amend, retract, confirm, flag, revalidate, revert
writing    record, remember: words in
capturing  capture: what was recorded becomes facts
updating   what a new fact does to those already held
tending    facts tied to files
reviewing  review, consolidate: what waits for a decision, and what needs none
advising   what Claude would do about it
syncing    sync: facts as Markdown files, and edits there as facts
files      those files, while they are synced or something in them is forgotten
asking     recall, context, get, history, explain: answers out
keeping    forget, verify, rebuild, backup: looking after the file
held       what every part holds
naming     facts, events and scopes as callers name them
"""

from memstore.store.facade import DEFAULT, MemoryStore

__all__ = ["DEFAULT", "MemoryStore"]
