"""Streams of pictures are split without seeking, in constant memory."""

import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, stream
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.stream import read_stream
from tests import heif, jp2


class Trickle:
    """A pipe's end: no seeking, and short reads of random length."""

    def __init__(self, data: bytes, seed: int = 0, most: int = 700) -> None:
        self._data, self._rng, self._most = data, np.random.default_rng(seed), most

    def read(self, size: int, /) -> bytes:
        count = min(size, int(self._rng.integers(1, self._most)))
        taken, self._data = self._data[:count], self._data[count:]
        return taken


def pictures(samples: Any, kind: str) -> list[bytes]:
    """Three different files of one format."""
    shapes = [samples.rgb8, samples.gray8[..., np.newaxis], samples.smooth[:7]]
    return [codec.encode(Picture(pixels), kind) for pixels in shapes]


@pytest.mark.parametrize("most", [2, 50, 100_000])
@pytest.mark.parametrize("kind", ["PPM", "PNG", "JPEG", "BMP", "WEBP"])
def test_concatenated_files_come_back_one_by_one(kind: str, most: int, samples: Any) -> None:
    files = pictures(samples, kind)
    assert list(stream.read_stream(Trickle(b"".join(files), most=most))) == files
    assert list(stream.read_stream(io.BytesIO(b"".join(files)))) == files


def test_formats_may_change_on_the_way(samples: Any) -> None:
    files = [data for kind in ("PNG", "PPM", "JPEG", "PPM") for data in pictures(samples, kind)]
    assert list(stream.read_stream(Trickle(b"".join(files)))) == files


@pytest.mark.parametrize("kind", ["TIFF", "WEBP", "GIF", "BMP"])
def test_other_formats_are_read_to_the_end(kind: str, samples: Any) -> None:
    data = codec.encode(Picture(samples.rgb8), kind)
    assert list(stream.read_stream(Trickle(data))) == [data]


@pytest.mark.parametrize("kind", ["TIFF", "GIF"])
def test_what_follows_a_file_without_a_length_is_not_lost(kind: str, samples: Any) -> None:
    small, large = (
        codec.encode(Picture(pixels), kind) for pixels in (samples.gray8[..., np.newaxis], samples.rgb8)
    )
    files = [large, small, large, codec.encode(Picture(samples.rgb8), "PNG")]
    assert list(stream.read_stream(Trickle(b"".join(files)))) == files
    padded = [data + bytes(3) for data in files[:3]]
    assert list(stream.read_stream(Trickle(b"".join(padded) + large))) == [*padded, large]
    assert list(stream.read_stream(Trickle(small + b"junk"))) == [small + b"junk"]
    assert list(stream.read_stream(Trickle(small[:-9] + large))) == [small[:-9] + large]  # damaged
    empty = {"TIFF": b"II*\0" + bytes(4), "GIF": b"GIF89a" + bytes(7)}[kind]
    assert list(stream.read_stream(Trickle(empty + large))) == [empty + large]


@pytest.mark.parametrize("stated", [0, 20, 5000, 2**32 - 1])
def test_a_bmp_that_states_a_wrong_length_is_read_to_the_end(stated: int, samples: Any) -> None:
    data = codec.encode(Picture(samples.rgb8), "BMP")
    wrong = data[:2] + stated.to_bytes(4, "little") + data[6:]
    for behind in (b"", b"junk"):
        assert list(stream.read_stream(Trickle(wrong + behind))) == [wrong + behind]


def test_plain_text_pnm_is_read_to_the_end() -> None:
    assert list(stream.read_stream(Trickle(b"P2 2 2 9 1 2 3 4\n"))) == [b"P2 2 2 9 1 2 3 4\n"]


def test_jpeg_with_thumbnail_restarts_and_several_scans(
    samples: Any, pillow_file: Any, exif_block: Any
) -> None:
    from PIL import Image

    image = Image.fromarray(samples.rgb8)
    thumbnail = pillow_file(image.resize((8, 8)), "JPEG")
    files = [
        pillow_file(image, "JPEG", progressive=True),
        pillow_file(image, "JPEG", restart_marker_rows=1),
        pillow_file(image, "JPEG", exif=b"Exif\0\0" + exif_block(1) + thumbnail, comment=b"\xff\xd9\xff\xd8"),
    ]
    assert list(stream.read_stream(Trickle(b"".join(files)))) == files


def test_a_cameras_file_with_further_pictures_is_one(samples: Any, pillow_file: Any) -> None:
    from PIL import Image

    image = Image.fromarray(samples.smooth)
    data = pillow_file(image, "MPO", save_all=True, append_images=[image.resize((9, 9))])
    assert list(stream.read_stream(Trickle(data))) == [data]
    picture = codec.decode(data)
    assert picture.notes == ("it holds further pictures (MPO): left out",)
    assert picture.width == image.width


def test_white_space_after_the_last_is_no_picture(samples: Any) -> None:
    data = codec.encode(Picture(samples.rgb8), "PPM")
    assert list(stream.read_stream(Trickle(data + b"\n" + data + b"\r\n \n"))) == [data, data]


@pytest.mark.parametrize("kind", ["PPM", "PNG", "JPEG"])
def test_a_cut_off_stream_gives_what_was_whole_then_says_so(kind: str, samples: Any) -> None:
    files = pictures(samples, kind)
    for cut in (5, len(files[2]) // 2, len(files[2]) - 1):
        found: list[bytes] = []
        with pytest.raises(DecodeError, match="picture 3 of the stream"):
            found.extend(iter_into(found, stream.read_stream(Trickle(files[0] + files[1] + files[2][:cut]))))
        assert found == files[:2]


def iter_into(found: list[bytes], source: Iterator[bytes]) -> list[bytes]:
    """Append each item as it comes, so that those before an error are seen."""
    for item in source:
        found.append(item)  # noqa: PERF402 - `extend` would lose them
    return []


@pytest.mark.parametrize("junk", [b"junk that is no picture", b"\0" * 50, b"P9 1 1 255 "])
def test_junk_is_refused(junk: bytes) -> None:
    with pytest.raises(DecodeError):
        list(stream.read_stream(Trickle(junk)))


MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(256)) * 9


@pytest.mark.parametrize("most", [3, 50, 100_000])
@pytest.mark.parametrize("behind", [bytes(100), bytes(3), MP4, b"MotionPhoto_Data" + MP4, b"end"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "PPM"])
def test_trailing_data_is_reported_once(kind: str, behind: bytes, most: int, samples: Any) -> None:
    data, told = codec.encode(Picture(samples.rgb8), kind), list[str]()
    source = stream.read_stream(Trickle(data + data + behind, most=most), notice=told.append)
    assert list(source) == [data, data]
    assert told == ["what follows picture 2 of the stream is not a picture: left out"]
    assert list(stream.read_stream(Trickle(data + behind, most=most))) == [data]


@pytest.mark.parametrize("most", [3, 100_000])
def test_padding_between_pictures_is_passed_over(most: int, samples: Any) -> None:
    files, told = [codec.encode(Picture(samples.rgb8), kind) for kind in ("PNG", "JPEG", "PNG")], list[str]()
    padded = bytes(7).join(files)
    assert list(stream.read_stream(Trickle(padded, most=most), notice=told.append)) == files and not told


@pytest.mark.parametrize("kind", ["PNG", "PPM"])
@pytest.mark.parametrize("next_one", ["whole", "cut", "start", "behind a video", "JPEG XL"])
def test_further_pictures_that_cannot_be_read_are_still_an_error(
    next_one: str, kind: str, samples: Any
) -> None:
    data = codec.encode(Picture(samples.rgb8), kind)
    more = {
        "whole": b"?" + data,
        "cut": data[:-9],
        "start": data[:3],
        "behind a video": MP4 + codec.encode(Picture(samples.rgb8), "JPEG"),
        "JPEG XL": b"\xff\x0a" + bytes(99),
    }[next_one]
    found: list[bytes] = []
    with pytest.raises(DecodeError, match="picture 2 of the stream"):
        found.extend(iter_into(found, stream.read_stream(Trickle(data + more))))
    assert found == [data]


def test_pictures_made_of_boxes_follow_one_another_and_others(samples: Any, pillow_file: Any) -> None:
    image = Image.fromarray(samples.rgb8)
    boxed = [pillow_file(image, "JPEG2000"), pillow_file(image, "AVIF"), heif.heic(samples.rgb8)]
    others = [codec.encode(Picture(samples.rgb8), kind) for kind in ("PNG", "GIF", "TIFF", "WEBP")]
    for files in ([one] for one in boxed):
        assert list(stream.read_stream(Trickle(b"".join(files)))) == files
    for files in (boxed, boxed[::-1], boxed + others, others + boxed, [boxed[0], others[0], boxed[0]]):
        assert list(stream.read_stream(Trickle(b"".join(files)))) == files


def test_a_codestream_without_boxes_reaches_to_the_end(samples: Any) -> None:
    data = jp2.stream(samples.rgb8)
    assert list(stream.read_stream(Trickle(data))) == [data]


def test_an_endless_tail_is_not_read_to_the_end(samples: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_MOST_BEHIND", 1 << 18)
    endless = Endless(codec.encode(Picture(samples.rgb8), "PNG"))
    assert len(list(stream.read_stream(endless))) == 1
    assert endless.given < 1 << 20


def test_an_empty_stream_is_said_to_be_empty() -> None:
    with pytest.raises(DecodeError, match="empty"):
        list(stream.read_stream(io.BytesIO()))


def test_a_header_that_claims_too_much_is_refused_before_reading_on() -> None:
    endless = Endless(b"P6\n100000 100000\n255\n")
    with pytest.raises(DecodeError, match="--max-pixels"):
        next(stream.read_stream(endless))
    assert endless.given < 1 << 20


@pytest.mark.parametrize(
    "start", [b"\xff\xd8\xff\xda\0\x02", b"II*\0", b"\x89PNG\r\n\x1a\n\x7f\xff\xff\xffIDAT"]
)
def test_an_endless_picture_is_given_up(start: bytes) -> None:
    with pytest.raises(DecodeError, match="--max-pixels"):
        next(stream.read_stream(Endless(start), max_pixels=1000))


class Endless:
    """A stream that never ends."""

    def __init__(self, start: bytes) -> None:
        self._start, self.given = start, 0

    def read(self, size: int, /) -> bytes:
        block, self._start = self._start.ljust(size, b"\1"), b""
        self.given += len(block)
        return block


def test_memory_stays_at_one_picture() -> None:
    import tracemalloc

    data = codec.encode(Picture(np.zeros((500, 700, 3), np.uint8), metadata=Metadata()), "PPM")

    class Many:
        left = 40
        rest = b""

        def read(self, size: int, /) -> bytes:
            if not self.rest and self.left:
                self.left, self.rest = self.left - 1, data
            block, self.rest = self.rest[:size], self.rest[size:]
            return block

    tracemalloc.start()
    count = sum(1 for _ in stream.read_stream(Many()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40
    assert peak < 6 * len(data)


def test_filling_between_scans_takes_time_in_step_with_its_length() -> None:
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0"
    data = b"\xff\xd8" + scan + (b"\xff" * 400_000 + b"\0") * 3 + b"\xff\xd9"
    started = time.process_time()
    assert list(read_stream(io.BytesIO(data + data))) == [data, data]
    assert time.process_time() - started < 1


def test_a_pnm_file_tells_whether_another_picture_follows(samples: Any) -> None:
    one, other, _ = pictures(samples, "PPM")
    assert stream.is_followed(one + other) and stream.is_followed(one + b"\0\n" + other)
    for behind in (b"", b"\0\n", b"junk", bytes(5000)):
        assert not stream.is_followed(one + behind)
    assert not stream.is_followed(one[:40])
