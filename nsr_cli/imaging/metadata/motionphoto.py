"""Photographs with a video behind them, as phones take them: no result has the video, nor may it claim one."""

import re

NOTE = "its video (it is a motion photo): left out"

_FLAG = re.compile(r"""(GCamera:(?:MotionPhoto|MicroVideo)(?:\s*=\s*["']|>)\s*)1(?=\s*["'<])""")


def has_video(data: bytes) -> bool:
    """Whether there is a video within the bytes of a JPEG file, where it is behind the picture."""
    place = data.rfind(b"ftyp")  # in the head of the video, behind the length of that
    return place >= 4 and data[place - 4 : place - 1] == bytes(3)


def without_video(packet: str) -> str:
    """The XMP packet without the claim of a video, which galleries would look for."""
    return _FLAG.sub(r"\g<1>0", packet)
