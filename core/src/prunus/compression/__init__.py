"""Storage: shared weights, coded positions, one file for a whole network."""
