"""`nsr inspect`: what is wrong with a picture, and the command that would help."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.errors import DecodeError, NotReady, NsrError, PartialFailure, UsageError
from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS
from nsr_cli.options.common import MaxPixels
from nsr_cli.options.files import FilesFrom, Inputs, Json, Null, Recursive
from nsr_cli.planning.inputs import STDIN, Found, Gathered, gather, nothing_found
from nsr_cli.planning.listed import listed_paths
from nsr_cli.shown import safe_text
from nsr_cli.terminal.console import Console

if TYPE_CHECKING:
    from nsr_cli.imaging.findings.inspect import Findings
    from nsr_cli.imaging.picture import Picture
    from nsr_cli.sandbox.decoder import Decoder

# The keys of `facts`, with the values for a picture that could not be inspected.
_UNKNOWN: Mapping[str, Any] = dict.fromkeys((
    "format", "size", "bits", "color", "alpha", "jpeg_quality", "jpeg_quality_exact", "subsampling",
    "earlier_jpeg_quality", "noise", "upscaled",
))  # fmt: skip


def inspect(
    ctx: typer.Context,
    inputs: Inputs,
    recursive: Recursive = False,
    files_from: FilesFrom = None,
    null: Null = False,
    json: Json = False,
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> None:
    """Look for compression, noise and an earlier enlargement, and recommend a command.

    \b
    Examples:
      nsr inspect photo.jpg
      nsr inspect scans/ -r --json
      curl -s https://example.org/photo.jpg | nsr inspect -

    The quality of a JPEG is read from its tables, that of a re-saved picture estimated from its pixels. Noise is the
    standard deviation of white noise in levels of 0…255, the greatest of the channels.
    """
    console = console_of(ctx, json)
    gathered = gather(inputs, recursive, listed_paths(inputs, files_from, null))
    total = len(gathered.found) + len(gathered.failed)
    if not total:
        raise UsageError(nothing_found(gathered))
    for remark in gathered.skipped:
        console.note(f"{remark.path}: skipped, {remark.reason}")
    failed = _report_all(gathered, total == 1, max_pixels, console)
    if gathered.ignored:
        console.note(gathered.ignored)
    if failed:
        raise PartialFailure(f"{failed} of {total} pictures could not be inspected")


def _report_all(gathered: Gathered, alone: bool, max_pixels: int, console: Console) -> int:
    """Report the findings of each picture, or why it has none; returns how many have none.

    Raises:
        NsrError: there is only one picture, and it has none.
    """
    from nsr_cli.sandbox.decoder import Decoder

    failed = 0
    named = [(remark.path, remark.reason) for remark in gathered.failed]
    named += [(_name(found), "") for found in gathered.found]
    with Decoder(max_pixels, notice=console.warning) as decoder:
        for text, reason in named:
            try:
                if reason:
                    raise DecodeError(reason)
                _report(text, decoder, max_pixels, console)
            except NsrError as error:
                told = f"{_label(text)}: {error}"
                if isinstance(error, NotReady):  # the next one would fail too
                    raise NotReady(told) from error
                if console.json:
                    console.json_line(as_json(text, error=error))
                if alone:
                    raise type(error)(told) from error
                failed += 1
                console.traceback(error)
                console.error(told)
    return failed


def _report(text: str, decoder: "Decoder", max_pixels: int, console: Console) -> None:
    from nsr_cli.imaging.findings.inspect import inspect as look
    from nsr_cli.planning.reading import read_input

    data = read_input(text, max_pixels, console)
    picture = decoder.first(data)
    findings = look(data, picture)
    advice = recommend(text, findings)
    if console.json:
        console.json_line(as_json(text, facts(picture, findings), picture.remarks, advice))
        return
    console.data(f"{_label(text)}: {describe(picture, findings)}")
    for note in picture.remarks:
        console.data(f"  {note}")
    console.data(f"  {advice or 'nothing to repair'}")


def as_json(
    text: str,
    found: Mapping[str, Any] = _UNKNOWN,
    notes: Sequence[str] = (),
    advice: str | None = None,
    error: NsrError | None = None,
) -> dict[str, Any]:
    """The object for `--json`, with fields named as by restoring commands; what is unknown is null."""
    return {
        "input": text,
        "status": "failed" if error else "ok",
        "error": str(error) if error else None,
        "notes": list(notes),
        **found,
        "recommended": advice,
    }


def facts(picture: "Picture", findings: "Findings") -> dict[str, Any]:
    """The findings with JSON's types."""
    jpeg = findings.jpeg
    return {
        "format": picture.source,
        "size": [picture.width, picture.height],
        "bits": picture.bits,
        "color": "gray" if picture.is_gray else "rgb",
        "alpha": picture.alpha is not None,
        "jpeg_quality": jpeg.quality if jpeg else None,
        "jpeg_quality_exact": jpeg.exact if jpeg else None,
        "subsampling": jpeg.subsampling if jpeg else None,
        "earlier_jpeg_quality": findings.earlier_quality,
        "noise": [round(sigma, 2) for sigma in findings.noise],
        "upscaled": findings.upscaled,
    }


def describe(picture: "Picture", findings: "Findings") -> str:
    """The findings in one line."""
    from nsr_cli.steps.remedy import is_picture

    parts = [picture.source, f"{picture.width}x{picture.height}", f"{picture.bits}-bit"]
    parts.append("gray" if picture.is_gray else "color")
    if picture.alpha is not None:
        parts.append("with transparency")
    if findings.jpeg:
        about = "" if findings.jpeg.exact else "about "
        parts.append(f"quality {about}{findings.jpeg.quality}, {findings.jpeg.subsampling}")
    if findings.earlier_quality is not None:
        parts.append(f"was a JPEG of quality {findings.earlier_quality}")
    parts.append(
        f"noise {max(findings.noise):.1f}" + ("" if is_picture(findings) else " and nothing beneath it")
    )
    if findings.upscaled is not None:
        parts.append(f"enlarged before, about {findings.upscaled:g} times")
    return ", ".join(parts)


def recommend(image: str, findings: "Findings") -> str | None:
    """The command that would help the picture `image`, named as typed; None if nothing is bad enough."""
    from nsr_cli.steps.remedy import remedies

    steps, name = remedies(findings), _quoted(image)
    if not steps:
        return None
    if len(steps) > 1:
        return f"nsr auto {name}"
    [step] = steps
    if step.sigma is not None:
        return f"nsr denoise --sigma {step.sigma:.0f} {name}"
    return f"nsr dejpeg {name}" if findings.jpeg else f"nsr dejpeg -q {step.quality:g} {name}"


def _name(found: Found) -> str:
    """An input as typed or found; a file named `-` is not stdin."""
    if found.path is None:
        return STDIN
    name = found.typed or str(found.path)
    return f"./{name}" if name == STDIN else name


def _label(text: str) -> str:
    """The name of an input in messages."""
    return "stdin" if text == STDIN else safe_text(text)


def _quoted(text: str) -> str:
    """A path quoted for a shell, with `--` before a leading dash."""
    quoted = shlex.quote(text)
    return f"-- {quoted}" if quoted.startswith("-") and text != STDIN else quoted
