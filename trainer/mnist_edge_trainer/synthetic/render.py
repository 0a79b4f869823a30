"""Simulated photographs: what a phone, a scanner or a drawing program makes of a digit.

A `Scene` says everything about one picture: pen, paper, what else lies on it, light, camera. Each
axis of `CORRUPTIONS` varies one thing at three severities, which is how robustness is measured;
`random_scene` mixes them, which is what a network is trained on.
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

__all__ = [
    "CORRUPTIONS",
    "SEVERITIES",
    "Scene",
    "blank_page",
    "photograph",
    "plain_scene",
    "random_scene",
    "stencil",
]

Grey = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Colour = tuple[float, float, float]
Rng = np.random.Generator

_FINE = 8
"""Pixels of a stencil for one of MNIST's."""

SEVERITIES = ("mild", "middle", "severe")


@dataclass(frozen=True)
class Scene:
    """One picture, but for the digit in it.

    Lengths of the pen are in MNIST's pixels, a twentieth of the digit's height; all else is in
    fractions of the page, or of full white.

    Attributes:
        size: width and height of the page, pixels.
        digit: height of the digit's box, of the page's shorter side.
        offset: of the digit from the middle of the page, of the room there is: -1..1 each way.
        tilt: of the digit, degrees, counter-clockwise.
        pen: width of the stroke; None keeps MNIST's own.
        gaps: places where the stroke is interrupted.
        gap: width of each.
        ink, paper: RGB reflectance, 0..1.
        opacity: how much of the paper the ink hides, 0..1.
        ruling: printed lines.
        pitch: between lines, in heights of the digit.
        line: reflectance of the lines, 0 = as black as can be.
        line_width: pixels.
        frame: reflectance of a box drawn round the digit; None = no box.
        dust: specks on the page.
        intruder: something large in a corner.
        shadow: light that is left in the shadow over a part of the page; 1 = none.
        penumbra: width of the shadow's border, of the page.
        lamp: light that is left at the far side of a lamp; 1 = even.
        vignette: light that is left in the corners; 1 = even.
        blur: standard deviation, of the stroke's width.
        noise: standard deviation, of full white.
        quality: of JPEG compression, 1..95; None = no compression.
        resolution: pixels along the longer side of what the camera delivers; None = all.
        levels: "grey", or "one bit" (black or white).
        margin: the page is cut to this much round the ink, of the digit; None = the whole page.
        stretch: the cut page is stretched to a square.
        transparent: no paper at all.
    """

    size: tuple[int, int] = (224, 224)
    digit: float = 0.5
    offset: tuple[float, float] = (0.0, 0.0)
    tilt: float = 0.0
    pen: float | None = None
    gaps: int = 0
    gap: float = 1.0
    ink: Colour = (0.12, 0.12, 0.16)
    paper: Colour = (0.94, 0.93, 0.9)
    opacity: float = 1.0
    ruling: Literal["none", "ruled", "squared"] = "none"
    pitch: float = 0.5
    line: float = 0.6
    line_width: float = 1.2
    frame: float | None = None
    dust: int = 0
    intruder: Literal["none", "finger", "page edge"] = "none"
    shadow: float = 1.0
    penumbra: float = 0.01
    lamp: float = 1.0
    vignette: float = 1.0
    blur: float = 0.0
    noise: float = 0.004
    quality: int | None = None
    resolution: int | None = None
    levels: Literal["grey", "one bit"] = "grey"
    margin: float | None = None
    stretch: bool = False
    transparent: bool = False


def photograph(digit: Grey, scene: Scene, rng: Rng) -> Image.Image:
    """Takes the picture.

    Args:
        digit: uint8 ``[28, 28]`` in MNIST form.
        scene: what it looks like.
        rng: of grain, specks, and of where lines, shadows and intruders lie.

    Returns:
        an RGB picture, RGBA where the scene is transparent, 1-bit where its levels are.
    """
    height = max(6.0, scene.digit * min(scene.size))
    stroke = (scene.pen or 2.5) * height / 20
    ink = _place(stencil(digit, scene, rng), scene, height)
    if scene.transparent:
        return _transparent(ink, scene)
    cut = _cut(ink, scene, height)
    page = np.broadcast_to(np.array(scene.paper, np.float32), (*ink.shape, 3)).copy()
    _rule(page, ink, scene, height, rng)
    page += (ink * scene.opacity)[..., np.newaxis] * (np.array(scene.ink, np.float32) - page)
    _litter(page, ink, scene, height, rng)
    page *= _light(ink.shape, scene, rng)[..., np.newaxis]
    picture = page[cut]
    if scene.blur:
        picture = ndimage.gaussian_filter(picture, (scene.blur * stroke,) * 2 + (0,))
    return _expose(picture, scene, rng)


def blank_page(digit: Grey, scene: Scene, rng: Rng) -> Image.Image:
    """The same picture without the digit: paper, what is printed and lies on it, light, camera."""
    empty = dataclasses.replace(scene, opacity=0.0, transparent=False, levels="grey")
    return photograph(digit, empty, rng)


def stencil(digit: Grey, scene: Scene, rng: Rng) -> Plane:
    """The strokes alone, with the scene's pen, float32 ``[224, 224]`` in 0..1."""
    side = digit.shape[0] * _FINE
    large = np.asarray(
        Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC), np.float32
    )
    strokes: Plane = np.clip((large / 255 - 0.5) * 3 + 0.5, 0, 1)
    if scene.pen is not None:
        middle = _thin(strokes[::2, ::2] > 0.5)
        distance = ndimage.zoom(ndimage.distance_transform_edt(~middle) * 2, 2, order=1)
        strokes = np.clip(scene.pen * _FINE / 2 - distance + 0.5, 0, 1).astype(np.float32)
    for _ in range(scene.gaps):
        _interrupt(strokes, scene, rng)
    return strokes


def _thin(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The middle line of every stroke, one pixel wide.

    T. Zhang and C. Suen, "A fast parallel algorithm for thinning digital patterns" (1984).
    """
    image = np.pad(mask, 1).astype(np.uint8)
    while True:
        before = int(image.sum())
        for first in (True, False):
            n, ne, e, se, s, sw, w, nw = (
                image[1 + dy : image.shape[0] - 1 + dy, 1 + dx : image.shape[1] - 1 + dx]
                for dy, dx in (
                    *((-1, 0), (-1, 1), (0, 1), (1, 1)),
                    *((1, 0), (1, -1), (0, -1), (-1, -1)),
                )
            )
            ring = (n, ne, e, se, s, sw, w, nw)
            neighbours = sum(ring)
            rises = sum((a < b).astype(np.uint8) for a, b in zip(ring, (*ring[1:], n), strict=True))
            corner = (n & e & s) | (e & s & w) if first else (n & e & w) | (n & s & w)
            erase = (neighbours >= 2) & (neighbours <= 6) & (rises == 1) & (corner == 0)
            image[1:-1, 1:-1][erase] = 0
        if int(image.sum()) == before:
            return image[1:-1, 1:-1].astype(bool)


def _interrupt(strokes: Plane, scene: Scene, rng: Rng) -> None:
    """Lifts the pen for a moment: a straight band across the stroke at a random place."""
    ys, xs = np.nonzero(strokes > 0.5)
    pick = rng.integers(len(ys))
    y, x = ys[pick], xs[pick]
    reach = ((scene.pen or 3.0) / 2 + 1.5) * _FINE
    grid_y, grid_x = np.ogrid[: strokes.shape[0], : strokes.shape[1]]
    near = (grid_y - y) ** 2 + (grid_x - x) ** 2 <= reach**2
    along = near & (strokes > 0.5)
    points = np.stack(np.nonzero(along)).astype(np.float64)
    direction = np.linalg.eigh(np.cov(points))[1][:, 1] if points.shape[1] > 2 else (1.0, 0.0)
    band = np.abs((grid_y - y) * direction[0] + (grid_x - x) * direction[1])
    strokes[near & (band <= scene.gap * _FINE / 2)] = 0


def _place(strokes: Plane, scene: Scene, height: float) -> Plane:
    """The stencil on the page: scaled, tilted, shifted; float32 ``[H, W]`` in 0..1."""
    width_px, height_px = scene.size
    scale = 20 * _FINE / height
    if scale > 2:
        reduction = int(scale)
        strokes = np.asarray(Image.fromarray(strokes).reduce(reduction))
        scale /= reduction
    middle = (strokes.shape[0] - 1) / 2
    room = [(length - height) / 2 for length in (width_px, height_px)]
    x = (width_px - 1) / 2 + scene.offset[0] * room[0]
    y = (height_px - 1) / 2 + scene.offset[1] * room[1]
    cos = math.cos(math.radians(scene.tilt)) * scale
    sin = math.sin(math.radians(scene.tilt)) * scale
    coefficients = (cos, -sin, middle - cos * x + sin * y, sin, cos, middle - sin * x - cos * y)
    placed = Image.fromarray(strokes).transform(
        scene.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    ink: Plane = np.clip(np.asarray(placed), 0, 1)
    return ink


def _cut(ink: Plane, scene: Scene, height: float) -> tuple[slice, slice]:
    if scene.margin is None:
        return slice(None), slice(None)
    border = round(scene.margin * height)
    top, bottom, left, right = _box(ink)
    return (
        slice(max(0, top - border), bottom + 1 + border),
        slice(max(0, left - border), right + 1 + border),
    )


def _box(ink: Plane) -> tuple[int, int, int, int]:
    """First and last row, first and last column of the strokes, however thin they are."""
    ys, xs = np.nonzero(ink >= 0.3 * ink.max())
    return int(ys.min()), int(ys.max()), int(xs.min()), int(xs.max())


def _lines(shape: tuple[int, int], angle: float, pitch: float, width: float, phase: float) -> Plane:
    """Parallel lines at an angle to the horizontal, anti-aliased, 0..1."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    across = y * math.cos(angle) + x * math.sin(angle) + phase
    distance = np.abs((across + pitch / 2) % pitch - pitch / 2)
    return np.clip(width / 2 - distance + 0.5, 0, 1).astype(np.float32)


def _rule(page: Plane, ink: Plane, scene: Scene, height: float, rng: Rng) -> None:
    """Prints lines on the page, and a box round the digit, in place."""
    angle = math.radians(scene.tilt + rng.uniform(-2, 2))
    tint = np.array([scene.line * 0.9, scene.line * 0.96, 0.1 + scene.line * 0.9], np.float32)
    pitch = max(6.0, scene.pitch * height)
    turns = {"none": (), "ruled": (0.0,), "squared": (0.0, math.pi / 2)}[scene.ruling]
    for turn in turns:
        lines = _lines(
            ink.shape, angle + turn, pitch, scene.line_width, float(rng.uniform(0, pitch))
        )
        page += lines[..., np.newaxis] * (tint - page)
    if scene.frame is not None:
        top, bottom, left, right = _box(ink)
        gaps = rng.uniform(0.12, 0.6, 4) * height
        box = Image.new("L", (ink.shape[1] * 4, ink.shape[0] * 4))
        corners = [left - gaps[0], top - gaps[1], right + gaps[2], bottom + gaps[3]]
        ImageDraw.Draw(box).rectangle(
            [4 * float(corner) for corner in corners],
            outline=255,
            width=round(4 * scene.line_width),
        )
        drawn = np.asarray(box.reduce(4), np.float32)[..., np.newaxis] / 255
        page += drawn * (scene.frame - page)


def _litter(page: Plane, ink: Plane, scene: Scene, height: float, rng: Rng) -> None:
    """Drops dust on the page, and lays something large in a corner, in place."""
    rows, columns = ink.shape
    y, x = np.ogrid[:rows, :columns]
    for _ in range(scene.dust):
        radius = rng.uniform(0.008, 0.022) * height
        cy, cx = rng.uniform(0, rows), rng.uniform(0, columns)
        speck = np.clip(radius - np.hypot(y - cy, x - cx) + 0.5, 0, 1)[..., np.newaxis]
        page += speck * (rng.uniform(0.1, 0.6) - page)
    if scene.intruder == "none":
        return
    corner_y, corner_x = rng.integers(2) * rows, rng.integers(2) * columns
    ink_y, ink_x = np.nonzero(ink >= 0.1 * ink.max())
    # It comes near the digit and never covers it.
    room = float(np.hypot(ink_y - corner_y, ink_x - corner_x).min()) - 0.04 * min(ink.shape)
    reach = min(room, rng.uniform(0.25, 0.5) * min(ink.shape))
    if reach < 4:
        return
    if scene.intruder == "finger":
        shape = reach - np.hypot((y - corner_y) * rng.uniform(1, 1.5), x - corner_x)
        colour = np.array([0.75, 0.55, 0.45], np.float32) * rng.uniform(0.4, 1)
    else:
        across = abs(rng.uniform(0.4, 2.5))
        shape = reach - (np.abs(y - corner_y) * across + np.abs(x - corner_x)) / max(1.0, across)
        shape = shape * min(1.0, across)
        colour = np.full(3, rng.uniform(0.1, 0.5), np.float32)
    page += np.clip(shape + 0.5, 0, 1)[..., np.newaxis] * (colour - page)


def _light(shape: tuple[int, int], scene: Scene, rng: Rng) -> Plane:
    """Light on every pixel of the page, float32 ``[H, W]`` in 0..1."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    y = y[:, np.newaxis]
    light = np.ones(shape, np.float32)
    if scene.lamp < 1:
        angle = rng.uniform(0, 2 * math.pi)
        along = (x * math.cos(angle) + y * math.sin(angle)) / 1.42
        light *= 1 - (1 - scene.lamp) * (1 + along) / 2
    if scene.vignette < 1:
        light *= 1 - (1 - scene.vignette) * (x * x + y * y) / 2
    if scene.shadow < 1:
        angle = rng.uniform(0, 2 * math.pi)
        along = x * math.cos(angle) + y * math.sin(angle) - rng.uniform(-0.3, 0.3)
        inside = np.clip(along / (2 * max(scene.penumbra, 1e-3)) + 0.5, 0, 1)
        light *= 1 - (1 - scene.shadow) * inside
    return light


def _expose(page: Plane, scene: Scene, rng: Rng) -> Image.Image:
    """What the camera makes of it: resolution, grain, levels, compression."""
    levels = page * 255
    if scene.stretch or scene.resolution is not None:
        height, width = page.shape[:2]
        longer = scene.resolution or max(height, width)
        size = (
            max(1, round(width * longer / max(height, width))),
            max(1, round(height * longer / max(height, width))),
        )
        if scene.stretch:
            size = (longer, longer)
        picture = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
        levels = np.asarray(picture.resize(size, Image.Resampling.BOX), np.float32)
    if scene.noise:
        grain = rng.standard_normal(levels.shape, np.float32) * 0.5
        grain += rng.standard_normal((*levels.shape[:2], 1), np.float32) * 0.85
        levels = levels + grain * (scene.noise * 255)
    picture = Image.fromarray(np.clip(levels + 0.5, 0, 255).astype(np.uint8))
    if scene.levels == "one bit":
        middle = (sum(scene.paper) * min(scene.lamp, scene.shadow) + sum(scene.ink)) / 6 * 255
        return picture.convert("L").point(lambda level: 255 * (level > middle)).convert("1")
    if scene.quality is not None:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=scene.quality)
        picture = Image.open(file)
    return picture


def _transparent(ink: Plane, scene: Scene) -> Image.Image:
    colour = np.array(scene.ink, np.float32) * 255
    alpha = ink * scene.opacity * 255
    pixels = np.dstack([np.broadcast_to(colour, (*ink.shape, 3)), alpha])
    return Image.fromarray(np.rint(pixels).astype(np.uint8), "RGBA")


def _scattered(rng: Rng, **changes: object) -> Scene:
    """Dark pen on a light page, somewhere on it: the scene that every axis starts from."""
    offset = (float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.8, 0.8)))
    return dataclasses.replace(Scene(offset=offset), **changes)  # type: ignore[arg-type]


def _hue(rng: Rng, lightness: float, saturation: float) -> Colour:
    """A colour of a given luma (ITU-R BT.601), 0..1, as far from grey as it is saturated."""
    direction = rng.standard_normal(3)
    direction -= direction @ np.array([0.299, 0.587, 0.114])
    colour = lightness + saturation * direction / np.abs(direction).max()
    red, green, blue = (float(part) for part in np.clip(colour, 0, 1))
    return red, green, blue


def _coloured(rng: Rng, contrast: float) -> dict[str, object]:
    """Ink and paper of different colours, `contrast` apart in lightness."""
    middle = rng.uniform(0.4, 0.6)
    sign = rng.choice([-1, 1])
    ink = _hue(rng, middle + sign * contrast / 2, 0.3)
    paper = _hue(rng, middle - sign * contrast / 2, 0.3)
    if np.abs(np.subtract(ink, paper)).max() < 0.4:
        paper = tuple(2 * middle - part for part in ink)  # type: ignore[assignment]
    return {"ink": ink, "paper": paper}


def _grey(lightness: float) -> Colour:
    return lightness, lightness, lightness


Axis = Callable[[Rng, int], Scene]

CORRUPTIONS: dict[str, Axis] = {
    "light on dark": lambda rng, s: _scattered(
        rng, ink=_grey((0.95, 0.8, 0.5)[s]), paper=_grey((0.05, 0.2, 0.28)[s])
    ),
    "colours": lambda rng, s: _scattered(rng, **_coloured(rng, (0.4, 0.15, 0.0)[s])),
    "transparent": lambda rng, s: _scattered(
        rng,
        transparent=True,
        ink=_grey(float(rng.choice([0.0, 1.0]))),
        opacity=(1.0, 0.75, 0.5)[s],
    ),
    "shadow": lambda rng, s: _scattered(
        rng, shadow=(0.75, 0.55, 0.35)[s], penumbra=float(rng.choice([0.005, 0.05]))
    ),
    "lamp": lambda rng, s: _scattered(rng, lamp=(0.7, 0.45, 0.25)[s]),
    "vignette": lambda rng, s: _scattered(rng, vignette=(0.7, 0.45, 0.25)[s]),
    "pencil": lambda rng, s: _scattered(rng, opacity=(0.5, 0.3, 0.17)[s], noise=0.01),
    "noise": lambda rng, s: _scattered(rng, noise=(0.03, 0.07, 0.14)[s]),
    "jpeg": lambda rng, s: _scattered(rng, quality=(40, 15, 6)[s]),
    "blur": lambda rng, s: _scattered(rng, blur=(0.3, 0.6, 1.0)[s]),
    "ruled paper": lambda rng, s: _scattered(
        rng,
        ruling="ruled",
        pitch=float(rng.uniform(0.5, 1.3)),
        line=(0.75, 0.5, 0.2)[s],
        tilt=float(rng.uniform(-8, 8)),
    ),
    "squared paper": lambda rng, s: _scattered(
        rng,
        ruling="squared",
        pitch=float(rng.uniform(0.3, 0.8)),
        line=(0.75, 0.5, 0.2)[s],
        tilt=float(rng.uniform(-8, 8)),
    ),
    "frame": lambda rng, s: _scattered(
        rng, frame=(0.5, 0.25, 0.1)[s], line_width=(1.5, 3.0, 5.0)[s], digit=0.4, offset=(0.0, 0.0)
    ),
    "intruder": lambda rng, s: _scattered(
        rng,
        intruder=str(rng.choice(["finger", "page edge"])),
        digit=(0.35, 0.45, 0.55)[s],
        offset=(0.0, 0.0),
    ),
    "dust": lambda rng, s: _scattered(rng, dust=(10, 40, 120)[s]),
    "thin pen": lambda rng, s: _scattered(rng, pen=(1.0, 0.6, 0.35)[s]),
    "fat pen": lambda rng, s: _scattered(rng, pen=(3.5, 4.5, 5.5)[s]),
    "small": lambda rng, s: _scattered(rng, size=(640, 480), digit=(0.4, 0.25, 0.14)[s]),
    "at the edge": lambda rng, s: _scattered(
        rng,
        digit=0.6,
        offset=((float(rng.choice([-1, 1])) * (1.0, 1.02, 1.06)[s]), float(rng.uniform(-1, 1))),
    ),
    "tilt": lambda rng, s: _scattered(rng, tilt=float(rng.choice([-1, 1])) * (8, 16, 25)[s]),
    "broken": lambda rng, s: _scattered(rng, gaps=(1, 2, 3)[s], gap=(1.0, 1.2, 1.6)[s]),
    "low resolution": lambda rng, s: _scattered(
        rng, margin=0.05, resolution=(20, 12, 8)[s], offset=(0.0, 0.0)
    ),
    "one bit": lambda rng, s: _scattered(
        rng, levels="one bit", margin=0.1, resolution=(64, 28, 16)[s], offset=(0.0, 0.0)
    ),
    "cut close": lambda rng, s: _scattered(
        rng, margin=(0.1, 0.03, 0.0)[s], pen=(None, 3.5, 4.5)[s], offset=(0.0, 0.0)
    ),
}
"""What each picture is varied in: a random scene of that kind, at a severity of 0, 1 or 2."""


def plain_scene(rng: Rng) -> Scene:
    """A dark pen on a light page, nearly upright."""
    return _scattered(rng, digit=float(rng.uniform(0.3, 0.8)), tilt=float(rng.uniform(-6, 6)))


def random_scene(rng: Rng) -> Scene:
    """A picture as it may come: every part of the scene drawn by itself, most of them harmless."""

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    changes: dict[str, object] = {
        "size": (int(rng.integers(96, 321)), int(rng.integers(96, 321))),
        "digit": between(0.25, 0.85),
        "offset": (between(-1, 1), between(-1, 1)),
        "tilt": between(-25, 25) if chance(0.4) else between(-6, 6),
        "pen": float(np.exp(between(math.log(0.5), math.log(5.5)))) if chance(0.5) else None,
        "noise": between(0.0, 0.05) ** (1 if chance(0.3) else 2),
        "opacity": between(0.2, 1.0) if chance(0.3) else 1.0,
        "blur": between(0.0, 1.0) if chance(0.3) else 0.0,
        "quality": int(rng.integers(10, 95)) if chance(0.4) else None,
        "dust": int(rng.integers(1, 30)) if chance(0.15) else 0,
    }
    if chance(0.1):
        # A whole page, seen from afar.
        changes |= {"size": (int(rng.integers(320, 521)), int(rng.integers(320, 521)))}
        changes |= {"digit": between(0.05, 0.25)}
    if chance(0.35):
        paper = between(0.0, 0.45)
        changes |= {"paper": _grey(paper), "ink": _grey(between(paper + 0.3, 1.0))}
    elif chance(0.3):
        changes |= _coloured(rng, between(0.0, 0.5))
    else:
        paper = between(0.6, 1.0)
        changes |= {"paper": _hue(rng, paper, 0.06), "ink": _hue(rng, between(0, 0.3), 0.25)}
    if chance(0.25):
        changes |= {
            "ruling": str(rng.choice(["ruled", "squared"])),
            "pitch": between(0.25, 1.4),
            "line": between(0.3, 0.85),
            "line_width": between(0.8, 2.0),
        }
    if chance(0.1):
        changes |= {"frame": between(0.1, 0.6), "line_width": between(1, 4), "tilt": 0.0}
    if chance(0.15):
        changes |= {"intruder": str(rng.choice(["finger", "page edge"]))}
    if chance(0.2):
        changes |= {"gaps": int(rng.integers(1, 3)), "gap": between(0.8, 1.6)}
    light = rng.random()
    if light < 0.2:
        changes |= {"shadow": between(0.35, 0.9), "penumbra": between(0.003, 0.1)}
    elif light < 0.35:
        changes |= {"lamp": between(0.25, 0.9)}
    elif light < 0.5:
        changes |= {"vignette": between(0.3, 0.9)}
    if chance(0.3):
        pixels = round(math.exp(between(math.log(8), math.log(64))))
        changes |= {"margin": between(0.0, 0.3), "resolution": pixels}
        if chance(0.4):
            changes |= {"levels": "one bit"}
        if chance(0.2):
            changes |= {"stretch": True}
    elif chance(0.05):
        changes |= {"transparent": True}
    return dataclasses.replace(Scene(), **changes)  # type: ignore[arg-type]
