"""Says whether onnx.checker and ONNX Runtime accept models, and whether they compute what their originals do.

Usage: check_model.py [ORIGINAL CANDIDATE]...

One line per pair: "ok" or what is wrong, a tab, what was compared, a tab, and the candidate's path. A candidate
need not pass what its original does not pass.
"""

import sys

import numpy as np
import onnx
import onnxruntime

KINDS = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}
BATCH = ("batch", "batch_size", "N")


def checker(path):
    try:
        onnx.checker.check_model(path)
    except Exception as error:
        return f"onnx.checker: {error}".splitlines()[0]
    return None


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]), None
    except Exception as error:
        return None, f"ONNX Runtime: {error}".splitlines()[0]


def feeds(runner):
    random = np.random.default_rng(1)
    result = {}
    for value in runner.get_inputs():
        shape = [size if isinstance(size, int) else 1 if size in BATCH else 3 for size in value.shape]
        kind = KINDS[value.type]
        if np.issubdtype(kind, np.floating):
            result[value.name] = random.standard_normal(shape).astype(kind)
        else:
            result[value.name] = random.integers(0, 2, shape).astype(kind)
    return result


def outputs(runner, inputs):
    try:
        return runner.run(None, inputs), None
    except Exception as error:
        return None, f"ONNX Runtime: {error}".splitlines()[0]


def compare(original, candidate):
    compared = []
    problem = checker(candidate)
    if problem is None:
        compared.append("checker")
    elif checker(original) is None:
        return problem, compared
    left, original_problem = session(original)
    right, problem = session(candidate)
    if original_problem is not None:
        return "ok", compared
    if problem is not None:
        return problem, compared
    compared.append("session")
    inputs = feeds(left)
    expected, original_problem = outputs(left, inputs)
    found, problem = outputs(right, inputs)
    if original_problem is not None:
        return "ok", compared
    if problem is not None:
        return problem, compared
    for name, one, other in zip([value.name for value in left.get_outputs()], expected, found):
        if one.shape != other.shape or one.tobytes() != other.tobytes():
            return f"output {name} differs", compared
    compared.append("outputs")
    return "ok", compared


for place in range(1, len(sys.argv), 2):
    verdict, compared = compare(sys.argv[place], sys.argv[place + 1])
    print(verdict, " ".join(compared), sys.argv[place + 1], sep="\t")
