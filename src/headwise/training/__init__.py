"""Training: datasets, augmentations, networks, losses and the loop that joins them. Needs PyTorch."""
