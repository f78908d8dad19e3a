#!/usr/bin/env python3
"""Writes Sources/Whisper/Text/DecompositionData.swift: every Unicode decomposition in one packed string.

The stream is a sequence of numbers in base 32, lowest digits first, one character of `ALPHABET` per digit, the
upper half of the alphabet saying that more digits follow. A record is:
  distance of the code point from the one after the previous record,
  header: 2 * number of scalars + (1 when it is a compatibility decomposition),
  each scalar as the zigzag difference from the scalar in the same place of the previous record,
and a header with 0 scalars begins a run: the number of code points, and the first one's scalar; each further
one's scalar is one more.

usage: generate_decompositions.py (needs the package unicodedata2 of the wanted Unicode version; the standard
library's unicodedata serves too, at its own version)
"""

import pathlib
import sys

try:
    import unicodedata2 as ucd
except ImportError:
    import unicodedata as ucd

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
WIDTH = 108
TARGET = pathlib.Path(__file__).parent.parent / "Sources/Whisper/Text/DecompositionData.swift"


def decompositions():
    """(code point, is compatibility, scalars), one step each, in order; Hangul syllables are computed instead."""
    for code_point in range(0x110000):
        if 0xD800 <= code_point < 0xE000:
            continue
        words = ucd.decomposition(chr(code_point)).split()
        if words:
            compatibility = words[0].startswith("<")
            yield code_point, compatibility, tuple(int(word, 16) for word in words[compatibility:])


def runs():
    """(first code point, length, is compatibility, scalars of the first), runs as long as they go."""
    current = None
    for code_point, compatibility, scalars in decompositions():
        if current and len(scalars) == 1 == len(current[3]) and compatibility == current[2]:
            first, length, _, (scalar,) = current
            if code_point == first + length and scalars[0] == scalar + length:
                current = (first, length + 1, compatibility, current[3])
                continue
        if current:
            yield current
        current = (code_point, 1, compatibility, scalars)
    yield current


def digits(number):
    text = ""
    while True:
        number, digit = divmod(number, 32)
        text += ALPHABET[digit + (32 if number else 0)]
        if not number:
            return text


def zigzag(number):
    return number * 2 if number >= 0 else -number * 2 - 1


def packed():
    text, after, previous = [], 0, [0] * 32
    for first, length, compatibility, scalars in runs():
        text.append(digits(first - after))
        is_run = length > 1
        text.append(digits((0 if is_run else len(scalars)) * 2 + compatibility))
        if is_run:
            text.append(digits(length))
        for place, scalar in enumerate(scalars):
            text.append(digits(zigzag(scalar - previous[place])))
            previous[place] = scalar
        after = first + length
    return "".join(text)


def main():
    text = packed()
    lines = [text[at : at + WIDTH - 4] for at in range(0, len(text), WIDTH - 4)]
    body = "\\\n".join("    " + line for line in lines)
    TARGET.write_text(
        f"""// Made by scripts/generate_decompositions.py, which explains the packing; do not edit.

/// The decompositions of the Unicode Character Database.
enum DecompositionData {{
  /// The version of the database.
  static let unicodeVersion = "{ucd.unidata_version}"

  /// All records.
  static let packed = \"\"\"
{body}
    \"\"\"
}}
"""
    )
    print(f"{TARGET.name}: Unicode {ucd.unidata_version}, {len(text)} characters", file=sys.stderr)


if __name__ == "__main__":
    main()
