"""What makes a fact stop being live, and how that is proved: the rules applied to the ledger, and to the world.

chains    supersede, amend, retract, confirm, flag, revalidate, revert: allowed or refused
doubt     carries doubt from premises to conclusions
ties      facts tied to files: looked at, doubted, believed again
confidence  how sure one may be that a fact is right and current
verify    derives everything again and reports what does not agree

Of files, without a database:

files     reads inside a root and never outside it
git       asks a repository without letting it run anything
symbols   finds a definition and says what it means apart from how it is laid out
inventory where names are defined under a root
anchors   what a text names that can be tied to
snapshot  what was seen, and whether it still is so
watch     hears of changes as they happen
"""
