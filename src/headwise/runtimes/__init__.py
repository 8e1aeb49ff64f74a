"""Runtimes: one file runs one kind of model file. Each has ``create(model, *, threads=1) -> Model``.

Those that compile a model first have also ``write(file, folder)``, which gives the files that it makes; where
they hold one size of picture, ``write(file, folder, height, width)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from headwise.model_card import ModelCard


class Model(Protocol):
    """A loaded network: named arrays in, named arrays out, and the card that travelled with the file."""

    @property
    def card(self) -> ModelCard: ...

    @property
    def inputs(self) -> Mapping[str, str]:
        """Input name -> element type as numpy spells it ("uint8")."""
        ...

    @property
    def outputs(self) -> Mapping[str, str]:
        """Output name -> element type as numpy spells it ("float32")."""
        ...

    def __call__(self, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]: ...
