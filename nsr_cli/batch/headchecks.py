"""Why a run would fail, as far as the head of a file tells: by the run's own checks, and so in its words."""

from collections.abc import Sequence

from nsr_cli.batch.packing import check_count
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import Readable
from nsr_cli.imaging.heads.head import Head
from nsr_cli.imaging.tiff import kinds
from nsr_cli.planning.job import Job
from nsr_cli.planning.reading import check_bytes
from nsr_cli.planning.settings import Settings

_START = 4096  # bytes that tell the format


def refuse_file(data: Readable, heads: Sequence[Head], job: Job, settings: Settings) -> str:
    """The format of a file whose pictures have these heads.

    Raises:
        DecodeError: it is empty, too large to be read, or in no format that is read; or a TIFF file of such a kind.
        EncodeError: the format of the result holds one picture, and the file has several.
    """
    kind = ""
    try:
        kind = codec.sniff(data[:_START])
    finally:
        if kind != "TIFF":  # which may be read in parts
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
    for head in dict.fromkeys(heads):  # those of frames are all alike
        size = settings.result_size(head.width, head.height)
        codec.check_encodable(job.format, *size, 8, head.alpha)


def _may_be_left_alone(kind: str, job: Job, settings: Settings) -> bool:
    """Whether only the pixels tell if there will be a result at all: they may have no traces of JPEG."""
    return settings.task == "dejpeg" and settings.jpeg_quality is None and kind != "JPEG" and not job.is_named
