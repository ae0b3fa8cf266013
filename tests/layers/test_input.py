"""Input: shapes for all tops, for each, for none."""

from __future__ import annotations

import pytest

from tests.layers.stand import fails, on_stand


@pytest.mark.parametrize(
    ("param", "shapes"),
    [
        ("shape { dim: 2 dim: 3 }", [(2, 3), (2, 3)]),
        ("shape { dim: 2 dim: 3 } shape { dim: 4 }", [(2, 3), (4,)]),
        ("shape { } shape { dim: 0 dim: 5 }", [(), (0, 5)]),
        ("", [(), ()]),
    ],
)
def test_shapes(param: str, shapes: list[tuple[int, ...]]) -> None:
    bench = on_stand(f'type: "Input" input_param {{ {param} }}', tops=2)
    assert [top.shape for top in bench.top] == shapes


def test_a_later_shape_of_the_users_stays() -> None:
    bench = on_stand('type: "Input" input_param { shape { dim: 2 dim: 3 } }')
    bench.top[0].reshape(7, 3)
    bench.top[0].array[...] = 5
    bench.forward()
    assert bench.top[0].shape == (7, 3)
    assert (bench.top[0].array == 5).all()


def test_errors() -> None:
    two = 'type: "Input" input_param { shape { dim: 2 } shape { dim: 3 } }'
    fails("shape is given 2 times for 3 tops; give one for all, one for each, or none", lambda: on_stand(two, tops=3))
    fails(
        r"shape \[2, -1\] has a negative size",
        lambda: on_stand('type: "Input" input_param { shape { dim: 2 dim: -1 } }'),
    )
