"""`headwise prune`: a trained run becomes a smaller one, whose network has fewer channels."""

from __future__ import annotations

import copy
import logging
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from headwise.cli import EXIT_INTERRUPTED
from headwise.cli.export import GOLDEN, Weights
from headwise.cli.train import LOG_WIDTH, stopped_by_signals, train_and_show
from headwise.errors import OutputError, SettingsError

if TYPE_CHECKING:
    from headwise.training.tasks import pose
    from headwise.training.trained import Trained

FINE_TUNE_SAMPLES = 500_000
TIMED = 3  # times that all files are timed in turn; the least counts, as others use the machine too
COLUMNS = ("network", "parameters", "multiply-adds", "MB", "ms", "held-out error")

Row = tuple[str, ...]


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a pose run of `headwise train`.")],
    data: Annotated[Path, typer.Option(help="The run's shards.")],
    out: Annotated[Path, typer.Option(help="Folder of the pruned run.")],
    share: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="Part of the multiply-adds that goes.")
    ] = 0.5,
    fine_tune_samples: Annotated[
        int, typer.Option(min=1, help="Samples of the training that follows.")
    ] = FINE_TUNE_SAMPLES,
    fine_tune: Annotated[
        bool, typer.Option(help="Train at once; without, `headwise train OUT/settings.json --resume` does.")
    ] = True,
    checkpoint: Annotated[
        Weights, typer.Option(help="The run's last weights, or those of its best validation.")
    ] = Weights.LAST,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of the fine-tuning: --set optim.lr=1e-4. May repeat."),
    ] = None,
    unstructured: Annotated[
        bool, typer.Option(help="Show too what zeroing as large a share of the weights would bring.")
    ] = False,
) -> None:
    """Remove the channels that are worth least, then train what is left. Says what was lost and gained."""
    from headwise.evaluation.report import markdown_table
    from headwise.training import pruning
    from headwise.training.layer_sizes import layer_sizes
    from headwise.training.loop import CHECKPOINT, Run
    from headwise.training.tasks import pose
    from headwise.training.trained import read_run, scores_in

    console = Console(stderr=True, width=None if sys.stderr.isatty() else LOG_WIDTH)
    if (out / CHECKPOINT).exists():
        raise OutputError(
            f"{out} already holds a run; name another folder, or continue it with {_again(out)}"
        )
    trained = read_run(run, best=checkpoint is Weights.BEST)
    whole = getattr(trained.deployable.module, "network", None)
    if not isinstance(whole, pose.PoseNetwork):
        kind = trained.settings.task["name"]
        raise SettingsError(f"{run} is a {kind} run; only pose networks are pruned")
    network = copy.deepcopy(whole)
    batches = pruning.training_batches(trained.task, data, trained.settings)
    pruning.prune(
        trained.task,
        network,
        batches,
        share,
        lambda gone: console.print(f"{gone:.0%} of the multiply-adds gone"),
    )
    settings = pruning.narrowed_settings(
        trained.settings, layer_sizes(whole), layer_sizes(network), fine_tune_samples, tuple(changes or ())
    )
    networks = {"before": whole, "pruned": network}
    if unstructured:
        networks["weights zeroed"] = copy.deepcopy(whole)
        pruning.zero_smallest(networks["weights zeroed"], share)
    typer.echo(markdown_table(COLUMNS, compared(networks, trained, data)))
    out.mkdir(parents=True, exist_ok=True)
    tuned = Run(settings, pose.create(settings.task_options), data, out)
    tuned.begin_with(network.state_dict())
    if not fine_tune:
        typer.echo(f"{out}: not trained yet; {_again(out)}")
        return
    # not before: the exporter has its own words for what it does
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False, console=console)]
    )
    with stopped_by_signals(tuned) as signals:
        train_and_show(tuned, console)
    if signals:
        console.print(f"stopped; {_again(out)} continues")
        raise typer.Exit(EXIT_INTERRUPTED)
    typer.echo(
        f"{out}: fine-tuned, " + ", ".join(f"{k} {v:.4g}" for k, v in scores_in(out / "log.csv").items())
    )


def compared(networks: Mapping[str, pose.PoseNetwork], trained: Trained, data: Path) -> list[Row]:
    """Size, cost and held-out error of networks that are trained as this run says; timed in turn."""
    import torch

    from headwise.deployment.export import export_onnx
    from headwise.deployment.latency import median_ms
    from headwise.training.layer_sizes import multiply_adds
    from headwise.training.loop import held_out_batches
    from headwise.training.trained import inputs

    task, size_px = trained.task, int(trained.deployable.example.shape[1])
    pictures = inputs(task, data, GOLDEN, size_px, held_out=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.onnx" for name in networks}
        for name, network in networks.items():
            ready = task.deployable(network)
            names = ready.input_name, ready.output_names, ready.dynamic_axes
            export_onnx(ready.module, ready.example, *names, files[name], pictures)
        rounds = [{name: median_ms(file, pictures[:1]) for name, file in files.items()} for _ in range(TIMED)]
        for name, network in networks.items():
            held_out = held_out_batches(task.data(data, held_out=True), trained.settings, size_px)
            with torch.no_grad():
                result = task.validate(network, held_out)
            operations = sum(multiply_adds(network, torch.from_numpy(pictures[:1])).values())
            rows.append(
                (
                    name,
                    f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.2f} M",
                    f"{operations / 1e6:.1f} M",
                    f"{files[name].stat().st_size / 1e6:.2f}",
                    f"{min(times[name] for times in rounds):.2f}",
                    f"{result.scores[result.ranking]:.2f}",
                )
            )
    return rows


def _again(out: Path) -> str:
    return f"`headwise train {out / 'settings.json'} --data ... --out {out} --resume`"
