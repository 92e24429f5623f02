"""Parts of the trainer: samples, objective, optimizer, snapshots, Ctrl-C."""
