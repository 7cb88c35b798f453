"""Photographs with a video behind them, as phones take them: a result lacks the video, so it must not claim one."""

import re

NOTE = "its video (it is a motion photo): left out"

_FLAG = re.compile(r"""(GCamera:(?:MotionPhoto|MicroVideo)(?:\s*=\s*["']|>)\s*)1(?=\s*["'<])""")


def has_video(data: bytes) -> bool:
    """Whether there is a video behind the picture in the bytes of a JPEG file."""
    place = data.rfind(b"ftyp")  # in the video's first box, behind the length of that box
    return place >= 4 and data[place - 4 : place - 1] == bytes(3)


def without_video(packet: str) -> str:
    """The XMP packet without the claim that there is a video, for which galleries would look."""
    return _FLAG.sub(r"\g<1>0", packet)
