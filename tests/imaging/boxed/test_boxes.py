"""The boxes of a file, whole and damaged."""

import struct

from nsr_cli.imaging.boxed.boxes import boxes, content, first, within
from tests.jp2 import box


def test_boxes_lie_beside_and_in_one_another() -> None:
    data = box(b"free", b"abc") + box(b"meta", bytes(4), box(b"pitm", b"xy"), box(b"iinf"))
    found = list(boxes(data))
    assert [one.name for one in found] == [b"free", b"meta"]
    assert content(data, found[0], 9) == b"abc" and content(data, found[0], 2) == b"ab"
    inner = list(within(data, found[1], skip=4))
    assert [(one.name, data[one.start : one.end]) for one in inner] == [(b"pitm", b"xy"), (b"iinf", b"")]
    assert first(iter(inner), b"iinf") == inner[1] and first(iter(inner), b"mdat") is None


def test_a_length_may_take_eight_bytes_or_be_left_open() -> None:
    data = struct.pack(">I4sQ", 1, b"mdat", 19) + b"abc" + struct.pack(">I4s", 0, b"free") + b"to the end"
    assert [(one.name, data[one.start : one.end], one.is_cut) for one in boxes(data)] == [
        (b"mdat", b"abc", False),
        (b"free", b"to the end", False),
    ]


def test_a_box_that_is_cut_off_ends_with_the_file_and_says_so() -> None:
    data = box(b"free") + box(b"mdat", b"abcdef")[:-2]
    assert [(one.name, data[one.start : one.end], one.is_cut) for one in boxes(data)] == [
        (b"free", b"", False),
        (b"mdat", b"abcd", True),
    ]


def test_an_impossible_length_ends_the_boxes() -> None:
    for length in (2, 7):
        assert list(boxes(box(b"free") + struct.pack(">I4s", length, b"mdat") + bytes(99)))[1:] == []
    assert list(boxes(struct.pack(">I4sQ", 1, b"mdat", 15) + bytes(99))) == []
    assert list(boxes(b"\0\0\0")) == []


def test_a_million_boxes_are_not_all_looked_at() -> None:
    assert len(list(boxes(box(b"free") * 1_000_000))) < 10_000
