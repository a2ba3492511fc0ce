"""Memory as Markdown files: the lossless baseline, and the face of the store that a person can edit."""

from memstore.markdown.curator import Curated, Note, curate, curated_notes
from memstore.markdown.memory import Entry, Injection, Line, MarkdownMemory
from memstore.markdown.topic import Topic

__all__ = ["Curated", "Entry", "Injection", "Line", "MarkdownMemory", "Note", "Topic", "curate", "curated_notes"]
