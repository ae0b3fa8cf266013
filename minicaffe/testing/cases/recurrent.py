"""Cases of the recurrent layers; every sequence starts afresh in the first step, so repeated forwards agree."""

from minicaffe.testing.case import Case, Input, given, normal

T, N, D = 3, 2, 3
CONT = given([[0, 0], [1, 0], [1, 1]])
PARAM = (
    'recurrent_param { num_output: 3 weight_filler { type: "uniform" min: -0.5 max: 0.5 } bias_filler { '
    'type: "uniform" }'
)


def _cases(kind: str, states: int) -> list[Case]:
    hidden: tuple[Input, ...] = tuple(normal(1, N, D) for _ in range(states))
    body = f'type: "{kind}" {PARAM}'
    return [
        Case(f"{body} }}", (normal(T, N, 4), CONT), gradients=(0,)),
        Case(f"{body} }}", (normal(1, N, 4), given([[0, 0]])), gradients=(0,), label="one-step"),
        Case(f"{body} }}", (normal(T, N, 4), CONT, normal(N, 5)), gradients=(0, 2), label="static"),
        Case(
            f"{body} expose_hidden: true }}",
            (normal(T, N, 4), given([[1, 0], [1, 0], [1, 1]]), *hidden),
            gradients=(0,),
            tops=1 + states,
            through=(0,),
            label="expose_hidden",
        ),
    ]


CASES = [
    *_cases("RNN", 1),
    *_cases("LSTM", 2),
    Case(
        'type: "LSTMUnit"',
        (normal(1, 2, 3), normal(1, 2, 12), given([[0, 1]])),
        gradients=(0, 1),
        tops=2,
    ),
]
