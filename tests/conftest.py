"""Fixtures for every test."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder beside the checkout with pictures and drawn heads that are not part of the project."""
    path = Path(__file__).resolve().parents[1] / "../shared"
    if not path.is_dir():
        pytest.skip("needs the folder ../shared beside the checkout")
    return path.resolve()
