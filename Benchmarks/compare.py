"""Measures whisperq against the floor (floor.c) on real models and prints a table.

Floor and whisperq run one after the other, pair by pair, on the same file in the page cache, so that what slows
the machine down slows both. The ratio is the median of the pairs' ratios.

With --onnxruntime PYTHON, ONNX Runtime's quantize_dynamic runs once per model in the same way; its time is compared
with the median of whisperq's dynamic-int8.

usage: compare.py --whisperq PROGRAM --floor PROGRAM --measure PROGRAM --scratch FOLDER [--pairs 5] [--json]
       [--onnxruntime PYTHON] MODEL_FOLDER
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

JOBS = {
    "dynamic-int8": ["quantize", "--scheme", "dynamic-int8"],
    "weight-int4/32": ["quantize", "--scheme", "weight-int4", "--block-size", "32"],
    "fp16": ["quantize", "--scheme", "fp16"],
    "inspect": ["inspect"],
}


def weight_file(model):
    """The file that holds the model's weights: the model itself, or its data file when there is one."""
    named = [model.with_name(model.name + suffix) for suffix in (".data", "_data")]
    present = [file for file in named if file.exists()]
    others = [file for file in model.parent.iterdir() if file.is_file() and file.suffix != ".onnx"]
    if not present and model.stat().st_size < 10_000_000:
        present = [file for file in others if file.stat().st_size > 10 * model.stat().st_size]
    return max([model, *present], key=lambda file: file.stat().st_size)


def run(measure, command):
    """One measured run; a program that fails ends the benchmark."""
    done = subprocess.run([measure, *map(str, command)], check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout)
    if result["exit_code"] != 0:
        sys.exit(f"error: exit code {result['exit_code']} from: {' '.join(map(str, command))}")
    return result


def fresh(folder):
    """The folder, empty; what earlier runs wrote is taken away outside the measured time."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def warm(file):
    with open(file, "rb") as opened:
        while opened.read(1 << 24):
            pass


def compare(options, model):
    weights = weight_file(model)
    byte_count = weights.stat().st_size
    warm(weights)
    for job, arguments in JOBS.items():
        pairs = []
        for _ in range(options.pairs):
            folder = fresh(options.scratch / "work")
            floor = run(options.measure, [options.floor, weights, folder / "floor.bin"])
            folder = fresh(options.scratch / "work")
            command = [options.whisperq, arguments[0], model, *arguments[1:]]
            if job != "inspect":
                command += ["--output", folder / "model.onnx", "--quiet"]
            pairs.append((floor, run(options.measure, command)))
        seconds = statistics.median(own["seconds"] for _, own in pairs)
        yield row_of(
            options, model, byte_count, job, statistics.median(floor["seconds"] for floor, _ in pairs), seconds,
            statistics.median(own["seconds"] / floor["seconds"] for floor, own in pairs),
            max(own["peak_bytes"] for _, own in pairs))
    if options.onnxruntime:
        folder = fresh(options.scratch / "work")
        script = pathlib.Path(__file__).with_name("onnxruntime_quantize.py")
        floor = run(options.measure, [options.floor, weights, folder / "floor.bin"])
        other = run(options.measure, [options.onnxruntime, script, model, folder / "model.onnx"])
        folder = fresh(options.scratch / "work")
        command = [options.whisperq, "quantize", model, "--output", folder / "model.onnx", "--quiet"]
        own = run(options.measure, command)
        yield row_of(options, model, byte_count, "onnxruntime", floor["seconds"], other["seconds"],
                     other["seconds"] / floor["seconds"], other["peak_bytes"])
        print(f"  ONNX Runtime takes {other['seconds'] / own['seconds']:.0f} times whisperq's "
              f"{own['seconds']:.3f} s beside it", file=sys.stderr)
    fresh(options.scratch / "work")


def row_of(options, model, byte_count, job, floor_seconds, seconds, ratio, peak):
    """One line of the result."""
    return {
        "model": str(model.relative_to(options.models)), "bytes": byte_count, "job": job,
        "floor_seconds": floor_seconds, "seconds": seconds, "ratio": ratio,
        "bytes_per_second": byte_count / seconds, "peak_bytes": peak,
    }


def main():
    parser = argparse.ArgumentParser(description="whisperq against the floor")
    for name in ("whisperq", "floor", "measure", "scratch"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--onnxruntime", type=pathlib.Path, help="a Python that has onnxruntime")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("models", type=pathlib.Path)
    options = parser.parse_args()
    models = sorted(options.models.rglob("*.onnx"))
    if not models:
        sys.exit(f"error: no .onnx file under {options.models}")
    rows = []
    form = "{:<44} {:>9} {:<15} {:>8} {:>8} {:>7} {:>7} {:>8}"
    if not options.json:
        print(form.format("model", "MB", "job", "floor s", "s", "ratio", "GB/s", "peak MB"))
    for model in models:
        for row in compare(options, model):
            rows.append(row)
            if not options.json:
                cells = [
                    row["model"][-44:], f"{row['bytes'] / 1e6:.1f}", row["job"], f"{row['floor_seconds']:.3f}",
                    f"{row['seconds']:.3f}", f"{row['ratio']:.2f}", f"{row['bytes_per_second'] / 1e9:.2f}",
                    f"{row['peak_bytes'] / 1e6:.0f}",
                ]
                print(form.format(*cells), flush=True)
    if options.json:
        print(json.dumps(rows, indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
