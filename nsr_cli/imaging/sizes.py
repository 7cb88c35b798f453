"""What a picture's metadata states of its size, and places in it, which must fit the picture that it is written with."""

from dataclasses import replace

from nsr_cli.imaging import exif, regions, subjectarea, xmp
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture


def stated(picture: Picture) -> Metadata:
    """The metadata of a picture as it is written: sizes and places in its EXIF block and XMP packet are the picture's.

    What cannot be said of it any more is named in `left_out`.
    """
    meta, sides = picture.metadata, (picture.width, picture.height)
    if meta.exif is not None:
        block, is_lost = subjectarea.scaled(meta.exif, *sides)
        meta = replace(meta, exif=exif.with_size(block, *sides))
        if is_lost:
            meta = replace(meta, left_out=(*meta.left_out, subjectarea.NAME))
    return replace(meta, text=tuple((key, _sized(key, value, sides)) for key, value in meta.text))


def _sized(key: str, value: str, sides: tuple[int, int]) -> str:
    return regions.with_size(xmp.with_size(value, *sides), *sides) if key == XMP_KEY else value
