"""Time minicaffe on a GPU beside PyTorch eager with cuDNN, by events of the device.

    python benchmarks/gpu.py [--only ohem,vgg16] [--repeat N] [--no-tf32] [--out FOLDER]

Two pieces of work: the whole OHEM step of VGG16 Fast R-CNN (image of 600 x 1000, 2,000 regions, 64 hard; forward,
mining, backward, update), and VGG16 forward and backward on a batch of 32 at 224 x 224. Every engine runs in a process
of its own. PyTorch gets torchvision's `roi_pool` and `nms`, and TF32 as ours does. Printed are the times with their
targets, the memory each took, ours by part, and what the arithmetic alone would take at the published peak of the card;
FOLDER/gpu.json (runs/bench) keeps it all. Without a GPU it says what is missing, and ends with 1.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import nets
import rows

ROOT = Path(__file__).resolve().parent.parent
HEIGHT, WIDTH, REGIONS = 600, 1000, 2000
WARM_UP = 5

ROWS = {
    "ohem": rows.Row(
        "ohem", f"VGG16 OHEM step, {HEIGHT} x {WIDTH}, {REGIONS:,} regions, 64 hard", "step",
        partial(nets.vgg16_ohem, HEIGHT, WIDTH, REGIONS), 1.0, 21,
    ),
    "vgg16": rows.Row(
        "vgg16", "VGG16 forward + backward, batch 32 at 224 x 224", "backward",
        partial(nets.classifier, nets.vgg16, (32, 3, 224, 224), True), 1.1,
    ),
}  # fmt: skip
# of each row, at most: milliseconds, bytes, and milliseconds that the host takes to give the device its work
TARGETS: dict[str, dict[str, float]] = {"ohem": {"ms": 60, "memory": 8.7e9, "host ms": 2}, "vgg16": {}}

# Published peaks by a part of the card's name: 10^12 operations a second in TF32 and in FP32, 10^12 bytes a second
PEAKS = {"H200": (494.5, 66.9, 4.8), "H100": (494.5, 66.9, 3.35), "A100": (156.0, 19.5, 2.0)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ROWS), metavar="ROWS", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--repeat", type=int, default=30, metavar="N", help="passes to take the median of (default 30)")
    parser.add_argument("--no-tf32", dest="tf32", action="store_false", help="products in full single precision")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "bench", metavar="FOLDER")
    parser.add_argument("--measure", nargs=2, metavar=("ENGINE", "ROW"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        engine, row = args.measure
        measure = ours if engine == "ours" else theirs
        print(json.dumps(measure(ROWS[row], args.repeat, args.tf32)))
        return 0
    from minicaffe import device
    from minicaffe.errors import DeviceError

    try:
        device.set_mode_gpu("benchmarks/gpu.py")
    except DeviceError as problem:
        print(problem, file=sys.stderr)
        return 1
    card = device.device_names()[0]
    print(f"{card}, {'TF32' if args.tf32 else 'FP32'}, median of {args.repeat} passes after {WARM_UP}")
    found: dict[str, Any] = {"card": card, "tf32": args.tf32, "rows": {}}
    for key in args.only.split(","):
        found["rows"][key] = one = {engine: in_process(engine, key, args) for engine in ("ours", "torch")}
        print("\n".join(report(key, one, card, args.tf32)))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "gpu.json").write_text(json.dumps(found, indent=1))
    return 0


def in_process(engine: str, key: str, args: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own; {"problem": ...} if that fails."""
    command = [sys.executable, __file__, "--measure", engine, key, "--repeat", str(args.repeat)]
    done = subprocess.run(
        command + ["--no-tf32"] * (not args.tf32), check=False, capture_output=True, text=True
    )  # fmt: skip
    if done.returncode:
        return {"problem": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


# -- ours -------------------------------------------------------------------------------------------------------------


def ours(row: rows.Row, repeat: int, tf32: bool) -> dict[str, Any]:
    """Return times, memory, times by part and operations of minicaffe on the device at hand."""
    from minicaffe import device

    if not device.ops().on_device:
        device.set_tf32(tf32)
        device.set_mode_gpu("benchmarks/gpu.py")
    xp = device.ops().xp
    import engines

    engine = engines.Ours(row)

    def timed() -> tuple[float, float]:
        start, stop = xp.cuda.Event(), xp.cuda.Event()
        began = perf_counter()
        start.record()
        engine.run()
        stop.record()
        stop.synchronize()
        return xp.cuda.get_elapsed_time(start, stop), 1000 * (perf_counter() - began)

    result = summary(timed, repeat)
    result["memory"] = xp.get_default_memory_pool().total_bytes()
    result["parts"] = parts(engine, xp, repeat)
    result["operations"] = dict(operations(engine.net))
    result["parameters"] = sum(p.blob.count for p in engine.net.learnable)
    if row.key == "ohem":
        result["host ms"] = host_milliseconds(xp, repeat)
    return result


def host_milliseconds(xp: Any, repeat: int) -> float:
    """Return what the program itself takes for a step: the step on a tiny image, and giving out the update."""
    import engines

    tiny = engines.Ours(rows.Row("tiny", "", "step", partial(nets.vgg16_ohem, 64, 64, 64), 1.0, 21))
    update = []
    for _ in range(repeat):
        xp.cuda.get_current_stream().synchronize()
        began = perf_counter()
        tiny.solver.apply_update()
        update.append(1000 * (perf_counter() - began))
    tiny.solver.param.disabled_update = True
    passes = []
    for _ in range(WARM_UP + repeat):
        began = perf_counter()
        tiny.run()
        xp.cuda.get_current_stream().synchronize()
        passes.append(1000 * (perf_counter() - began))
    return statistics.median(passes[WARM_UP:]) + statistics.median(update)


def summary(timed: Callable[[], tuple[float, float]], repeat: int) -> dict[str, Any]:
    """Return the median, least and largest milliseconds of the device, and the median of the host's clock."""
    for _ in range(WARM_UP):
        timed()
    passes = [timed() for _ in range(repeat)]
    by_device = [ms for ms, _ in passes]
    return {
        "ms": statistics.median(by_device), "best": min(by_device), "worst": max(by_device),
        "wall": statistics.median(wall for _, wall in passes),
    }  # fmt: skip


def parts(engine: Any, xp: Any, repeat: int) -> dict[str, float]:
    """Return milliseconds of each part of a pass, measured layer by layer, and of the update."""
    from minicaffe.inspect.timing import DeviceClock, LayerTiming

    clock, spent = DeviceClock(xp), {}
    passes = max(repeat // 3, 3)
    for _ in range(passes):
        engine.net.clear_param_diffs()
        for step in engine.net.steps:
            clock.run(spent.setdefault(part_of(step), LayerTiming("", "")), "forward", step.forward)
        for step in reversed(engine.net.steps):
            if step.runs_backward:
                clock.run(spent[part_of(step)], "backward", step.backward)
        if engine.solver is not None:
            clock.run(spent.setdefault("update", LayerTiming("", "")), "forward", engine.solver.apply_update)
        clock.finish()
    halves = ((f"{name} {half}", getattr(one, half)) for name, one in spent.items() for half in ("forward", "backward"))
    return {name.replace("update forward", "update"): 1000 * total / passes for name, total in halves if total}


def part_of(step: Any) -> str:
    """Return the part of the net that a layer belongs to."""
    name = step.param.name
    if step.param.type == "Python":
        return "mining"
    if "readonly" in name:
        return "readonly tower"
    trunk = name.startswith(("conv", "relu1", "relu2", "relu3", "relu4", "relu5", "pool1", "pool2", "pool3", "pool4"))
    return "trunk" if trunk or name == "pool5" else "tower and losses"


def operations(net: Any) -> Iterator[tuple[str, float]]:
    """Yield the arithmetic of all products of a pass, 2 for a multiplication with its addition: forward, backward."""
    forward = backward = 0.0
    for step in net.steps:
        layer = step.layer
        if step.param.type not in ("Convolution", "InnerProduct"):
            continue
        each = 2.0 * layer.blobs[0].count
        work = each * (
            math.prod(step.top[0].shape[2:]) * step.top[0].shape[0]
            if step.param.type == "Convolution"
            else step.top[0].shape[0]
        )
        forward += work
        if step.runs_backward:
            backward += work * (bool(step.propagate_down[0]) + layer.learns(0))
    yield "forward", forward
    yield "backward", backward


# -- PyTorch ----------------------------------------------------------------------------------------------------------


def theirs(row: rows.Row, repeat: int, tf32: bool) -> dict[str, Any]:
    """Return times and memory of PyTorch eager."""
    import engines
    import torch
    import torch_net

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = False  # a detector's images have ever new sizes
    torch_net.TRANSLATIONS.update(ROIPooling=roi_pooling, OHEMDataLayer=mining)
    engine = engines.Torch(row)
    engine.module.cuda()
    engine.inputs = {name: values.cuda() for name, values in engine.inputs.items()}
    if engine.optimizer is not None:
        engine.optimizer = engine.module.optimizer(engines.RATE, engines.MOMENTUM, engines.DECAY)
    torch.cuda.reset_peak_memory_stats()

    def timed() -> tuple[float, float]:
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        began = perf_counter()
        start.record()
        engine.run()
        stop.record()
        stop.synchronize()
        return start.elapsed_time(stop), 1000 * (perf_counter() - began)

    result = summary(timed, repeat)
    result["memory"] = torch.cuda.max_memory_reserved()
    return result


def roi_pooling(layer: Any) -> Callable[..., Any]:
    from torchvision.ops import roi_pool

    return lambda x, rois: roi_pool(x, rois, layer.pooled, layer.scale)


def mining(layer: Any) -> Callable[..., Any]:
    import torch
    import torch.nn.functional as F  # noqa: N812
    from torchvision.ops import batched_nms

    train = layer.cfg.TRAIN

    @torch.no_grad()
    def run(prob: Any, pred: Any, rois: Any, labels: Any, *box: Any) -> Any:
        targets, inside, outside = box
        losses = -prob.gather(1, labels.long()[:, None])[:, 0].clamp_min(2**-52).log()
        distance = F.smooth_l1_loss(inside * pred, inside * targets, reduction="none")
        losses += torch.where(inside != 0, outside * distance, 0).sum(1) * (labels > 0)
        hard = batched_nms(rois[:, 1:], losses, labels, train.OHEM_NMS_THRESH)[: train.BATCH_SIZE]
        return tuple(each[hard] for each in (rois, labels, *box))

    return run


# -- the report -------------------------------------------------------------------------------------------------------


def report(key: str, found: dict[str, Any], card: str, tf32: bool) -> Iterator[str]:
    """Yield the lines of one row."""
    row, mine, peer, targets = ROWS[key], found["ours"], found["torch"], TARGETS[key]
    yield f"\n{row.title}"
    for name, one in (("minicaffe", mine), ("PyTorch", peer)):
        if "problem" in one:
            yield f"  {name:10} not measured: {one['problem']}"
            continue
        yield (
            f"  {name:10} {one['ms']:8.2f} ms ({one['best']:.2f} to {one['worst']:.2f}), wall {one['wall']:.2f} ms, "
            f"{one['memory'] / 1e9:.2f} GB"
        )
    if "problem" in mine:
        return
    if "problem" not in peer:
        ratio = mine["ms"] / peer["ms"]
        yield f"  {ratio:.2f} times PyTorch's time; asked for: at most {row.target:g}: {verdict(ratio <= row.target)}"
    for what, most in targets.items():
        yield f"  {what}: {mine[what]:.4g}; asked for: at most {most:.4g}: {verdict(mine[what] <= most)}"
    peak = next((numbers for name, numbers in PEAKS.items() if name in card), None)
    if peak:
        total = sum(mine["operations"].values())
        floor = total / peak[0 if tf32 else 1] / 1e9
        yield f"  arithmetic: {total / 1e9:.0f} x 10^9 operations, {floor:.2f} ms at the card's published peak"
        if row.kind == "step":
            traffic = 20 * mine["parameters"]  # data and history read and written, the gradient read
            yield f"  update: {traffic / 1e9:.2f} GB to move, {traffic / peak[2] / 1e9:.2f} ms"
    for name, ms in mine["parts"].items():
        yield f"    {name:28} {ms:8.2f} ms"


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
