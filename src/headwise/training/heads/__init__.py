"""Plug-ins: what turns pooled features into the outputs of a model file."""
