import json

import pytest

from headwise.crops import CropRule
from headwise.errors import ModelError
from headwise.model_card import ModelCard, Source, read_card, write_card

onnx = pytest.importorskip("onnx")


@pytest.fixture
def card():
    return ModelCard(
        name="pose",
        kind="pose",
        version="1.2",
        created="2026-11-22",
        licence="Apache-2.0",
        sources=(Source("drawn heads", "CC0-1.0", "https://example.org", "training pictures"),),
        crop=CropRule(1.3, 112),
        input={"layout": "nhwc", "size_px": 112},
        settings={"threshold": 0.5},
        scores={"drawn": {"geodesic_deg": 3.5}},
        notes="A test.",
    )


@pytest.fixture
def model_path(tmp_path):
    helper = onnx.helper
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "tiny", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    return path


def test_json_gives_the_card_back(card):
    assert ModelCard.from_json(card.to_json()) == card


def test_the_card_rides_in_the_onnx_file(card, model_path):
    import onnxruntime

    write_card(model_path, card)
    session = onnxruntime.InferenceSession(model_path.read_bytes(), providers=["CPUExecutionProvider"])
    assert read_card(model_path) == read_card(str(model_path)) == read_card(model_path.read_bytes()) == card
    assert read_card(session) == card


def test_writing_again_replaces_the_card(card, model_path):
    write_card(model_path, card)
    write_card(model_path, ModelCard("other", "detector", "2", "2026-11-23", "Apache-2.0"))
    assert read_card(model_path).name == "other"


def test_a_model_without_a_card_is_refused(model_path):
    with pytest.raises(ModelError, match=r"carries no headwise\.card"):
        read_card(model_path)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot read the ONNX model"):
        read_card(b"hello")
    with pytest.raises(ModelError, match="cannot read the ONNX model"):
        read_card(tmp_path / "absent.onnx")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"colour": "red"}, "colour"),
        ({"crop": {"scale": 1.3, "size": 112}}, "crop.size"),
        ({"crop": {"scale": -1.0, "size_px": 112}}, "crop rule"),
        ({"crop": None}, "says no crop"),
        ({"kind": "hat"}, "kind"),
        ({"schema": 2}, "schema 2"),
        ({"version": 3}, "version"),
    ],
)
def test_wrong_cards_say_where(card, change, message):
    text = json.dumps(json.loads(card.to_json()) | change)
    with pytest.raises(ModelError, match=message):
        ModelCard.from_json(text)


def test_no_json_is_refused():
    with pytest.raises(ModelError, match="not valid"):
        ModelCard.from_json("hello")
