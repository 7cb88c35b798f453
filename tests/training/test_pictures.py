"""Training pictures are decoded where they can do no harm, in their order, and what fails is said and left out."""

import os
from pathlib import Path

import numpy as np
import pytest

from nsr_cli.errors import TrainingError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.training.pictures import find_pictures, load_pictures


def fill(folder: Path, count: int) -> list[Path]:
    for index in range(count):
        pixels = np.full((4, 5, 1 if index % 3 else 3), index, np.uint8 if index % 2 else np.uint16)
        (folder / f"{index:02}.png").write_bytes(codec.encode(Picture(pixels), "PNG"))
    return find_pictures([folder])


def test_pictures_come_in_order_in_the_colors_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fill(tmp_path, 40)
    monkeypatch.setattr(codec, "decode", lambda *args, **options: pytest.fail("decoded here"))
    for color, channels in (("rgb", 3), ("gray", 1)):
        found = load_pictures(files, color, pytest.fail)  # type: ignore[arg-type]
        assert [pixels.shape for pixels in found] == [(4, 5, channels)] * 40
        assert all(pixels.dtype == np.uint8 for pixels in found)
        # Those of 16 bits have no sample above 255: they are 8 bits in 16.
        assert [int(pixels[0, 0, 0]) for pixels in found] == list(range(40))


def test_what_lies_under_transparent_pixels_is_not_trained_on(tmp_path: Path) -> None:
    pixels, alpha = np.full((9, 9, 3), 70, np.uint8), np.full((9, 9), 255, np.uint8)
    pixels[:4], alpha[:4] = 255, 0
    (tmp_path / "a.png").write_bytes(codec.encode(Picture(pixels, alpha), "PNG"))
    (found,) = load_pictures([tmp_path / "a.png"], "rgb", pytest.fail)
    assert np.array_equal(found, np.full((9, 9, 3), 70))


def test_unreadable_files_are_reported_and_left_out(tmp_path: Path) -> None:
    files = fill(tmp_path, 4)
    files[1].write_bytes(b"no picture")
    files[2].unlink()
    said: list[str] = []
    found = load_pictures(files, "rgb", said.append)
    assert [int(pixels.max()) for pixels in found] == [0, 3]
    assert [line.partition(": ")[0] for line in said] == [f"skipped {path}" for path in files[1:3]]
    assert "not a picture in a format that is read here" in said[0] and "No such file" in said[1]


def test_the_size_error_does_not_name_an_option_that_training_lacks(tmp_path: Path) -> None:
    files = fill(tmp_path, 2)
    files[1].write_bytes(b"P6 100000 100000 255\n" + bytes(10))
    said: list[str] = []
    load_pictures(files, "rgb", said.append)
    assert len(said) == 1 and said[0].endswith("above the limit of 537; cut it into smaller ones")


def test_a_file_counts_once_and_the_runs_own_curve_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "sub" / "run").mkdir(parents=True)
    files = fill(tmp_path, 2)
    (tmp_path / "sub" / "link.png").symlink_to(files[0])
    curve = tmp_path / "sub" / "run" / "curve.png"
    curve.write_bytes(files[0].read_bytes())
    assert find_pictures([tmp_path, tmp_path / "sub"], tmp_path / "sub" / "run") == files
    assert find_pictures([tmp_path / "sub", tmp_path])[1:] == [curve, files[1]]


def test_special_files_and_files_far_too_large_are_skipped_at_once(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    (tmp_path / "c.png").symlink_to("gone.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    with (tmp_path / "d.png").open("wb") as file:
        file.truncate(1 << 34)  # a hole: no disk has to hold it, but memory would
    said: list[str] = []
    found = load_pictures(find_pictures([tmp_path]), "rgb", said.append)
    assert len(found) == 1
    assert [tuple(line.removeprefix(f"skipped {tmp_path}/").split(": ", 1)) for line in said] == [
        ("a.png", "cannot be read: it is a pipe or a device, and no file"),
        ("b.png", "cannot be read: it is a pipe or a device, and no file"),
        ("c.png", "cannot be read: No such file or directory"),
        ("circle.png", "cannot be read: Too many levels of symbolic links"),
        ("d.png", "cannot be read: its 17179869184 bytes are too many"),
    ]


def test_a_folder_without_readable_pictures_is_an_error(tmp_path: Path) -> None:
    files = fill(tmp_path, 2)
    for path in files:
        path.write_bytes(b"no picture")
    with pytest.raises(TrainingError, match="none of the 2 training pictures could be read"):
        load_pictures(files, "gray", lambda _: None)
