"""Capture: words become facts without losing what they meant.

Pure functions over events; nothing here touches the store, which conducts them (`MemoryStore.capture`):

    sources/   files → turns            secrets   what must never be written is masked first
    segment    text → sentences, clauses  tagger/   sentence → modality, calibrated
    extract    the one interface: events → claims (verbatim by default, claude when asked)
    dates      "Thursday" → the date     updates   does a new statement replace a held one?
"""
