"""Does it know a hedge elsewhere? `python -m memstore.capture.tagger.train.transfer --data DIR`.

Two human-labelled sets that nothing was trained or tuned on. UDS factuality (web text): a sentence of one
predicate is hedged when annotators called the event hypothetical. MRDA (meetings): an utterance is hedged
when its speech-act tag maps to a question, an option or a hypothesis. The tagger says "hedged" for the same
three modalities. Prints precision, recall, F1 and, beside them, what always saying "hedged" would score.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from memstore.capture.tagger import default_tagger
from memstore.capture.tagger.train.sentences import records
from memstore.model import Modality

HEDGED = (Modality.OPTION_CONSIDERED, Modality.HYPOTHESIS, Modality.QUESTION)


def uds(data: Path) -> list[tuple[str, bool]]:
    rows = records(data / "uds_factuality" / "train_dev.jsonl")
    predicates = Counter(r["sent_id"] for r in rows)
    return [
        (r["sentence"], r["hypothetical"] > 0)
        for r in rows
        if predicates[r["sent_id"]] == 1 and r["hypothetical"] is not None
    ]


def mrda(data: Path) -> list[tuple[str, bool]]:
    rows = records(data / "mrda" / "val.jsonl")
    return [
        (r["text"], r["proposed_modality"] in {m.value for m in HEDGED})
        for r in rows
        if r["proposed_modality"] and len(r["text"].split()) >= 4
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    for name, rows in (("uds_factuality", uds(data)), ("mrda", mrda(data))):
        said = [tag.modality in HEDGED for tag in default_tagger().tag([text for text, _ in rows])]
        truth = [hedged for _, hedged in rows]
        both = sum(s and t for s, t in zip(said, truth, strict=True))
        precision, recall = both / max(1, sum(said)), both / max(1, sum(truth))
        share = sum(truth) / len(truth)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        print(
            f"{name}: n {len(rows)}, hedged {share:.3f}; precision {precision:.3f} recall {recall:.3f} "
            f"F1 {f1:.3f}; always 'hedged' {2 * share / (1 + share):.3f}"
        )


if __name__ == "__main__":
    main()
