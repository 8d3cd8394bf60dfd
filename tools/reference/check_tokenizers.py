"""Compares our ids with those of other libraries on a million strings: real text of 140 languages and the kinds that break tokenizers.

    make test-tokenizers                          # in a virtual environment of its own (requirements-older.txt)
    python3 tools/reference/check_tokenizers.py [--count 1000000] [--siglip build/siglip] [--profiles hf_v1,siglip2]

The tokenizers are those of data/goldens/tokenizers. Each profile sees all strings: annotations of CLDR, cut, upper-cased and mixed with emoji,
special tokens, any code points, invisible characters, blanks and punctuation; UTF-8 with bytes broken in, which siglip and sentencepiece read as
they are, and the others as Python decodes them (a str cannot hold such bytes: every invalid part is U+FFFD); lines of 10,000 characters;
punctuation alone; nothing. Letters that are newer than this Python's Unicode are left out where str.lower() is the reference. Prints "N of N
strings equal" for each profile. Wants sentencepiece 0.1.9x or 0.2.0, as libsentencepiece 0.1.97: later ones (seen in 0.2.3) decide otherwise
between equally likely pieces.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

import tokenizer_texts as texts_of
from tokenizer_profiles import PROFILES, encoder

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data", "goldens", "tokenizers")


def strings(count, lines):
    """`count` strings, the same ones every time; those with invalid UTF-8 are bytes."""
    rng = random.Random(7)
    given = texts_of.ODD + texts_of.SPECIAL + texts_of.CASED
    for i in range(count):
        kind = i % 10
        if i < len(given):
            yield given[i]
        elif kind < 4:
            yield lines[(i * 7919) % len(lines)]
        elif kind < 8:
            yield texts_of.mixed(rng, lines)
        elif i % 5000 == 8:
            yield " ".join(rng.choice(lines) for _ in range(400))[:10000].ljust(10000, rng.choice("a \u2581\u0301"))
        elif kind == 8:
            yield texts_of.broken(rng, rng.choice(lines)[:80])
        else:
            yield "".join(rng.choice(texts_of.PUNCTUATION + texts_of.BLANKS) for _ in range(rng.randrange(12)))


def ours(siglip, folder, cased, texts, scratch):
    """Rows of ids from `siglip tokenize`: bytes as lines of a text file, as no JSON can hold them."""

    def rows(name, data, *flags):
        path = os.path.join(scratch, name)
        with open(path, "wb") as file:
            file.write(data)
        command = [siglip, "tokenize", folder, "--texts", path, "--json", *flags] + ["--no-lower"] * cased
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["ids"]

    raw = [text for text in texts if isinstance(text, bytes)]
    given = {False: iter(rows("texts.json", json.dumps([text for text in texts if isinstance(text, str)]).encode())),
             True: iter(rows("texts.txt", b"".join(text + b"\n" for text in raw), "--any-bytes") if raw else ())}
    return [next(given[isinstance(text, bytes)]) for text in texts]


def with_profile(profile, scratch):
    """The folder of the profile; for big_vision a copy whose settings say so."""
    folder = os.path.join(FOLDER, PROFILES[profile])
    if profile != "big_vision":
        return folder
    copy = os.path.join(scratch, profile)
    os.mkdir(copy)
    os.symlink(os.path.abspath(os.path.join(folder, "spiece.model")), os.path.join(copy, "spiece.model"))
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
        settings = json.load(file)
    with open(os.path.join(copy, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump({**settings, "siglip_profile": profile}, file)
    return copy


def decoded(text):
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def check(profile, arguments, lines, scratch):
    folder = with_profile(profile, scratch)
    encode = encoder(profile, os.path.join(FOLDER, PROFILES[profile]))
    equal = total = newer = raw = 0
    batch = []

    def flush():
        nonlocal equal, total, raw
        for text, row in zip(batch, ours(arguments.siglip, folder, profile.endswith("-cased"), batch, scratch)):
            theirs = encode(text if profile == "big_vision" else decoded(text))  # sentencepiece takes bytes as they are
            total += 1
            raw += isinstance(text, bytes) and decoded(text).encode() != text
            equal += theirs == row
            if theirs != row and total - equal <= 10:
                print(f"{profile}: {text[:200]!r}\n  theirs {theirs}\n  siglip {row}", file=sys.stderr)
        batch.clear()
        print(f"{profile}: {equal} of {total} so far", file=sys.stderr, flush=True)

    for text in strings(arguments.count, lines):
        if profile.startswith("hf_v1") and not arguments.newer.isdisjoint(decoded(text)):
            newer += 1
            continue
        batch.append(text)
        if len(batch) == 20000:
            flush()
    if batch:
        flush()
    left_out = f", {newer} left out for letters newer than Unicode {unicodedata.unidata_version}" if newer else ""
    print(f"{profile}: {equal} of {total} strings equal, {raw} of them with invalid UTF-8{left_out}", flush=True)
    return equal == total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000000)
    parser.add_argument("--siglip", default="build/siglip")
    parser.add_argument("--profiles", default=",".join(p for p in PROFILES if p != "hf_v1-english"))
    arguments = parser.parse_args()
    import sentencepiece
    from tokenizers import normalizers

    if tuple(map(int, sentencepiece.__version__.split(".")[:3])) > (0, 2, 0):
        sys.exit(f"sentencepiece 0.2.0 or older is expected, got {sentencepiece.__version__}")
    lowercase = normalizers.Lowercase()
    arguments.newer = {chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and lowercase.normalize_str(chr(c)) != chr(c).lower()}
    lines = texts_of.annotations()
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(not all([check(profile, arguments, lines, scratch) for profile in arguments.profiles.split(",")]))


if __name__ == "__main__":
    main()
