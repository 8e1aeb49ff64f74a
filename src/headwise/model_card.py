"""What a model file promises. The card rides inside the ONNX file, under the metadata key `headwise.card`."""

import json
from dataclasses import asdict, dataclass, field
from os import PathLike, fspath
from typing import Any, Literal, Protocol

from headwise.crops import CropRule
from headwise.errors import ModelError, SettingsError
from headwise.plugins import import_optional

METADATA_KEY = "headwise.card"
SCHEMA = 1
"""Number of the card's layout."""


@dataclass(frozen=True)
class Source:
    """Something the weights were made from: a data set, a set of drawn heads, other weights."""

    name: str
    licence: str
    url: str
    role: str


@dataclass(frozen=True)
class ModelCard:
    """Facts that travel with the weights.

    crop: the rule the pose network was trained on, None for a detector. input: layout and size of the input.
    settings: thresholds and the like that the runtime needs. scores: measured numbers by protocol name.
    version: of the weights. created: ISO date. licence: SPDX name.
    """

    name: str
    kind: Literal["pose", "detector"]
    version: str
    created: str
    licence: str
    sources: tuple[Source, ...] = ()
    crop: CropRule | None = None
    input: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    notes: str = ""
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ModelError(
                f"the model's card has schema {self.schema}, this headwise reads schema {SCHEMA}"
            )
        if self.kind == "pose" and self.crop is None:
            raise ModelError(f"the card of pose model {self.name!r} says no crop; it needs scale and size_px")

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> "ModelCard":
        """Raises ModelError for unknown or missing keys, wrong types and other schema numbers."""
        from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

        strict = with_config(ConfigDict(extra="forbid"))
        try:
            return TypeAdapter(strict(cls)).validate_json(text)
        except ValidationError as wrong:
            first = wrong.errors()[0]
            where = ".".join(map(str, first["loc"])) or "card"
            raise ModelError(f"the model's card is not valid at {where}: {first['msg']}") from wrong
        except SettingsError as wrong:
            raise ModelError(f"the model's card is not valid: {wrong}") from wrong


class Session(Protocol):
    """The part of onnxruntime.InferenceSession that knows the metadata."""

    def get_modelmeta(self) -> Any: ...


def read_card(model: "bytes | str | PathLike[str] | Session") -> ModelCard:
    """The card inside an ONNX model: its bytes, its path or an open session. ModelError if there is none."""
    session = _open(model) if isinstance(model, bytes | str | PathLike) else model
    metadata = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        raise ModelError(f"this ONNX file carries no {METADATA_KEY}: it was not exported by headwise")
    return ModelCard.from_json(metadata[METADATA_KEY])


def _open(model: "bytes | str | PathLike[str]") -> Session:
    import onnxruntime

    source = model if isinstance(model, bytes) else fspath(model)
    try:
        session: Session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    except Exception as wrong:  # onnxruntime raises a dozen unrelated types
        reason = str(wrong).splitlines()[0]
        raise ModelError(f"cannot read the ONNX model: {reason}") from wrong
    return session


def write_card(path: "str | PathLike[str]", card: ModelCard) -> None:
    """Put the card into an ONNX file, in place of one that is there. Needs the onnx package."""
    onnx = import_optional("onnx")
    model = onnx.load(fspath(path))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    metadata[METADATA_KEY] = card.to_json()
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, fspath(path))
