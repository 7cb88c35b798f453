"""What a decoding process says of a picture is checked before it is believed."""

import json
from typing import Any

import numpy as np
import pytest

from nsr_cli.imaging.color import White
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.sandbox.protocol import ProtocolError, describe, rebuild

META = Metadata(
    iptc=b"\x1c", geo=b"g", aspect=(2.0, 1.0), color=(("gAMA", b"\0\1\2\3"),), left_out=("its layers",)
)


def record(**changes: Any) -> dict[str, Any]:
    sent = describe(Picture(np.zeros((2, 3, 3), dtype=np.uint8), metadata=META))
    return {**json.loads(json.dumps(sent)), **changes}


def test_everything_that_a_file_says_comes_over() -> None:
    found = rebuild(record(first_of=4, apart=True), 1 << 10)
    assert (found.metadata, found.first_of, found.is_apart) == (META, 4, True)


@pytest.mark.parametrize("ratio", [(0, 1), (-2, 1), (float("nan"), 1), (float("inf"), 1), (1, 1)])
def test_an_invalid_ratio_is_left_out(ratio: tuple[float, float]) -> None:
    assert rebuild(record(aspect=ratio), 1 << 10).metadata.aspect is None


@pytest.mark.parametrize(
    "color",
    [
        [["IDAT", "AAAA"]],  # would become a chunk of the result
        [["gAMA", "AAAA"]],
        [["gAMA", "AAECAw==", "more"]],
        [["gAMA", "no base64"]],
        [["gAMA", None]],
        [[["gAMA"], "AAECAw=="]],
        [3],
        None,
    ],
)
def test_only_color_chunks_are_carried_over(color: Any) -> None:
    with pytest.raises(ProtocolError):
        rebuild(record(color=color), 1 << 10)


@pytest.mark.parametrize("count", [0, -3, "x", None])
def test_a_file_has_at_least_one_picture(count: object) -> None:
    with pytest.raises(ProtocolError):
        rebuild(record(first_of=count), 1 << 10)


def test_what_is_white_comes_over() -> None:
    white = White(4095, 65_535)
    sent = json.loads(json.dumps(describe(Picture(np.zeros((2, 3, 1), np.uint16), white=white))))
    assert rebuild(sent, 1 << 10).white == white
    assert rebuild(record(), 1 << 10).white is None


@pytest.mark.parametrize(
    "white", [3, {}, {"value": 0, "top": 9}, {"value": 9, "top": 8}, {"value": 9, "top": 65_536}]
)
def test_no_white_comes_over_that_is_none(white: object) -> None:
    with pytest.raises(ProtocolError):
        rebuild(record(white=white), 1 << 10)
