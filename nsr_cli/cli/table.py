"""The commands of `nsr`: where each one is, and its line in the help."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command that is imported when it is called: `module:attribute`, and its line in `nsr --help`.

    The attribute is the command's function or, if it has subcommands, a `typer.Typer`.
    """

    target: str
    summary: str


COMMANDS: Mapping[str, Lazy] = {
    "upscale": Lazy("nsr_cli.cli.restore:upscale", "Enlarge pictures by any factor up to 16."),
    "denoise": Lazy("nsr_cli.cli.restore:denoise", "Remove noise from pictures."),
    "dejpeg": Lazy("nsr_cli.cli.restore:dejpeg", "Remove JPEG artifacts from pictures."),
    "auto": Lazy(
        "nsr_cli.cli.auto:auto", "Repair pictures as nsr inspect advises, and enlarge them if asked."
    ),
    "inspect": Lazy("nsr_cli.cli.inspect:inspect", "Report what is wrong with a picture and how to fix it."),
    "eval": Lazy("nsr_cli.cli.evaluate:evaluate", "Score models on benchmark sets."),
    "train": Lazy("nsr_cli.cli.train:train", "Train a network on your pictures."),
    "weights": Lazy("nsr_cli.cli.weights:app", "List, fetch and check the networks' weights."),
    "data": Lazy("nsr_cli.cli.data:app", "List, fetch and check benchmark and training sets."),
    "bench": Lazy("nsr_cli.cli.bench:bench", "Measure the networks' speed on this machine."),
    "demo": Lazy("nsr_cli.cli.demo:demo", "Restore a sample picture and compare."),
    "compare": Lazy(
        "nsr_cli.cli.compare:compare", "Show models and strengths side by side where they differ."
    ),
    "explain": Lazy("nsr_cli.cli.explain:explain", "Show which kernels a network chooses for each window."),
    "config": Lazy("nsr_cli.cli.config:app", "Show the settings and where each comes from."),
    "info": Lazy("nsr_cli.cli.info:info", "Show version, devices and caches, or how a picture was made."),
}
