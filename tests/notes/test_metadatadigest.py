"""The digest of what a file holds besides its pixels: sealed into the file, and found again when it is read."""

import io
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from nsr_cli.imaging import codec
from nsr_cli.imaging.ifd import Value
from nsr_cli.imaging.metadata import exif
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture
from nsr_cli.imaging.png.chunks import HEAD_END
from nsr_cli.notes import provenance
from nsr_cli.notes.metadatadigest import digest, seal, seal_file
from nsr_cli.notes.texts_of_file import DAMAGE
from tests.cli.kinds import profile

TOKEN = secrets.token_hex(32)
PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"/></rdf:RDF></x:xmpmeta>'
)


def metadata(channels: int) -> Metadata:
    """Something of every kind; the EXIF block states a size, which is the result's when it is written."""
    inner = [Value(0xA002, 4, 1, b"\7\0\0\0"), Value(0x9003, 2, 4, b"now\0")]
    return Metadata(
        exif=exif.build_block([Value(0x010F, 2, 5, b"Maker")], inner, [Value(1, 2, 2, b"N\0")]),
        icc=profile(channels),
        dpi=(300.0, 200.0),
        text=(("Author", "Anna Ö"), (XMP_KEY, PACKET)),
        iptc=b"\x1c\x02\x78\x00\x05hello",
    )


def noted(dtype: Any = np.uint8, channels: int = 3, meta: Metadata | None = None) -> Picture:
    samples = np.random.default_rng(5).random((9, 7, channels))
    span = 1.0 if dtype is np.float32 else float(np.iinfo(dtype).max)
    page = Picture((samples * span).astype(dtype), None, metadata(channels) if meta is None else meta)
    return provenance.mark(page, provenance.Making(["upscale"], "net", "ab"), "cd", TOKEN)


def note_of(data: bytes, tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "note"
    path.write_bytes(data)
    record = provenance.read(path)
    assert record is not None
    return record


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("with_more", [True, False])
def test_reading_a_sealed_file_gives_the_digest_in_its_note(
    form: str, dtype: Any, channels: int, with_more: bool, tmp_path: Path
) -> None:
    page = noted(dtype, channels, None if with_more else Metadata())
    plain = codec.encode(page, form)
    data = seal(plain, TOKEN)
    assert note_of(data, tmp_path)["metadata"] == digest(data) != TOKEN
    assert len(data) == len(plain)
    before, after = codec.decode(plain), codec.decode(data)  # and it is a sound file, otherwise as it was
    assert np.array_equal(before.pixels, after.pixels)
    without = [replace(one.metadata.with_text("nsr", ""), left_out=()) for one in (before, after)]
    assert without[0] == without[1]


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_several_pages_or_frames_are_sealed_too(form: str, tmp_path: Path) -> None:
    pages = [noted(), noted()]
    pages[1] = pages[1].with_pixels(255 - pages[1].pixels, None)
    data = seal(codec.encode_pages(pages, form), TOKEN)
    assert note_of(data, tmp_path)["metadata"] == digest(data) != TOKEN
    assert TOKEN.encode() not in data
    assert len(list(codec.decode_all(data))) == 2


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_an_open_file_is_sealed_as_its_bytes_are(form: str) -> None:
    plain = codec.encode(noted(), form)
    file = io.BytesIO(plain)
    seal_file(file, TOKEN)
    assert file.getvalue() == seal(plain, TOKEN)


CHANGES: dict[str, Callable[[Metadata], Metadata]] = {
    "a text more": lambda meta: replace(meta, text=(*meta.text, ("Description", "a caption"))),
    "another text": lambda meta: meta.with_text("Author", "Berta"),
    "a text less": lambda meta: replace(meta, text=meta.text[1:]),
    "a rating": lambda meta: meta.with_text(XMP_KEY, PACKET.replace('"3"', '"5"')),
    "other EXIF": lambda meta: replace(meta, exif=exif.build_block([Value(0x010E, 2, 4, b"sea\0")], [], [])),
    "another place": lambda meta: replace(meta, exif=(meta.exif or b"").replace(b"N\0", b"S\0")),
    "other IPTC": lambda meta: replace(meta, iptc=b"\x1c\x02\x78\x00\x05world"),
    "no profile": lambda meta: replace(meta, icc=None),
    "another resolution": lambda meta: replace(meta, dpi=(72.0, 72.0)),
}


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_metadata_counts(form: str, change: str) -> None:
    page = noted()
    other = page.with_metadata(CHANGES[change](page.metadata))
    if form == "WEBP" and change == "other IPTC":  # it holds none
        return
    before, after = (digest(codec.encode(one, form)) for one in (page, other))
    assert before is not None and before != after


def test_how_texts_are_packed_and_what_the_pixels_are_does_not_count() -> None:
    page = noted(meta=Metadata(text=(("Author", "Anna"), ("Title", "Sea"))))
    data = codec.encode(page, "PNG")
    dark = codec.encode(page.with_pixels(page.pixels // 2, None), "PNG")
    place = data.find(b"IDAT") - 4
    with Image.open(io.BytesIO(data)) as image:
        packed = io.BytesIO()
        info = PngImagePlugin.PngInfo()
        for key, value in sorted(image.info.items(), reverse=True):
            info.add_text(str(key), value, zip=True)
        image.save(packed, "PNG", pnginfo=info)
    behind = data[:HEAD_END] + data[place:-12] + data[HEAD_END:place] + data[-12:]
    for one in (dark, packed.getvalue(), behind):
        assert digest(one) == digest(data)


def test_formats_without_notes_have_none_and_damage_is_told() -> None:
    plain = replace(noted(), metadata=Metadata())
    bmp = codec.encode(plain, "BMP")
    assert digest(bmp) is None and seal(bmp, TOKEN) is bmp
    circle = bytearray(codec.encode(plain, "TIFF"))
    first = int.from_bytes(circle[4:8], "little")
    after = first + 2 + 12 * int.from_bytes(circle[first : first + 2], "little")
    circle[after : after + 4] = first.to_bytes(4, "little")
    with pytest.raises(DAMAGE):
        digest(bytes(circle))
