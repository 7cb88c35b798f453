"""Correct what metadata states about the picture's size and places in it, so that it is true of the result."""

from dataclasses import replace

from nsr_cli.imaging.metadata import exif, panorama, regions, stacks, subjectarea, xmp
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture


def stated(picture: Picture) -> Metadata:
    """The metadata to write: sizes and places in its EXIF block and XMP packet are those of `picture`.

    What cannot be corrected is removed and named in `left_out`.
    """
    meta, sides = picture.metadata, (picture.width, picture.height)
    if meta.exif is not None:
        block, is_stale = stacks.fitting(meta.exif, *sides, is_alone=picture.first_of > 1)
        block, is_lost = subjectarea.scaled(block, *sides)
        lost = (stacks.OME_NAME,) * is_stale + (subjectarea.NAME,) * is_lost
        meta = replace(meta, exif=exif.with_size(block, *sides), left_out=(*meta.left_out, *lost))
    return replace(meta, text=tuple((key, _sized(key, value, sides)) for key, value in meta.text))


def _sized(key: str, value: str, sides: tuple[int, int]) -> str:
    if key != XMP_KEY:
        return value
    return panorama.with_size(regions.with_size(xmp.with_size(value, *sides), *sides), *sides)
