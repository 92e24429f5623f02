"""Writing files: whole or not at all, in the format a network was read from."""
