"""Scores of pose networks and detectors on labelled pictures, and the speed of the whole."""
