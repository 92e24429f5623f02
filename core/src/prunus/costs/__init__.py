"""Costs that a plan is counted in beside MACs: parameters, bytes of a file, milliseconds."""
