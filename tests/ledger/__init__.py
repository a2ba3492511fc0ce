"""What the proofs of the ledger share.

naive         a memory in plain Python, with its own logic, that the store must agree with
invariants    what must hold of any store at any time, each named and described
workers       child processes that write, to be killed or raced
"""
