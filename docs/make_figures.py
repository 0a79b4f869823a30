"""Draws the figures of docs/preprocessing.md: `python docs/make_figures.py [FOLDER]`.

Each shows what the program's own functions make of a picture. The same files come out on every run
with the same versions of Pillow and matplotlib.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw, ImageFilter

from mnist_edge.inputs.decode import decode
from mnist_edge.preprocess.background import (
    GrayPlane,
    fit_illumination,
    noise_sigma,
    otsu,
    polarity_votes,
    to_gray,
)
from mnist_edge.preprocess.components import bounding_box, connected_components, select_digit
from mnist_edge.preprocess.line_removal import remove_lines
from mnist_edge.preprocess.morphology import opening
from mnist_edge.preprocess.normalize import close_up, crop_digit
from mnist_edge.preprocess.proposals import find_digit, overview, propose, separate_ink
from mnist_edge.preprocess.scoring import Reading, score
from mnist_edge.preprocess.strokes import normalize_width, stroke_width
from mnist_edge.types import BOX, CENTER, SIDE, FloatImage, GrayImage, Mask, Pixels

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "tests" / "data" / "pictures"
PHOTOGRAPH = PICTURES / "5-schoolbell-phone.jpg"
COLOURED = PICTURES / "7-short-stack-colour.webp"
THIN = PICTURES / "2-covered-by-your-grace-thin.png"
FAT = PICTURES / "9-permanent-marker-fat.png"

_PANEL = 2.1
"""Inches of each panel's side."""

_DPI = 110
_PALETTE = 128
"""Colours of a figure: fewer make smaller files."""

_ACCENT = "#d64545"


def main(folder: Path) -> None:
    """Draws every figure.

    Args:
        folder: where the PNGs are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    photo = ruled_page_in_half_shadow()
    with matplotlib.rc_context({"font.size": 9, "axes.titlesize": 9}):
        for name, figure in {
            "stages": stages(photo),
            "gray-plane": gray_plane(),
            "background": background(photo),
            "polarity": polarity(photo),
            "proposals": proposals(photo),
            "line-removal": line_removal(photo),
            "components": components(photo),
            "stroke-width": stroke_widths(),
            "box-and-center": box_and_center(photo),
        }.items():
            save(figure, folder / f"preprocessing-{name}.png")


def ruled_page_in_half_shadow() -> Pixels:
    """Makes the example: a photographed digit, with ruling, specks and a shadow."""
    with Image.open(PHOTOGRAPH) as file:
        page = file.convert("RGB")
    draw = ImageDraw.Draw(page)
    for y in range(-60, page.height, 92):
        draw.line((0, y, page.width, y + 26), fill=(76, 84, 112), width=8)
    for x, y in ((60, 545), (395, 110), (330, 590)):
        draw.ellipse((x, y, x + 9, y + 7), fill=(40, 36, 34))
    shadow = Image.new("L", page.size, 255)
    corner = [(page.width, 200), (190, page.height), (page.width, page.height)]
    ImageDraw.Draw(shadow).polygon(corner, fill=150)
    light = np.asarray(shadow.filter(ImageFilter.GaussianBlur(3)), np.float32)[..., np.newaxis]
    return np.rint(np.asarray(page) * (light / 255)).astype(np.uint8)


def reading_of(plane: GrayPlane) -> tuple[GrayPlane, Reading]:
    """Reads a picture in one of the ways that `propose` tries: dark ink, the second window."""
    small, _ = overview(plane)
    window = int(max(small.pixels.shape) / 3.5)
    return small, separate_ink(small, True, window, window, noise_sigma(small.pixels))


def stages(photo: Pixels) -> Figure:
    """Shows every step from the photograph to the network's input, one panel each."""
    plane = to_gray(decode(photo))
    _, reading = reading_of(plane)
    proposal = find_digit(plane)
    assert proposal is not None
    strokes, image = close_up(plane, proposal), crop_digit(plane, proposal)
    assert strokes is not None
    assert image is not None
    figure, axes = panels(1, 6)
    show(axes[0], photo, "photograph")
    show(axes[1], plane.pixels, "gray plane")
    show(axes[2], reading.top_hat, "top-hat", high=float(reading.top_hat.max()))
    show(axes[3], on_ink(reading.ink, proposal.digit), "ink; the digit")
    show(axes[4], strokes, "close-up", high=1)
    show(axes[5], image, f"{SIDE} x {SIDE}")
    return figure


def gray_plane() -> Figure:
    """Compares luma with the plane of the largest contrast, for two pairs of colours."""
    orange_on_lilac = decode(COLOURED)
    digit = to_gray(orange_on_lilac).pixels < 128
    red_on_green = np.where(digit[..., np.newaxis], (222, 30, 40), (40, 118, 60)).astype(np.uint8)
    figure, axes = panels(2, 3)
    for row, picture in enumerate((orange_on_lilac, red_on_green)):
        luma = np.asarray(Image.fromarray(picture).convert("L"))
        plane = to_gray(picture).pixels
        show(axes[3 * row], picture, "picture" if row == 0 else "the same in red on green")
        show(axes[3 * row + 1], luma, f"luma: contrast {contrast(luma, digit)}")
        show(axes[3 * row + 2], plane, f"gray plane: contrast {contrast(plane, digit)}")
    return figure


def contrast(plane: GrayImage, digit: Mask) -> int:
    """Measures the difference of ink and paper, gray levels."""
    return round(abs(float(plane[digit].mean()) - float(plane[~digit].mean())))


def background(photo: Pixels) -> Figure:
    """Shows a plane, its background, and what stands out, before and after correction."""
    plane = to_gray(decode(photo))
    small, reading = reading_of(plane)
    paper = 255 - opening(255 - small.pixels, reading.window)
    uncorrected = GrayPlane(small.pixels, scales_with_light=False).top_hat(True, reading.window)
    figure, axes = panels(1, 4)
    show(axes[0], small.pixels, "gray plane")
    show(axes[1], paper, f"background, window {reading.window}")
    high = float(reading.top_hat.max())
    show(axes[2], uncorrected, "top-hat", high=high)
    show(axes[3], reading.top_hat, "scaled to even light", high=high)
    return figure


def polarity(photo: Pixels) -> Figure:
    """Shows the two versions of the overview that vote on the polarity, and their votes."""
    plane, _ = overview(to_gray(decode(photo)))
    small = np.asarray(Image.fromarray(plane.pixels).reduce(2), np.float32)
    illumination = fit_illumination(small)
    even = small - illumination
    votes = polarity_votes(plane.pixels)
    figure, axes = panels(1, 5)
    show(axes[0], small, "small copy")
    title = f"edge {votes.edge:+.2f}, area {votes.area:+.2f}"
    show(axes[1], small >= otsu(small), title, high=1)
    show(axes[2], illumination, "illumination")
    show(axes[3], even - even.min(), "without it", high=float(np.ptp(even)))
    title = f"edge {votes.evenly_lit_edge:+.2f}, area {votes.evenly_lit_area:+.2f}"
    show(axes[4], even >= otsu(even), title, high=1)
    return figure


def proposals(photo: Pixels) -> Figure:
    """Shows half of the proposals with their scores, and which one is taken."""
    plane = to_gray(decode(photo))
    every = [proposal for group in propose(plane) for proposal in group]
    taken = find_digit(plane)
    assert taken is not None
    windows = sorted({proposal.window for proposal in every}, reverse=True)
    rows = [("dark ink", True, None), ("light ink", False, None), ("no lines", True, remove_lines)]
    figure, axes = panels(len(rows), len(windows))
    for proposal in every:
        for row, (name, is_dark, remove_print) in enumerate(rows):
            if (proposal.is_dark, proposal.remove_print) == (is_dark, remove_print):
                axis = axes[row * len(windows) + windows.index(proposal.window)]
                title = f"{name}, window {proposal.window}: {score(proposal.features):+.1f}"
                show(axis, proposal.digit, title, high=1)
                if (proposal.window, is_dark, remove_print) == (
                    taken.window,
                    taken.is_dark,
                    taken.remove_print,
                ):
                    axis.add_patch(frame((0, 0), proposal.digit.shape, line=4))
    return figure


def line_removal(photo: Pixels) -> Figure:
    """Shows ink, the lines that are found in it, and what is left."""
    _, reading = reading_of(to_gray(decode(photo)))
    cleaned = remove_lines(reading.ink)
    figure, axes = panels(1, 3)
    show(axes[0], reading.ink, "ink", high=1)
    show(axes[1], on_ink(reading.ink, reading.ink & ~cleaned), "printed lines")
    show(axes[2], cleaned, "ink without them", high=1)
    return figure


def components(photo: Pixels) -> Figure:
    """Shows the connected components of the ink, and those that are the digit."""
    _, reading = reading_of(to_gray(decode(photo)))
    ink = remove_lines(reading.ink)
    labels, count = connected_components(ink)
    figure, axes = panels(1, 2)
    colours = np.random.default_rng(3).uniform(0.35, 1, (count + 1, 3))
    colours[0] = 0
    show(axes[0], np.zeros(ink.shape), f"{count} components", high=1)
    axes[0].imshow(labels, cmap=ListedColormap(colours.tolist()), interpolation="nearest")
    show(axes[1], on_ink(ink, select_digit(ink)), "the digit")
    return figure


def stroke_widths() -> Figure:
    """Shows strokes of a thin pen and of a fat marker, before and after normalization."""
    figure, axes = panels(1, 4)
    for first, path in ((0, THIN), (2, FAT)):
        proposal = find_digit(to_gray(decode(path)))
        assert proposal is not None
        box, size = proposal.box, 80
        digit = Image.fromarray(proposal.digit).convert("L")
        enlarged = digit.resize(
            (
                round((box.right - box.left) * size / proposal.size),
                round((box.bottom - box.top) * size / proposal.size),
            ),
            Image.Resampling.BILINEAR,
            (box.left, box.top, box.right, box.bottom),
        )
        strokes: FloatImage = np.pad(np.asarray(enlarged, np.float32) / 255, 8)
        show(axes[first], strokes, f"before: {relative_width(strokes):.3f}", high=1)
        strokes = normalize_width(strokes, size)
        show(axes[first + 1], strokes, f"after: {relative_width(strokes):.3f}", high=1)
    return figure


def relative_width(strokes: FloatImage) -> float:
    """Measures the width of strokes, fraction of the digit's size."""
    mask = strokes > 0.5
    box = bounding_box(mask)
    return stroke_width(mask) / max(box.bottom - box.top, box.right - box.left)


def box_and_center(photo: Pixels) -> Figure:
    """Shows the close-up, the 20 x 20 box, and the centre of mass on 28 x 28."""
    plane = to_gray(decode(photo))
    proposal = find_digit(plane)
    assert proposal is not None
    strokes, image = close_up(plane, proposal), crop_digit(plane, proposal)
    assert strokes is not None
    assert image is not None
    box = bounding_box(image > 0)
    digit = image[box.top : box.bottom, box.left : box.right]
    in_box = np.zeros((BOX, BOX), np.uint8)
    left = (BOX - digit.shape[1]) // 2
    in_box[: digit.shape[0], left : left + digit.shape[1]] = digit
    figure, axes = panels(1, 3)
    show(axes[0], strokes, f"close-up, {strokes.shape[1]} x {strokes.shape[0]}", high=1)
    show(axes[1], in_box, f"in {BOX} x {BOX}")
    show(axes[2], image, f"centre of mass at {CENTER}, {CENTER}")
    axes[2].add_patch(frame((box.top, box.left), digit.shape))
    rows, columns = image.sum(axis=1), image.sum(axis=0)
    y, x = (float(line @ np.arange(SIDE) / line.sum()) for line in (rows, columns))
    axes[2].plot([CENTER], [CENTER], "+", color=_ACCENT, markersize=14)
    axes[2].plot([x], [y], "o", color="#2f80ed", markersize=4)
    return figure


def panels(rows: int, columns: int) -> tuple[Figure, list[Axes]]:
    """Makes a figure with a grid of panels, row by row."""
    figure = Figure(figsize=(_PANEL * columns, (_PANEL + 0.25) * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, number + 1) for number in range(rows * columns)]
    for axis in axes:
        axis.axis("off")
    return figure, axes


def show(axis: Axes, image: npt.NDArray[Any], title: str, high: float = 255) -> None:
    """Draws a picture, or a plane whose levels run from 0 to `high`, with its title."""
    axis.imshow(image, cmap="gray", vmin=0, vmax=high, interpolation="nearest")
    axis.set_title(title)


def on_ink(ink: Mask, marked: Mask) -> Pixels:
    """Colours a part of the ink."""
    picture = np.where(ink[..., np.newaxis], (110, 110, 110), (0, 0, 0))
    return np.where(marked[..., np.newaxis], (235, 87, 87), picture).astype(np.uint8)


def frame(corner: tuple[int, int], shape: tuple[int, ...], line: int = 1) -> Rectangle:
    """Makes a frame round some pixels, `line` points wide."""
    (top, left), (height, width) = corner, shape
    return Rectangle(
        (left - 0.5, top - 0.5), width, height, fill=False, edgecolor=_ACCENT, linewidth=line
    )


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as a small PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI, facecolor="white")
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(_PALETTE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "figures")
    main(parser.parse_args().folder)
