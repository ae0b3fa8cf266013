from __future__ import annotations

import re
from pathlib import Path

from minicaffe.cli.main import main

GLOG = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.py:\d+\] ")


def test_prints_caffes_lines_and_a_table(tiny: Path, capsys) -> None:
    assert main(["time", "-model", "net.prototxt", "-iterations", "2"]) == 0
    shown = capsys.readouterr()
    said = [GLOG.sub("", line) for line in shown.err.splitlines() if GLOG.match(line)]
    said = said[said.index("Performing Forward") :]
    expected = [
        r"Performing Forward",
        r"Initial loss: NUMBER",
        r"Performing Backward",
        r"\*\*\* Benchmark begins \*\*\*",
        r"Testing for 2 iterations\.",
        r"Iteration: 1 forward-backward time: NUMBER ms\.",
        r"Iteration: 2 forward-backward time: NUMBER ms\.",
        r"Average time per layer: ",
        r"      data\tforward: NUMBER ms\.",
        r"      data\tbackward: NUMBER ms\.",
        r"        ip\tforward: NUMBER ms\.",
        r"        ip\tbackward: NUMBER ms\.",
        r"      loss\tforward: NUMBER ms\.",
        r"      loss\tbackward: NUMBER ms\.",
        r"Average Forward pass: NUMBER ms\.",
        r"Average Backward pass: NUMBER ms\.",
        r"Average Forward-Backward: NUMBER ms\.",
        r"Total Time: NUMBER ms\.",
        r"\*\*\* Benchmark ends \*\*\*",
    ]
    assert len(said) == len(expected)
    for line, pattern in zip(said, expected, strict=True):
        assert re.fullmatch(pattern.replace("NUMBER", r"[\d.e+-]+"), line), line
    table = [line.split() for line in shown.out.splitlines()]
    assert [row[0] for row in table] == ["layer", "data", "ip", "loss", "total"]
    assert float(table[-1][-1].rstrip("%")) == 100


def test_phase_decides_which_layers_there_are(tiny: Path, capsys) -> None:
    with (tiny / "net.prototxt").open("a") as file:
        file.write('layer { name: "extra" type: "Silence" bottom: "ip" include { phase: TEST } }')
    assert main(["time", "net.prototxt", "--iterations=1"]) == 0
    assert "extra" not in capsys.readouterr().out
    assert main(["time", "net.prototxt", "--iterations=1", "--phase=test"]) == 0
    assert "extra" in capsys.readouterr().out


def test_a_net_without_a_loss_can_be_timed(tiny: Path, capsys) -> None:
    text = (tiny / "net.prototxt").read_text()
    (tiny / "net.prototxt").write_text(text[: text.index('layer { name: "loss"')])
    assert main(["time", "net.prototxt", "--iterations=1"]) == 0
    assert "Initial loss: 0" in capsys.readouterr().err


def test_names_how_each_layer_is_computed(tiny: Path, capsys) -> None:
    (tiny / "conv.prototxt").write_text("""
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 16 dim: 8 dim: 8 } } }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
            convolution_param { num_output: 16 kernel_size: 3 engine: CAFFE } }
        layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
        layer { name: "up" type: "Deconvolution" bottom: "conv" top: "up"
            convolution_param { num_output: 16 kernel_size: 3 } }
    """)
    assert main(["time", "conv.prototxt", "--iterations=1"]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert rows["conv"][-1] == "plain"
    assert rows["relu"][-3:] == ["forward", "in", "conv"]
    assert float(rows["relu"][2]) == 0 < float(rows["conv"][2])
    assert rows["up"][-1] != rows["data"][-1]
