"""How long the device stands still while pictures are read and written."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PICTURES = 100


@pytest.mark.slow
def test_a_folder_of_photographs_keeps_the_device_busy(
    command: list[str], environment: dict[str, str], shared_data: Path, tmp_path: Path
) -> None:
    photos = sorted((shared_data / "train" / "photos").glob("*.jpg"))[:PICTURES]
    assert len(photos) == PICTURES
    (tmp_path / "photos").mkdir()
    for photo in photos:
        shutil.copy(photo, tmp_path / "photos")
    args = [*command, "upscale", "photos", "-s", "2", "--model", "lite", "--json"]
    done = subprocess.run(args, cwd=tmp_path, env=environment, capture_output=True, check=True, timeout=1800)
    seconds = [json.loads(line)["seconds"] for line in done.stdout.splitlines()]
    assert len(seconds) == PICTURES
    waited, worked = (sum(one[step] for one in seconds) for step in ("wait", "infer"))
    assert waited < 0.05 * (waited + worked), f"waited {waited:.1f} s, computed for {worked:.1f} s"
    # What is read and written takes time too: it overlaps with the computing.
    assert sum(one["decode"] + one["encode"] for one in seconds) > waited
    told = re.search(r"the device waited (\d+)% of its time", done.stderr.decode())
    assert told is not None and int(told[1]) == pytest.approx(100 * waited / (waited + worked), abs=1)
    assert len(list((tmp_path / "photos_x2").iterdir())) == PICTURES
