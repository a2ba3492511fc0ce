"""Benchmarks of speed and size: commands of their own, whose figures are ratios against something hand-written.

python -m evals.benchmarks.ledger --facts 1000000
python -m evals.benchmarks.hooks
python -m evals.benchmarks.sessions
"""
