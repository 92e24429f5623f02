"""Files of PyTorch: programs of torch.export (.pt2), and checkpoints (.pt, .pth)."""
