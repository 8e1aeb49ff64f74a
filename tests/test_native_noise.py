"""What native code writes is dropped inside the block alone; what Python writes is not."""

import subprocess
import sys

PROGRAM = """
import os, sys
from headwise.native_noise import native_noise_silenced

os.write(2, b"before\\n")
with native_noise_silenced(), native_noise_silenced():
    os.write(2, b"noise\\n")
    print("ours", file=sys.stderr)
os.write(2, b"after\\n")
try:
    with native_noise_silenced():
        raise OSError
except OSError:
    print("raised", file=sys.stderr)
sys.stderr = None
with native_noise_silenced():
    os.write(2, b"not ours\\n")
"""


def test_noise_is_dropped_and_our_lines_are_not() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stderr.split("\n") == ["before", "ours", "after", "raised", "not ours", ""]
