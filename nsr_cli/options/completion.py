"""Shell completion for those values of options and arguments that are known.

The shell waits for each of these functions, so they import what they need when they are called, and never torch.
"""

import typer


def devices() -> list[str]:
    """The names of devices."""
    return ["auto", "cpu", "cuda", "mps"]


def formats() -> list[str]:
    """The formats of results."""
    from nsr_cli.imaging.formats import FORMATS

    return sorted(name.lower() for name in FORMATS)


def models(ctx: typer.Context) -> list[str]:
    """The tiers and the names of weights for the command's task, or of all weights if it has none."""
    from nsr_cli.weights.entry import TIERS

    return [*TIERS, *weights(ctx)]


def step_models() -> list[str]:
    """The tiers, and the steps of `auto`, each of which can have a model."""
    from nsr_cli.weights.entry import TASKS, TIERS

    return [*TIERS, *(f"{task}=" for task in TASKS)]


def compared_models(ctx: typer.Context) -> list[str]:
    """What can be compared: models and baselines."""
    from nsr_cli.weights.entry import BASELINES

    return [*BASELINES, *models(ctx)]


def weights(ctx: typer.Context) -> list[str]:
    """The names of weights, without tiers; otherwise as `models`."""
    from nsr_cli.errors import NsrError
    from nsr_cli.weights.entry import TASKS
    from nsr_cli.weights.manifest import load_manifest

    task = ctx.params.get("task") or ctx.info_name
    tasks = (task,) if task in TASKS else TASKS
    try:
        return [entry.name for entry in load_manifest().entries if entry.task in tasks]
    except NsrError:
        return []


def sets() -> list[str]:
    """The names of benchmark and training sets."""
    from nsr_cli.datasets.registry import load_registry

    return [one.name for one in load_registry().sets]


def training_tasks() -> list[str]:
    """The tasks of `nsr train`."""
    from nsr_cli.training.recipe import TASKS

    return list(TASKS)


def presets() -> list[str]:
    """The networks that can be trained."""
    from nsr_cli.model.config import PRESETS

    return list(PRESETS)
