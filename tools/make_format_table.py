"""Write docs/formats.md from what the tool really does: `python tools/make_format_table.py`.

Every file of tests/cli/kinds.py is restored by the real command; the tables show the results.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nsr_cli.imaging import codec  # noqa: E402 (the path comes first)
from nsr_cli.imaging.ifd import Value  # noqa: E402
from nsr_cli.imaging.metadata import geotiff  # noqa: E402
from nsr_cli.imaging.picture import Metadata, Picture  # noqa: E402
from tests.cli.kinds import FORMATS, KINDS, WRITTEN, Case, cases, profile  # noqa: E402
from tests.cli.restored import FRAMES, Harvest, described, harvest, pictures, read, warned  # noqa: E402

TARGET = ROOT / "docs" / "formats.md"
HEAD = """# What becomes of each kind of file

These tables are written by `python tools/make_format_table.py`, which runs `nsr upscale` on a file of every kind;
a test runs it again and compares each pixel. `nsr denoise` and `nsr dejpeg` treat files alike.

## Pixels

Rows are the format of the input, columns its kind of pixels: 1 is black and white, L gray, P a palette, tRNS its
transparent colors, LA and RGBA have alpha, I;16 and RGB16 have 16 bits a sample. In the cells stand the format of
the result, its colors and its bits a sample; "–" is what the format cannot hold. JP2 (JPEG 2000), AVIF and HEIC are
only read, HEIC if pillow-heif is installed; their samples of 10 or 12 bits become 16, those of an animated AVIF 8.

"""
METADATA = """
## Profile, orientation, resolution

What the input says beside its pixels, and what the result says. An orientation is applied to the pixels and its tag
reset; "–" is what the format of the input cannot hold.

"""
CARRIED = """
## What else a file says

Rows are what an input may hold, columns the format of the result. A note is a line on stderr, in the words "is left
out". `--strip` leaves out all of it but the color profile and the PNG color chunks, without a note. JPEG has one
segment of 64 KiB each for EXIF, XMP and IPTC; what is longer is left out, with a note.

"""
NOWHERE = """
IPTC data is read from Photoshop blocks (JPEG, TIFF), its own tag (TIFF) and raw profiles (PNG). The rest of a
Photoshop block but its thumbnail and resolution, Photoshop's layers, private TIFF tags, JPEG segments and PNG chunks
that are not read, extended XMP, XMP that is not UTF-8, and raw profiles of other names go into no result; a note says
so. Of a PNG file the first of cICP, ICC profile, sRGB, and gAMA with cHRM says what its colors mean; other formats
keep the ICC profile alone, and the note comes where another one counted and did not mean sRGB. White point and
primaries of a TIFF file are kept with its EXIF data; its transfer function, and primaries and gammas in the header of
a BMP file, go into no result, with a note. A profile within a BMP or GIF file, and XMP within a GIF file, are kept as
above. The video of a motion photo goes into no result, nor a resolution into one whose format cannot state it; a note
says so.
"""
SEVERAL = """
## Several pictures in one file

| input | by default | with `--all-frames` |
|---|---|---|
"""
NAMES = {"pages.tif": "TIFF of three pages", "gif.gif": "animated GIF", "webp.webp": "animated WebP"}


def document(found: Harvest) -> str:
    """The whole page."""
    by_place = {(case.form, case.kind): case for case in cases()}
    rows = [["", *KINDS]]
    for form in FORMATS:
        row = [by_place.get((form, kind)) for kind in KINDS]
        rows.append([form, *("–" if case is None else described(case, found) for case in row)])
    facts = [["", "color profile", "orientation", "DPI"]]
    facts += [[form, *_metadata(form, found)] for form in FORMATS]
    several = [_row(name, *paths, found.said) for name, paths in found.several.items()]
    blocks = _table(_carried()) + NOWHERE
    return HEAD + _table(rows) + METADATA + _table(facts) + CARRIED + blocks + SEVERAL + "".join(several)


def _carried() -> list[list[str]]:
    """Which format keeps which block, found by writing and reading each of them."""
    side = 8
    scale = [Value(33550, 12, 3, bytes(24))]
    color = (("gAMA", (100_000).to_bytes(4, "big")), ("cICP", bytes([9, 16, 0, 1])))
    blocks = {
        "EXIF": Metadata(exif=b"II*\0\x08\0\0\0\x01\0\x0f\x01\2\0\4\0\0\0Cam\0\0\0\0\0"),
        "color profile": Metadata(icc=profile(3)),
        "XMP, texts": Metadata(text=(("Title", "Harbor"),)),
        "IPTC": Metadata(iptc=b"\x1c\2\x78\0\1a"),
        "GeoTIFF tags, same size": Metadata(geo=geotiff.pack(scale, side, side)),
        "GeoTIFF tags, enlarged": Metadata(geo=geotiff.pack(scale, side // 2, side // 2)),
        "gAMA, cHRM, cICP of PNG": Metadata(color=color),
    }
    picture = Picture(np.full((side, side, 3), 90, dtype=np.uint8))
    forms = [*WRITTEN, "PPM"]
    rows = [["", *forms]]
    for name, metadata in blocks.items():
        rows.append([name, *(_becomes(picture.with_metadata(metadata), form.upper()) for form in forms)])
    return rows


def _becomes(picture: Picture, form: str) -> str:
    """Whether a format keeps a picture's metadata, which must be in a single field."""
    read, said = codec.decode(codec.encode(picture, form)).metadata, codec.losses(picture, form)
    field = next(
        name for name in ("exif", "icc", "text", "iptc", "geo", "color") if getattr(picture.metadata, name)
    )
    told = any("left out" in loss for loss in said)
    if getattr(read, field):
        return "kept, with a note" if told else "kept"
    return "left out, with a note" if told else "left out"


def _row(name: str, first: Path, every: Path, said: str) -> str:
    """The row of an animation or a file with pages."""
    cells = [f"{_form(path)}, {len(pictures(path))} of {FRAMES}" for path in (first, every)]
    warning = ", with a warning" if warned(name, said) else ""
    return f"| {NAMES.get(name, 'animated PNG')} | {cells[0]}{warning} | {cells[1]} |\n"


def _form(path: Path) -> str:
    return {".tif": "TIFF", ".png": "PNG"}[path.suffix]


def _metadata(form: str, found: Harvest) -> list[str]:
    """Whether all results of a format have the profile, are upright, and have the resolution."""
    pairs = [(case, read(found.results[case.name])) for case in cases() if case.form == form]
    profiles = {"kept" if made.icc == case.icc else "lost" for case, made in pairs if case.icc is not None}
    turned = {
        "applied" if upright(case, made.pixels.shape) else "not applied"
        for case, made in pairs
        if case.turned
    }
    dots = {"kept" if same_dpi(case, made.dpi) else "lost" for case, made in pairs if case.dpi is not None}
    return [" and ".join(sorted(answers)) or "–" for answers in (profiles, turned, dots)]


def upright(case: Case, shape: tuple[int, ...]) -> bool:
    """Whether a result has the shape of the upright picture, twice as large."""
    return shape[:2] == (2 * case.pixels.shape[0], 2 * case.pixels.shape[1])


def same_dpi(case: Case, dpi: tuple[float, float] | None) -> bool:
    """Whether a result has the resolution; PNG and BMP count in whole dots a meter."""
    return None not in (dpi, case.dpi) and all(
        abs(a - b) < 0.02 for a, b in zip(dpi or (), case.dpi or (), strict=True)
    )


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |\n" for row in rows]
    return lines[0] + "|---" * len(rows[0]) + "|\n" + "".join(lines[1:])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = document(harvest(Path(folder)))
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
