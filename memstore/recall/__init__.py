"""Recall: query → candidates → chains to heads → keep what stands → rank → fit the budget → recollections.

Approximate finding, exact answering: an index proposes, the ledger disposes.

    answer    the pipeline
    tokens    named token counters
    render    recollections as text for a reader or a prompt
"""
