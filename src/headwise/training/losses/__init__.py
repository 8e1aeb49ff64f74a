"""Plug-ins: losses, each 0 at the truth or with its minimum there, gradients finite everywhere."""
