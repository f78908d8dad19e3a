"""Speech for the demo model: sentences of a small grammar, spoken by espeak-ng, as Whisper's log-mels.

`train_demo_model.py` uses it. Everything is drawn from seeded generators, and espeak-ng gives the same
samples for the same words, so that the clips are the same on each run (with the same version of espeak-ng).
"""
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import wave
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from transformers import WhisperFeatureExtractor

SEED = 20
RATE = 16000
CLIPS, HELD_OUT = 8000, 28  # trained on, committed
MARGIN = RATE // 20  # silence around a held-out clip

# MARK: sentences

ONES = "zero one two three four five six seven eight nine".split()
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
UNS = "zero um dois três quatro cinco seis sete oito nove".split()
DEZ = "dez onze doze treze catorze quinze dezasseis dezassete dezoito dezanove".split()
DEZENAS = "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa".split()


def number(language, value):
    """0...99 in words."""
    ones, teens, tens, link = (ONES, TEENS, TENS, " ") if language == "en" else (UNS, DEZ, DEZENAS, " e ")
    if value < 20:
        return (ones + teens)[value]
    return tens[value // 10 - 2] + (link + ones[value % 10] if value % 10 else "")


GRAMMAR = {
    "en": [
        (4, "turn on|turn off|switch on|switch off", "the", "kitchen|bedroom|garden|garage|office",
         "light|lights|fan"),
        (2, "turn on|turn off|switch on|switch off", "the", "light|fan|radio|television|heating|music"),
        (3, "open|close", "the", "door|window|kitchen window|bedroom door|garage door|garden gate"),
        (3, "set the temperature to", "N10-30", "|degrees"),
        (2, "set the volume to", "N0-99", "|percent"),
        (2, "set a timer for", "N2-59", "minutes|seconds"),
        (2, "wake me up at", "N1-12", "|tomorrow"),
        (2, "play", "the", "next|last|first", "song|album"),
        (2, "what is the", "time|weather|weather today|weather tomorrow|temperature"),
        (1, "start|stop|pause", "the", "music|timer|song"),
        (1, "turn the volume", "up|down"),
        (1, "call", "my mother|my father|my sister|my brother|the office"),
        (3, "D"), (2, "N0-99"), (1, "yes please|no thank you|good morning|good night|thank you|stop now"),
    ],
    "pt": [
        (4, "ligar|desligar|acender|apagar", "a luz|as luzes",
         "da cozinha|da sala|do quarto|do jardim|da garagem"),
        (2, "ligar|desligar", "a luz|o rádio|a televisão|o aquecimento|a música"),
        (3, "abrir|fechar", "a porta|a janela", "|da cozinha|da sala|do quarto|da garagem"),
        (3, "definir a temperatura para", "N10-30", "graus"),
        (2, "definir o volume para", "N3-99", "|por cento"),
        (2, "definir um alarme para daqui a", "N3-59", "minutos|segundos"),
        (2, "acordar às", "N3-12", "horas"),
        (2, "tocar a", "próxima|última|primeira", "música"),
        (2, "como está o tempo|que horas são|qual é a temperatura", "|hoje|amanhã"),
        (1, "começar|parar", "a música|o alarme"),
        (1, "aumentar|baixar", "o volume|a temperatura"),
        (1, "ligar para", "a minha mãe|o meu pai|a minha irmã|o meu irmão|o escritório"),
        (3, "D"), (2, "N0-99"),
        (1, "sim por favor|não obrigado|bom dia|boa noite|muito obrigado|parar agora"),
    ],
}


def sentence(language, random):
    """One sentence of the grammar: `a|b` is a choice, N3-9 a number, D three to five digits."""
    rules = GRAMMAR[language]
    weights = np.array([rule[0] for rule in rules], float)
    words = []
    for part in rules[random.choice(len(rules), p=weights / weights.sum())][1:]:
        if part == "D":
            words += [number(language, random.integers(10)) for _ in range(random.integers(3, 6))]
        elif re.fullmatch(r"N\d+-\d+", part):
            low, high = map(int, part[1:].split("-"))
            words.append(number(language, random.integers(low, high + 1)))
        else:
            words.append(str(random.choice(part.split("|"))))
    return " ".join(word for word in words if word)


# MARK: speech

ACCENTS = {"en": ["en-us", "en-us", "en-gb", "en-gb-x-rp"], "pt": ["pt", "pt", "pt-br"]}
# variants of espeak-ng; "plain" is the accent itself
VOICES = ("m1 m2 m3 m4 m6 m7 m8 f1 f2 f3 f5 croak klatt klatt2 klatt4 adam Alex Alicia Andrea Andy "
          "Annie antonio aunty belinda benjamin boris caleb david Denis Diogo ed edward Gene grandma "
          "grandpa gustave Henrique Hugo iven plain john kaukovalta Lee marcelo Marco max plain Mike "
          "miguel plain norbert paul pedro quincy rob robert sandro shelby steph Storm travis victor "
          "zac").split()
HELD_OUT_VOICES = ["m5", "f4", "linda", "pablo"]  # with their accents; never in the training data


class Clip:
    """One utterance: `audio` is float32 at 16 kHz without the silence around it."""

    def __init__(self, language, text, voice, speed, pitch):
        self.language, self.text, self.voice, self.speed, self.pitch = language, text, voice, speed, pitch
        self.audio = self.mel = None
        self.phonemes = ""


def recipes(count, voices, seed, excluded=()):
    """Draws what is to be said and by whom. Half of it in each language."""
    random, clips = np.random.default_rng(seed), []
    while len(clips) < count:
        language = ("en", "pt")[len(clips) % 2]
        text = sentence(language, random)
        voice = f"{random.choice(ACCENTS[language])}+{random.choice(voices)}".removesuffix("+plain")
        speed, pitch = int(random.integers(130, 200)), int(random.integers(25, 75))
        if (language, text) not in excluded:
            clips.append(Clip(language, text, voice, speed, pitch))
    return clips


def speak(clip):
    """Runs espeak-ng; fills `audio` and `phonemes`."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        path = f"{folder}/clip.wav"
        ran = subprocess.run(["espeak-ng", "-v", clip.voice, "-s", str(clip.speed), "-p", str(clip.pitch),
                              "--ipa", "-w", path, clip.text], capture_output=True, text=True, check=True)
        with wave.open(path) as file:
            rate, raw = file.getframerate(), file.readframes(file.getnframes())
    audio = np.frombuffer(raw, "<i2").astype(np.float64) / 32768
    count = len(audio) * RATE // rate  # to 16 kHz: the spectrum cut at 8 kHz
    spectrum = np.fft.rfft(audio, len(audio) + rate // 10)[:(count + RATE // 10) // 2 + 1]
    audio = np.fft.irfft(spectrum, count + RATE // 10) * (count + RATE // 10) / (len(audio) + rate // 10)
    loud = np.flatnonzero(np.abs(audio) > 0.01 * np.abs(audio).max())
    audio = audio[max(loud[0] - RATE // 50, 0):loud[-1] + RATE // 50]
    clip.audio = (audio * 0.5 / np.abs(audio).max()).astype(np.float32)
    clip.phonemes = re.sub(r"[ˈˌ\s_\u200d]|\(.*?\)", "", ran.stdout)
    return clip


def speak_all(clips, threads=3):
    """Speaks some at a time, in their order."""
    with ThreadPoolExecutor(threads) as pool:
        for i, _ in enumerate(pool.map(speak, clips)):
            if i % 1000 == 999:
                print(f"  {i + 1} clips spoken", flush=True)
    return clips


class LogMel:
    """Whisper's features of a short clip, as if it stood alone in its window of 30 s."""

    def __init__(self):
        extractor = WhisperFeatureExtractor(feature_size=80)
        self.filters = torch.from_numpy(extractor.mel_filters.T.astype(np.float32))
        self.window = torch.hann_window(400)

    def __call__(self, audio):
        frames = -(-len(audio) // 160)
        audio = torch.cat([torch.zeros(320), torch.from_numpy(audio), torch.zeros(800)])
        power = torch.stft(audio, 400, 160, window=self.window, return_complex=True).abs() ** 2
        mel = torch.clamp(self.filters @ power, min=1e-10).log10()[:, :frames + 4]
        return ((torch.maximum(mel, mel.max() - 8) + 4) / 4).numpy().astype(np.float16)


def training_set(cache, count, excluded):
    """Spoken clips as log-mels, the audio dropped. Read from `cache` if it is there."""
    clips = recipes(count, VOICES, SEED, excluded)
    digest = hashlib.sha256(repr([(c.text, c.voice, c.speed, c.pitch) for c in clips]).encode()).hexdigest()
    stored = np.load(cache, allow_pickle=True) if cache and cache.exists() else {}
    if "digest" in stored and str(stored["digest"]) == digest:
        for clip, mel, phonemes in zip(clips, stored["mels"], stored["phonemes"]):
            clip.mel, clip.phonemes = mel, str(phonemes)
        return clips
    features = LogMel()
    for start in range(0, count, 1000):
        for clip in speak_all(clips[start:start + 1000]):
            clip.mel, clip.audio = features(clip.audio), None
    if cache:
        mels = np.empty(count, object)
        mels[:] = [clip.mel for clip in clips]
        np.savez(cache, mels=mels, phonemes=np.array([clip.phonemes for clip in clips]),
                 digest=np.array(digest))
    return clips


# MARK: held-out clips

def held_out():
    """The committed clips: voices of their own, sentences that are then left out of the training data.

    Each word of them is in other sentences, too."""
    random, known = np.random.default_rng(SEED + 2), {}
    for language in GRAMMAR:
        for text in {sentence(language, random) for _ in range(4000)}:
            for word in set(text.split()):
                known[language, word] = known.get((language, word), 0) + 1
    clips, texts = [], set()
    for clip in recipes(20 * HELD_OUT, HELD_OUT_VOICES, SEED + 3):
        words = clip.text.split()
        voice = HELD_OUT_VOICES[len(clips) // 2 % len(HELD_OUT_VOICES)]
        fits = clip.language == ("en", "pt")[len(clips) % 2] and clip.voice.endswith("+" + voice)
        if fits and clip.text not in texts and len(words) >= 3 and len(clips) < HELD_OUT \
                and min(known.get((clip.language, word), 0) for word in words) >= 8:
            clip.speed = 160 + (clip.speed - 130) // 2  # brisk, for small files
            clips.append(clip)
            texts.add(clip.text)
    return clips


def write_speech(clips, folder):
    """WAV files with silence on both sides, and transcripts.tsv."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = ["path\tlanguage\ttext"]
    for i, clip in enumerate(clips):
        name = f"{clip.language}-{clip.voice.split('+')[1]}-{i // 2 + 1:02d}.wav"
        samples = np.pad(np.round(clip.audio * 32767), MARGIN).astype("<i2")
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.tobytes())
        lines.append(f"{name}\t{clip.language}\t{clip.text}")
    (folder / "transcripts.tsv").write_text("\n".join(lines) + "\n", "utf-8")


def read_speech(folder):
    """The clips that transcripts.tsv lists; `voice` is the name of the file."""
    clips = []
    for line in (folder / "transcripts.tsv").read_text("utf-8").splitlines()[1:]:
        name, language, text = line.split("\t")
        clip = Clip(language, text, name, 0, 0)
        with wave.open(str(folder / name)) as file:
            clip.audio = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        clips.append(clip)
    return clips


def word_errors(said, heard):
    """Substitutions, deletions and insertions between two texts."""
    said, heard = said.split(), heard.split()
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said):
        previous, row[0] = row[0], i + 1
        for j, other in enumerate(heard):
            previous, row[j + 1] = row[j + 1], min(row[j] + 1, row[j + 1] + 1, previous + (word != other))
    return row[-1]


def error_rate(clips, texts):
    return sum(word_errors(c.text, t) for c, t in zip(clips, texts)) / sum(len(c.text.split()) for c in clips)
