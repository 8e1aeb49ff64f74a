"""Milliseconds of both networks in headless Chromium on this machine: `python -m web.measure`."""

from __future__ import annotations

import sys

from headwise.errors import HeadwiseError
from headwise.evaluation import bench
from web import chromium, question
from web.build import build

CALLS = 100


def main() -> int:
    """0, or 2 after one line on stderr."""
    asked = {"pictures": [question.picture(bench.drawn_picture())], "calls": CALLS}
    try:
        answer = chromium.ask(asked, build())
    except HeadwiseError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    print(f"{chromium.version()} on {bench.cpu_name()}, one thread, {bench.WIDTH_PX}x{bench.HEIGHT_PX}")
    for name, value in answer["speed"].items():
        print(f"{name:12} median {value['median']:6.1f}  fastest {value['fastest']:6.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
