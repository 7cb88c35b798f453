"""Check the model that the user names for a task, before anything is loaded."""

import os
from pathlib import Path

from nsr_cli.errors import UsageError
from nsr_cli.shown import safe_text


def check_model(model: str | None, task: str) -> None:
    """UsageError if `model` is neither a file of weights nor the name of weights for `task` in the manifest."""
    if model is None:
        return
    from nsr_cli.weights.entry import PICKLES, TIERS
    from nsr_cli.weights.runs import check_file

    path = Path(model)
    if path.suffix.lower() in PICKLES:
        raise UsageError(
            f"{safe_text(model)} may run code when it is loaded: convert it with nsr weights import"
        )
    if path.suffix.lower() == ".safetensors" or os.sep in model:
        check_file(path, "give a weights file, or a name from nsr weights list")
        return
    from nsr_cli.weights.manifest import load_manifest

    if model not in TIERS:
        load_manifest().resolve(model, task)
