"""The sizes that a picture's metadata states, which must be those of the picture that it is written with."""

from dataclasses import replace

from nsr_cli.imaging import exif, xmp
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture


def stated(picture: Picture) -> Metadata:
    """The metadata of a picture as it is written: a size that its EXIF block or XMP packet states is the picture's."""
    meta, sides = picture.metadata, (picture.width, picture.height)
    block = None if meta.exif is None else exif.with_size(meta.exif, *sides)
    text = tuple((key, xmp.with_size(value, *sides) if key == XMP_KEY else value) for key, value in meta.text)
    return replace(meta, exif=block, text=text)
