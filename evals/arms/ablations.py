"""memstore with one capability removed at a time: what shows that a capability matters, and where it does not.

Each is the whole of memstore but for one thing, taken away through the public interface: what a capability is worth is
the difference between its arm and `memstore`, paired by question.
"""

from __future__ import annotations

from evals.arms.memstore import Memstore


class NoModality(Memstore):
    name = "memstore_no_modality"
    about = "memstore, marks and confidence taken off what comes back: words alone"
    marks = False


class NoChains(Memstore):
    name = "memstore_no_chains"
    about = "memstore that is told of no key and no replacement; it may still notice one in the words"
    chains = False


class NoLifetimes(Memstore):
    name = "memstore_no_lifetimes"
    about = "memstore in which nothing ever expires"
    lifetimes = False


class NoAuthority(Memstore):
    name = "memstore_no_authority"
    about = "memstore that takes every speaker for the user"
    authority = False


class NoAnchors(Memstore):
    name = "memstore_no_anchors"
    about = "memstore that never looks at files"
    anchors = False


ABLATIONS = (NoModality, NoChains, NoLifetimes, NoAuthority, NoAnchors)
