"""The modality tagger: is this sentence a decision, an option, a hypothesis, a question or an observation?

Offline, and the same for everyone: `default_tagger()` is what capture uses. What it was trained on, how it
errs and how it was measured is in MODEL_CARD.md beside this file.
"""

from __future__ import annotations

from functools import cache

from memstore.capture.tagger.cue_tagger import load_cue_tagger
from memstore.capture.tagger.lines import tag_lines
from memstore.capture.tagger.tag import Tag, Tagger

__all__ = ["Tag", "Tagger", "default_tagger", "tag_lines"]


@cache
def default_tagger() -> Tagger:
    """The best tagger this installation can load; loaded once."""
    return load_cue_tagger()
