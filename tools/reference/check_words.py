"""Compares the words that siglip learns with the Hugging Face library that loads the same tokenizer.json: ids of texts in many scripts.

    python3 tools/reference/check_words.py --siglip build/siglip

A run of two steps gives the form of the file; the vocabulary is then made of what the library itself splits the texts into, so that a word that is
split or spelled otherwise has another id. Texts are CLDR's annotations in 140 languages, mixtures with characters of all kinds, texts taken apart and
put together (NFD, NFC, NFKD) and lines of random marks. transformers.AutoTokenizer is compared on a part of them. Exit status 1 if one text differs.
"""
import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata
import zlib

import tokenizers

from tokenizer_texts import CASED, ODD, SPECIAL, annotations, any_character, mixed

MARKS = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in ("Mn", "Mc", "Me")]
JAMO = [chr(c) for c in [*range(0x1100, 0x1200), *range(0xAC00, 0xAC40)]]
COMPOSED = [chr(c) for c in range(0x110000) if unicodedata.decomposition(chr(c))]


def png(path, value):
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    rows = b"".join(b"\0" + bytes([value] * 48) for _ in range(16))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0\0\x10\0\0\0\x10\x08\2\0\0\0") + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def run_of(siglip, folder):
    """A checkpoint folder of two steps."""
    data = os.path.join(folder, "data")
    os.mkdir(data)
    with open(os.path.join(data, "metadata.jsonl"), "w", encoding="utf-8") as file:
        for i in range(4):
            png(os.path.join(data, f"{i}.png"), 60 * i)
            file.write(json.dumps({"file_name": f"{i}.png", "text": f"word{i}"}) + "\n")
    run = os.path.join(folder, "run")
    subprocess.run([siglip, "train", "--data", data, "--width", "8", "--layers", "1", "--heads", "1", "--mlp", "8", "--image-size", "16", "--patch-size", "8",
                    "--context", "64", "--steps", "2", "--batch-size", "2", "--val-fraction", "0", "--out", run], check=True, capture_output=True)
    return os.path.join(run, "last")


def texts_of(count):
    rng, lines = random.Random(16), annotations()
    texts = ODD + SPECIAL + CASED + rng.sample(lines, min(len(lines), count // 2))
    form = lambda name: unicodedata.normalize(name, rng.choice(lines))
    while len(texts) < count:
        kind = rng.randrange(6)
        if kind == 0:
            texts.append(form(rng.choice(["NFD", "NFC", "NFKD", "NFKC"])).upper())
        elif kind == 1:  # marks in any order
            texts.append("".join(rng.choice("aeoIJkΩд가か日ก") + "".join(rng.choices(MARKS, k=rng.randrange(6))) for _ in range(8)))
        elif kind == 2:
            texts.append("".join(rng.choices(JAMO, k=20)))
        elif kind == 3:
            texts.append("".join(rng.choice(COMPOSED) + rng.choice(["", " ", rng.choice(MARKS)]) for _ in range(12)))
        elif kind == 4:
            texts.append("".join(any_character(rng) for _ in range(30)))
        else:
            texts.append(mixed(rng, lines))
    return [text[:400] for text in texts]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--siglip", default="build/siglip")
    parser.add_argument("--count", type=int, default=150_000)
    options = parser.parse_args()
    texts = texts_of(options.count)
    with tempfile.TemporaryDirectory(prefix="siglip_words_") as folder:
        checkpoint = run_of(options.siglip, folder)
        path = os.path.join(checkpoint, "tokenizer.json")
        theirs = tokenizers.Tokenizer.from_file(path)
        words = collections.Counter()
        for text in texts:
            words.update(word for word, _ in theirs.pre_tokenizer.pre_tokenize_str(theirs.normalizer.normalize_str(text)))
        with open(path, encoding="utf-8") as file:
            form = json.load(file)
        special = dict(sorted(form["model"]["vocab"].items(), key=lambda entry: entry[1])[:3])
        form["model"]["vocab"] = special | {word: i + 3 for i, word in enumerate(words)}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(form, file, ensure_ascii=False)
        theirs = tokenizers.Tokenizer.from_file(path)

        alone = os.path.join(folder, "alone")  # without checksums.txt, which names the file as it was
        os.mkdir(alone)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            os.rename(os.path.join(checkpoint, name), os.path.join(alone, name))
        listed = os.path.join(folder, "texts.json")
        with open(listed, "w", encoding="utf-8") as file:
            json.dump(texts, file)
        out = subprocess.run([options.siglip, "tokenize", alone, "--texts", listed, "--json"], check=True, capture_output=True).stdout
        ours = json.loads(out)["ids"]
        expected = [encoding.ids for encoding in theirs.encode_batch(texts)]
        different = [text for text, a, b in zip(texts, ours, expected) if a != b]
        print(f"tokenizers {tokenizers.__version__}: {len(texts) - len(different):,} of {len(texts):,} texts equal, {len(words):,} words")
        for text in different[:5]:
            print("differs:", ascii(text), ascii([w for w, _ in theirs.pre_tokenizer.pre_tokenize_str(theirs.normalizer.normalize_str(text))]))
        import transformers  # after the work that does not need it

        part = texts[:5000] + texts[-5000:]
        slow = transformers.AutoTokenizer.from_pretrained(alone)(part, padding="max_length", truncation=True)["input_ids"]
        unequal = sum(a != b for a, b in zip(ours[:5000] + ours[-5000:], slow))
        print(f"transformers {transformers.__version__}: {len(part) - unequal:,} of {len(part):,} texts equal")
    sys.exit(1 if different or unequal else 0)


if __name__ == "__main__":
    main()
