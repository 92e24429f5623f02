"""From cfg sections to layer records: shapes, settings and the order of weights."""
