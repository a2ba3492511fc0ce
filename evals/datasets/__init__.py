"""Loaders: one file per published set, each turning its own format into samples and nothing else.

A loader takes the data directory (the folder that holds one subfolder per set, whether it is the small one that
ships or the full one) or, just as well, the path of the published file itself. What an arm may see goes into items
and queries; the gold goes into `Probe.expect` only.
"""
