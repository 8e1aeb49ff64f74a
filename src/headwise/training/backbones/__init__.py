"""Plug-ins: convolutional feature extractors."""
