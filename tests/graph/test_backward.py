"""Which layers run backward (NET §5), on small nets and on the published OHEM net."""

from __future__ import annotations

from minicaffe.graph import BackwardPlan, LayerNeeds, plan_backward


def layer(
    name: str, bottoms: str, tops: str, pd: str = "", learns: str = "", loss: float = 0.0, fixed: str = ""
) -> LayerNeeds:
    bottom, top = bottoms.split(), tops.split()
    return LayerNeeds(
        name, bottom, top, [c == "1" for c in pd], [c == "1" for c in learns],
        [loss if i == 0 else 0.0 for i in range(len(top))], [str(i) not in fixed for i in range(len(bottom))],
    )  # fmt: skip


DATA = layer("data", "", "x label")
IP1 = layer("ip1", "x", "h", learns="11")
IP2 = layer("ip2", "h", "y", learns="11")
LOSS = layer("loss", "y label", "l", loss=1.0, fixed="1")


def running(plan: BackwardPlan) -> list[int]:
    return [i for i, runs in enumerate(plan.runs) if runs]


def test_a_plain_net_runs_from_the_loss_to_the_first_parameters() -> None:
    plan = plan_backward([DATA, IP1, IP2, LOSS])
    assert running(plan) == [1, 2, 3]
    assert plan.bottoms == [[], [False], [True], [True, False]]
    assert plan.params[1] == [True, True]


def test_frozen_layers_below_do_not_run() -> None:
    plan = plan_backward([DATA, layer("ip1", "x", "h", learns="00"), IP2, LOSS])
    assert running(plan) == [2, 3]
    assert plan.bottoms[2] == [False]
    assert plan.reasons[1] == "nothing below it learns"


def test_without_a_loss_nothing_runs() -> None:
    plan = plan_backward([DATA, IP1, layer("acc", "h label", "a")])
    assert running(plan) == []
    assert plan.reasons[1] == "it feeds no loss"


def test_propagate_down_false_switches_off_everything_below() -> None:
    plan = plan_backward([DATA, IP1, layer("ip2", "h", "y", pd="0", learns="11"), LOSS])
    assert running(plan) == [2, 3]
    assert plan.bottoms[2] == [False]
    assert plan.reasons[1] == "no consumer of its tops sends a gradient back"


def test_propagate_down_true_asks_for_a_gradient_nobody_needs() -> None:
    plan = plan_backward([DATA, layer("ip1", "x", "h", pd="1", learns="11"), IP2, LOSS])
    assert plan.bottoms[1] == [True]


def test_propagate_down_true_does_not_make_a_layer_run() -> None:
    plan = plan_backward([DATA, layer("relu", "x", "h", pd="1"), IP2, LOSS])
    assert running(plan) == [2, 3]


def test_one_branch_skipped_the_other_not() -> None:
    plan = plan_backward(
        [
            DATA,
            IP1,
            layer("split", "h", "h0 h1"),
            layer("ro", "h0", "y0", pd="0", learns="11"),
            layer("quiet", "y0", "", pd="0"),
            layer("ip2", "h1", "y", learns="11"),
            LOSS,
        ]
    )
    assert running(plan) == [1, 2, 5, 6]


def test_in_place_layers_share_their_blobs_entry() -> None:
    plan = plan_backward([DATA, IP1, layer("relu", "h", "h"), IP2, LOSS])
    assert running(plan) == [1, 2, 3, 4]


def test_force_backward_asks_for_everything_the_layers_allow() -> None:
    plan = plan_backward([DATA, layer("ip1", "x", "h", learns="00"), IP2, LOSS], force_backward=True)
    assert running(plan) == [0, 1, 2, 3]
    assert plan.bottoms == [[], [True], [True], [True, False]]
    assert plan.params[1] == [True, True]


def test_a_zero_top_layer_never_runs_by_itself() -> None:
    plan = plan_backward(
        [DATA, IP1, layer("split", "h", "a b"), layer("silence", "a", ""), layer("ip2", "b", "y"), LOSS]
    )
    assert not plan.runs[3]
