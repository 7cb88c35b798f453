"""What is said of the presets is what they are."""

import re
from pathlib import Path

from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from nsr_cli.training.recipe import TASKS

PAGE = Path(__file__).parents[2] / "docs" / "method.md"


def test_the_page_about_the_method_lists_every_preset_as_it_is() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines()]
    said = {row[0].strip("`"): row[2:] for row in rows if len(row) == 10 and row[0].strip("`") in PRESETS}
    true = {}
    for name, preset in PRESETS.items():
        network = Network(
            TASKS["denoise-gray" if name.startswith("restore") else "upscale-x2"].network(preset)
        )
        sizes = (
            preset.blocks,
            preset.width,
            preset.expansion,
            preset.groups,
            preset.cardinality,
            preset.window,
        )
        parameters = sum(one.numel() for one in network.parameters())
        macs = network.config.macs_per_pixel / 1e6
        true[name] = [*map(str, sizes), f"{macs:.3f} M", f"{parameters:,}"]
    assert said == true


def test_the_page_about_the_method_names_modules_and_classes_that_exist() -> None:
    root, text = PAGE.parents[1], PAGE.read_text()
    for path in re.findall(r"`((?:nsr_cli|tests)/[\w/]+\.py)`", text):
        assert (root / path).is_file(), path
    layer = (root / "nsr_cli/model/sparse_conv.py").read_text()
    assert all(f"class {name}" in layer for name in ("Selector", "SparseConvolution"))
