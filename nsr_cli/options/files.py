"""The options about files: what is read, in which form results are written, and where."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nsr_cli.options import completion
from nsr_cli.options.common import option, switch
from nsr_cli.options.values import parse_format

IfExists = Literal["skip", "overwrite", "error"]

WHERE = "What and where"


def parse_folder(text: str | Path) -> Path:
    """A folder for results; UsageError if its name is empty, which would be the working folder."""
    from nsr_cli.planning.places import checked_output  # numpy and the codecs: not for --help

    return Path(checked_output(str(text)) or "")


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IN",
        default_factory=list,
        help="Pictures, folders, patterns, or - for stdin.",
        show_default=False,
    ),
]


def output(about: str) -> Any:
    """`-o`: where the result goes."""
    return option("-o", "--output", metavar="PATH", panel=WHERE, env=False, help=about)


Output = Annotated[
    str | None,
    output("Result file, folder, or - for stdout.  [default: beside the input; stdout for -]"),
]
Recursive = Annotated[bool, switch("-r", "--recursive", panel=WHERE, help="Look into subfolders.")]
FilesFrom = Annotated[
    list[str] | None,
    option(
        "--files-from",
        metavar="FILE",
        panel=WHERE,
        env=False,
        help="Also take the paths in FILE, one a line; - reads them from stdin. May be given several times.",
    ),
]
Null = Annotated[
    bool,
    option(
        "-0",
        "--null",
        panel=WHERE,
        env=False,
        help="The paths of --files-from are separated by NUL bytes, as find -print0 writes them.",
    ),
]
Name = Annotated[
    str | None,
    option(
        "--name",
        metavar="TEMPLATE",
        panel=WHERE,
        help="Name of each result, such as '{stem}_{task}'; also {ext} {scale} {model} {sigma} {quality} "
        "{index}.",
    ),
]


DataFolder = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder that holds the sets as DIR/NAME; searched first."),
]


def _exists(default: str, what: str) -> Any:
    """`--if-exists`: what to do if `what`. The text of the default may depend on other options."""
    return option(
        "--if-exists",
        metavar="skip|overwrite|error",
        panel=WHERE,
        help=f"What to do if {what}.  [default: {default}]",
    )


_OF_RESULTS = "skip; error for -o FILE"
Exists = Annotated[
    IfExists | None,
    _exists(
        _OF_RESULTS,
        "the result already exists; skip still replaces it if nsr made it with other settings and nobody has "
        "edited it",
    ),
]
SheetExists = Annotated[IfExists | None, _exists(_OF_RESULTS, "the result already exists")]
DemoExists = Annotated[IfExists | None, _exists("skip", "the pictures already exist")]
SavedExists = Annotated[IfExists | None, _exists("error", "a picture to save already exists")]
WeightsExists = Annotated[IfExists | None, _exists("error", "the file already exists")]
PublishedExists = Annotated[
    IfExists | None,
    _exists(
        "error, but a file that the manifest lists under this very name is replaced",
        "NAME.safetensors already exists",
    ),
]
PlotExists = Annotated[IfExists | None, _exists("error", "the drawing already exists")]
Format = Annotated[
    str | None,
    option(
        "--format",
        metavar="FORMAT",
        panel=WHERE,
        parser=parse_format,
        autocompletion=completion.formats,
        help="png, jpeg, webp, tiff, bmp, gif or ppm.  [default: as the input where that is lossless, else png]",
    ),
]
Quality = Annotated[
    int | None,
    option(
        "--quality",
        min=1,
        max=100,
        metavar="1..100",
        panel=WHERE,
        help="Quality of a JPEG or WebP result.  [default: 95 for JPEG; WebP is lossless]",
    ),
]
Strip = Annotated[bool, switch("--strip", panel=WHERE, help="Write no EXIF, GPS or text metadata.")]
AllFrames = Annotated[
    bool,
    switch("--all-frames", panel=WHERE, help="Restore every frame of an animation, not only the first."),
]
DryRun = Annotated[
    bool, option("-n", "--dry-run", panel=WHERE, env=False, help="Show what would be done, and do nothing.")
]
Json = Annotated[
    bool, option("--json", panel=WHERE, env=False, help="Print one JSON object for each picture.")
]
