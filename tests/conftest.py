"""Fixtures for every test."""

from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("headwise", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("headwise")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder beside the checkout with pictures and drawn heads that are not part of the project."""
    path = Path(__file__).resolve().parents[1] / "../shared"
    if not path.is_dir():
        pytest.skip("needs the folder ../shared beside the checkout")
    return path.resolve()


@pytest.fixture(scope="session")
def tiny_detector_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector file of the released interface that finds bright blobs; see `tiny_models`."""
    pytest.importorskip("onnx")
    import tiny_models

    return tiny_models.write_detector(tmp_path_factory.mktemp("models") / "tiny-detector.onnx")


@pytest.fixture(scope="session")
def tiny_pose_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pose file of the released interface that sees heads in bright blobs; see `tiny_models`."""
    pytest.importorskip("onnx")
    import tiny_models

    return tiny_models.write_pose(tmp_path_factory.mktemp("models") / "tiny-pose.onnx")
