"""Which networks a run will load, determined without loading them, for forecasts of memory and time."""

import dataclasses
from pathlib import Path

from nsr_cli.errors import UsageError, WeightsError
from nsr_cli.model.config import PRESETS, NetworkConfig
from nsr_cli.model.description import read_config, read_start
from nsr_cli.planning.settings import Settings
from nsr_cli.shown import safe_text
from nsr_cli.weights.choice import compose, native_steps
from nsr_cli.weights.entry import MAX_BYTES, WeightEntry
from nsr_cli.weights.store import WeightStore


def networks_of(settings: Settings, task: str, factor: float, color: str) -> list[NetworkConfig]:
    """The networks in the order in which they run, as `Restorer.load` loads them; `factor` is 1 unless for `upscale`.

    Raises:
        UsageError, WeightsError: there are no such weights, or the file that describes them is not on this machine.
        OSError: a file of weights cannot be read.
        ValueError: the manifest contradicts itself.
    """
    store, model = WeightStore(), settings.model_for(task)
    configs: dict[int, NetworkConfig] = {}
    for native in set(native_steps(task, factor, model, store.manifest)):
        scale = native if task == "upscale" else None
        config = _config(store.manifest.resolve(model, task, scale, color), store)
        configs[config.scale] = config
    steps = compose(factor, list(configs))
    if not configs.keys() >= set(steps):
        raise UsageError(
            f"{safe_text(str(model))} is a network for upscaling, not for {task}; choose another --model"
        )
    return [configs[step] for step in steps]


def _config(chosen: WeightEntry | Path, store: WeightStore) -> NetworkConfig:
    """A network's configuration, from its entry's preset or from its file. Raises as `networks_of`."""
    if isinstance(chosen, Path):
        return read_config(read_start(chosen, MAX_BYTES), safe_text(chosen.stem))
    if chosen.preset in PRESETS:
        return dataclasses.replace(
            PRESETS[chosen.preset],
            scale=chosen.scale or 1,
            channels=1 if chosen.color == "gray" else 3,
            levels=0 if chosen.task == "upscale" else 1,
            window=chosen.window,
        )
    place = store.locate(chosen)
    if place is None:
        raise WeightsError(
            f"{chosen.file} is not on this machine, and only it tells what its network is made of; "
            f"run `nsr weights pull {chosen.name}`"
        )
    return read_config(read_start(place, MAX_BYTES), chosen.name)
