"""Files that are no pictures of ours are called by their names."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.strangers import advice, is_picture


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (
            b"\0\0\0\x18ftyphevc\0\0\0\0hevc",
            "it is an animated HEIC file, which is not read here; convert it to PNG",
        ),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1", "it is a HEIF file"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypmjp2", "it is a JPEG 2000 video or document"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "it is a camera raw file, .*; develop it to TIFF first$"),
        (b"FUJIFILMCCD-RAW 0201FF389501", "it is a camera raw file"),
        (b"IIU\0\x18\0\0\0", "it is a camera raw file"),
        (b"\0\0\0\x14ftypqt  ", "it is a video, .*; take its frames out first, for example with ffmpeg$"),
        (b"RIFF\xff\xff\0\0AVI LIST", "it is a video"),
        (b"\xff\x0a\xfa\x1f\x01", "it is a JPEG XL file"),
        (b"8BPS\0\1\0\0", "it is a Photoshop file"),
        (b"%PDF-1.7\n", "it is a PDF file"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="x">', "it is an SVG file"),
    ],
)
def test_known_files_are_named_with_what_to_do(head: bytes, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        codec.decode(head + bytes(64))


@pytest.mark.parametrize(
    "brand",
    [
        "qt__",
        "isom",
        "iso5",
        "iso9",
        "mp41",
        "mp42",
        "mp71",
        "avc1",
        "M4V_",
        "M4VH",
        "f4v_",
        "3gp5",
        "3g2a",
        "dash",
        "MSNV",
        "XAVC",
        "mmp4",
    ],
)
def test_the_brands_of_videos_are_known(brand: str) -> None:
    """Cameras, telephones, and programs that split films for the web each have their own."""
    head = b"\0\0\0\x18ftyp" + brand.replace("_", " ").encode() + b"\0\0\2\0"
    assert (advice(head) or "").startswith("it is a video, ") and not is_picture(head)


@pytest.mark.parametrize(
    "data",
    [b"hello", b"<html><body>404", b"\0\0\0\x18ftypxxxx", b"\0\0\0\x18ftypM4A ", b"RIFF\0\0\0\0WAVE", b"<"],
)
def test_all_others_are_not(data: bytes) -> None:
    assert advice(data) is None
    with pytest.raises(DecodeError, match="not a picture in a format that is read here"):
        codec.decode(data)


def test_real_files_are_recognized() -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, "PDF")
    assert (advice(file.getvalue()) or "").startswith("it is a PDF file, ")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed (apt-get install ffmpeg)")
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "m4v"])
def test_real_videos_are_recognized(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"film.{suffix}"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=teal:s=64x48:d=0.2", str(file)]
    subprocess.run(command, check=True, timeout=60)
    assert (advice(file.read_bytes()) or "").startswith("it is a video, ")
