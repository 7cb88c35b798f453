"""`nsr compare`: models and strengths side by side, where their results differ most."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsr_cli.cli.commands import both_to_stdout, console_of
from nsr_cli.cli.restore import DEFAULT_SCALE
from nsr_cli.errors import UsageError
from nsr_cli.options import completion, files
from nsr_cli.options.common import Batch, PrecisionChoice, flag
from nsr_cli.options.groups import ViewOptions, takes
from nsr_cli.options.tasks import Image, choose_task
from nsr_cli.options.values import Point, parse_point, parse_size, parse_strength
from nsr_cli.scoreboard.models import LoadOptions

if TYPE_CHECKING:
    from nsr_cli.cli.variants import Request
    from nsr_cli.compare.results import Region, Result
    from nsr_cli.planning.reading import Source
    from nsr_cli.planning.single import Target
    from nsr_cli.steps.levels import Level

_FORMS = {".png": "PNG", ".html": "HTML", ".htm": "HTML"}
_SIZES = {"PNG": 128, "HTML": 600}  # default sides of the region
_WHAT = "What to compare"


@dataclass(frozen=True, slots=True)
class _Shown:
    """What was compared, and which part of it is shown."""

    source: "Source"
    request: "Request"
    level: "Level"
    results: "list[Result]"
    region: "Region"
    pair: tuple[int, int]
    difference: float  # mean difference of the pair in the region, in 8-bit levels
    found: bool  # whether the region was searched for, not given
    notes: list[str]  # messages about the picture and its results


@takes(ViewOptions)
def compare(
    ctx: typer.Context,
    shared: ViewOptions,
    image: Image,
    output: Annotated[
        str | None,
        files.output("Result file, .png (a sheet) or .html (a page with a slider), folder, or - for stdout."),
    ] = None,
    json: Annotated[bool, flag(files.WHERE, "--json", None, "Print one JSON object.")] = False,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--models",
            "--model",
            metavar="A,B,...",
            autocompletion=completion.compared_models,
            help="Weights, bicubic, or input.  [default: the best weights, and bicubic for upscale, else input]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    strengths: Annotated[
        str,
        flag(_WHAT, "--strengths", "A,B,...", "Strengths to show of each model, 0 to 1."),
    ] = "1",
    size: Annotated[
        int | None,
        flag(
            _WHAT,
            "--size",
            "PIXELS|all",
            "Side of the region, in pixels of the result.  [default: 128; 600 on a page]",
            parser=parse_size,
        ),
    ] = None,
    at: Annotated[
        Point | None,
        flag(
            _WHAT,
            "--at",
            "X,Y",
            "Center of the region.  [default: where the results differ most]",
            parser=parse_point,
        ),
    ] = None,
    precision: PrecisionChoice = "auto",
    batch: Batch = None,
) -> None:
    """Show the results of models and strengths side by side, in the region where they differ most.

    \b
    Examples:
      nsr compare photo.png                      bicubic and the network, in photo_compare.png
      nsr compare photo.png -s 2 --models bicubic,lite -o sheet.png
      nsr compare noisy.png --sigma 25 --models input,lite --strengths 0.5,1 -o report.html
      nsr compare photo.jpg --task dejpeg --size 256 --at 640,480

    The page is a single file that works offline: a slider between any two results, and below it all of them.
    """
    from nsr_cli.cli.variants import Request, list_variants, restored  # numpy and the codecs: not for --help
    from nsr_cli.compare.results import difference, furthest
    from nsr_cli.planning.reading import read_picture
    from nsr_cli.planning.single import place, skips_sheet
    from nsr_cli.steps.colorless import as_restored
    from nsr_cli.steps.levels import find_level

    console = console_of(ctx, json)
    target = place(image, output, "_compare", _FORMS, shared.if_exists)
    if target.path is None and console.json:
        raise both_to_stdout("sheet")
    if skips_sheet(target, image, console):
        return
    chosen = choose_task(ctx, shared.task)
    variants = list_variants(chosen, models or [], [parse_strength(part) for part in strengths.split(",")])
    scale = (shared.scale or DEFAULT_SCALE) if chosen == "upscale" else 1.0
    options = LoadOptions(shared.device, precision, batch, shared.offline, shared.mirror)
    request = Request(chosen, scale, variants, options)
    source = read_picture(image, shared.max_pixels, console)
    level = find_level(chosen, source, shared.sigma, shared.jpeg_quality, console)
    source, notes = as_restored(source), [*source.picture.remarks, *level.notes]

    def notice(text: str) -> None:
        notes.append(text)
        console.warning(text)

    start = time.perf_counter()
    results = restored(request, source.picture, level, console, notice)
    region = _region(results, _SIZES[target.form] if size is None else size or None, at)
    pair = furthest(results, region)
    distance = difference(results[pair[0]], results[pair[1]], region)
    shown = _Shown(source, request, level, results, region, pair, distance, at is None, notes)
    _write(shown, target)
    if console.json:
        console.json_line(_as_json(shown, target))
    console.note(f"{source.label} -> {target.label}  {_detail(shown)}  {time.perf_counter() - start:.2f} s")


def _region(results: "list[Result]", side: int | None, at: Point | None) -> "Region":
    """The part of the results to show, with this side (None: all of it): around `at`, or where they differ most."""
    from nsr_cli.compare.results import around, most_different

    if at is None:
        return most_different(results, side)
    height, width = results[0].pixels.shape[:2]
    if at.x >= width or at.y >= height:
        raise UsageError(f"--at {at.x},{at.y} is outside the result of {width}x{height} pixels")
    return around(at, side, width, height)


def _write(shown: _Shown, target: "Target") -> None:
    from nsr_cli.compare import page, sheet
    from nsr_cli.imaging.codec import encode
    from nsr_cli.imaging.metadata.profile import fitting
    from nsr_cli.imaging.picture import Metadata, Picture
    from nsr_cli.planning.single import write

    icc, _ = fitting(shown.source.picture.metadata.icc, 3)
    caption = sheet.Caption(f"{Path(shown.source.label).name} · {_title(shown)}", _detail(shown))
    if target.form == "HTML":
        write(target, page.render(shown.results, shown.region, shown.pair, caption, icc))
        return
    drawn = sheet.draw(shown.results, shown.region, caption)
    write(target, encode(Picture(drawn, metadata=Metadata(icc=icc)), "PNG"))


def _title(shown: _Shown) -> str:
    if shown.request.task == "upscale":
        return f"upscale x{shown.request.scale:g}"
    if shown.level.sigma is not None:
        return f"denoise, noise level {shown.level.sigma:g}"
    return f"dejpeg, quality {shown.level.quality:g}"


def _detail(shown: _Shown) -> str:
    region, whole = shown.region, shown.results[0].pixels
    if (region.height, region.width) == whole.shape[:2]:
        where = f"all {region.width}x{region.height} pixels"
    else:
        what = "the most different " if shown.found and shown.difference else ""
        where = f"{what}{region.width}x{region.height} pixels at {region.left},{region.top}"
    if len(shown.results) == 1:
        return where
    first, second = (shown.results[i].label for i in shown.pair)
    if not shown.difference:
        return f"{where}; the results are the same"
    return f"{where}; {first} and {second} differ by {shown.difference:.1f} of 255 on average"


def _as_json(shown: _Shown, target: "Target") -> dict[str, Any]:
    picture, region, whole = shown.source.picture, shown.region, shown.results[0].pixels
    return {
        "input": shown.source.typed,
        "output": str(target.path),
        "status": "ok",
        "notes": shown.notes,
        "task": shown.request.task,
        "scale": shown.request.scale if shown.request.task == "upscale" else None,
        "sigma": shown.level.sigma,
        "quality": shown.level.quality,
        "size": [picture.width, picture.height],
        "out_size": [whole.shape[1], whole.shape[0]],
        "region": [region.left, region.top, region.width, region.height],
        "most_different": list(shown.pair),
        "difference": round(shown.difference, 4),
        "results": [
            {"label": one.label, "model": one.model, "model_sha256": one.sha256, "strength": one.strength}
            for one in shown.results
        ],
    }
