"""ONNX Runtime's own dynamic quantization of one model, for comparison.

usage: onnxruntime_quantize.py INPUT OUTPUT
"""

import pathlib
import sys

from onnxruntime.quantization import QuantType, quantize_dynamic

source, target = map(pathlib.Path, sys.argv[1:3])
quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)
