"""Draw the sample picture that ships with nsr: `python tools/draw_sample.py [FILE]`.

A shop front, a tree and an owl, drawn at four times the size and averaged down, so that edges are antialiased.
It holds what is hard to enlarge: lettering from large to tiny, foliage, brickwork and lattices at several
angles, feathers, and smooth gradients beside them. Fixed seeds make the same pixels in every run.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 640, 480  # pixels of the finished picture; all coordinates below are in these
FACTOR = 4  # drawn pixels per finished pixel
TARGET = Path(__file__).resolve().parents[1] / "nsr_cli" / "sample" / "sample.png"

Color = tuple[int, int, int]
Point = tuple[float, float]


class Canvas:
    """ImageDraw in the finished picture's coordinates."""

    def __init__(self, picture: Image.Image) -> None:
        self.draw = ImageDraw.Draw(picture)

    def polygon(self, points: list[Point], color: Color) -> None:
        self.draw.polygon([(x * FACTOR, y * FACTOR) for x, y in points], fill=color)

    def box(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], color)

    def line(self, points: list[Point], color: Color, width: float) -> None:
        scaled = [(x * FACTOR, y * FACTOR) for x, y in points]
        self.draw.line(scaled, fill=color, width=max(1, round(width * FACTOR)), joint="curve")

    def disc(self, x: float, y: float, radius: float, color: Color, squeeze: float = 1.0) -> None:
        rx, ry = radius * FACTOR, radius * squeeze * FACTOR
        self.draw.ellipse([x * FACTOR - rx, y * FACTOR - ry, x * FACTOR + rx, y * FACTOR + ry], fill=color)

    def text(self, x: float, y: float, words: str, size: float, color: Color, anchor: str = "la") -> None:
        font = ImageFont.load_default(round(size * FACTOR))
        self.draw.text((x * FACTOR, y * FACTOR), words, fill=color, font=font, anchor=anchor)


def shade(color: Color, amount: float) -> Color:
    """Lighter for a positive `amount`, darker for a negative one; about one 8-bit level a unit."""
    r, g, b = (int(np.clip(round(channel + amount), 0, 255)) for channel in color)
    return r, g, b


def sky() -> Image.Image:
    """Vertical gradient with a soft glow round the sun."""
    y, x = np.mgrid[0 : HEIGHT * FACTOR, 0 : WIDTH * FACTOR] / FACTOR
    height = (y / HEIGHT)[..., np.newaxis]
    top, horizon = np.array([96, 140, 196.0]), np.array([244, 214, 176.0])
    colors = top + (horizon - top) * np.minimum(height * 1.5, 1)
    distance = np.hypot(x - 420, y - 92)[..., np.newaxis]
    colors += np.array([60, 48, 20.0]) * np.exp(-((distance / 70) ** 2))
    colors = np.where(distance < 24, np.array([255, 246, 220.0]), colors)
    return Image.fromarray(np.clip(np.rint(colors), 0, 255).astype(np.uint8))


def slanted(x: float, y: float) -> Point:
    """The shop front seen at an angle: its lines run together towards the right."""
    share = (x - 10) / 250
    return x, 215 + (y - 215) * (1 - 0.2 * share)


def bricks(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.polygon(
        [slanted(*corner) for corner in ((0, 60), (262, 60), (262, 402), (0, 402))], (178, 168, 156)
    )
    for row in range(38):
        top = 60 + row * 9
        for column in range(-1, 14):
            left = column * 20 + (10 if row % 2 else 0)
            ends = (max(left + 0.8, 0), min(left + 19.2, 262))
            if ends[1] - ends[0] < 2:
                continue
            color = shade((150, 78, 60), float(rng.normal(0, 11)))
            points = [(ends[0], top + 0.7), (ends[1], top + 0.7), (ends[1], top + 8.3), (ends[0], top + 8.3)]
            canvas.polygon([slanted(*point) for point in points], color)


def window(canvas: Canvas, left: float, top: float, blinds: bool) -> None:
    right, bottom = left + 74, top + 92

    def panel(inset: float, color: Color) -> None:
        corners = ((left, top, 1, 1), (right, top, -1, 1), (right, bottom, -1, -1), (left, bottom, 1, -1))
        canvas.polygon([slanted(x + inset * dx, y + inset * dy) for x, y, dx, dy in corners], color)

    panel(-4, (226, 220, 206))
    panel(0, (38, 50, 66))
    if blinds:
        for i in range(36):
            y = top + 2 + i * 2.5
            canvas.line([slanted(left + 2, y), slanted(right - 2, y)], shade((214, 208, 190), -i), 1.2)
        return
    for i in range(-10, 20):  # leaded glass: two families of thin lines
        x = left + i * 8
        for slope in (1, -1):
            start = x if slope == 1 else x + 92
            points = [(start + slope * t, top + t) for t in np.linspace(0, 92, 185)]
            inside = [slanted(px, py) for px, py in points if left + 1 < px < right - 1]
            if len(inside) > 1:
                canvas.line(inside, (176, 190, 198), 0.9)


def shop(canvas: Canvas, rng: np.random.Generator) -> None:
    bricks(canvas, rng)
    window(canvas, 28, 96, blinds=True)
    window(canvas, 150, 96, blinds=False)
    canvas.polygon([slanted(*c) for c in ((14, 214), (250, 214), (250, 262), (14, 262))], (24, 62, 54))
    canvas.polygon([slanted(*c) for c in ((17, 217), (247, 217), (247, 259), (17, 259))], (32, 84, 72))
    canvas.text(132, 230, "OLD MAPS & PRINTS", 20, (244, 226, 164), "mm")
    canvas.text(132, 248, "ENGRAVINGS · ETCHINGS · LITHOGRAPHS · BOUGHT AND SOLD", 6.4, (226, 214, 176), "mm")
    for i in range(24):  # striped awning
        x = 14 + i * 10
        color = (232, 226, 214) if i % 2 else (168, 44, 44)
        canvas.polygon([slanted(x, 264), slanted(x + 10, 264), (x + 5, 292), (x - 5, 292)], color)
    canvas.box(20, 296, 252, 402, (54, 44, 38))
    for i in range(59):  # fine lattice before the display: half of its lines are under a pixel
        canvas.line([(22 + i * 4, 298), (22 + i * 4, 344)], (190, 176, 150), 0.5 + 0.02 * i)
    for i in range(12):
        canvas.line([(22, 300 + i * 4), (252, 300 + i * 4)], (190, 176, 150), 0.8)


def page(canvas: Canvas) -> None:
    """A printed sheet with lettering down to five pixels."""
    canvas.polygon([(30, 352), (246, 346), (250, 470), (34, 474)], (90, 82, 72))
    canvas.polygon([(28, 349), (243, 343), (247, 466), (31, 471)], (246, 240, 224))
    ink = (44, 38, 40)
    canvas.text(40, 354, "The Cartographer", 17, ink)
    canvas.text(41, 375, "A journal of coastlines, rivers and roads", 9.5, (122, 52, 44))
    lines = (
        "Every line on this sheet was once a walk along a shore, a day",
        "in a small boat, or a night spent counting stars above a wet deck.",
        "Enlarged by guesswork, a name becomes a smudge and a river",
        "becomes a road; drawn with care, each of them keeps its place.",
        "Scale 1:25 000 · sheet 48 of 96 · soundings in fathoms 3 5 8 13",
    )
    for i, words in enumerate(lines):
        canvas.text(41, 391 + i * 10, words, 7.6 - 0.55 * i, ink)
    for i in range(40):  # a ruler
        canvas.line([(42 + i * 5, 452), (42 + i * 5, 462 if i % 5 == 0 else 457)], ink, 0.9)
    canvas.line([(42, 452), (237, 452)], ink, 0.9)


def branch(canvas: Canvas, rng: np.random.Generator, base: Point, angle: float, length: float) -> list[Point]:
    """Draw a branch and those that grow from it; return where the twigs end."""
    x, y = base
    tip = (x + length * float(np.cos(angle)), y - length * float(np.sin(angle)))
    canvas.line([base, tip], shade((84, 62, 44), float(rng.normal(0, 8))), max(length / 9, 0.5))
    if length < 9:
        return [tip]
    ends: list[Point] = []
    for side in (-1, 1):
        turn = side * float(rng.uniform(0.25, 0.6))
        ends += branch(canvas, rng, tip, angle + turn, length * float(rng.uniform(0.68, 0.84)))
    return ends


def tree(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.polygon([(526, 402), (535.5, 304), (544.5, 304), (558, 402)], (78, 58, 42))
    for i in range(22):  # bark
        share = (i + 0.5) / 22
        foot, crown = 526 + 32 * share, 535.5 + 9 * share
        color = shade((78, 58, 42), float(rng.normal(0, 16)))
        canvas.line(
            [(foot, 400), ((foot + crown) / 2 + float(rng.normal(0, 0.6)), 352), (crown, 305)], color, 0.7
        )
    ends = branch(canvas, rng, (540, 308), np.pi / 2, 62)
    leaves = [(x + float(rng.normal(0, 9)), y + float(rng.normal(0, 8))) for x, y in ends for _ in range(26)]
    leaves.sort(key=lambda leaf: -leaf[1])
    for x, y in leaves:
        light = 26 * (280 - y) / 200 + float(rng.normal(0, 20))
        turn, size = float(rng.uniform(0, np.pi)), float(rng.uniform(1.4, 3.4))
        along = (size * float(np.cos(turn)), size * float(np.sin(turn)))
        across = (-along[1] * 0.4, along[0] * 0.4)
        points = [
            (x + along[0], y + along[1]),
            (x + across[0], y + across[1]),
            (x - along[0], y - along[1]),
            (x - across[0], y - across[1]),
        ]
        canvas.polygon(points, shade((84, 116, 50), light))


def feathers(canvas: Canvas, rng: np.random.Generator, rows: int) -> None:
    """The owl's breast: overlapping feathers, each with a quill and barbs."""
    for row in range(rows):
        for column in range(-7, 8):
            x = 352 + (column + 0.5 * (row % 2)) * 8.4
            y = 300 + row * 9
            if abs(x - 352) > 56 * np.sqrt(max(0.0, 1 - ((row - 4) / 9.5) ** 2)):
                continue
            color = shade((168, 132, 92), float(rng.normal(0, 12)) - row)
            canvas.disc(x, y, 6.4, shade(color, -42), 1.4)
            canvas.disc(x, y - 1, 5.6, color, 1.4)
            canvas.line([(x, y - 7), (x, y + 7)], shade(color, 52), 0.7)
            for barb in range(-3, 4):
                for side in (-1, 1):
                    start = (x, y + barb * 2.0)
                    canvas.line([start, (x + side * 4.6, y + barb * 2.0 + 2.6)], shade(color, -30), 0.45)


def owl(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.box(276, 384, 440, 394, (96, 74, 54))
    canvas.disc(352, 336, 62, (120, 90, 62), 0.95)
    feathers(canvas, rng, 10)
    canvas.disc(352, 258, 58, (142, 108, 74), 0.86)
    for i in range(900):  # small feathers of the head
        angle, radius = float(rng.uniform(0, 2 * np.pi)), 57 * float(np.sqrt(rng.uniform(0, 1)))
        x, y = 352 + radius * float(np.cos(angle)), 258 + 0.86 * radius * float(np.sin(angle))
        canvas.line(
            [(x, y), (352 + (x - 352) * 0.93, y + 2.6)], shade((142, 108, 74), 22 if i % 2 else -26), 0.6
        )
    canvas.polygon([(300, 240), (304, 192), (334, 222)], (120, 88, 60))
    canvas.polygon([(404, 240), (400, 192), (370, 222)], (120, 88, 60))
    for center in (328.0, 376.0):
        canvas.disc(center, 254, 27, (206, 180, 142))
        for i in range(120):  # the radial down round an eye
            angle = 2 * np.pi * i / 120
            reach = 25 + float(rng.uniform(0, 5))
            direction = (float(np.cos(angle)), float(np.sin(angle)))
            start = (center + 14 * direction[0], 254 + 14 * direction[1])
            end = (center + reach * direction[0], 254 + reach * direction[1])
            canvas.line([start, end], shade((150, 116, 80), float(rng.normal(0, 26))), 0.6)
        canvas.disc(center, 254, 14, (40, 30, 24))
        for ring in range(20):  # iris, a gradient of rings
            canvas.disc(center, 254, 12.5 - ring * 0.3, shade((236, 150, 30), ring * 3 - 30))
        canvas.disc(center, 254, 6.5, (16, 14, 16))
        canvas.disc(center - 3.2, 250.4, 2, (250, 250, 246))
    canvas.polygon([(346, 266), (358, 266), (352, 286)], (52, 46, 44))
    canvas.polygon([(348, 267), (353, 267), (352, 282)], (112, 102, 94))
    for x in (330, 372):
        for toe in (-5, 0, 5):
            canvas.line([(x, 384), (x + toe, 393)], (210, 170, 90), 2.2)


def ground(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.box(0, 400, WIDTH, HEIGHT, (112, 108, 92))
    for _ in range(5200):  # grass, shorter towards the horizon
        x, y = float(rng.uniform(252, WIDTH)), float(rng.uniform(398, HEIGHT))
        tall = 3 + (y - 396) / 9
        color = shade((104, 122, 58), float(rng.normal(0, 24)))
        canvas.line([(x, y), (x + float(rng.normal(0, 2)), y - tall)], color, 0.4 + (y - 396) / 160)


def fence(canvas: Canvas) -> None:
    for i in range(15):
        x = 442 + i * 14
        canvas.polygon([(x, 446), (x, 384), (x + 4, 378), (x + 8, 384), (x + 8, 446)], (222, 216, 204))
        canvas.polygon([(x + 6, 446), (x + 6, 381), (x + 8, 384), (x + 8, 446)], (172, 166, 158))
    for y in (396, 428):
        canvas.polygon([(438, y), (WIDTH, y - 3), (WIDTH, y + 2), (438, y + 5)], (204, 198, 186))
    for i in range(9):  # wires, nearly level, where stairs would show
        canvas.line([(250, 120 + i * 5), (WIDTH, 96 + i * 9)], (56, 60, 70), 0.7)


def draw() -> NDArray[np.uint8]:
    """Return the picture, (480, 640, 3) uint8."""
    rng = np.random.Generator(np.random.PCG64(48))
    picture = sky()
    canvas = Canvas(picture)
    ground(canvas, rng)
    tree(canvas, rng)
    fence(canvas)
    shop(canvas, rng)
    owl(canvas, rng)
    page(canvas)
    return np.asarray(picture.reduce(FACTOR))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw()).save(target, optimize=True)
    print(f"{target}: {WIDTH}×{HEIGHT}, {target.stat().st_size} bytes")
