"""Parameter: its top is its blob, its gradient adds up."""

from __future__ import annotations

import numpy as np

from tests.layers.stand import fails, on_stand

TEXT = 'type: "Parameter" parameter_param { shape { dim: 2 dim: 3 } }'
W = np.arange(6.0).reshape(2, 3)


def test_the_top_is_the_parameter() -> None:
    bench = on_stand(TEXT, params=[W])
    bench.forward()
    assert bench.top[0].shares_data_with(bench.layer.blobs[0])
    assert bench.top[0].array.tolist() == W.tolist()
    assert not bench.layer.fillers


def test_the_top_follows_a_parameter_that_is_shared_later() -> None:
    bench, owner = on_stand(TEXT, params=[W]), on_stand(TEXT, params=[W + 1])
    bench.layer.blobs[0].share_data(owner.layer.blobs[0])
    bench.forward()
    assert bench.top[0].array.tolist() == (W + 1).tolist()


def test_gradients_of_several_passes_add_up() -> None:
    bench = on_stand(TEXT)
    bench.seed_diffs([W])
    bench.backward()
    bench.top[0].diff_array[...] = 10
    bench.backward()
    assert bench.layer.blobs[0].diff_array.tolist() == (W + 10).tolist()


def test_no_gradient_where_it_does_not_learn() -> None:
    bench = on_stand(TEXT)
    bench.layer.param_propagate_down = [False]
    bench.seed_diffs([W])
    bench.backward()
    assert not bench.layer.blobs[0].diff_array.any()


def test_negative_size() -> None:
    fails(
        r"shape \[-1\] has a negative size", lambda: on_stand('type: "Parameter" parameter_param { shape { dim: -1 } }')
    )
