"""Scorers: one small file per question asked of an answer, deterministic, each returning named numbers or None.

None means unscored (no gold, or nothing to judge), which is never 0. A scorer reads `Probe.expect` by these names:

| name in `expect` | meaning |
|---|---|
| `evidence` | refs of the items that hold the answer |
| `sessions` | the sessions that do, where no turn is named |
| `words` | the source words that should come back |
| `modality` | the modality of those words |
| `current`, `stale` | refs of the items that are right at the time asked about, and of those that no longer are |
| `asks`, `depth` | `as_of` or `head`, and how many replacements lie between |
| `live` | refs that must not have been invalidated |
| `must_mention`, `must_not_mention` | phrases |
| `answer`, `options`, `rubric` | the published answer, and what it is chosen from or judged by |
| `answerable` | False where nothing that was said answers the question |
| `hostile`; `rule`, `attack` | refs of poisoned items; the user's rule and the attack on it |
| `suspect`, `sound`; `moved_to` | refs of items whose file is gone, or still there; its new place |
"""
