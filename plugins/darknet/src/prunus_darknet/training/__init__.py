"""Training in the user's own Darknet program."""
