#!/usr/bin/env python3
"""Log-mel features of a recording, as `scripts/oracle_accuracy.py` computes them, saved for whisperq's --input.

    whisper_features.py CLIP.wav MELS INPUT_NAME OUT.npz
"""
import importlib.util
import pathlib
import sys

import numpy as np

path = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "oracle_accuracy.py"
spec = importlib.util.spec_from_file_location("oracle_accuracy", path)
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)
clip, mels, name, out = sys.argv[1:]
np.savez_compressed(out, **{name: oracle.log_mel(oracle.read_wav(clip), int(mels))})
