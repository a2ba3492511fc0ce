"""The modality tagger: is this sentence a decision, an option, a hypothesis, a question or an observation?

Offline, and the same for everyone: `default_tagger()` is what capture uses. What it was trained on, how it
errs and how it was measured is in MODEL_CARD.md beside this file; how to train it again, in `train/`.
"""

from __future__ import annotations

from functools import cache

from memstore.capture.tagger.cue_tagger import load_cue_tagger
from memstore.capture.tagger.lines import tag_lines
from memstore.capture.tagger.network_tagger import NetworkTagger
from memstore.capture.tagger.tag import Tag, Tagger

__all__ = ["Tag", "Tagger", "default_tagger", "tag_lines"]


@cache
def default_tagger() -> Tagger:
    """The tagger that ships: a small network over words and cues, on numpy alone. Loaded once."""
    return NetworkTagger(load_cue_tagger())
