"""Makes the pictures in samples/numbers: `python samples/make_numbers.py`.

Handwriting is of MNIST's training images, or strokes; strokes, displays and pages are those
of the trainer's test sets; print is Pillow's own typeface. None was chosen by how well it is read.
truth.csv, which is written too, says what is in each.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_edge.mnist import load_split
from mnist_edge_trainer.numbers.test_sets.displays import display
from mnist_edge_trainer.numbers.test_sets.handwriting import row_of_marks
from mnist_edge_trainer.numbers.test_sets.photographs import (
    Page,
    blank_page,
    photograph,
    rule,
    smooth_noise,
)
from mnist_edge_trainer.numbers.test_sets.records import Mark, Rng
from mnist_edge_trainer.numbers.test_sets.strokes import drawn_row

SAMPLES = Path(__file__).parent
IMAGES = load_split(SAMPLES, "train")[0]

HANDS = (209, 2333, 2935, 4465)
"""The first 0 of four of MNIST's writers; the digit d is 2 d places on, and once more 20 later."""

BLACK, BLUE, RED, PENCIL = (0.1, 0.1, 0.12), (0.1, 0.15, 0.5), (0.75, 0.1, 0.12), (0.4, 0.4, 0.42)


def written(text: str, hand: int, height: int, rng: Rng, gap: float = 4) -> list[Mark]:
    """Digits of MNIST in a row; a blank is a wider gap."""
    words = text.split(" ")
    digits = [IMAGES[HANDS[hand] + 2 * int(d) + 20 * int(rng.integers(2))] for d in "".join(words)]
    gaps = gap * rng.uniform(0.4, 1.6, len(digits) - 1)
    ends = np.cumsum([len(word) for word in words])[:-1] - 1
    gaps[ends] += 14
    images = [digit.astype(np.float32) / 255 for digit in digits]
    return row_of_marks(images, gaps.tolist(), height / 20, rng)


def printed(text: str, size: int) -> list[Mark]:
    """Pillow's own typeface."""
    font = ImageFont.load_default(size)
    box = font.getbbox(text)
    image = Image.new("L", (round(box[2]) + 2, round(box[3]) + 2))
    ImageDraw.Draw(image).text((0, 0), text, 255, font)
    return [Mark(np.asarray(image, np.float32) / 255, 0, 0)]


def put(page: Page, marks: Sequence[Mark], x: float, y: float, colour: Sequence[float]) -> None:
    """Inks marks on a page; x and y are shares of the part that the camera sees."""
    rows, columns = page.colours.shape[:2]
    left, top = (round((0.12 + 0.76 * share) * side) for share, side in ((x, columns), (y, rows)))
    for mark in marks:
        page.ink(Mark(mark.ink * np.float32(0.95), mark.x + left, mark.y + top), colour)


def frame(page: Page, place: tuple[float, float], cells: int, size: tuple[int, int]) -> None:
    """Prints a row of boxes; the place is x and y as in `put`, the size of one in pixels."""
    width, height = size
    rows, columns = page.colours.shape[:2]
    left, top = (
        round((0.12 + 0.76 * share) * length)
        for share, length in zip(place, (columns, rows), strict=True)
    )
    lines = np.zeros((height + 3, cells * width + 3), np.float32)
    lines[:2] = lines[-2:] = 1
    lines[:, np.arange(cells + 1) * width] = lines[:, np.arange(cells + 1) * width + 1] = 1
    page.ink(Mark(lines, left, top), (0.35, 0.35, 0.35))


def postcode(rng: Rng) -> Page:
    page = blank_page((300, 460), rng)
    put(page, drawn_row("19978", 42, rng), 0.3, 0.5, BLUE)
    return page


def cheque(rng: Rng) -> Page:
    page = blank_page((200, 460), rng)
    y, x = np.indices(page.colours.shape[:2]).astype(np.float32)
    waves = np.sin(0.35 * y + 3 * np.sin(0.04 * x)) * np.sin(0.5 * x + 2 * np.sin(0.06 * y))
    page.colours[...] *= 1 - 0.16 * (waves[..., np.newaxis] > 0.3) * np.array([1, 0.5, 0.3])
    frame(page, (0.25, 0.28), 1, (280, 78))
    put(page, drawn_row("1,250.00", 44, rng, 0.08), 0.3, 0.35, BLACK)
    put(page, printed("$", 40), 0.16, 0.36, (0.3, 0.35, 0.5))
    return page


def exam_mark(rng: Rng) -> Page:
    page = blank_page((360, 300), rng)
    rule(page, 22, False, rng)
    ring = Image.new("L", (480, 400))
    ImageDraw.Draw(ring).ellipse((12, 12, 464, 384), outline=255, width=14)
    put(page, [Mark(np.asarray(ring.reduce(4), np.float32) / 255, 0, 0)], 0.52, 0.06, RED)
    put(page, drawn_row("87", 52, rng), 0.61, 0.1, RED)
    return page


def date(rng: Rng) -> Page:
    page = blank_page((200, 440), rng)
    put(page, drawn_row("24/11/2026", 36, rng), 0.1, 0.35, BLUE)
    return page


def form_boxes(rng: Rng) -> Page:
    page = blank_page((180, 500), rng)
    frame(page, (0.06, 0.3), 8, (54, 54))
    for place, digit in enumerate("07041989"):
        marks = written(digit, 1, 34, rng)
        put(page, marks, 0.06 + (place * 54 + 14) / (0.76 * page.colours.shape[1]), 0.37, BLACK)
    return page


def ruled_paper(rng: Rng) -> Page:
    page = blank_page((260, 420), rng)
    rule(page, 48, False, rng)
    put(page, written("40763", 2, 44, rng), 0.25, 0.42, BLUE)
    return page


def squared_paper(rng: Rng) -> Page:
    page = blank_page((240, 400), rng)
    rule(page, 22, True, rng)
    put(page, written("5128", 3, 40, rng), 0.3, 0.42, PENCIL)
    return page


def slanted(rng: Rng) -> Page:
    page = blank_page((300, 420), rng)
    rise = math.tan(math.radians(14))
    marks = written("360914", 0, 40, rng, 7)
    climbing = [Mark(mark.ink, mark.x, mark.y + round((250 - mark.x) * rise)) for mark in marks]
    put(page, climbing, 0.15, 0.22, BLACK)
    return page


def chalk(rng: Rng) -> Page:
    page = blank_page((260, 420), rng)
    board = np.array([0.16, 0.25, 0.21]) * (0.9 + 0.3 * smooth_noise((322, 521), 5, rng)[..., None])
    page.colours[...] = board[: page.colours.shape[0], : page.colours.shape[1]]
    for mark in written("27504", 1, 60, rng):
        grain = np.clip(0.5 + rng.random(mark.ink.shape, np.float32), 0, 1)
        put(page, [Mark(mark.ink * grain, mark.x, mark.y)], 0.12, 0.35, (0.93, 0.93, 0.9))
    return page


def print_out(rng: Rng) -> Page:
    page = blank_page((160, 380), rng)
    put(page, printed("0083512", 52), 0.2, 0.32, BLACK)
    return page


def three_lines(rng: Rng) -> Page:
    page = blank_page((360, 360), rng)
    for place, (text, hand) in enumerate((("3405", 2), ("981", 2), ("77260", 2))):
        put(page, written(text, hand, 44, rng), 0.2, 0.14 + 0.27 * place, BLUE)
    return page


def touching(rng: Rng) -> Page:
    page = blank_page((200, 360), rng)
    put(page, written("26035", 0, 60, rng, -1.2), 0.22, 0.3, BLACK)
    return page


def european(rng: Rng) -> Page:
    page = blank_page((220, 360), rng)
    put(page, drawn_row("71117", 56, rng, 0.09), 0.15, 0.25, BLUE)
    return page


def two_numbers(rng: Rng) -> Page:
    page = blank_page((180, 460), rng)
    put(page, written("305 1648", 3, 40, rng), 0.16, 0.38, BLUE)
    return page


PAGES: dict[str, tuple[str, Callable[[Rng], Page]]] = {
    "postcode": ("19978", postcode),
    "cheque-amount": ("1,250.00", cheque),
    "exam-mark": ("87", exam_mark),
    "date": ("24/11/2026", date),
    "form-boxes": ("07041989", form_boxes),
    "ruled-paper": ("40763", ruled_paper),
    "squared-paper": ("5128", squared_paper),
    "slanted": ("360914", slanted),
    "chalk": ("27504", chalk),
    "printed": ("0083512", print_out),
    "three-lines": ("3405 981 77260", three_lines),
    "touching": ("26035", touching),
    "european": ("71117", european),
    "two-numbers": ("305 1648", two_numbers),
}
DISPLAYS = {"led": ("1904.5", False), "lcd": ("23861", True)}


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    truth = []
    for place, (name, (text, draw)) in enumerate(PAGES.items()):
        rng = np.random.default_rng(place)
        picture = photograph(draw(rng), text, rng, tilt=2)
        (folder / f"{name}.jpg").write_bytes(picture.content)
        truth.append((f"{name}.jpg", text))
    for place, (name, (text, is_lcd)) in enumerate(DISPLAYS.items()):
        point = text.index(".") if "." in text else None
        shown = display(
            text.replace(".", ""), 70, point, np.random.default_rng(50 + place), is_lcd=is_lcd
        )
        (folder / f"{name}.jpg").write_bytes(shown.content)
        truth.append((f"{name}.jpg", text))
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "text"), *sorted(truth)])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES / "numbers")
