"""Real Caffe trains the compact network: its files, its process, its snapshots."""
