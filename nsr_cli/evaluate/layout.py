"""Where the pictures restored by a model are saved: SET/MODEL/LEVEL/NAME.png, below a folder of the user's."""

import re
from pathlib import Path

from nsr_cli.evaluate.protocol import Case

# Characters that some file system refuses, or that lead to another folder.
_REFUSED = re.compile(r'[/\\:*?"<>|\x00-\x1f]')


def level_folder(case: Case) -> str:
    """The folder for a case within a set: `x2`, `sigma25`, `sigma25-rgb`, `q10` or, in color, `q10-420`."""
    if case.task == "upscale":
        return f"x{case.scale}"
    if case.task == "denoise":
        return f"sigma{case.level:g}" + ("" if case.on_gray else "-rgb")
    return f"q{case.level:g}" + ("" if case.on_gray else f"-{case.subsampling.replace(':', '')}")


def place(case: Case, model: str, image: Path) -> Path:
    """The relative path of the model's result for `image`, a picture of the case's set."""
    return Path(_as_name(case.set.name.rstrip("/")), _as_name(model), level_folder(case), f"{image.stem}.png")


def _as_name(text: str) -> str:
    return _REFUSED.sub("_", text).lstrip(".") or "_"
