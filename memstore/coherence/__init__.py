"""What makes a fact stop being live, and how that is proved: the rules applied to the ledger.

chains    supersede, amend, retract, confirm, flag, revalidate, revert: allowed or refused
verify    derives everything again and reports what does not agree
"""
