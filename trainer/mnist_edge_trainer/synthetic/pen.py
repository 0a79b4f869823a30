"""A pen: strokes drawn with round ends, a little unsteadily."""

from __future__ import annotations

from PIL import Image, ImageDraw

from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["Point", "Strokes", "draw_with_pen"]

Point = tuple[float, float]
"""x and y in the drawing's box, 0..1, from its top left corner."""

Strokes = list[list[Point]]
"""The pen's path, from where it is put down to where it is lifted; several of them."""

_PAGE = 160
"""Side of the page that is drawn on, pixels."""

_HEIGHT = 80
"""Height of a drawing on it, pixels: four for one of MNIST's."""

_TREMBLE = 1.3
"""Standard deviation of each point's place, pixels."""


def draw_with_pen(
    strokes: Strokes, rng: Rng, width: float, aspect: float = 1.0, slant: float = 0.0
) -> Image.Image:
    """Draws strokes, light on black.

    Args:
        strokes: what to draw.
        rng: decides how the hand trembles.
        width: of the pen, pixels of a drawing that is 80 high.
        aspect: the drawing's width for its height.
        slant: how far the top is right of the foot, for its height.

    Returns:
        a gray picture of 160 x 160 pixels, the drawing in its middle.
    """
    image = Image.new("L", (_PAGE, _PAGE))
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        points = [
            (
                _PAGE / 2
                + _HEIGHT * (aspect * (x - 0.5) + slant * (0.5 - y))
                + rng.normal(0, _TREMBLE),
                (_PAGE - _HEIGHT) / 2 + _HEIGHT * y + rng.normal(0, _TREMBLE),
            )
            for x, y in stroke
        ]
        draw.line(points, fill=255, width=round(width), joint="curve")
        for x, y in points:
            draw.circle((x, y), width / 2, fill=255)
    return image
