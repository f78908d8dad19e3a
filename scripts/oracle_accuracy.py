#!/usr/bin/env python3
"""How far quantized Whisper encoders are from their original, measured with ONNX Runtime.

    python scripts/oracle_accuracy.py REFERENCE.onnx CANDIDATE.onnx ... --wav CLIP.wav ... [--json]

For each clip the log-mel features are computed as transformers' WhisperFeatureExtractor computes them, both
models run on ONNX Runtime's CPU provider, and the signal-to-quantization-noise ratio of the outputs is
printed: SQNR = 10 log10(sum reference^2 / sum (reference - candidate)^2) dB, over all outputs together.

This script is an oracle for whisperq's own `validate`: it shares no code with it. A clip is a 16-bit PCM WAV
file of 16 kHz; channels are averaged; the first 30 seconds count.

Requirements: numpy, onnxruntime (measured with 2.4.6 and 1.32.0). About a second per clip and tiny model.
"""
import argparse
import json
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime

SAMPLE_RATE, FFT_SIZE, HOP, SECONDS = 16_000, 400, 160, 30


def read_wav(path):
    """Samples in -1...1 as float32; refuses what the script does not convert."""
    with wave.open(str(path), "rb") as file:
        if file.getframerate() != SAMPLE_RATE or file.getsampwidth() != 2:
            raise SystemExit(f"{path}: {file.getframerate()} Hz, {8 * file.getsampwidth()} bits; "
                             f"expected {SAMPLE_RATE} Hz and 16 bits")
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return data.reshape(-1, file.getnchannels()).mean(axis=1).astype(np.float32) / np.float32(32768)


def slaney_mel(hertz):
    """Hertz to mel: linear up to 1 kHz, logarithmic above (Slaney, Auditory Toolbox)."""
    hertz = np.asarray(hertz, np.float64)
    upper = 15 + np.log(np.maximum(hertz, 1000) / 1000) * 27 / np.log(6.4)
    return np.where(hertz < 1000, 3 * hertz / 200, upper)


def slaney_hertz(mel):
    mel = np.asarray(mel, np.float64)
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))


def mel_filter_bank(mels):
    """Triangles of equal area, 0...8000 Hz, [mels, 201]."""
    bins = np.linspace(0, SAMPLE_RATE / 2, FFT_SIZE // 2 + 1)
    edges = slaney_hertz(np.linspace(slaney_mel(0), slaney_mel(SAMPLE_RATE / 2), mels + 2))
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def log_mel(samples, mels):
    """[1, mels, 3000]: 30 s, reflected edges, periodic Hann window, power, log10, 8 decades, (x + 4) / 4."""
    signal = np.zeros(SECONDS * SAMPLE_RATE, np.float64)
    count = min(len(samples), len(signal))
    signal[:count] = samples[:count]
    signal = np.pad(signal, FFT_SIZE // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(signal, FFT_SIZE)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE)
    spectrum = np.fft.rfft(frames * window, axis=1).astype(np.complex64)
    power = np.abs(spectrum, dtype=np.float64) ** 2
    mel = np.log10(np.maximum(1e-10, mel_filter_bank(mels) @ power.T))[:, :-1]  # the last frame is dropped
    mel = np.maximum(mel, mel.max() - 8)
    return ((mel + 4) / 4).astype(np.float32)[None]


class Encoder:
    def __init__(self, path, threads):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        self.path = path
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        features = [i for i in self.session.get_inputs() if len(i.shape) == 3 and i.shape[1] in (80, 128)]
        if len(self.session.get_inputs()) != 1 or not features:
            raise SystemExit(f"{path}: expected one input [batch, 80 or 128, 3000], found "
                             + ", ".join(f"{i.name}{i.shape}" for i in self.session.get_inputs()))
        self.input = features[0]

    @property
    def mels(self):
        return self.input.shape[1]

    def run(self, features):
        kind = np.float16 if self.input.type == "tensor(float16)" else np.float32
        outputs = self.session.run(None, {self.input.name: features.astype(kind)})
        return [np.asarray(o, np.float64) for o in outputs]


def compare(reference, candidate):
    """SQNR in dB (None: identical), cosine and largest error over all outputs together."""
    shapes = [r.shape for r in reference], [c.shape for c in candidate]
    if shapes[0] != shapes[1]:
        raise SystemExit(f"outputs differ in shape: {shapes[0]} and {shapes[1]}")
    r = np.concatenate([x.ravel() for x in reference])
    c = np.concatenate([x.ravel() for x in candidate])
    noise = float(np.sum((r - c) ** 2))
    return {"sqnr_db": 10 * float(np.log10(np.sum(r * r) / noise)) if noise else None,
            "cosine": float(r @ c / (np.linalg.norm(r) * np.linalg.norm(c))),
            "max_error": float(np.abs(r - c).max())}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("candidates", type=Path, nargs="+")
    parser.add_argument("--wav", type=Path, nargs="+", required=True)
    parser.add_argument("--threads", type=int, default=0, help="intra-op threads; 0: ONNX Runtime decides")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    reference = Encoder(args.reference, args.threads)
    clips = {path: log_mel(read_wav(path), reference.mels) for path in args.wav}
    expected = {path: reference.run(features) for path, features in clips.items()}
    rows = []
    for path in args.candidates:
        candidate = Encoder(path, args.threads)
        for clip, features in clips.items():
            row = {"candidate": str(path), "clip": clip.name}
            rows.append(row | compare(expected[clip], candidate.run(features)))
    if args.json:
        json.dump({"reference": str(args.reference), "results": rows}, sys.stdout, indent=2)
        print()
        return
    width = max(len(r["candidate"]) for r in rows)
    for row in rows:
        sqnr = "identical" if row["sqnr_db"] is None else f"{row['sqnr_db']:6.2f} dB"
        print(f"{row['candidate']:<{width}}  {row['clip']:<24} SQNR {sqnr}  cosine {row['cosine']:.6f}  "
              f"largest error {row['max_error']:.4g}")


if __name__ == "__main__":
    main()
