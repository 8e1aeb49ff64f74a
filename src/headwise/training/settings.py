"""Settings of a training run: one TOML file, every key checked, `--set optim.lr=3e-4` on top.

The settings.json that a run leaves in its folder is read as well.
"""

from __future__ import annotations

import json
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from headwise.errors import InputError, SettingsError


class Settings(BaseModel):
    """Frozen, and no key that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(Settings):
    """A stretch of the schedule at one input size."""

    size_px: int = Field(ge=32, le=1024)
    share: float = Field(gt=0, le=1)


class Schedule(Settings):
    """How long. The run ends when samples or minutes are used up, whichever comes first."""

    samples: int = Field(default=2_000_000, ge=1)
    max_minutes: float = Field(default=0.0, ge=0, description="0: no limit")
    batch: int = Field(default=64, ge=2)
    stages: tuple[Stage, ...] = (Stage(size_px=80, share=0.5), Stage(size_px=112, share=0.5))


class Optim(Settings):
    """AdamW; the learning rate warms up to `lr` and then follows `curve`."""

    lr: float = Field(default=2e-3, gt=0)
    curve: Literal["cosine", "linear", "step", "constant"] = "cosine"
    steps: tuple[float, ...] = Field(default=(0.6, 0.85), description="progress, 0..1, at which `step` falls")
    step_factor: float = Field(default=0.1, gt=0, le=1)
    beta2: float = Field(default=0.99, gt=0, lt=1)
    weight_decay: float = Field(default=0.02, ge=0)
    warmup_share: float = Field(default=0.04, ge=0, lt=1)
    clip: float = Field(default=5.0, gt=0, description="largest norm of the gradient")
    average_decay: float = Field(default=0.999, ge=0, lt=1)


class Loader(Settings):
    """Threads of the training step and worker processes beside it."""

    threads: int = Field(default=2, ge=1)
    workers: int = Field(default=1, ge=0)


class Mining(Settings):
    """Hard examples: a share of each round is drawn in proportion to the losses of the rounds before."""

    share: float = Field(default=0.0, ge=0, lt=1, description="0: off")
    cap_quantile: float = Field(default=0.95, gt=0, le=1, description="harder ones count as this one")
    memory: float = Field(default=0.9, ge=0, lt=1, description="weight of the past in a sample's mean loss")


class Log(Settings):
    """How often, in minutes, and how much."""

    loss_minutes: float = Field(default=1.0, gt=0)
    checkpoint_minutes: float = Field(default=3.0, gt=0)
    validate_minutes: float = Field(default=6.0, gt=0)
    validation_samples: int = Field(default=1000, ge=1)
    patience: int = Field(default=0, ge=0, description="validations without gain that end the run; 0: never")
    tensorboard: bool = False


class CardSource(Settings):
    """Something the weights are made from."""

    name: str
    licence: str
    url: str
    role: str


class Card(Settings):
    """Facts for the model file's card."""

    version: str = "1"
    licence: str = "Apache-2.0"
    sources: tuple[CardSource, ...] = ()
    notes: str = ""


class RunSettings(Settings):
    """The whole file. `task` holds the task's name and its own options, which the task checks."""

    name: str
    task: dict[str, Any]
    seed: int = Field(default=1, ge=0)
    start_from: str = Field(default="", description="weights to begin with: checkpoint or model file")
    deterministic: bool = False
    accelerator: Literal["cpu", "cuda", "auto"] = "cpu"
    devices: int = Field(default=1, ge=1, description="of each node")
    nodes: int = Field(default=1, ge=1)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    channels_last: bool = False  # with it torch 2.13 can crash on CPUs
    int8_from: float = Field(
        default=1.0, ge=0, le=1, description="place of the schedule from which it trains for an int8 file"
    )
    schedule: Schedule = Schedule()
    optim: Optim = Optim()
    loader: Loader = Loader()
    mining: Mining = Mining()
    log: Log = Log()
    card: Card = Card()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.schedule.batch % (self.devices * self.nodes):
            raise SettingsError(
                f"schedule.batch must be a multiple of devices x nodes, got {self.schedule.batch} "
                f"for {self.devices} x {self.nodes}"
            )
        if self.deterministic and self.schedule.max_minutes:
            raise SettingsError(
                f"a deterministic run cannot follow the clock: schedule.max_minutes must be 0, "
                f"got {self.schedule.max_minutes:g}; set schedule.samples"
            )
        return self

    @property
    def task_options(self) -> dict[str, Any]:
        """The table [task] without its name, which is what a task's `create` takes."""
        return {key: value for key, value in self.task.items() if key != "name"}


S = TypeVar("S", bound=Settings)


def checked(kind: type[S], values: dict[str, Any], where: str = "") -> S:
    """Validated settings; SettingsError names the first wrong key, and the nearest right one."""
    try:
        return kind.model_validate(values)
    except ValidationError as wrong:
        raise SettingsError(message(kind, wrong, where)) from None


def message(kind: type[Settings], wrong: ValidationError, where: str) -> str:
    """One line about the first error."""
    error = wrong.errors()[0]
    path = [str(part) for part in error["loc"]]
    name = ".".join(([where] if where else []) + path)
    if error["type"] != "extra_forbidden":
        return f"setting {name}: {error['msg']}, got {error['input']!r}"
    known = keys_beside(kind, path)
    nearest = get_close_matches(path[-1], known, n=1)
    guess = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"no setting {name!r}; {guess}there are: {', '.join(known)}"


def keys_beside(kind: type[BaseModel], path: list[str]) -> list[str]:
    """Names allowed where the last key of path stands."""
    for part in path[:-1]:
        inner = kind.model_fields[part].annotation if part in kind.model_fields else None
        inner = next((a for a in getattr(inner, "__args__", ()) if isinstance(a, type)), inner)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            kind = inner
    return sorted(kind.model_fields)


def read_settings(path: Path, changes: tuple[str, ...] = ()) -> RunSettings:
    """The file with `key.key=value` changes; values are TOML, or text when they are not."""
    try:
        text = path.read_text(encoding="utf-8")
        values = settings_of_run(path, text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as wrong:
        raise InputError(f"cannot read the settings {path}: {wrong.strerror}") from wrong
    except tomllib.TOMLDecodeError as wrong:
        raise SettingsError(f"{path} is no TOML: {wrong}") from wrong
    for change in changes:
        apply_change(values, change)
    return checked(RunSettings, values)


def settings_of_run(path: Path, text: str) -> dict[str, Any]:
    """What a run wrote into its settings.json."""
    try:
        values: Any = json.loads(text)
    except ValueError as wrong:
        raise SettingsError(f"{path} is no JSON: {wrong}") from wrong
    if not isinstance(values, dict) or not isinstance(values.get("settings"), dict):
        raise SettingsError(f"{path} holds no table `settings`; give a TOML file or a run's settings.json")
    settings: dict[str, Any] = values["settings"]
    return settings


def apply_change(values: dict[str, Any], change: str) -> None:
    """Set one dotted key in place."""
    name, equals, text = change.partition("=")
    if not equals or not name.strip():
        raise SettingsError(f"--set needs key=value, got {change!r}; for example optim.lr=3e-4")
    *parents, last = name.strip().split(".")
    for part in parents:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise SettingsError(f"--set {name}: {part!r} is a value, not a table")
    try:
        values[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[last] = text
