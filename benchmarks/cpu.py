"""Time minicaffe on the CPU beside PyTorch: whole nets, peak memory, and how long it takes to get started.

    python benchmarks/cpu.py [--rows KEY,KEY] [--output FOLDER] [--budget SECONDS] [--list]

Every row runs in a process of its own, both engines in it, with the same net, weights and inputs: first their results
are compared (dropout off), then they take turns, a block of passes each, so that whatever else the machine does meets
both. The table gives medians; ratios are what to look at. Peak memory comes from two more processes, one an engine.
Without PyTorch only minicaffe is timed. Results: a table on standard output, `cpu.json` and, with matplotlib,
`cpu.png` in the output folder (default runs/bench).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import report
import rows

HERE = Path(__file__).resolve().parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", metavar="KEY,KEY", help="only these rows (default: all; `start` is one)")
    parser.add_argument("--output", type=Path, default=HERE.parent / "runs" / "bench", metavar="FOLDER")
    parser.add_argument("--budget", type=float, default=12.0, metavar="SECONDS", help="to time each row (default 12)")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    args = parser.parse_args()
    keys = [key for key in args.rows.split(",") if key] or [*rows.BY_KEY, "start"]
    unknown = [key for key in keys if key not in rows.BY_KEY and key != "start"]
    if unknown or args.list:
        print("\n".join([*(f"{key:20} {row.title}" for key, row in rows.BY_KEY.items()), "start"]))
        sys.exit(f"unknown rows: {', '.join(unknown)}" if unknown else 0)
    engines = ["ours", "torch"] if importlib.util.find_spec("torch") else ["ours"]
    found: dict[str, Any] = {"machine": machine(), "rows": {}}
    for key in keys:
        if key == "start":
            found["start"] = child("starting.py")
            continue
        result = child("measure.py", "time", key, ",".join(engines), str(args.budget))
        if not args.no_memory:
            result["memory"] = {engine: child("measure.py", "memory", key, engine) for engine in engines}
        found["rows"][key] = result
        print(report.line(rows.BY_KEY[key], result), file=sys.stderr, flush=True)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "cpu.json").write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(report.table(found)))
    report.plot(found, args.output / "cpu.png")


def child(script: str, *arguments: str) -> Any:
    """Run a script of this folder in a process of its own, on `rows.THREADS` threads; return the JSON it prints."""
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(rows.THREADS))}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(HERE / script), *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return {"failed": f"{script} {' '.join(arguments)} ended with {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> dict[str, str]:
    from minicaffe.inspect import devices

    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    about = {"platform": platform.platform(), **dict(devices.cpu())}
    return {**about, "threads": str(rows.THREADS), "load before (0: quiet)": load}


if __name__ == "__main__":
    main()
