"""Is a layer right? Its gradients against finite differences, and its manners against the layer contract.

Write a case and check it; every failure says what was expected and what came:

    from minicaffe.testing import Case, check, normal
    check(Case('type: "MyLayer" my_param { ... }', (normal(2, 3),)))

The derivative along a random direction costs two forwards whatever the size of the layer. Caffe's own checker, element
by element, is in `minicaffe.testing.elements`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from minicaffe.errors import Error
from minicaffe.testing.bench import SEED, SENTINEL, Bench, Pick, Results, moved
from minicaffe.testing.case import Case
from minicaffe.testing.compare import expect, same, same_results

STEP = 1e-5
TOLERANCE = 1e-5
ROUNDING = 1e-9  # of the sum's largest terms, after division by STEP
DIRECTIONS = 2
FLOAT32 = 1e-4

Check = Callable[[Case], None]


def check(case: Case) -> None:
    """Run every check on the layer of `case`; CheckError on the first that fails.

    The layer is built outside any net, in float64, with a seed of its own; random layers take their numbers from
    `self.stream()`, so the same forward can be repeated. A layer that has no gradient for an input says so by raising
    minicaffe.Error when asked, or leaves that bottom's diff alone (or zero).
    """
    with TemporaryDirectory() as folder:
        ready = case.prepared(Path(folder))
        for one in checks_for(case):
            one(ready)


def checks_for(case: Case) -> list[Check]:
    """Return the checks that apply to `case`."""
    checks: list[Check] = [check_forward, check_gradients, check_repeated_backward, check_propagate_down, check_float32]
    return checks + [check_in_place] * case.in_place + [check_reshape] * (case.again is not None)


# -- the checks -------------------------------------------------------------------------------------------------------


def check_forward(case: Case) -> None:
    """The tops are finite, the bottoms keep their values, and the same forward twice gives the same numbers."""
    first, second = Bench(case), Bench(case)
    before = [blob.data.copy() for blob in first.bottom]
    first.forward()
    second.forward()
    for t, (blob, again) in enumerate(zip(first.top, second.top, strict=True)):
        expect(bool(np.isfinite(blob.data).all()), case, f"top[{t}] is not finite: {blob.data}")
        same(case, f"top[{t}] of a second layer like the first", again.data, blob.data, 0)
    for i, (blob, values) in enumerate(zip(first.bottom, before, strict=True)):
        same(case, f"bottom[{i}] after forward", blob.data, values, 0)


def check_gradients(case: Case) -> None:
    """Backward agrees with finite differences along random directions, for every bottom and every parameter."""
    bench = Bench(case)
    bench.run()
    for name, pick in bench.picks():
        stream = np.random.Generator(np.random.PCG64(SEED))
        for _ in range(DIRECTIONS):
            v = stream.standard_normal(pick(bench).shape)
            analytic = float((pick(bench).diff * v).sum())
            numeric, noise = _slope(case, pick, v)
            allowed = TOLERANCE * max(abs(analytic), abs(numeric)) + noise
            expect(
                abs(analytic - numeric) <= allowed,
                case,
                f"gradient of {name} along a random direction: backward gives {analytic!r}, "
                f"finite differences {numeric!r} (allowed difference {allowed:.2g})",
            )


def check_repeated_backward(case: Case) -> None:
    """A second backward repeats the bottoms' gradients, doubles the parameters', and none touches a top's diff."""
    bench = Bench(case)
    first = bench.run()
    _untouched_tops(bench, "a backward")
    bench.backward()
    _untouched_tops(bench, "two backwards")
    bottoms, params = bench.diffs()
    for i in case.differentiable:
        same(case, f"gradient of bottom[{i}] after a second backward", bottoms[i], first.bottoms[i])
    for j in bench.learned:
        same(case, f"gradient of parameter {j} after a second backward", params[j], 2 * first.params[j])


def check_propagate_down(case: Case) -> None:
    """Every choice of propagate_down gives the wanted gradients alone; what does not learn gets none."""
    expected = Bench(case).run()
    for wanted in _subsets(case.differentiable):
        _only(case, wanted, Bench(case), expected, None)
    learned = Bench(case).learned
    for asked in [(), *((j,) for j in learned)] if learned else []:
        bench = Bench(case)
        bench.layer.param_propagate_down = [j in asked for j in range(len(bench.layer.blobs))]
        _only(case, case.differentiable, bench, expected, asked)
    for i in set(range(len(case.inputs))) - set(case.differentiable):
        _refuses(case, i)


def check_in_place(case: Case) -> None:
    """With top 0 in the memory of bottom 0 the results are those of a top of its own."""
    expected, got = Bench(case).run(), Bench(case, in_place=True).run()
    if 0 not in case.differentiable:  # its diff is the top's, which backward leaves alone
        got.bottoms[0] = expected.bottoms[0]
    same_results(case, "in place", got, expected)


def check_reshape(case: Case) -> None:
    """A layer that changes to other shapes gives what one born with them gives, and then its first results again."""
    bench = Bench(case)
    first = bench.run()
    born = Bench(case, shapes=case.again).run()
    bench.rewind()
    bench.feed(case.again)
    same_results(case, f"reshaped to {case.again}", bench.run(), born)
    bench.rewind()
    bench.feed()
    same_results(case, "reshaped and back", bench.run(), first)


def check_float32(case: Case) -> None:
    """Single precision gives the numbers of double precision, nearly, and stays single."""
    double, single = Bench(case), Bench(case, np.float32)
    expected, got = double.run(), single.run()
    same_results(case, "float32", got, expected, FLOAT32)
    for blob in chain(single.top, single.bottom, single.layer.blobs):
        expect(blob.data.dtype == np.float32, case, f"blob {blob.name!r} became {blob.data.dtype} in a float32 net")


# -- their parts ------------------------------------------------------------------------------------------------------


def _slope(case: Case, pick: Pick, v: np.ndarray) -> tuple[float, float]:
    """Return the derivative along `v` by central difference, and how much of it may be rounding."""
    h = STEP * max(1.0, float(np.abs(pick(Bench(case)).data).max(initial=0)))
    (high, size), (low, _) = (moved(case, pick, sign * h * v).objective() for sign in (1, -1))
    return (high - low) / (2 * h), ROUNDING * size


def _subsets(items: tuple[int, ...], limit: int = 4) -> list[tuple[int, ...]]:
    """Return all subsets, or, of more than `limit` items, none, each alone, and all."""
    sizes = range(len(items) + 1) if len(items) <= limit else (0, 1, len(items))
    return list(chain.from_iterable(combinations(items, size) for size in sizes))


def _only(
    case: Case, wanted: tuple[int, ...], bench: Bench, expected: Results, learning: tuple[int, ...] | None
) -> None:
    got = bench.run(wanted)
    what = f"propagate_down for bottoms {list(wanted)}" + (
        f", parameters {list(learning)} learning" if learning is not None else ""
    )
    for i, diff in enumerate(got.bottoms):
        if i in wanted:
            same(case, f"{what}: gradient of bottom[{i}]", diff, expected.bottoms[i])
        elif not bench.aliased(i):
            expect(bool((diff == SENTINEL).all()), case, f"{what}: the diff of bottom[{i}] was written to: {diff}")
    for j in bench.learned:
        target = expected.params[j] * (learning is None or j in learning)
        same(case, f"{what}: gradient of parameter {j}", got.params[j], target)


def _refuses(case: Case, i: int) -> None:
    """Asked for the gradient of a bottom that has none, the layer raises, or leaves the diff alone or zero."""
    bench = Bench(case)
    try:
        diff = bench.run((i,)).bottoms[i]
    except Error:
        return
    harmless = bool((diff == SENTINEL).all() or (diff == 0).all()) or bench.aliased(i)
    expect(harmless, case, f"bottom[{i}] is said to have no gradient, yet backward gave {diff}")


def _untouched_tops(bench: Bench, when: str) -> None:
    for t, (blob, weight) in enumerate(zip(bench.top, bench.weights(), strict=True)):
        same(bench.case, f"diff of top[{t}] after {when}", blob.diff, weight, 0)
