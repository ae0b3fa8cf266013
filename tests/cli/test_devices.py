from __future__ import annotations

import subprocess
import sys

from minicaffe.cli.main import main


def test_tells_what_there_is(capsys) -> None:
    assert main(["devices"]) == 0
    shown = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    cpu = ("CPU", "CPU features", "NumPy", "BLAS", "threads", "numba")
    for label in ("minicaffe", "Python", *cpu, "NVIDIA driver", "CuPy"):
        assert shown[label].strip()
    assert "threads" in shown["BLAS"]


def test_says_why_numba_is_not_used() -> None:
    script = "import sys; sys.modules['numba'] = None; from minicaffe.cli.main import main; sys.exit(main(['devices']))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    line = next(line for line in ran.stdout.splitlines() if line.startswith("numba:"))
    assert "not used" in line
    assert "ModuleNotFoundError" in line
    assert "pip install numba" in line
