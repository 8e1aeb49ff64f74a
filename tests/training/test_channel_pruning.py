"""Channels that are removed together, the ones that are chosen, and the run that is left."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from fake_shards import write_shard

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")
pytest.importorskip("lightning_fabric")
pytest.importorskip("torch_pruning")
from torch import nn  # noqa: E402

from headwise.cli import app, export  # noqa: E402
from headwise.cli import prune as command  # noqa: E402
from headwise.deployment.export import run_file  # noqa: E402
from headwise.errors import OutputError, SettingsError  # noqa: E402
from headwise.training import pruning  # noqa: E402
from headwise.training.channel_groups import ChannelGroup, channel_groups, remove_channels  # noqa: E402
from headwise.training.layer_sizes import layer_sizes, multiply_adds, narrow  # noqa: E402
from headwise.training.norms import norms_behind  # noqa: E402
from headwise.training.settings import RunSettings, checked, read_settings  # noqa: E402
from headwise.training.tasks import pose  # noqa: E402
from headwise.training.trained import read_run  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SMALL = {
    "mobilenetv4": {"width": 0.5, "last_channels": 128, "hidden": 32},
    "mobilenetv3": {"width": 0.5, "hidden": 32},
    "resnet": {"width": 0.5, "hidden": 32},
}
RUN = """
name = "tiny-pose"
[task]
name = "pose"
[task.network]
width = 0.25
last_channels = 128
hidden = 32
[task.crop]
scale = 1.4
size_px = 64
[schedule]
samples = 24
batch = 8
stages = [{ size_px = 64, share = 1.0 }]
[loader]
threads = 1
workers = 0
[log]
validation_samples = 8
"""


def small_network(backbone: str, head: str = "pose") -> tuple[dict[str, Any], pose.PoseNetwork]:
    """Options of a task and its network, every norm with statistics, scales and shifts of its own."""
    hidden = {} if head == "pose" else {"hidden": None}
    options = {"network": {"backbone": backbone, "head": head, **SMALL[backbone], **hidden}}
    torch.manual_seed(0)
    network = pose.create(options).network().eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values in (norm.weight.data, norm.running_var):
                values.uniform_(0.5, 1.5)
            for values in (norm.bias.data, norm.running_mean):
                values.uniform_(-0.3, 0.3)
    return options, network


def pictures(count: int = 2) -> torch.Tensor:
    return torch.randint(0, 256, (count, 64, 64, 3), dtype=torch.uint8)


def silence(network: nn.Module, group: ChannelGroup, channels: list[int]) -> None:
    """Whoever makes these channels makes zeros."""
    norms = norms_behind(network, pictures())
    for maker in group.makers:
        last = norms.get(maker, network.get_submodule(maker))
        with torch.no_grad():
            last.weight[channels] = 0
            if last.bias is not None:
                last.bias[channels] = 0


@pytest.mark.parametrize(
    "backbone, head",
    [("mobilenetv4", "pose"), ("mobilenetv3", "pose"), ("resnet", "pose"), ("resnet", "sixd")],
)
def test_without_channels_it_answers_as_if_they_were_zero(backbone: str, head: str) -> None:
    options, network = small_network(backbone, head)
    groups = channel_groups(network, pictures())
    rng = np.random.default_rng(0)
    removed = {
        group.name: sorted(rng.choice(group.channels, group.channels // 2, replace=False).tolist())
        for group in groups
    }
    silent = copy.deepcopy(network)
    for group in groups:
        silence(silent, group, removed[group.name])
    before = multiply_adds(network, pictures())
    remove_channels(network, removed, pictures())
    shown = pictures(4)
    with torch.no_grad():
        for expected, got in zip(silent(shown), network(shown), strict=True):
            if expected is not None:
                torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    assert sum(multiply_adds(network, shown).values()) < 0.4 * sum(before.values())
    sizes = layer_sizes(network)
    again = pose.create(options | {"narrowed": sizes}).network()
    again.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(shown)[0], network(shown)[0])


def test_a_stream_is_one_group_and_a_depthwise_convolution_joins_its_sides() -> None:
    _, network = small_network("mobilenetv4")
    groups = {group.name: group for group in channel_groups(network, pictures())}
    stream = next(group for group in groups.values() if "backbone.body.6.body.2" in group.makers)
    assert {f"backbone.body.{k}.body.2" for k in range(6, 11)} <= set(stream.makers)
    assert "backbone.body.5.body.3" in stream.makers  # enters the stream
    assert "backbone.body.11.body.0.0" in stream.makers  # depthwise, leaves it
    assert {"backbone.body.7.body.0.0", "backbone.body.11.body.1.0"} <= set(stream.readers)
    last = next(group for group in groups.values() if "backbone.body.17.0" in group.makers)
    assert last.readers == ("head.hidden.0",)
    assert not any("head.out" in group.makers for group in groups.values())


def test_layers_it_cannot_follow_are_refused_or_left() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.last = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.layer(self.layer(x)))

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.last = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.layer(x).softmax(1))

    with pytest.raises(SettingsError, match="layer layer runs more than once"):
        multiply_adds(Reused(), torch.randn(1, 8, 4, 4))
    with pytest.raises(SettingsError, match="cannot be followed"):
        remove_channels(Mixed(), {"layer": [0, 5]}, torch.randn(2, 3, 4, 4))
    for behind in ((), (nn.ReLU(),), (nn.BatchNorm2d(4),)):
        with pytest.raises(SettingsError, match="reach its outputs"):
            channel_groups(nn.Sequential(nn.Conv2d(3, 4, 1), *behind), torch.randn(2, 3, 4, 4))


def test_the_cheapest_channels_go_in_blocks_of_eight_until_the_cost_is_met() -> None:
    _, network = small_network("mobilenetv4")
    groups = channel_groups(network, pictures())
    costs = pruning.Costs(network, pictures())
    total, name = costs.total, "backbone.body.17.0"
    worth = {group.name: torch.ones(group.channels) for group in groups}
    worth[name][10:34] = 0
    removed = pruning.cheapest(groups, costs, worth, total - 1)
    assert sum(map(len, removed.values())) == 8
    assert set(removed[name]) <= set(range(10, 34))
    removed = pruning.cheapest(groups, pruning.Costs(network, pictures()), worth, round(0.4 * total))
    assert set(range(10, 34)) <= set(removed[name])
    assert all(len(set(channels)) == len(channels) for channels in removed.values())
    left = {group.name: group.channels - len(removed[group.name]) for group in groups}
    assert all(count >= 8 and count % 8 == 0 for count in left.values())
    expected = pruning.Costs(network, pictures())
    for group in groups:
        expected.remove(group, len(removed[group.name]))
    remove_channels(network, removed, pictures())
    assert sum(multiply_adds(network, pictures()).values()) == pytest.approx(expected.total, rel=1e-3)
    with pytest.raises(SettingsError, match="lower the share"):
        pruning.cheapest(groups, pruning.Costs(network, pictures()), worth, 1000)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_shard(folder / "shard-00000.npz", 40)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shards: Path) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "run.toml").write_text(RUN)
    done = call("train", folder / "run.toml", "--data", shards, "--out", folder / "run")
    assert done.exit_code == 0, done.output
    return folder / "run"


@pytest.fixture(scope="module", autouse=True)
def few_inputs() -> Iterator[None]:
    """So few inputs judge nothing, but every step is taken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "GOLDEN", 8)
        patch.setattr(export, "JUDGED", 8)
        patch.setattr(command, "GOLDEN", 8)
        patch.setattr(pruning, "BATCHES", 2)
        patch.setattr(pruning, "ROUNDS", 3)
        patch.setattr(pruning, "BATCH", 8)
        yield


def exporting_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of the table's files are no part of the test."""
    monkeypatch.setattr(
        "headwise.deployment.export.export_onnx", lambda *given: given[5].write_bytes(b"file")
    )
    monkeypatch.setattr("headwise.deployment.latency.median_ms", lambda *_: 1.0)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_channel_is_worth_what_the_loss_would_gain_without_it(run: Path, shards: Path) -> None:
    trained = read_run(run)
    network = trained.deployable.module.network
    batches = pruning.training_batches(trained.task, shards, trained.settings)
    groups = channel_groups(network, batches[0]["crop"][:2])
    with torch.no_grad():
        network.get_parameter("head.out.weight")[:, 3] = 0  # nobody reads unit 3
    worth = pruning.channel_worth(trained.task, network, groups, batches)
    assert {group.name: (group.channels,) for group in groups} == {
        k: tuple(v.shape) for k, v in worth.items()
    }
    assert worth["head.hidden.0"][3] == 0
    assert worth["head.hidden.0"].sum() > 0
    batch = {name: values[:1] for name, values in batches[0].items()}
    alone = pruning.channel_worth(trained.task, network, groups, [batch])
    for group in (groups[0], max(groups, key=lambda group: len(group.readers))):
        best = int(alone[group.name].argmax())

        def loss(factor: float, group: ChannelGroup = group, best: int = best) -> float:
            scaled = copy.deepcopy(network)
            with torch.no_grad():
                for reader in group.readers:
                    scaled.get_parameter(f"{reader}.weight")[:, best] *= factor
                return float(sum(part.mean() for part in trained.task.losses(scaled, batch, 1.0).values()))

        slope = (loss(1.01) - loss(0.99)) / 0.02
        assert float(alone[group.name][best]) == pytest.approx(slope**2, rel=0.05)


def test_the_share_that_was_asked_for_goes(run: Path, shards: Path) -> None:
    trained = read_run(run)
    network = copy.deepcopy(trained.deployable.module.network)
    batches = pruning.training_batches(trained.task, shards, trained.settings)
    shown = batches[0]["crop"][:1]
    before = sum(multiply_adds(network, shown).values())
    told: list[float] = []
    pruning.prune(trained.task, network, batches, 0.3, told.append)
    after = sum(multiply_adds(network, shown).values())
    assert after / before == pytest.approx(0.7, abs=0.06)  # a block of so small a network is a large share
    assert after <= 0.7 * before
    assert told[-1] == pytest.approx(1 - after / before)
    assert told == sorted(told)
    with pytest.raises(SettingsError, match=r"0\.05 to 0\.9, got 0\.95"):
        pruning.prune(trained.task, network, batches, 0.95)


def test_norms_get_the_statistics_of_what_they_are_shown() -> None:
    _, network = small_network("mobilenetv4")
    batches = [{"crop": pictures(8)} for _ in range(3)]
    pruning.refresh_norms(network, batches)
    first = network.backbone.body[0]
    outputs = [first[0](batch["crop"].permute(0, 3, 1, 2).float() / 64 - 2) for batch in batches]
    expected = torch.stack([output.mean((0, 2, 3)) for output in outputs]).mean(0)
    torch.testing.assert_close(first[1].running_mean, expected.detach(), atol=1e-5, rtol=1e-4)
    assert first[1].momentum == 0.1
    assert not network.training


def test_zeroed_weights_are_the_smallest_and_stay_where_they_are() -> None:
    _, network = small_network("mobilenetv4")
    before = copy.deepcopy(network)
    pruning.zero_smallest(network, 0.5)
    assert network.state_dict().keys() == before.state_dict().keys()
    weights = torch.cat(
        [m.weight.flatten() for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    )
    assert float((weights == 0).float().mean()) == pytest.approx(0.5, abs=0.01)
    kept = weights[weights != 0].abs().min()
    old = torch.cat([m.weight.flatten() for m in before.modules() if isinstance(m, nn.Conv2d | nn.Linear)])
    assert old[weights == 0].abs().max() <= kept


def test_a_pruned_run_is_an_ordinary_run(
    run: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporting_takes_no_time(monkeypatch)
    out, file = tmp_path / "pruned", tmp_path / "pruned.onnx"
    words = ("prune", run, "--data", shards, "--out", out, "--share", "0.4", "--set", "optim.lr=1e-4")
    done = call(*words, "--fine-tune-samples", 16, "--unstructured", "--no-fine-tune")
    assert done.exit_code == 0, done.output
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|")]
    table = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    whole, zeroed, pruned = (table[name] for name in ("before", "weights zeroed", "pruned"))
    assert whole[:2] == zeroed[:2]
    assert float(pruned[1].split()[0]) <= 0.6 * float(whole[1].split()[0]) + 0.1
    assert read_run(out).samples == 0
    settings = read_settings(out / "settings.json")
    assert settings == read_run(out).settings
    assert (settings.optim.lr, settings.schedule.samples, settings.start_from) == (1e-4, 16, "")
    assert settings.task["narrowed"]
    done = call("train", out / "settings.json", "--data", shards, "--out", out, "--resume")
    assert done.exit_code == 0, done.output
    assert read_run(out).samples == 16
    monkeypatch.undo()
    assert call("export", out, "--data", shards, "--out", file).exit_code == 0
    answers = run_file(str(file), np.zeros((3, 64, 64, 3), np.uint8))
    assert answers["rotation"].shape == (3, 3, 3)
    with pytest.raises(OutputError, match="already holds a run"):
        call(*words)


def test_what_is_pruned_is_trained_at_once_and_can_be_pruned_again(
    run: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporting_takes_no_time(monkeypatch)
    folders = [run, tmp_path / "once", tmp_path / "twice"]
    for before, after in pairwise(folders):
        done = call("prune", before, "--data", shards, "--out", after, "--share", 0.2,
                    "--fine-tune-samples", 8)  # fmt: skip
        assert done.exit_code == 0, done.output
        assert "fine-tuned, geodesic_mean_deg" in done.output
        assert read_run(after).samples == 8
    once, twice = (read_run(folder).settings.task["narrowed"] for folder in folders[1:])
    assert once.keys() <= twice.keys()
    assert once != twice


def test_other_runs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = checked(RunSettings, {"name": "x", "task": {"name": "detector"}})
    run = SimpleNamespace(settings=settings, deployable=SimpleNamespace(module=nn.Identity()))
    monkeypatch.setattr("headwise.training.trained.read_run", lambda *_, **__: run)
    with pytest.raises(SettingsError, match="is a detector run; only pose networks are pruned"):
        call("prune", tmp_path, "--data", tmp_path, "--out", tmp_path / "out")


def test_wrong_sizes_and_settings_files_are_told(tmp_path: Path) -> None:
    _, network = small_network("mobilenetv4")
    with pytest.raises(SettingsError, match=r"no layer 'backbone\.stem' with channels"):
        narrow(network, {"backbone.stem": (3, 8)})
    with pytest.raises(SettingsError, match=r"head\.hidden\.0 has \(.*\) inputs and outputs, got \(8, 33\)"):
        narrow(network, {"head.hidden.0": (8, 33)})
    for text, says in (("{", "no JSON"), ("[1]", "no table `settings`")):
        (tmp_path / "settings.json").write_text(text)
        with pytest.raises(SettingsError, match=says):
            read_settings(tmp_path / "settings.json")


def test_the_settings_of_fine_tuning_are_the_trainings_but_for_its_schedule() -> None:
    before = {"a": (8, 16), "b": (16, 16)}
    stages = [{"size_px": 80, "share": 0.5}, {"size_px": 112, "share": 0.5}]
    given = checked(
        RunSettings,
        {"name": "x", "task": {"name": "pose"}, "start_from": "pose", "devices": 2,
         "schedule": {"stages": stages, "max_minutes": 9}},
    )  # fmt: skip
    made = pruning.narrowed_settings(given, before, {"a": (8, 8), "b": (16, 16)}, 500)
    assert made.task["narrowed"] == {"a": (8, 8)}
    assert [stage.model_dump() for stage in made.schedule.stages] == [{"size_px": 112, "share": 1.0}]
    assert (made.schedule.samples, made.schedule.max_minutes) == (500, 0)
    assert (made.start_from, made.devices) == ("", 1)
    assert made.optim.lr < given.optim.lr
    json.dumps(made.model_dump(mode="json"))
