#!/usr/bin/env python3
"""Texts a second of our tokenizers beside those of other libraries, one thread each, taking turns in one run.

    python bench_tokenizers.py [--siglip build/siglip] [--texts FILE] [--rounds 3]     needs tokenizers and sentencepiece

The tokenizers are the small ones of data/goldens/tokenizers; --folder takes another tokenizer.json, as the 256,000 entries that
`make_tokenizers.py --large FOLDER` makes. Without --texts the emoji data set's names are taken, or those golden texts that are valid UTF-8."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import sentencepiece  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDENS = ROOT / "data/goldens/tokenizers"


def the_texts(path):
    if path:
        return [line.rstrip("\n") for line in open(path, encoding="utf-8")]
    emoji = ROOT / "data/emoji/train/metadata.jsonl"
    if emoji.exists():
        texts = [json.loads(line)["text"] for line in emoji.read_text().splitlines()]
    else:
        texts = [text for text in json.loads((GOLDENS / "texts.json").read_text()) if isinstance(text, str)]
    return texts * (20000 // len(texts) + 1)


def with_tokenizers(folder, context=64):
    start = time.perf_counter()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    load = time.perf_counter() - start
    tokenizer.enable_truncation(context)
    tokenizer.enable_padding(length=context, pad_id=0, pad_token="<pad>")
    return load, lambda texts: [row.ids for row in tokenizer.encode_batch(texts)]


def with_sentencepiece(folder, context=64):
    start = time.perf_counter()
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    load = time.perf_counter() - start
    return load, lambda texts: [(model.encode(text.lower())[:context - 1] + [1] * context)[:context] for text in texts]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--siglip", default="build/siglip")
    parser.add_argument("--folder", type=pathlib.Path, help="another folder with a tokenizer.json of the Gemma kind")
    parser.add_argument("--texts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    texts = the_texts(arguments.texts)
    pairs = [("tokenizers", arguments.folder or GOLDENS / "gemma", with_tokenizers)]
    if not arguments.folder:
        pairs.append(("sentencepiece", GOLDENS / "multilingual", with_sentencepiece))
    rows = []
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(texts, file)
        file.flush()
        for name, folder, make in pairs:
            load, encode = make(folder)
            ours, theirs, ours_load = [], [], []
            for _ in range(arguments.rounds):
                command = [arguments.siglip, "bench", "tokenizer", str(folder), "--texts", file.name, "--repeat", "1", "--json"]
                measured = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                ours.append(measured["texts_per_second"]), ours_load.append(measured["load_seconds"])
                start = time.perf_counter()
                encode(texts)
                theirs.append(len(texts) / (time.perf_counter() - start))
            rows.append({"beside": name, "texts": len(texts), "ours_texts_per_second": statistics.median(ours),
                         "theirs_texts_per_second": statistics.median(theirs), "ours_tokens_per_second": measured["tokens_per_second"],
                         "ratio": statistics.median(ours) / statistics.median(theirs), "ours_load_seconds": statistics.median(ours_load),
                         "theirs_load_seconds": load})
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(f"{row['texts']} texts, one thread: siglip.cpp {row['ours_texts_per_second']:,.0f} texts/s ({row['ours_tokens_per_second']:,.0f} tokens/s), "
              f"{row['beside']} {row['theirs_texts_per_second']:,.0f}: {row['ratio']:.1f}x; loading {row['ours_load_seconds']:.3f} s and "
              f"{row['theirs_load_seconds']:.3f} s")


if __name__ == "__main__":
    main()
