"""Plug-ins: random policies; each draw returns one certain transform."""
