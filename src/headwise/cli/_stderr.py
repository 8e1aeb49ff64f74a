"""What goes to standard error: lines that stay lines."""

from __future__ import annotations

import sys


def complain(text: object) -> None:
    """One line, whatever a file is called: line breaks and terminal codes in names are spelled out."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    print(f"headwise: {line}", file=sys.stderr, flush=True)
