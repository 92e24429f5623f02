"""Layer records and weights to the neutral graph."""
