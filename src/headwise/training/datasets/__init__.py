"""Plug-ins: readers of training data. They translate labels into our convention, once."""
