"""The head art that tests of drawing need; it is no part of the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from headwise.synthesis.assets import HeadAssets


@pytest.fixture(scope="session")
def art(shared_dir: Path) -> HeadAssets:
    pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")
    from headwise.synthesis.assets import HeadAssets

    folder = shared_dir / "heads"
    if not (folder / "assets" / "geom.npz").exists():
        pytest.skip("needs the head art beside the checkout")
    return HeadAssets(folder)
