#!/usr/bin/env python3
"""Trains the demo model: a small Whisper that understands short commands in English and Portuguese.

The architecture is the real one (transformers' WhisperForConditionalGeneration: 80 mels, a window of 30 s,
heads of 64, time stamps, a byte-level vocabulary with Whisper's special tokens) with two narrow layers on
each side. The speech is synthesised with espeak-ng: commands and numbers from a small grammar, many voices
(demo_model_speech.py).

    python scripts/train_demo_model.py --output DIR            everything: DIR/whisper_demo_onnx/ and
                                                               DIR/whisper_demo_speech/ (under an hour)
    python scripts/train_demo_model.py --output DIR --quick    a minute of it, to see whether it runs
    python scripts/train_demo_model.py --output DIR --evaluate only the word error rates of what is there

Phases: synthesise (about 5 minutes, kept in --cache if given); train on windows cut to the speech (fast),
with a second loss that lets the encoder name phonemes (CTC; its layer is thrown away); train on longer
windows, then on the real ones of 30 s; export with Optimum; transcribe the held-out clips, whose voices and
sentences were not trained on, with ONNX Runtime. All random numbers are seeded; other processors round
differently, so that weights agree only roughly from machine to machine.

Requirements: espeak-ng 1.51 (apt-get install espeak-ng), Python 3.11 and the packages that
scripts/export_small_models.py names. No network is used.
"""
import argparse
import json
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait do not burn the other core
from demo_model_speech import (CLIPS, HELD_OUT_VOICES, MARGIN, RATE, SEED, error_rate, held_out, read_speech,
                               recipes, sentence, speak_all, training_set, write_speech)
from export_small_models import export_optimum, finish, session
import numpy as np
import torch
from optimum.exporters.onnx import base
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor
from transformers import WhisperForConditionalGeneration

SHAPE = dict(d_model=128, layers=2, heads=2, ffn=512)
ORDINARY = 441  # tokens of text; with 10 special ones and 1501 time stamps 1952, a multiple of 16
FIRST_STAMP = ORDINARY + 10
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|pt|>", "<|translate|>", "<|transcribe|>",
           "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
TOKEN = {text: ORDINARY + i for i, text in enumerate(SPECIAL)}
END, START = TOKEN["<|endoftext|>"], TOKEN["<|startoftranscript|>"]
WIDE = 100  # more held-out clips, not kept, for a surer number

# MARK: tokens

def make_tokenizer():
    """Byte-level BPE as GPT-2 has it, trained on the grammar; then Whisper's tokens in Whisper's order."""
    random = np.random.default_rng(SEED + 1)
    texts = [" " + sentence(language, random) for language in ("en", "pt") for _ in range(4000)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=ORDINARY, initial_alphabet=alphabet,
                                                             show_progress=False))
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(f"<|{i / 50:.2f}|>", special=False, normalized=False)
                          for i in range(1501)])
    if any(tokenizer.token_to_id(text) != index for text, index in TOKEN.items()):
        raise SystemExit("the grammar has too few pairs for so many tokens")
    return tokenizer


def write_tokenizer(tokenizer, folder):
    """tokenizer.json in one line (it has 1501 time stamps); vocab.json and merges.txt for the exporter."""
    content = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in content["model"]["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), "utf-8")


# MARK: model

def build():
    """An untrained model of this shape."""
    torch.manual_seed(SEED)
    model = WhisperForConditionalGeneration(WhisperConfig(
        vocab_size=FIRST_STAMP + 1501, num_mel_bins=80, d_model=SHAPE["d_model"],
        encoder_layers=SHAPE["layers"], encoder_attention_heads=SHAPE["heads"],
        decoder_layers=SHAPE["layers"], decoder_attention_heads=SHAPE["heads"],
        encoder_ffn_dim=SHAPE["ffn"], decoder_ffn_dim=SHAPE["ffn"],
        bos_token_id=END, eos_token_id=END, pad_token_id=END, decoder_start_token_id=START,
        suppress_tokens=None, begin_suppress_tokens=None, attn_implementation="sdpa"))
    with torch.no_grad():  # unit gain: the default of 0.02 is for wide models
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "embed" not in name:
                nn.init.xavier_uniform_(parameter)
        positions = model.model.encoder.embed_positions.weight
        tokens = model.model.decoder.embed_tokens.weight
        nn.init.normal_(tokens, std=0.05)
        nn.init.normal_(model.model.decoder.embed_positions.weight, std=0.05)
        tokens[FIRST_STAMP:FIRST_STAMP + 1500] = 0.05 * positions  # neighbours in time are neighbours here
        tokens[-1] = tokens[-2]
    model.generation_config = generation_config()
    return model


def generation_config(suppressed=(), space=END):
    return GenerationConfig(
        decoder_start_token_id=START, eos_token_id=END, pad_token_id=END, bos_token_id=END, max_length=448,
        is_multilingual=True, lang_to_id={f"<|{c}|>": TOKEN[f"<|{c}|>"] for c in ("en", "pt")},
        task_to_id={t: TOKEN[f"<|{t}|>"] for t in ("transcribe", "translate")},
        no_timestamps_token_id=TOKEN["<|notimestamps|>"], prev_sot_token_id=TOKEN["<|startofprev|>"],
        max_initial_timestamp_index=50, return_timestamps=False, suppress_tokens=list(suppressed),
        begin_suppress_tokens=[space, END])


def encode(model, mel):
    """The encoder without its insistence on 3000 frames."""
    encoder, gelu = model.model.encoder, nn.functional.gelu
    x = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
    x = x + encoder.embed_positions.weight[:x.shape[1]]
    for layer in encoder.layers:
        x = layer(x, None, layer_head_mask=None)[0]
    return encoder.layer_norm(x)


# MARK: batches

class Batches:
    """Augmented batches, made in a thread of their own. `frames` 0: cut to the longest clip."""

    def __init__(self, clips, tokenizer, alphabet, batch, steps, frames, seed):
        self.clips, self.alphabet, self.batch, self.steps, self.frames = clips, alphabet, batch, steps, frames
        self.random = np.random.default_rng(seed)
        self.tokens = [tokenizer.encode(" " + clip.text).ids for clip in clips]
        self.warps = [self.warp(factor) for factor in np.linspace(0.86, 1.16, 31)]
        self.queue = queue.Queue(6)
        threading.Thread(target=self.produce, daemon=True).start()

    @staticmethod
    def warp(factor):
        """A matrix that moves formants, as another vocal tract would. Bands are linear below 27 (1 kHz) and
        logarithmic above."""
        matrix = np.zeros((80, 80), np.float32)
        for band in range(80):
            source = min(band * factor if band < 27 else band + 26 * np.log(factor), 79)
            low = min(int(source), 78)
            matrix[band, low:low + 2] = 1 - (source - low), source - low
        return matrix

    def produce(self):
        order = np.array([], int)
        for _ in range(self.steps):
            if len(order) < 8 * self.batch:  # clips of like length together: sort pieces of a shuffled epoch
                fresh = self.random.permutation(len(self.clips))
                pieces = [sorted(fresh[i:i + 8 * self.batch], key=lambda j: self.clips[j].mel.shape[1])
                          for i in range(0, len(fresh), 8 * self.batch)]
                batches = [piece[i:i + self.batch] for piece in pieces
                           for i in range(0, len(piece), self.batch)]
                batches = [b for b in batches if len(b) == self.batch]
                order = np.concatenate([batches[i] for i in self.random.permutation(len(batches))])
            chosen, order = order[:self.batch], order[self.batch:]
            self.queue.put(self.make(chosen))

    def make(self, chosen):
        random, rows = self.random, []
        latest = random.choice([30, 100, 250], p=[0.6, 0.32, 0.08])  # where speech begins; alike for speed
        for index in chosen:
            mel = self.clips[index].mel.astype(np.float32)
            if random.random() < 0.02:  # nobody speaks
                rows.append((index, np.full((80, 100), -1.5, np.float32), -1))
                continue
            mel = self.warps[random.integers(len(self.warps))] @ mel
            length = int(mel.shape[1] * random.uniform(0.85, 1.2))
            place = np.linspace(0, mel.shape[1] - 1, length)
            low = np.minimum(place.astype(int), mel.shape[1] - 2)
            mel = mel[:, low] * (1 - (place - low)) + mel[:, low + 1] * (place - low)
            offset = latest * random.random() ** 2
            rows.append((index, mel, int(offset)))
        longest = max(offset + mel.shape[1] for _, mel, offset in rows)
        frames = self.frames or longest + 20 + int(random.exponential(40))
        frames += frames % 2
        mels = np.stack([self.augment(mel, offset, frames) for _, mel, offset in rows])
        return torch.from_numpy(mels), *self.targets(rows)

    def augment(self, speech, offset, frames):
        random, peak = self.random, speech.max()
        if offset < 0:
            mel = np.full((80, frames), -1.5, np.float32)
            if random.random() < 0.7:
                mel += self.noise(frames, random.uniform(0.3, 1.5))
            return np.maximum(mel, mel.max() - 2)
        for _ in range(random.integers(3)):
            band, width = random.integers(80), random.integers(1, 9)
            speech[band:band + width] = peak - 2
        if random.random() < 0.5:
            start, width = random.integers(speech.shape[1]), random.integers(1, 9)
            speech[:, start:start + width] = peak - 2
        mel = np.full((80, frames), peak - 2, np.float32)
        mel[:, offset:offset + speech.shape[1]] = speech
        if random.random() < 0.5:
            end = min(frames, offset + speech.shape[1] + int(random.integers(0, 300)))
            power = self.noise(end, peak - random.uniform(0.75, 2.0))
            mel[:, :end] = np.log10(10 ** (4 * mel[:, :end]) + 10 ** (4 * power)) / 4
        mel += random.uniform(-0.5, 0.25)  # loudness
        return np.maximum(mel, mel.max() - 2)

    def noise(self, frames, level):
        """A floor with a tilt; power is exponentially distributed."""
        tilt = np.linspace(0, self.random.uniform(-0.3, 0.3), 80, dtype=np.float32)[:, None]
        return np.log10(self.random.standard_exponential((80, frames), np.float32) + 1e-3) / 4 + level + tilt

    def targets(self, rows):
        """Decoder inputs and labels (-100: not asked), the phonemes, and how many."""
        sequences, phonemes = [], []
        for index, mel, offset in rows:
            clip, text = self.clips[index], self.tokens[index]
            prompt = [START, TOKEN[f"<|{clip.language}|>"], TOKEN["<|transcribe|>"]]
            if offset < 0:
                sequences.append([*prompt, TOKEN["<|notimestamps|>"], END])
                phonemes.append([])
                continue
            if self.random.random() < 0.5 and offset <= 100:
                begin = 0 if offset < 30 else offset // 2
                body = [FIRST_STAMP + begin, *text, FIRST_STAMP + (offset + mel.shape[1]) // 2]
            else:
                body = [TOKEN["<|notimestamps|>"], *text]
            sequences.append(prompt + body + [END])
            phonemes.append([self.alphabet[c] for c in clip.phonemes])
        width = max(map(len, sequences)) - 1
        inputs, labels = np.full((len(rows), width), END), np.full((len(rows), width), -100)
        for i, ids in enumerate(sequences):
            inputs[i, :len(ids) - 1], labels[i, :len(ids) - 1] = ids[:-1], ids[1:]
            labels[i, 1] = -100  # the task is given, never guessed
            if ids[3] == TOKEN["<|notimestamps|>"]:
                labels[i, 2] = -100
            if rows[i][2] < 0:
                labels[i, 0] = TOKEN["<|nospeech|>"]
        counts = torch.tensor([len(p) for p in phonemes])
        spoken = torch.tensor(sum(phonemes, []), dtype=torch.long)
        return torch.from_numpy(inputs), torch.from_numpy(labels), spoken, counts

    def __iter__(self):
        for _ in range(self.steps):
            yield self.queue.get()


# MARK: training

def token_loss(logits, labels):
    """Cross entropy with a little smoothing: over all text tokens, or over the neighbours of a time stamp."""
    flat, wanted = logits.flatten(0, 1), labels.flatten()
    flat, wanted = flat[wanted >= 0], wanted[wanted >= 0]
    logs = flat.log_softmax(-1)
    stamp = wanted >= FIRST_STAMP
    text = nn.functional.nll_loss(logs[~stamp], wanted[~stamp], reduction="sum")
    text = 0.95 * text - 0.05 * logs[~stamp][:, :FIRST_STAMP].mean(-1).sum()
    around = torch.arange(-6, 7)
    near = (wanted[stamp][:, None] + around).clamp(FIRST_STAMP, FIRST_STAMP + 1500)
    weight = torch.softmax(-(around / 2.0) ** 2 / 2, 0)
    stamps = -(logs[stamp].gather(1, near) * weight).sum()
    return (text + 0.5 * stamps) / len(wanted)


# MARK: word errors

@torch.no_grad()
def torch_error(model, clips, tokenizer, frames):
    """Greedy and in batches, on the log-mels that the clips hold; for a look at the training."""
    model.eval()
    texts = []
    for start in range(0, len(clips), 20):
        part = clips[start:start + 20]
        mels = np.stack([np.pad(c.mel.astype(np.float32), ((0, 0), (10, frames - 10 - c.mel.shape[1])),
                                constant_values=c.mel.max() - 2) for c in part])
        hidden = encode(model, torch.from_numpy(mels))
        ids = torch.tensor([[START, TOKEN[f"<|{c.language}|>"], TOKEN["<|transcribe|>"],
                             TOKEN["<|notimestamps|>"]] for c in part])
        for _ in range(24):
            logits = model(encoder_outputs=(hidden,), decoder_input_ids=ids, use_cache=False).logits[:, -1]
            ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
        texts += [tokenizer.decode([t for t in row[4:(row + [END]).index(END)] if t < ORDINARY])
                  for row in ids.tolist()]
    model.train()
    return error_rate(clips, texts)


def train(model, clips, checks, tokenizer, phases):
    """Trains through the phases, with one cosine of the learning rate over all; yields after each."""
    alphabet = {c: i + 1 for i, c in enumerate(sorted(set("".join(clip.phonemes for clip in clips))))}
    head = nn.Linear(SHAPE["d_model"], len(alphabet) + 1)
    parameters = [p for p in [*model.parameters(), *head.parameters()] if p.requires_grad]
    optimizer = torch.optim.AdamW([
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0}], betas=(0.9, 0.98))
    total, done, began = sum(phase["steps"] * phase["weight"] for phase in phases), 0.0, time.time()
    model.train()

    def gradients(batch):
        mel, inputs, labels, phonemes, counts = batch
        hidden = encode(model, mel)
        logits = model(encoder_outputs=(hidden,), decoder_input_ids=inputs, use_cache=False).logits
        loss = token_loss(logits, labels)
        logs = head(hidden).log_softmax(-1).transpose(0, 1)
        frames = torch.full((len(counts),), len(logs))
        phoneme_loss = nn.functional.ctc_loss(logs, phonemes, frames, counts, zero_infinity=True)
        return torch.autograd.grad(loss + 0.5 * phoneme_loss, parameters), loss.item(), phoneme_loss.item()

    pool = ThreadPoolExecutor(2)  # two halves of a batch scale better than two threads in each operation
    for index, phase in enumerate(phases):
        batches = iter(Batches(clips, tokenizer, alphabet, phase["batch"] // 2, 2 * phase["steps"],
                               phase["frames"], SEED + 10 + index))
        for step in range(phase["steps"]):
            rate = 2e-3 * min(1, (done + 1) / 100) * 0.5 * (1 + np.cos(np.pi * min(1, done / total))) + 1e-5
            for group in optimizer.param_groups:
                group["lr"] = rate
            (one, loss, ctc), (two, loss2, ctc2) = pool.map(gradients, [next(batches), next(batches)])
            for parameter, a, b in zip(parameters, one, two):
                parameter.grad = (a + b) / 2
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            done += phase["weight"]
            if step % 50 == 0:
                print(f"  phase {index + 1} step {step:4d}/{phase['steps']}  "
                      f"tokens {(loss + loss2) / 2:.3f}  phonemes {(ctc + ctc2) / 2:.3f}  "
                      f"{time.time() - began:.0f} s", flush=True)
        frames = phase["frames"] or 500
        print(f"  phase {index + 1} done: WER of {len(checks)} clips in windows of {frames / 100:.0f} s: "
              f"{100 * torch_error(model, checks, tokenizer, frames):.1f} %", flush=True)
        yield index + 1


# MARK: what is delivered

def export(model, tokenizer, folder):
    """The checkpoint through Optimum into the tree that whisperq uses."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        source, exported = Path(work) / "whisper-small-form", Path(work) / "exported"
        symbols = [tokenizer.token_to_id(c) for c in '"#()*+/:;<=>@[\\]^_`{|}~']
        not_text = [TOKEN[f"<|{t}|>"] for t in ("startoftranscript", "translate", "transcribe", "startoflm",
                                                "startofprev", "nospeech")]
        model.eval().generation_config = generation_config(sorted(symbols) + not_text,
                                                           tokenizer.token_to_id("\u0120"))
        model.save_pretrained(source)
        write_tokenizer(tokenizer, source)
        WhisperFeatureExtractor(feature_size=80).save_pretrained(source)
        # tie embedding and output layer in the files, as Optimum does where accelerate is installed
        base.is_accelerate_available = lambda: True
        tied = ["model.decoder.embed_tokens.weight", "proj_out.weight"]
        base.find_tied_parameters = lambda part: [tied] if hasattr(part, "proj_out") else []
        export_optimum(model, exported, Path(work))
        for part, name in (("encoder", "encoder_model"), ("decoder", "decoder_model_merged")):
            path = folder / part / f"whisper_{part}.onnx"
            path.parent.mkdir(parents=True)
            shutil.copyfile(exported / f"{name}.onnx", path)
            finish(path)
        (source / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": "WhisperTokenizer", "bos_token": SPECIAL[0], "eos_token": SPECIAL[0],
            "pad_token": SPECIAL[0], "unk_token": SPECIAL[0], "model_max_length": 448}, indent=2) + "\n",
            "utf-8")
        for name in ("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json",
                     "tokenizer_config.json"):
            shutil.copyfile(source / name, folder / name)


class Transcriber:
    """Greedy search through the files with ONNX Runtime on the CPU."""

    def __init__(self, folder, encoder="encoder/whisper_encoder.onnx",
                 decoder="decoder/whisper_decoder.onnx"):
        self.encoder, self.decoder = session(folder / encoder), session(folder / decoder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.rules = json.loads((folder / "generation_config.json").read_text("utf-8"))
        self.extractor = WhisperFeatureExtractor.from_pretrained(folder)
        self.inputs = {i.name: i for i in self.decoder.get_inputs()}

    def __call__(self, audio, language, stamps=False):
        mel = self.extractor(audio, sampling_rate=RATE, return_tensors="np").input_features
        hidden = self.encoder.run(None, {"input_features": mel})[0]
        empty = np.zeros((1, SHAPE["heads"], 0, SHAPE["d_model"] // SHAPE["heads"]), np.float32)
        feeds = {name: empty for name in self.inputs if name.startswith("past_key_values")}
        feeds["encoder_hidden_states"] = hidden
        ids = [START, TOKEN[f"<|{language}|>"], TOKEN["<|transcribe|>"]]
        ids += [] if stamps else [TOKEN["<|notimestamps|>"]]
        result, fed = [], ids
        names = [o.name for o in self.decoder.get_outputs()]
        while len(result) < 40:
            out = dict(zip(names, self.decoder.run(None, feeds | {
                "input_ids": np.array([fed]), "use_cache_branch": np.array([bool(result)])})))
            logits = out["logits"][0, -1]
            logits[self.rules["suppress_tokens"]] = -np.inf
            if not result:
                logits[self.rules["begin_suppress_tokens"]] = -np.inf
            token = int(logits.argmax())
            if token == END:
                break
            feeds |= {name.replace("present", "past_key_values"): value for name, value in out.items()
                      if ".decoder." in name or (".encoder." in name and not result)}
            result.append(token)
            fed = [token]
        return self.tokenizer.decode(result, skip_special_tokens=not stamps).strip()


def evaluate(folder, speech, wide=()):
    """Prints the word error rates of the files, as they are and quantized to 8 bits by ONNX Runtime."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    clips = read_speech(speech)
    with tempfile.TemporaryDirectory() as work:
        for part in ("encoder", "decoder"):
            quantize_dynamic(folder / part / f"whisper_{part}.onnx", Path(work) / f"{part}.onnx",
                             per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"],
                             extra_options={"EnableSubgraph": True})
        for what, set_ in (("held-out", clips), ("more from these voices", list(wide))):
            for kind, files in (("fp32", ()), ("int8", (f"{work}/encoder.onnx", f"{work}/decoder.onnx"))):
                if not set_:
                    continue
                run = Transcriber(folder, *files)
                texts = [run(clip.audio, clip.language) for clip in set_]
                rates = {c: error_rate(*zip(*((a, b) for a, b in zip(set_, texts) if a.language == c)))
                         for c in ("en", "pt")}
                print(f"{what}, {kind}: {len(set_)} clips, WER {100 * error_rate(set_, texts):.2f} %  "
                      + "  ".join(f"{c} {100 * r:.2f} %" for c, r in rates.items()), flush=True)
                for clip, text in zip(set_, texts):
                    if text != clip.text:
                        print(f"    {clip.voice}: {clip.text} | {text}")
    run = Transcriber(folder)
    print("with time stamps:", run(clips[0].audio, clips[0].language, stamps=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the folder for the results")
    parser.add_argument("--cache", type=Path, help="an .npz file that keeps the synthesised training data")
    parser.add_argument("--quick", action="store_true", help="a few clips and steps; the result is useless")
    parser.add_argument("--evaluate", action="store_true", help="only transcribe the held-out clips again")
    args = parser.parse_args()
    if not shutil.which("espeak-ng"):
        raise SystemExit("espeak-ng is missing; install it with: apt-get install espeak-ng")
    if os.environ.get("PYTHONHASHSEED") != "0":  # Optimum's merge of the decoders walks over sets
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})
    torch.set_num_threads(1)  # train() runs two halves of a batch side by side
    torch.set_flush_denormal(True)
    began = time.time()
    args.output.mkdir(parents=True, exist_ok=True)
    folder, speech = args.output / "whisper_demo_onnx", args.output / "whisper_demo_speech"
    wide = [] if args.quick else speak_all(recipes(WIDE, HELD_OUT_VOICES, SEED + 5))
    for clip in wide:
        clip.audio = np.pad(clip.audio, MARGIN)
    if not args.evaluate:
        make(args, folder, speech)
    evaluate(folder, speech, wide)
    for path in sorted(p for f in (folder, speech) for p in f.rglob("*") if p.is_file()):
        print(f"{path.stat().st_size:9,}  {path.relative_to(args.output)}")
    total = sum(p.stat().st_size for f in (folder, speech) for p in f.rglob("*") if p.is_file())
    print(f"{total / 1e6:.2f} MB, {(time.time() - began) / 60:.0f} minutes")


def make(args, folder, speech):
    clips = speak_all(held_out())
    write_speech(clips, speech)
    print(f"{len(clips)} held-out clips, {sum(len(c.audio) for c in clips) / RATE:.0f} s", flush=True)
    tokenizer = make_tokenizer()
    spoken = training_set(args.cache, 300 if args.quick else CLIPS, {(c.language, c.text) for c in clips})
    seconds = sum(c.mel.shape[1] for c in spoken) / 100
    print(f"training set: {len(spoken)} clips, {seconds / 60:.0f} minutes of speech", flush=True)
    spoken = [clip for clip in spoken if clip.mel.shape[1] <= 450]
    checks, spoken = spoken[:100], spoken[100:]
    model = build()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    # frames 0: cut to the speech; weight: the time of a step, which the learning rate follows
    phases = [dict(batch=32, frames=0, steps=2400, weight=0.4),
              dict(batch=16, frames=1000, steps=300, weight=0.6),
              dict(batch=8, frames=3000, steps=240, weight=1.3)]
    if args.quick:
        phases = [phase | {"steps": 5} for phase in phases]
    for _ in train(model, spoken, checks, tokenizer, phases):
        torch.save(model.state_dict(), args.output / "weights.pt")
        export(model, tokenizer, folder)  # after each phase: what is there is always complete


if __name__ == "__main__":
    main()
