"""One file per benchmark. Each has `create(**options) -> headwise.evaluation.outcome.Protocol`.

A benchmark's quirks (angle order, excluded angles, what counts as found) live in its file and nowhere else.
"""
