"""The log of a run: readable whatever a full disk or a crash left of it."""

from pathlib import Path

import pytest

from nsr_cli.training import log
from nsr_cli.training.status import TrainingStatus


def status(step: int) -> TrainingStatus:
    return TrainingStatus(step, 100, step / 100, 0.25, 1e-3, 1.5, psnr=30.0)


@pytest.mark.parametrize(
    "left",
    [
        "",
        "step,sec",
        "12",
        "\n",
        "nonsense\n",
        "step,seconds,loss,learning_rate,psnr\n5,1.0,0.3\n",
        "nan,1,1,1,1\n",
        "inf,1,1,1,1\n",
        ",1,1,1,1\n",
        "\0" * 200_000 + "\n",
    ],
)
def test_what_a_full_disk_left_does_not_end_a_run(tmp_path: Path, left: str) -> None:
    (tmp_path / "metrics.csv").write_text(left)
    for step in (10, 20, 30):
        log.append(tmp_path, status(step))
    assert [row["step"] for row in log.read(tmp_path)] == [10, 20, 30]
    assert log.draw_curve(tmp_path) is not None


def test_a_new_log_begins_with_its_columns(tmp_path: Path) -> None:
    log.append(tmp_path, status(10))
    first, second = (tmp_path / "metrics.csv").read_text().splitlines()
    assert first == "step,seconds,loss,learning_rate,psnr" and second.startswith("10,1.5,0.25")
    assert log.read(tmp_path) == [
        {"step": 10, "seconds": 1.5, "loss": 0.25, "learning_rate": 1e-3, "psnr": 30.0}
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"data": 3}', "{", "\0"])
def test_pictures_of_a_damaged_configuration_are_unknown(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert log.data_of(tmp_path) == []
