"""Why a run would fail, judged by the headers of a file with the run's own checks, and so in the same words."""

from collections.abc import Sequence

from nsr_cli.batch.packing import check_count
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.heads.head import Head
from nsr_cli.imaging.tiff import kinds
from nsr_cli.planning.job import Job
from nsr_cli.planning.reading import check_bytes
from nsr_cli.planning.settings import Settings


def refuse_file(data: Readable, heads: Sequence[Head], job: Job, settings: Settings) -> str:
    """The format of a file whose pictures have these heads.

    Raises:
        DecodeError: it is empty, too large, or of a format or kind of TIFF that is not read.
        EncodeError: the format of the result holds one picture, and the file has several.
    """
    kind = ""
    try:
        kind = codec.sniff(data)
    finally:
        if kind != "TIFF":  # a TIFF file may be read in parts
            check_bytes(len(data), settings.max_pixels)
    if kind == "TIFF":
        kinds.check_file(data)
    if heads and job.format is not None:
        check_count(len(heads), kind, job.format)
    return kind


def refuse_result(kind: str, heads: Sequence[Head], job: Job, settings: Settings) -> None:
    """EncodeError if the format of the result cannot hold the pictures of a file of the format `kind`."""
    if job.format is None or _may_be_left_alone(kind, job, settings):
        return
    for head in dict.fromkeys(heads):  # frames all have the same one
        size = settings.result_size(head.width, head.height)
        codec.check_encodable(job.format, *size, alpha=head.alpha)


def _may_be_left_alone(kind: str, job: Job, settings: Settings) -> bool:
    """Whether there may be no result, which only the pixels can tell: they may have no traces of JPEG."""
    return settings.task == "dejpeg" and settings.jpeg_quality is None and kind != "JPEG" and not job.is_named
