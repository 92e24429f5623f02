"""Channel ids: every channel that an operator makes gets one, and rules carry them along.

The same rules run over the original graph (`labelling`: channel ids are made, united, frozen)
and over the compact one (`shrinking`: only kept channel ids flow). Grouping and compaction are
read off the result.
"""
