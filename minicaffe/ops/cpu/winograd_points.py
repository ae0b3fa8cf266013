"""The transforms of Winograd's convolution F(4x4, 3x3), of many tiles and LANES channels at a time.

An image is cut into tiles of 4 x 4 outputs, each of which reads 6 x 6 inputs d. With the weights g of 3 x 3,

    y = A' [ (G g G') * (B' d B) ] A,        36 products instead of 144, summed over channels before the outer step.

Transposed, the same steps give the gradient of the weights: G' [ (A dy A') * (B' d B) ] G, summed over tiles.

The interpolation points are 0, 5/8, -5/8, 3/2, -3/2 and infinity; all constants but those of G are exact, and errors
are a third of those with the customary 0, 1, -1, 2, -2. Vectors hold neighbouring channels, so that tiles of any number
make full use of them; images are transposed on their way in and out. Source: Lavin and Gray, Fast Algorithms for
Convolutional Neural Networks, 2015; the choice of points: Barabasz et al., Error Analysis and Improving the Accuracy of
Winograd Convolution, 2018.
"""

from __future__ import annotations

from typing import Any

A, B = 0.625, 1.5
"""The points but for their signs, zero and infinity."""
A2, B2 = A * A, B * B


def input_side(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> tuple[Any, ...]:
    """B' d: six inputs as seen from the six points."""
    even_a, odd_a = d4 - B2 * d2, A * (d3 - B2 * d1)
    even_b, odd_b = d4 - A2 * d2, B * (d3 - A2 * d1)
    first = d4 - (A2 + B2) * d2 + (A2 * B2) * d0
    last = d5 - (A2 + B2) * d3 + (A2 * B2) * d1
    return first, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, last


def output_side(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> tuple[Any, ...]:
    """A' m: four outputs of six products."""
    even_a, odd_a, even_b, odd_b = m1 + m2, A * (m1 - m2), m3 + m4, B * (m3 - m4)
    return m0 + even_a + even_b, odd_a + odd_b, A2 * even_a + B2 * even_b, A2 * odd_a + B2 * odd_b + m5


def finished_output(*values: Any) -> tuple[Any, ...]:
    """`output_side` of six products, times the seventh value, plus the eighth, but at least the ninth."""
    return tuple((y * values[6] + values[7]).at_least(values[8]) for y in output_side(*values[:6]))


def error_side(y0: Any, y1: Any, y2: Any, y3: Any) -> tuple[Any, ...]:
    """A y: the transpose of `output_side`."""
    even_a, odd_a = y0 + A2 * y2, A * (y1 + A2 * y3)
    even_b, odd_b = y0 + B2 * y2, B * (y1 + B2 * y3)
    return y0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, y3


_ZERO, _A, _B = 1 / (A2 * B2), 1 / (2 * A2 * (A2 - B2)), 1 / (2 * B2 * (B2 - A2))


def weight_side(g0: Any, g1: Any, g2: Any) -> tuple[Any, ...]:
    """G g: three weights at the six points, divided by what `input_side` leaves out."""
    even_a, odd_a = _A * g0 + (_A * A2) * g2, (_A * A) * g1
    even_b, odd_b = _B * g0 + (_B * B2) * g2, (_B * B) * g1
    return _ZERO * g0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g2


def gradient_side(u0: Any, u1: Any, u2: Any, u3: Any, u4: Any, u5: Any) -> tuple[Any, ...]:
    """G' u: the transpose of `weight_side`."""
    even_a, odd_a, even_b, odd_b = u1 + u2, u1 - u2, u3 + u4, u3 - u4
    return (
        _ZERO * u0 + _A * even_a + _B * even_b,
        (_A * A) * odd_a + (_B * B) * odd_b,
        (_A * A2) * even_a + (_B * B2) * even_b + u5,
    )
