#!/usr/bin/env python3
"""Small Whisper models in every ONNX form that users have.

The real transformers architecture with few and narrow layers goes through the real exporters, so each graph
has the operators, names and quirks of its full-size relative. Every parameter is drawn from a generator that
is seeded by the parameter's name: each run and each exporter gets the same weights, and all layouts compute
the same function. The weights are random; nothing here transcribes speech.

    python scripts/export_small_models.py --layouts              Tests/Resources/layouts/   (about 1 minute)
    python scripts/export_small_models.py --layouts sherpa fp16  only these
    python scripts/export_small_models.py --generation           Tests/Resources/layouts/generation.json

Every file passes onnx.checker, runs in ONNX Runtime, and gives the logits of the PyTorch model (see
`reference.json`, which tests can compare with); a file that does not stops the script.

Requirements (Python 3.11; the versions that made the committed files; no network is used):
    pip install torch==2.15.0 "transformers==4.57.6" optimum-onnx==0.1.0 onnx==1.23.2 onnxscript==0.7.2 \\
        onnxruntime==1.32.0
"""
import argparse
import contextlib
import io
import json
import logging
import math
import os
import re
import shutil
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

REPOSITORY = Path(__file__).resolve().parent.parent
LAYOUTS = REPOSITORY / "Tests/Resources/layouts"
NARROW = dict(d_model=16, heads=2, ffn=32, layers=2, vocab=320)  # where repository space matters more
SMALL = dict(d_model=32, heads=2, ffn=64, layers=2, vocab=320)
TOLERANCE = 2e-4  # largest difference to PyTorch, relative to the largest logit
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|pt|>", "<|translate|>", "<|transcribe|>",
           "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
TOKEN = {text: 256 + i for i, text in enumerate(SPECIAL)}  # 256 bytes first, then these, then the time stamps
PROMPT = [TOKEN[t] for t in ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")]
STEPS = [65, 66, 300]  # fed one by one after the prompt


# MARK: the model

def build(shape):
    """The transformers model of this shape with weights that depend on the parameter names only."""
    config = WhisperConfig(
        vocab_size=shape["vocab"], num_mel_bins=80, d_model=shape["d_model"],
        encoder_layers=shape["layers"], decoder_layers=shape["layers"],
        encoder_attention_heads=shape["heads"], decoder_attention_heads=shape["heads"],
        encoder_ffn_dim=shape["ffn"], decoder_ffn_dim=shape["ffn"],
        max_source_positions=1500, max_target_positions=448, activation_function="gelu", dropout=0.0,
        bos_token_id=256, eos_token_id=256, pad_token_id=256, decoder_start_token_id=257,
        suppress_tokens=None, begin_suppress_tokens=None, use_cache=True)
    config._attn_implementation = "sdpa"
    model = WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(weight(name, tuple(parameter.shape))))
    model.tie_weights()
    model.generation_config.update(eos_token_id=256, pad_token_id=256, decoder_start_token_id=257)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


def weight(name, shape):
    """Unit-gain normal weights with a few large output channels, as trained transformers have them.

    RandomState is the one generator whose stream numpy promises never to change."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith("encoder.embed_positions.weight"):
        half = shape[1] // 2
        angle = np.arange(shape[0])[:, None] * np.exp(-math.log(10000) / (half - 1) * np.arange(half))
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)
    values = random.standard_normal(shape)
    if "layer_norm" in name:
        values = 1 + 0.1 * values if name.endswith("weight") else 0.05 * values
        if name.endswith("weight"):
            values[random.permutation(shape[0])[:2]] *= 2.5
    elif name.endswith("bias"):
        values *= 0.05
    elif "embed" in name:
        values *= 0.3
    else:
        values /= math.sqrt(np.prod(shape[1:]))
        values[random.permutation(shape[0])[:2]] *= 3
        if "q_proj" in name or "k_proj" in name:
            values *= 1.5
    return values.astype(np.float32)


def features():
    """A log-mel-like input [1, 80, 3000] that any language can compute: see `reference.json`."""
    m, t = np.arange(80, dtype=np.float64)[:, None], np.arange(3000, dtype=np.float64)[None, :]
    return (0.8 * np.sin(0.37 * m + 0.011 * t * (1 + m % 7)) - 0.2).astype(np.float32)[None]


def reference(model):
    """What PyTorch computes: the encoder output, and the logits of the prompt and of each further step."""
    with torch.no_grad():
        hidden = model.model.encoder(torch.from_numpy(features())).last_hidden_state
        ids = torch.tensor([PROMPT + STEPS])
        out = model(encoder_outputs=(hidden,), decoder_input_ids=ids, use_cache=False)
    return hidden.numpy(), out.logits.numpy()[0]


# MARK: modules that the exporters trace

class Encoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.encoder = model.model.encoder

    def forward(self, input_features):
        return self.encoder(input_features).last_hidden_state


class FirstDecoder(nn.Module):
    """Any number of tokens without a past; gives both caches.

    With `own_mask` the causal mask is made here: a TorchScript trace bakes the length of the one that
    transformers makes (Optimum replaces it, too)."""

    def __init__(self, model, own_mask):
        super().__init__()
        self.decoder, self.proj_out, self.own_mask = model.model.decoder, model.proj_out, own_mask

    def forward(self, input_ids, encoder_hidden_states):
        cache, mask = EncoderDecoderCache(DynamicCache(), DynamicCache()), None
        if self.own_mask:
            length = input_ids.shape[1]
            mask = torch.full((length, length), -math.inf).triu(1)[None, None]
        hidden = self.decoder(input_ids=input_ids, encoder_hidden_states=encoder_hidden_states,
                              attention_mask=mask, past_key_values=cache, use_cache=True).last_hidden_state
        layers = zip(cache.self_attention_cache.layers, cache.cross_attention_cache.layers)
        return (self.proj_out(hidden), *[t for own, cross in layers
                                         for t in (own.keys, own.values, cross.keys, cross.values)])


class NextDecoder(nn.Module):
    """One token with a past; gives the self-attention caches only."""

    def __init__(self, model, own_mask):
        super().__init__()
        self.decoder, self.proj_out, self.own_mask = model.model.decoder, model.proj_out, own_mask

    def forward(self, input_ids, *past):
        own, cross = DynamicCache(), DynamicCache()
        for i in range(len(past) // 4):
            own.update(past[4 * i], past[4 * i + 1], i)
            cross.update(past[4 * i + 2], past[4 * i + 3], i)
        cache = EncoderDecoderCache(own, cross)
        cache.is_updated = {i: True for i in range(len(past) // 4)}
        unused = past[2].new_zeros(1, past[2].shape[2], self.decoder.config.d_model)  # K and V are cached
        mask = past[0].new_zeros(1, 1, 1, past[0].shape[2] + 1) if self.own_mask else None
        hidden = self.decoder(input_ids=input_ids, encoder_hidden_states=unused, attention_mask=mask,
                              past_key_values=cache, use_cache=True).last_hidden_state
        return (self.proj_out(hidden), *[t for layer in own.layers for t in (layer.keys, layer.values)])


def pointwise(weight, bias=None):
    """A linear layer as a 1x1 convolution."""
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None)
    conv.weight = nn.Parameter(weight[:, :, None, None].clone(), requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias.clone(), requires_grad=False)
    return conv


def per_head(linear, heads, factor=1.0):
    """A linear layer as one 1x1 convolution for each head."""
    weights = (linear.weight * factor).chunk(heads)
    biases = [None] * heads if linear.bias is None else (linear.bias * factor).chunk(heads)
    return nn.ModuleList(pointwise(w, b) for w, b in zip(weights, biases))


def channels_first(x):
    return x.permute(0, 3, 1, 2)


def channels_last(x):
    return x.permute(0, 2, 3, 1)


class SplitHeadAttention(nn.Module):
    """Attention on [1, 1, t, d] with a separate graph path for each head, K as [1, 1, d/h, t]."""

    def __init__(self, attention, owns_keys=True):
        super().__init__()
        heads = attention.num_heads
        self.q = per_head(attention.q_proj, heads, attention.head_dim ** -0.5)
        if owns_keys:
            self.k, self.v = per_head(attention.k_proj, heads), per_head(attention.v_proj, heads)
        self.out = pointwise(attention.out_proj.weight, attention.out_proj.bias)

    def keys_values(self, x):
        x = channels_first(x)
        return [k(x).permute(0, 2, 1, 3) for k in self.k], [channels_last(v(x)) for v in self.v]

    def forward(self, x, keys, values, mask=None):
        x = channels_first(x)
        results = []
        for q, key, value in zip(self.q, keys, values):
            score = torch.matmul(channels_last(q(x)), key)
            score = score if mask is None else score + mask
            results.append(torch.matmul(torch.softmax(score, -1), value))
        return channels_last(self.out(channels_first(torch.cat(results, -1))))


class SplitHeadFeedForward(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.norm = layer.final_layer_norm
        self.up = pointwise(layer.fc1.weight, layer.fc1.bias)
        self.down = pointwise(layer.fc2.weight, layer.fc2.bias)

    def forward(self, x):
        y = self.down(nn.functional.gelu(self.up(channels_first(self.norm(x)))))
        return x + channels_last(y)


class AIHubEncoder(nn.Module):
    """Static shapes; gives the cross-attention caches instead of hidden states."""

    def __init__(self, model):
        super().__init__()
        encoder, config = model.model.encoder, model.config
        self.stem = nn.ModuleList()
        for conv in (encoder.conv1, encoder.conv2):
            flat = nn.Conv2d(conv.in_channels, conv.out_channels, (1, 3), (1, conv.stride[0]), (0, 1))
            flat.weight = nn.Parameter(conv.weight[:, :, None].clone(), requires_grad=False)
            flat.bias = nn.Parameter(conv.bias.clone(), requires_grad=False)
            self.stem.append(flat)
        self.positions = nn.Parameter(encoder.embed_positions.weight.clone(), requires_grad=False)
        self.norms = nn.ModuleList(layer.self_attn_layer_norm for layer in encoder.layers)
        self.attentions = nn.ModuleList(SplitHeadAttention(layer.self_attn) for layer in encoder.layers)
        self.forwards = nn.ModuleList(SplitHeadFeedForward(layer) for layer in encoder.layers)
        self.norm = encoder.layer_norm
        self.cross = nn.ModuleList()
        for layer in model.model.decoder.layers:
            linear = layer.encoder_attn
            self.cross.append(nn.ModuleList(per_head(p, config.decoder_attention_heads)
                                            for p in (linear.k_proj, linear.v_proj)))

    def forward(self, input_features):
        x = input_features.unsqueeze(2)
        for conv in self.stem:
            x = nn.functional.gelu(conv(x))
        x = channels_last(x) + self.positions
        for norm, attention, forward in zip(self.norms, self.attentions, self.forwards):
            y = norm(x)
            x = forward(x + attention(y, *attention.keys_values(y)))
        x = channels_first(self.norm(x))
        caches = []
        for keys, values in self.cross:
            caches.append(torch.cat([k(x).permute(0, 2, 1, 3) for k in keys]))
            caches.append(torch.cat([channels_last(v(x)) for v in values]))
        return tuple(caches)


class AIHubDecoder(nn.Module):
    """One token; the caches shift left by one and the newest entry stands at the right end."""

    def __init__(self, model):
        super().__init__()
        decoder = model.model.decoder
        self.tokens = decoder.embed_tokens
        self.positions = nn.Embedding(*decoder.embed_positions.weight.shape)
        self.positions.weight = nn.Parameter(decoder.embed_positions.weight.clone(), requires_grad=False)
        self.own_norms = nn.ModuleList(layer.self_attn_layer_norm for layer in decoder.layers)
        self.own = nn.ModuleList(SplitHeadAttention(layer.self_attn) for layer in decoder.layers)
        self.cross_norms = nn.ModuleList(layer.encoder_attn_layer_norm for layer in decoder.layers)
        self.cross = nn.ModuleList(SplitHeadAttention(layer.encoder_attn, False) for layer in decoder.layers)
        self.forwards = nn.ModuleList(SplitHeadFeedForward(layer) for layer in decoder.layers)
        self.norm, self.logits = decoder.layer_norm, pointwise(model.proj_out.weight)

    def forward(self, input_ids, attention_mask, *rest):
        layers, position = len(self.own), rest[-1]
        own, cross = rest[:2 * layers], rest[2 * layers:4 * layers]
        x = (self.tokens(input_ids) + self.positions(position)).unsqueeze(1)
        caches = []
        for i in range(layers):
            y = self.own_norms[i](x)
            keys, values = self.own[i].keys_values(y)
            keys = [torch.cat(pair, -1) for pair in zip(own[2 * i].split(1), keys)]
            values = [torch.cat(pair, -2) for pair in zip(own[2 * i + 1].split(1), values)]
            caches += [torch.cat(keys)[:, :, :, 1:], torch.cat(values)[:, :, 1:, :]]
            x = x + self.own[i](y, keys, values, attention_mask)
            keys, values = cross[2 * i].split(1), cross[2 * i + 1].split(1)
            x = self.forwards[i](x + self.cross[i](self.cross_norms[i](x), keys, values))
        return (self.logits(channels_first(self.norm(x))), *caches)


class SherpaAttention(nn.Module):
    """Attention on caches that are not split into heads."""

    def __init__(self, attention):
        super().__init__()
        self.heads = attention.num_heads
        self.query, self.key = attention.q_proj, attention.k_proj
        self.value, self.out = attention.v_proj, attention.out_proj

    def forward(self, x, keys, values, mask=None):
        def split(t):
            return t.view(t.shape[0], t.shape[1], self.heads, -1)
        q, k, v = split(self.query(x)), split(keys), split(values)
        factor = q.shape[-1] ** -0.25
        score = (q.permute(0, 2, 1, 3) * factor) @ (k.permute(0, 2, 3, 1) * factor)
        score = score if mask is None else score + mask
        result = torch.softmax(score, dim=-1) @ v.permute(0, 2, 1, 3)
        return self.out(result.permute(0, 2, 1, 3).flatten(start_dim=2))


class SherpaEncoder(nn.Module):
    """`mel` to stacked cross-attention keys and values [layers, b, 1500, d]."""

    def __init__(self, model):
        super().__init__()
        self.encoder, self.cross = model.model.encoder, nn.ModuleList(
            layer.encoder_attn for layer in model.model.decoder.layers)
        self.attentions = nn.ModuleList(SherpaAttention(layer.self_attn) for layer in self.encoder.layers)

    def forward(self, mel):
        gelu, encoder = nn.functional.gelu, self.encoder
        x = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
        x = x + encoder.embed_positions.weight[:x.shape[1]]
        for layer, attention in zip(encoder.layers, self.attentions):
            y = layer.self_attn_layer_norm(x)
            x = x + attention(y, attention.key(y), attention.value(y))
            x = x + layer.fc2(gelu(layer.fc1(layer.final_layer_norm(x))))
        x = encoder.layer_norm(x)
        return torch.stack([c.k_proj(x) for c in self.cross]), torch.stack([c.v_proj(x) for c in self.cross])


class SherpaDecoder(nn.Module):
    """Tokens at `offset`; writes into caches of full length [layers, b, 448, d]."""

    def __init__(self, model):
        super().__init__()
        decoder = self.decoder = model.model.decoder
        self.own = nn.ModuleList(SherpaAttention(layer.self_attn) for layer in decoder.layers)
        self.cross = nn.ModuleList(SherpaAttention(layer.encoder_attn) for layer in decoder.layers)

    def forward(self, tokens, own_keys, own_values, cross_keys, cross_values, offset):
        decoder, start, end = self.decoder, offset[0], offset[0] + tokens.shape[-1]
        x = decoder.embed_tokens(tokens) + decoder.embed_positions.weight[start:end]
        # the original slices a constant 448 x 448 mask; a computed one saves 0.8 MB
        later = torch.arange(end)[None] > torch.arange(start, end)[:, None]
        mask = torch.zeros(later.shape).masked_fill(later, -math.inf)
        for i, layer in enumerate(decoder.layers):
            y = layer.self_attn_layer_norm(x)
            own_keys[i, :, start:end, :] = self.own[i].key(y)
            own_values[i, :, start:end, :] = self.own[i].value(y)
            x = x + self.own[i](y, own_keys[i, :, :end, :], own_values[i, :, :end, :], mask)
            x = x + self.cross[i](layer.encoder_attn_layer_norm(x), cross_keys[i], cross_values[i])
            x = x + layer.fc2(nn.functional.gelu(layer.fc1(layer.final_layer_norm(x))))
        logits = decoder.layer_norm(x) @ decoder.embed_tokens.weight.t()
        return logits, own_keys, own_values


def sherpa_metadata(config):
    """The keys that sherpa-onnx reads from the encoder; all values are text."""
    values = dict(
        model_type="whisper-small-form", version=1, maintainer="whisperq", n_mels=config.num_mel_bins,
        n_audio_ctx=1500, n_audio_state=config.d_model, n_audio_head=config.encoder_attention_heads,
        n_audio_layer=config.encoder_layers, n_vocab=config.vocab_size, n_text_ctx=448,
        n_text_state=config.d_model, n_text_head=config.decoder_attention_heads,
        n_text_layer=config.decoder_layers, sot_sequence=",".join(map(str, PROMPT[:3])),
        all_language_tokens=f"{TOKEN['<|en|>']},{TOKEN['<|pt|>']}", all_language_codes="en,pt",
        sot=TOKEN["<|startoftranscript|>"], sot_index=0, eot=TOKEN["<|endoftext|>"], blank_id=32,
        is_multilingual=1, no_speech=TOKEN["<|nospeech|>"], non_speech_tokens="1,2,7",
        transcribe=TOKEN["<|transcribe|>"], translate=TOKEN["<|translate|>"],
        sot_prev=TOKEN["<|startofprev|>"], sot_lm=TOKEN["<|startoflm|>"],
        no_timestamps=TOKEN["<|notimestamps|>"])
    return {key: str(value) for key, value in values.items()}


# MARK: exporters

def names(prefix, kinds, layers):
    return [f"{prefix}.{i}.{kind}.{kv}" for i in range(layers) for kind in kinds for kv in ("key", "value")]


def export_three(model, folder, dynamo, parts=("encoder", "decoder", "decoder_with_past"), external=False):
    """torch.onnx.export with the input and output names that Optimum gives."""
    config, layers = model.config, model.config.decoder_layers
    heads, size = config.decoder_attention_heads, config.d_model // config.decoder_attention_heads
    batch, tokens, past = "batch_size", "decoder_sequence_length", "past_decoder_sequence_length"
    for part in parts:
        axes = {}
        if part == "encoder":
            module, args = Encoder(model), (torch.from_numpy(np.repeat(features(), 2, 0)),)
            inputs, outputs = ["input_features"], ["last_hidden_state"]
            axes = {"input_features": {0: batch}, "last_hidden_state": {0: batch}}
        elif part == "decoder":
            module = FirstDecoder(model, own_mask=not dynamo)
            args = (torch.tensor([PROMPT, PROMPT]), torch.ones(2, 1500, config.d_model))
            inputs = ["input_ids", "encoder_hidden_states"]
            outputs = ["logits"] + names("present", ("decoder", "encoder"), layers)
            axes = {"input_ids": {0: batch, 1: tokens}, "encoder_hidden_states": {0: batch},
                    "logits": {0: batch, 1: tokens}}
            axes |= {n: {0: batch, 2: tokens} if ".decoder." in n else {0: batch} for n in outputs[1:]}
        else:
            module = NextDecoder(model, own_mask=not dynamo)
            cache = [torch.ones(2, heads, t, size) for _ in range(layers) for t in (5, 5, 1500, 1500)]
            args = (torch.tensor([[65], [66]]), *cache)
            inputs = ["input_ids"] + names("past_key_values", ("decoder", "encoder"), layers)
            outputs = ["logits"] + names("present", ("decoder",), layers)
            axes = {"input_ids": {0: batch}, "logits": {0: batch}}
            axes |= {n: {0: batch, 2: past} if ".decoder." in n else {0: batch} for n in inputs[1:]}
            axes |= {n: {0: batch, 2: past + " + 1"} for n in outputs[1:]}
        form = dict(opset_version=17, dynamo=False, dynamic_axes=axes)
        if dynamo:
            shapes = [{axis: torch.export.Dim.DYNAMIC for axis in axes[n]} for n in inputs]
            shapes = (shapes[0], tuple(shapes[1:])) if part == "decoder_with_past" else tuple(shapes)
            form = dict(opset_version=18, dynamo=True, dynamic_shapes=shapes, external_data=external)
        torch_export(module, args, folder / f"{part}_model.onnx", inputs, outputs, **form)


def torch_export(module, args, path, inputs, outputs, **form):
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(module.eval(), args, str(path), input_names=inputs, output_names=outputs, **form)


def export_optimum(model, folder, work):
    """What `optimum-cli export onnx --task automatic-speech-recognition-with-past` runs."""
    from optimum.exporters.onnx import main_export
    main_export(str(hugging_face_folder(model, work)), output=folder, opset=18, do_validation=False,
                task="automatic-speech-recognition-with-past", local_files_only=True)


def hugging_face_folder(model, work):
    """Saves the checkpoint with a byte-level vocabulary, enough for the tools that insist on a tokenizer."""
    folder = work / "whisper-small-form"
    if not folder.exists():
        model.save_pretrained(folder)
        stand_ins = [chr(b) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b else None for b in range(256)]
        free = iter(range(256, 512))
        vocabulary = {(c if c is not None else chr(next(free))): b for b, c in enumerate(stand_ins)} | TOKEN
        stamps = {f"<|{0.02 * i:.2f}|>": 266 + i for i in range(model.config.vocab_size - 266)}
        (folder / "vocab.json").write_text(json.dumps(vocabulary | stamps, ensure_ascii=False), "utf-8")
        (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
        WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    return folder


def onnxruntime_tool():
    """The Whisper exporter inside the onnxruntime package; its modules import each other by bare names."""
    root = Path(ort.__file__).parent / "transformers"
    for folder in (root / "models/whisper", root):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    import convert_to_onnx
    from whisper_decoder import WhisperDecoder

    def forward(self, decoder_input_ids, encoder_hidden_states=None, past_key_values=None):
        # onnxruntime 1.32 hands over a list of tuples, which transformers 4.57 takes no more; and the mask
        # of transformers 4.57 would be traced with a fixed length
        own, cross = DynamicCache(), DynamicCache()
        for i, (k, v, cross_k, cross_v) in enumerate(past_key_values or ()):
            own.update(k, v, i)
            cross.update(cross_k, cross_v, i)
        start, count = past_key_values[0][0].shape[2] if past_key_values else 0, decoder_input_ids.shape[1]
        later = torch.arange(start + count)[None] > torch.arange(start, start + count)[:, None]
        mask = torch.zeros(later.shape).masked_fill(later, torch.finfo(torch.float32).min)[None, None]
        hidden = self.decoder(input_ids=decoder_input_ids, encoder_hidden_states=encoder_hidden_states,
                              attention_mask=mask, past_key_values=EncoderDecoderCache(own, cross),
                              use_cache=True).last_hidden_state
        own = [(layer.keys, layer.values) for layer in own.layers]
        cross = [(layer.keys, layer.values) for layer in cross.layers]
        first = past_key_values is None
        present = [a + b for a, b in zip(own, cross)] if first else [t for pair in own for t in pair]
        return self.proj_out(hidden), present
    WhisperDecoder.hf_forward = forward
    return convert_to_onnx


def export_onnxruntime(model, folder, work, *flags):
    """Runs the tool's own export step. Its main() is avoided: its parity check downloads a data set."""
    tool = onnxruntime_tool()
    folder.mkdir(parents=True, exist_ok=True)
    source = str(hugging_face_folder(model, work))
    args = tool.parse_arguments(["-m", source, "--output", str(folder), "--overwrite", *flags])
    with contextlib.redirect_stdout(io.StringIO()):
        paths = tool.export_onnx_models(
            source, "hf", str(work), str(folder), False, False, args.optimize_onnx, args.precision, False,
            merge_encoder_and_decoder_init=not args.separate_encoder_and_decoder_init,
            no_beam_search_op=args.no_beam_search_op, overwrite=True)
        if args.no_beam_search_op:
            encoder, decoder = (next(p for p in paths if part in p) for part in ("encoder", "decoder"))
            tool.WhisperHelper.save_processing(source, "cpu", False, False, False, encoder, decoder, work,
                                               str(work))
            shutil.copy(work / "genai_config.json", folder)
            shutil.copy(work / "config.json", folder)
    return args, [Path(p) for p in paths]


def export_beam_search(model, folder, work):
    args, paths = export_onnxruntime(model, work / "beam", work)
    from whisper_chain import chain_model
    args.encoder_path = str(next(p for p in paths if "encoder" in p.name))
    args.decoder_path = str(next(p for p in paths if "decoder" in p.name))
    folder.mkdir(parents=True, exist_ok=True)
    args.beam_model_output_dir = str(folder / "whisper-small-form_beamsearch.onnx")
    chain_model(args)


def export_aihub(model, folder):
    config, layers, length = model.config, model.config.decoder_layers, 200
    heads, size = config.decoder_attention_heads, config.d_model // config.decoder_attention_heads
    cross = [f"{kv}_cache_cross_{i}" for i in range(layers) for kv in "kv"]
    own = [f"{kv}_cache_self_{i}" for i in range(layers) for kv in "kv"]
    form = dict(opset_version=17, dynamo=False)
    torch_export(AIHubEncoder(model), (torch.from_numpy(features()),), folder / "HfWhisperEncoder.onnx",
                 ["input_features"], cross, **form)

    def caches(t):
        return [torch.zeros(s) for _ in range(layers) for s in ((heads, 1, size, t), (heads, 1, t, size))]
    mask = torch.full((1, 1, 1, length), -100.0)
    args = (torch.tensor([[257]], dtype=torch.int32), mask, *caches(length - 1), *caches(1500),
            torch.tensor([0], dtype=torch.int32))
    torch_export(AIHubDecoder(model), args, folder / "HfWhisperDecoder.onnx",
                 ["input_ids", "attention_mask"] + [n + "_in" for n in own] + cross + ["position_ids"],
                 ["logits"] + [n + "_out" for n in own], **form)


def export_sherpa(model, folder):
    config, layers = model.config, model.config.decoder_layers
    cross, cache = ["n_layer_cross_k", "n_layer_cross_v"], ["n_layer_self_k_cache", "n_layer_self_v_cache"]
    form = dict(opset_version=13, dynamo=False)  # 13 as in the original: LayerNormalization is decomposed
    path = folder / "small-encoder.onnx"
    axes = {"mel": {0: "n_audio", 2: "T"}} | {n: {1: "n_audio", 2: "T"} for n in cross}
    torch_export(SherpaEncoder(model), (torch.from_numpy(np.repeat(features(), 2, 0)),), path, ["mel"], cross,
                 dynamic_axes=axes, **form)
    proto = onnx.load(path)
    helper.set_model_props(proto, sherpa_metadata(config))
    onnx.save(proto, path)
    args = (torch.tensor([PROMPT, PROMPT]), *[torch.zeros(layers, 2, 448, config.d_model)] * 2,
            *[torch.zeros(layers, 2, 1500, config.d_model)] * 2, torch.zeros(1, dtype=torch.int64))
    ins = ["in_" + n for n in cache]
    outs = ["out_" + n for n in cache]
    axes = {"tokens": {0: "n_audio", 1: "n_tokens"}} | {n: {1: "n_audio"} for n in ins}
    axes |= {n: {1: "n_audio", 2: "T"} for n in cross}
    torch_export(SherpaDecoder(model), args, folder / "small-decoder.onnx",
                 ["tokens"] + ins + cross + ["offset"], ["logits"] + outs, dynamic_axes=axes, **form)
    lines = [f"{text} {index}\n" for text, index in TOKEN.items()]
    (folder / "small-tokens.txt").write_text("".join(lines), "utf-8")


def export_half(optimum, folder):
    """fp16 in both forms in use (I/O in fp32 behind casts, or all fp16); bfloat16 weights behind casts."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel
    folder.mkdir(parents=True, exist_ok=True)
    source = onnx.load(optimum / "encoder_model.onnx")
    for name, keep in (("encoder_model_fp16.onnx", True), ("encoder_model_fp16_io.onnx", False)):
        half = OnnxModel(convert_float_to_float16(source, keep_io_types=keep))
        half.topological_sort()  # the converter appends its casts
        onnx.save(half.model, folder / name)
        source = onnx.load(optimum / "encoder_model.onnx")
    casts = []
    for tensor in source.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        bits = numpy_helper.to_array(tensor).view(np.uint32)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
        name = tensor.name
        tensor.CopyFrom(helper.make_tensor(name + "_bf16", TensorProto.BFLOAT16, tensor.dims,
                                           rounded.tobytes(), raw=True))
        casts.append(helper.make_node("Cast", [tensor.name], [name], name + "/Cast", to=TensorProto.FLOAT))
    nodes = casts + list(source.graph.node)
    del source.graph.node[:]
    source.graph.node.extend(nodes)
    onnx.save(source, folder / "encoder_model_bf16.onnx")


# MARK: checks

def session(path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(what, got, want, tolerance=TOLERANCE):
    error = float(np.abs(np.asarray(got, np.float32) - want).max() / np.abs(want).max())
    print(f"    {what}: differs by {error:.1e}")
    if not error <= tolerance:
        raise SystemExit(f"{what} differs from PyTorch by {error:.3g}, allowed is {tolerance:.0e}")


def run_named(path, feeds):
    runner = session(path)
    wanted = {i.name for i in runner.get_inputs()}
    outputs = runner.run(None, {k: v for k, v in feeds.items() if k in wanted})
    return dict(zip((o.name for o in runner.get_outputs()), outputs))


def encode(path, mel):
    return next(iter(run_named(path, {"input_features": mel}).values()))


def no_cache(shape):
    return np.zeros((1, shape["heads"], 0, shape["d_model"] // shape["heads"]), np.float32)


def check_optimum_form(folder, expected, merged=False, shape=SMALL):
    hidden, logits = expected
    compare("encoder", encode(folder / "encoder_model.onnx", features()), hidden)
    pairs = [("decoder_model", "decoder_with_past_model"), ("decoder_model_merged",) * 2]
    for first, later in pairs if merged else pairs[:1]:
        empty = {n: no_cache(shape) for n in
                 names("past_key_values", ("decoder", "encoder"), shape["layers"])}
        out = run_named(folder / f"{first}.onnx", empty | {
            "input_ids": np.array([PROMPT]), "encoder_hidden_states": hidden,
            "use_cache_branch": np.array([False])})
        compare(first, out["logits"][0], logits[:4])
        past = {k.replace("present", "past_key_values"): v for k, v in out.items() if k != "logits"}
        for i, token in enumerate(STEPS):
            out = run_named(folder / f"{later}.onnx", past | {
                "input_ids": np.array([[token]]), "encoder_hidden_states": hidden,
                "use_cache_branch": np.array([True])})
            past |= {k.replace("present", "past_key_values"): v for k, v in out.items()
                     if ".decoder." in k}
            compare(f"{later}, step {i}", out["logits"][0, -1], logits[4 + i])


def check_genai(folder, expected, shape=SMALL):
    hidden, logits = expected
    suffix = "_fp32" if list(folder.glob("*_fp32.onnx")) else ""
    name = str(folder / "whisper-small-form_{}") + suffix + ".onnx"
    out = run_named(name.format("encoder"), {"audio_features": features()})
    compare("encoder", out.pop("encoder_hidden_states"), hidden)
    past = {k.replace("present", "past"): v for k, v in out.items()}
    past |= {f"past_{kv}_self_{i}": no_cache(shape) for i in range(shape["layers"])
             for kv in ("key", "value")}
    end = 0
    for tokens in [PROMPT] + [[t] for t in STEPS]:
        out = run_named(name.format("decoder"), past | {"input_ids": np.array([tokens], np.int32),
                                                        "encoder_hidden_states": hidden})
        end += len(tokens)
        compare(f"decoder, {end} tokens", out.pop("logits")[0], logits[end - len(tokens):end])
        past |= {k.replace("present", "past"): v for k, v in out.items()}


def check_beam_search(folder, model):
    one = {n: np.array([v], np.int32) for n, v in
           (("max_length", 16), ("min_length", 1), ("num_beams", 1), ("num_return_sequences", 1))}
    one |= {n: np.array([1.0], np.float32) for n in ("length_penalty", "repetition_penalty")}
    got = run_named(folder / "whisper-small-form_beamsearch.onnx", one | {"input_features": features()})
    got = got["sequences"][0, 0].tolist()
    ids = [257]
    with torch.no_grad():
        hidden = model.model.encoder(torch.from_numpy(features())).last_hidden_state
        while len(ids) < 16 and (len(ids) == 1 or ids[-1] != 256):
            ids.append(int(model(encoder_outputs=(hidden,), decoder_input_ids=torch.tensor([ids]),
                                 use_cache=False).logits[0, -1].argmax()))
    print(f"    beam search of width 1: {got}")
    if got[:len(ids)] != ids:
        raise SystemExit(f"the beam search gives {got}, greedy PyTorch {ids}")


def check_aihub(folder, expected):
    _, logits = expected
    heads, size = SMALL["heads"], SMALL["d_model"] // SMALL["heads"]
    cross = run_named(folder / "HfWhisperEncoder.onnx", {"input_features": features()})
    own = {f"{kv}_cache_self_{i}_in": np.zeros(s, np.float32) for i in range(SMALL["layers"])
           for kv, s in (("k", (heads, 1, size, 199)), ("v", (heads, 1, 199, size)))}
    mask = np.full((1, 1, 1, 200), -100, np.float32)
    for i, token in enumerate(PROMPT + STEPS):
        mask[..., 199 - i] = 0
        out = run_named(folder / "HfWhisperDecoder.onnx", cross | own | {
            "input_ids": np.array([[token]], np.int32), "attention_mask": mask,
            "position_ids": np.array([i], np.int32)})
        compare(f"decoder, step {i}", out.pop("logits").reshape(-1), logits[i])
        own = {k.replace("_out", "_in"): v for k, v in out.items()}


def check_sherpa(folder, expected, shape):
    _, logits = expected
    feeds = run_named(folder / "small-encoder.onnx", {"mel": features()})
    empty = np.zeros((shape["layers"], 1, 448, shape["d_model"]), np.float32)
    feeds |= {"in_n_layer_self_k_cache": empty, "in_n_layer_self_v_cache": empty}
    offset = 0
    for tokens in [PROMPT] + [[t] for t in STEPS]:
        out = run_named(folder / "small-decoder.onnx", feeds | {
            "tokens": np.array([tokens]), "offset": np.array([offset])})
        compare(f"decoder, offset {offset}", out.pop("logits")[0], logits[offset:offset + len(tokens)])
        offset += len(tokens)
        feeds |= {k.replace("out_", "in_"): v for k, v in out.items()}


def finish(path):
    """Shortens the exporter's stack traces to the last file name and line, then checks the file."""
    proto = onnx.load(path, load_external_data=False)

    def visit(message):
        for field, value in message.ListFields():
            if field.name == "metadata_props":
                for entry in value:
                    if entry.key.endswith("stack_trace"):
                        frames = re.findall(r'File "[^"]*?([^/"]+)"(, line \d+, in \w+)', entry.value)
                        entry.value = 'File "{}"{}'.format(*frames[-1]) if frames else ""
            elif field.name in ("graph", "g"):
                visit(value)
            elif field.name in ("node", "functions", "value_info", "input", "output", "attribute", "graphs"):
                if message.DESCRIPTOR.name != "NodeProto" or field.name == "attribute":
                    for child in value:
                        visit(child)
    visit(proto)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(path), full_check=True)
    session(path)
    for secret in {str(REPOSITORY), sys.prefix, tempfile.gettempdir() + "/", str(Path.home()) + "/"}:
        if secret.encode() in path.read_bytes():
            raise SystemExit(f"{path.name} holds the machine path {secret}")


# MARK: modes

def make_layouts(chosen, work):
    model, narrow = build(SMALL), build(NARROW)
    wide, slim = reference(model), reference(narrow)
    root = LAYOUTS

    def optimum(folder):
        export_optimum(model, folder, work)
        check_optimum_form(folder, wide, merged=True)

    def torchscript(folder):
        export_three(narrow, folder, dynamo=False)
        check_optimum_form(folder, slim, shape=NARROW)

    def dynamo(folder):
        export_three(model, folder, dynamo=True)
        check_optimum_form(folder, wide)

    def dynamo_external(folder):
        export_three(narrow, folder, dynamo=True, parts=("encoder",), external=True)
        compare("encoder", encode(folder / "encoder_model.onnx", features()), slim[0])

    def aihub(folder):
        export_aihub(model, folder)
        check_aihub(folder, wide)

    def genai(folder):
        export_onnxruntime(model, folder, work, "--no_beam_search_op")
        check_genai(folder, wide)

    def genai_fused(folder):
        export_onnxruntime(narrow, folder, work / "narrow", "--no_beam_search_op", "--optimize_onnx")
        check_genai(folder, slim, NARROW)

    def beamsearch(folder):
        export_beam_search(narrow, folder, work / "narrow")
        check_beam_search(folder, narrow)

    def sherpa(folder):
        export_sherpa(narrow, folder)
        check_sherpa(folder, slim, NARROW)

    def fp16(folder):
        if not (root / "optimum/encoder_model.onnx").exists():
            raise SystemExit("fp16 is made from the optimum layout; make that first")
        export_half(root / "optimum", folder)
        for path in sorted(folder.glob("*.onnx")):
            mel = features().astype(np.float16 if "_io" in path.name else np.float32)
            compare(path.name, encode(path, mel), wide[0], tolerance=2e-2)

    makers = {f.__name__.replace("_", "-"): f for f in (optimum, torchscript, dynamo, dynamo_external, aihub,
                                                        genai, genai_fused, beamsearch, sherpa, fp16)}
    for name in chosen or makers:
        if name not in makers:
            raise SystemExit(f"no layout is named {name}; there are {', '.join(makers)}")
        print(name, flush=True)
        shutil.rmtree(root / name, ignore_errors=True)
        makers[name](root / name)
        for path in sorted((root / name).rglob("*.onnx")):
            finish(path)
            print(f"    {path.relative_to(root)}: {path.stat().st_size:,} bytes", flush=True)
    write_reference(root / "reference.json", {"d_model 32": wide, "d_model 16": slim})
    total = sum(p.stat().st_size for p in root.rglob("*") if p.is_file())
    print(f"{total / 1e6:.2f} MB in all")


def write_reference(path, models):
    content = {
        "input_features": "float32(0.8 * sin(0.37 * m + 0.011 * t * (1 + m % 7)) - 0.2), "
                          "m = mel 0...79, t = frame 0...2999, computed in double",
        "tokens": PROMPT + STEPS,
        "tolerance_relative_to_largest": TOLERANCE,
    }
    for name, (hidden, logits) in models.items():
        points = [(t, c) for t in (0, 1, 749, 1499) for c in (0, 7, hidden.shape[2] - 1)]
        content[name] = {
            "last_hidden_state_t_c_value": [[t, c, round(float(hidden[0, t, c]), 6)] for t, c in points],
            "last_hidden_state_largest": round(float(np.abs(hidden).max()), 5),
            "logits": [{"argmax": int(row.argmax()), "largest": round(float(np.abs(row).max()), 5),
                        "first8": [round(float(x), 5) for x in row[:8]]} for row in logits]}
    text = json.dumps(content, indent=2)
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)
    path.write_text(text + "\n", "utf-8")


# MARK: what transformers writes

GENERATION = dict(
    bos_token_id=256, eos_token_id=256, pad_token_id=256, decoder_start_token_id=257, is_multilingual=True,
    lang_to_id={"<|en|>": 258, "<|pt|>": 259}, task_to_id={"translate": 260, "transcribe": 261},
    no_timestamps_token_id=265, prev_sot_token_id=263, max_initial_timestamp_index=20, max_length=448,
    suppress_tokens=[257, 258, 259, 260, 261, 262, 263, 264], begin_suppress_tokens=[220, 256])
CASES = [dict(language="en", task="transcribe", return_timestamps=False),
         dict(language="pt", task="translate", return_timestamps=False),
         dict(language="pt", task="transcribe", return_timestamps=True)]
NEW_TOKENS = 40


def tone():
    """Three seconds of a rising triangle wave with pauses, as 16-bit samples that integers alone compute."""
    n = np.arange(48000, dtype=np.int64)
    wave = np.abs((n * (300 + n // 40)) % 32768 - 16384) - 8192
    return np.where(n // 4000 % 3 == 2, 0, wave).astype(np.int16)


def generate(model):
    """Tokens of transformers' greedy search over one window for each case, without prompt and end of text."""
    from transformers import GenerationMixin
    from transformers.generation.logits_process import (
        SuppressTokensAtBeginLogitsProcessor, SuppressTokensLogitsProcessor, WhisperTimeStampLogitsProcessor)
    for name, value in GENERATION.items():
        setattr(model.generation_config, name, value)
    settings = model.generation_config
    features = WhisperFeatureExtractor()(tone().astype(np.float32) / 32768, sampling_rate=16000, return_tensors="pt")
    for case in CASES:
        prompt = [257, settings.lang_to_id[f"<|{case['language']}|>"], settings.task_to_id[case["task"]]]
        processors = [SuppressTokensLogitsProcessor(GENERATION["suppress_tokens"])]
        if case["return_timestamps"]:
            processors.append(WhisperTimeStampLogitsProcessor(settings, begin_index=len(prompt)))
        else:
            prompt.append(GENERATION["no_timestamps_token_id"])
        processors.append(SuppressTokensAtBeginLogitsProcessor(GENERATION["begin_suppress_tokens"], len(prompt)))
        settings.suppress_tokens = settings.begin_suppress_tokens = None
        out = GenerationMixin.generate(
            model, features.input_features, decoder_input_ids=torch.tensor([prompt]), num_beams=1, do_sample=False,
            logits_processor=processors, max_new_tokens=NEW_TOKENS)
        tokens = [int(token) for token in out[0]][len(prompt):]
        yield dict(case, tokens=[token for token in tokens if token != 256])


def make_generation():
    content = {"audio": "16,000 Hz, 16 bit: abs(n * (300 + n / 40) mod 32768 - 16384) - 8192 in integers, n = 0...47999,"
                        " 0 where n / 4000 mod 3 is 2",
               "new_tokens": NEW_TOKENS, "generation_config": GENERATION}
    for name, shape in (("d_model 32", SMALL), ("d_model 16", NARROW)):
        content[name] = list(generate(build(shape)))
    text = json.dumps(content, indent=2)
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)
    (LAYOUTS / "generation.json").write_text(text + "\n", "utf-8")
    print(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layouts", nargs="*", metavar="NAME", help="make these layouts (none named: all)")
    parser.add_argument("--generation", action="store_true", help="write what transformers' greedy search gives")
    args = parser.parse_args()
    if args.layouts is None and not args.generation:
        parser.error("give --layouts or --generation")
    if os.environ.get("PYTHONHASHSEED") != "0":  # Optimum's merge of the decoders walks over sets
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as work:
        if args.layouts is not None:
            make_layouts(args.layouts, Path(work) / "layouts")
        if args.generation:
            make_generation()


if __name__ == "__main__":
    main()
