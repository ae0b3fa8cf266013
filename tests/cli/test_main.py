from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from minicaffe import __version__, cli
from minicaffe.cli.main import find_verbs, main


def test_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"minicaffe {__version__}\n"


def test_the_package_runs_as_the_program() -> None:
    ran = subprocess.run([sys.executable, "-m", "minicaffe", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"minicaffe {__version__}\n"


def test_help_lists_every_verb_with_its_summary(capsys) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, module in find_verbs().items():
        assert module.__doc__.splitlines()[0] in shown, name


@pytest.mark.parametrize("verb", sorted(find_verbs()))
def test_every_verb_has_help_with_an_example(verb: str, capsys) -> None:
    assert main([verb, "--help"]) == 0
    assert "example:\n  minicaffe " in capsys.readouterr().out


def test_no_verb_at_all_shows_the_help_and_is_a_usage_error(capsys) -> None:
    assert main([]) == 2
    assert "train" in capsys.readouterr().out


def test_a_mistyped_verb_names_the_nearest(capsys) -> None:
    assert main(["trian", "solver.prototxt"]) == 2
    assert "unknown verb 'trian' (did you mean 'train'?)" in capsys.readouterr().err


def test_old_names_and_flags_before_the_verb(capsys) -> None:
    assert main(["-gpu=all", "device_query"]) == 0
    assert capsys.readouterr().out.startswith("minicaffe:")


def test_an_error_is_one_message_and_exit_code_1(tiny: Path, capsys) -> None:
    assert main(["train", "solver.prototxt", "--gpu", "0"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("minicaffe: --gpu 0 asks for a GPU")
    assert "Traceback" not in said


def test_traceback_on_request(tiny: Path) -> None:
    from minicaffe.errors import DeviceError

    with pytest.raises(DeviceError):
        main(["train", "solver.prototxt", "--gpu", "0", "--traceback"])


def test_a_missing_file_is_named(tiny: Path, capsys) -> None:
    assert main(["train", "slover.prototxt"]) == 1
    said = capsys.readouterr().err
    assert "slover.prototxt" in said
    assert "Traceback" not in said


def test_a_users_layer_keeps_its_traceback(tiny: Path, capsys) -> None:
    (tiny / "mine.py").write_text(
        "import minicaffe\n"
        "class Broken(minicaffe.Layer):\n"
        "    def setup(self, bottom, top): pass\n"
        "    def reshape(self, bottom, top): top[0].reshape(1)\n"
        "    def forward(self, bottom, top): raise RuntimeError('out of luck')\n"
    )
    (tiny / "mine.prototxt").write_text(
        'layer { name: "b" type: "Python" top: "b" python_param { module: "mine" layer: "Broken" } }'
    )
    assert main(["time", "mine.prototxt", "--iterations", "1"]) == 1
    said = capsys.readouterr().err
    assert "mine.py" in said
    assert "raise RuntimeError('out of luck')" in said
    message = said.rsplit("minicaffe: ", 1)[1]
    assert "layer 'b' (Python): forward raised RuntimeError: out of luck" in message


def test_a_module_dropped_into_the_package_is_a_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "say_hello.py").write_text(
        '"""Greet somebody."""\n'
        'ALIASES = ("greet",)\n'
        "def add_arguments(parser): parser.add_argument('name')\n"
        "def run(args): print('hello', args.name)\n"
    )
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    for verb in ("say-hello", "say_hello", "greet"):
        assert main([verb, "reader"]) == 0
        assert capsys.readouterr().out == "hello reader\n"
    monkeypatch.delitem(sys.modules, "minicaffe.cli.say_hello")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from minicaffe.cli.main import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = ran.stderr
    assert "'minicaffe.cli.train'" in loaded
    for module in ("numpy", "google.protobuf", "numba", "scipy", "tqdm", "h5py", "cupy"):
        assert f"'{module}'" not in loaded
