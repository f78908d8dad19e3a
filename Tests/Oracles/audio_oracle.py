#!/usr/bin/env python3
"""A second opinion about audio: Whisper's log-mel features by the published formula in numpy, and WAV files by Python's
own writer. Arrays are files of little-endian float32.

    audio_oracle.py filters NPZ|- OUT MELS    mel filters [MELS, 201]; with NPZ, those that Whisper keeps in a file
    audio_oracle.py features FOLDER MELS FRAMES   NAME.pcm -> NAME.mel [MELS, FRAMES], each a clip of its own
    audio_oracle.py recording FOLDER MELS     NAME.pcm -> NAME.mel [MELS, all frames], 30 s of silence behind them cut off
    audio_oracle.py waves FOLDER SEED         writes NAME.wav and its samples, mixed to mono, as NAME.pcm
    audio_oracle.py samples WAV OUT           samples of a 16-bit mono file
"""
import pathlib
import sys
import wave

import numpy as np

RATE, FFT, HOP = 16000, 400, 160


def to_mel(hertz):
    """Slaney's scale: 3 mels per 200 Hz up to 1000 Hz, above that 27 mels for a factor of 6.4."""
    hertz = np.asarray(hertz, np.float64)
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4))


def to_hertz(mel):
    mel = np.asarray(mel, np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.power(6.4, (mel - 15) / 27))


def filters(mels):
    edges = to_hertz(np.linspace(0, float(to_mel(RATE / 2)), mels + 2))
    bins = np.fft.rfftfreq(FFT, 1 / RATE)
    rows = [np.interp(bins, edges[i:i + 3], [0, 2 / (edges[i + 2] - edges[i]), 0]) for i in range(mels)]
    return np.array(rows)


def log_powers(signal, mels):
    """log10 of the mel powers of all frames but the last."""
    signal = np.pad(signal.astype(np.float64), FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(signal, FFT)[::HOP][:-1]
    power = np.abs(np.fft.rfft(frames * np.hanning(FFT + 1)[:-1], axis=1)) ** 2
    return np.log10(np.maximum(filters(mels) @ power.T, 1e-10))


def scaled(values):
    return ((np.maximum(values, values.max() - 8) + 4) / 4).astype("<f4")


def each_clip(folder):
    for path in sorted(pathlib.Path(folder).glob("*.pcm")):
        yield path.with_suffix(".mel"), np.fromfile(path, "<f4")


def write_waves(folder, seed):
    random = np.random.default_rng(seed)
    for width in (1, 2, 3, 4):
        for channels in (1, 2, 5):
            frames = int(random.integers(1, 3000))
            low, high = (0, 256) if width == 1 else (-(1 << (8 * width - 1)), 1 << (8 * width - 1))
            values = random.integers(low, high, (frames, channels), np.int64)
            with wave.open(str(folder / f"w{width}c{channels}.wav"), "wb") as file:
                file.setnchannels(channels)
                file.setsampwidth(width)
                file.setframerate(RATE)
                file.writeframes(b"".join(
                    int(v).to_bytes(width, "little", signed=width > 1) for v in values.ravel()))
            unit = (values - 128) / 128 if width == 1 else values / float(high)
            unit.mean(axis=1).astype("<f4").tofile(folder / f"w{width}c{channels}.pcm")


def main():
    command, *rest = sys.argv[1:]
    if command == "filters":
        source, out, mels = rest[0], rest[1], int(rest[2])
        table = filters(mels) if source == "-" else np.load(source)[f"mel_{mels}"]
        table.astype("<f4").tofile(out)
    elif command == "features":
        mels, frames = int(rest[1]), int(rest[2])
        for out, samples in each_clip(rest[0]):
            signal = np.zeros(frames * HOP)
            signal[:len(samples)] = samples[:len(signal)]
            scaled(log_powers(signal, mels)).tofile(out)
    elif command == "recording":
        mels = int(rest[1])
        for out, samples in each_clip(rest[0]):
            values = scaled(log_powers(np.pad(samples, (0, 30 * RATE)), mels))
            np.ascontiguousarray(values[:, :-(-len(samples) // HOP)]).tofile(out)
    elif command == "waves":
        write_waves(pathlib.Path(rest[0]), int(rest[1]))
    elif command == "samples":
        with wave.open(rest[0]) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
            (np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768).astype("<f4").tofile(rest[1])
    else:
        raise SystemExit(__doc__)


main()
