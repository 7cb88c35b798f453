"""What a shell proposes for the values of options and arguments, where the possible ones are known.

A shell waits for each of these, so they load what they need when they are asked, and never torch.
"""

import typer


def devices() -> list[str]:
    """Where to compute."""
    return ["auto", "cpu", "cuda", "mps"]


def formats() -> list[str]:
    """The formats of results."""
    from nsr_cli.imaging.formats import FORMATS

    return sorted(name.lower() for name in FORMATS)


def models(ctx: typer.Context) -> list[str]:
    """The tiers and the names of weights that fit the command's task, or any where that does not say one."""
    from nsr_cli.weights.entry import TIERS

    return [*TIERS, *weights(ctx)]


def step_models() -> list[str]:
    """The tiers, and the steps of `auto` that can each have a model."""
    from nsr_cli.weights.entry import TASKS, TIERS

    return [*TIERS, *(f"{task}=" for task in TASKS)]


def compared_models(ctx: typer.Context) -> list[str]:
    """What can be put beside each other: models, and what stands for none."""
    from nsr_cli.weights.entry import BASELINES

    return [*BASELINES, *models(ctx)]


def weights(ctx: typer.Context) -> list[str]:
    """The names of weights, as of `models`."""
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
    """What `nsr train` trains for."""
    from nsr_cli.training.recipe import TASKS

    return list(TASKS)


def presets() -> list[str]:
    """The networks that can be trained."""
    from nsr_cli.model.config import PRESETS

    return list(PRESETS)
