"""What a run will take, from the pictures' headers alone: sizes, disk space, memory."""

import math
import shutil
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nsr_cli.cli.console import Console
from nsr_cli.cli.outcome import Outcome, as_json, never_read
from nsr_cli.cli.pace import estimate
from nsr_cli.cli.plan import Job, Plan
from nsr_cli.cli.settings import Settings
from nsr_cli.cli.texts import human_duration
from nsr_cli.errors import PictureError, WriteError
from nsr_cli.files import safe_text

# Bytes of a compressed file for each byte of samples, at the least that photographs come to.
_LEAST = {"PNG": 0.25, "TIFF": 0.25, "GIF": 0.1, "WEBP": 0.15, "JPEG": 0.02}
_SURELY_ENOUGH = 60  # times the bytes of the inputs and the factor squared
_COMPUTING = 600  # bytes for each pixel of the input: two layers of 64 features in fp32, and some more
_RESULT = 36  # bytes for each pixel of the result: three colors in float, three times
_SWAPPED = range(5, 9)  # EXIF orientations that turn the picture on its side
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known of a picture before it is read."""

    size: tuple[int, int]
    out_size: tuple[int, int]
    least: int
    """Bytes that the result will surely take on the disk."""

    @property
    def memory(self) -> int:
        """Bytes that the picture takes while it is restored, about."""
        return math.prod(self.size) * _COMPUTING + math.prod(self.out_size) * _RESULT


def forecast(job: Job, settings: Settings) -> Forecast | None:
    """Look at a picture's header; None if that does not say enough.

    Raises:
        PictureError: the result's size is not possible.
    """
    header = _header(job.source) if job.source is not None else None
    if header is None or job.source is None:
        return None
    width, height, depth = header
    out = settings.result_size(width, height)
    samples = out[0] * out[1] * depth
    # A drawing that packs well as an input packs well as a result.
    packed = job.source.stat().st_size / (width * height * depth)
    rate = _LEAST.get(job.format or "PNG")
    return Forecast((width, height), out, int(samples * min(rate, packed / 2)) if rate else samples)


def check_space(plan: Plan, settings: Settings) -> None:
    """WriteError if a disk surely cannot take the results."""
    jobs: dict[int, list[Job]] = {}
    for job in plan.jobs:
        if job.target is not None and job.source is not None:
            jobs.setdefault(_existing(job.target).stat().st_dev, []).append(job)
    for group in jobs.values():
        folder = _existing(group[0].target or Path())
        free = shutil.disk_usage(folder).free
        read = sum(job.source.stat().st_size for job in group if job.source is not None)
        if free > read * _SURELY_ENOUGH * settings.largest_factor**2:
            continue
        needed = sum(found.least for found in _forecasts(group, settings))
        if needed > free:
            raise WriteError(
                f"too little disk: the results take at least {_bytes(needed)}, {safe_text(folder)} has "
                f"{_bytes(free)}; free some space or choose another place with -o"
            )


def show(plan: Plan, settings: Settings, console: Console) -> None:
    """Say what a run would do, one line or JSON object for each picture, and what it would take."""
    pixels, most, disk = 0, 0, 0
    sizes: list[tuple[int, int]] = []
    for job in plan.jobs:
        outcome = Outcome(job, job.label, status="planned")
        try:
            found = forecast(job, settings)
        except PictureError as error:
            outcome.fail(error)
            found = None
        if found is not None:
            outcome.size, outcome.out_size = found.size, found.out_size
            sizes.append(found.size)
            pixels += found.out_size[0] * found.out_size[1]
            most, disk = max(most, found.memory), disk + found.least
        _show_one(outcome, settings, console)
    for remark in plan.failed:
        _show_one(never_read(remark), settings, console)
    for job in plan.existing:
        _show_one(Outcome(job, job.label, status="skipped"), settings, console)
    for remark in plan.skipped:
        console.note(f"{remark.path}: to be skipped, {remark.reason}")
    console.note(
        f"{len(plan.jobs)} to restore, {len(plan.existing)} there already, {len(plan.failed)} not readable; "
        f"{pixels / 1e6:.1f} megapixels, {_bytes(disk)} of disk at least, about {_bytes(most)} of memory "
        f"for the largest picture{_time(sizes, settings)}"
    )


def _time(sizes: list[tuple[int, int]], settings: Settings) -> str:
    """The time that computing will take, if earlier runs tell."""
    seconds = estimate(sizes, settings) if sizes else None
    return "" if seconds is None else f"; about {human_duration(seconds)} at the pace of the last run"


def _show_one(outcome: Outcome, settings: Settings, console: Console) -> None:
    if console.json:
        console.json_line(as_json(outcome, settings.task))
        return
    if outcome.error is not None:
        console.error(f"{outcome.label}: {outcome.error}")
        return
    sizes = ""
    if outcome.size and outcome.out_size:
        sizes = "  {}x{} -> {}x{}".format(*outcome.size, *outcome.out_size)
    there = "  (there already: skipped)" if outcome.status == "skipped" else ""
    there = (
        "  (made with other settings: made again, unless it was changed)" if outcome.job.outdated else there
    )
    console.data(f"{outcome.label} -> {outcome.job.target_label}{sizes}{there}")


def _forecasts(jobs: Iterable[Job], settings: Settings) -> list[Forecast]:
    found = []
    for job in jobs:
        try:
            one = forecast(job, settings)
        except PictureError:
            continue
        if one is not None:
            found.append(one)
    return found


def _header(path: Path) -> tuple[int, int, int] | None:
    """Width and height, upright, and bytes for a pixel; None if the header is not understood."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large pictures; the decoder has its own limit
            with Image.open(path, formats=("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")) as image:
                width, height = image.size
                # Looking for EXIF behind the pixels of a PNG would decode them.
                has_exif = image.format != "PNG" or "exif" in image.info
                if has_exif and image.getexif().get(_ORIENTATION) in _SWAPPED:
                    width, height = height, width
                deep = 2 if image.mode.startswith("I;16") else 1
                return (
                    width,
                    height,
                    deep * (1 if image.mode in ("1", "L", "I;16") else len(image.getbands())),
                )
    except Exception:  # noqa: BLE001 (a header that cannot be read is the decoder's to explain)
        return None


def _existing(path: Path) -> Path:
    nearest = path.absolute().parent
    while not nearest.exists():
        nearest = nearest.parent
    return nearest


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
