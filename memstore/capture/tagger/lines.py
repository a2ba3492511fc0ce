"""Lines in, tags out: the work behind `memstore tag`, which lets anything that writes lines be tagged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from memstore.capture.tagger.tag import Tagger

_BATCH = 1024


def tag_lines(lines: Iterable[bytes | str], tagger: Tagger) -> Iterator[dict[str, object]]:
    """`{text, modality, probability, why}` for every line that is not blank, in order, as it is read.

    Bytes that are not UTF-8 become replacement characters; a line of any length is accepted.
    """
    texts = (text for line in lines if (text := _text(line)))
    while batch := list(islice(texts, _BATCH)):
        for text, tag in zip(batch, tagger.tag(batch), strict=True):
            yield {
                "text": text,
                "modality": tag.modality.value,
                "probability": round(tag.probability, 4),
                "why": list(tag.why),
            }


def _text(line: bytes | str) -> str:
    return (line.decode("utf-8", errors="replace") if isinstance(line, bytes) else line).strip()
