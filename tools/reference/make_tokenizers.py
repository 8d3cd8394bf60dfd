"""Trains small tokenizers as the published ones were made, and writes what other libraries make of many texts with them.

    python3 tools/reference/make_tokenizers.py [OUT]          # OUT: data/goldens/tokenizers
    python3 tools/reference/make_tokenizers.py --large FOLDER # a Gemma-like tokenizer of 256,000 entries, to measure speed with

The text is Unicode's CLDR annotations: names and keywords of symbols and emoji in 140 languages (Debian: unicode-cldr-core). Three folders come out,
with the layout and the options of published SigLIP folders:
    english       SentencePiece unigram, no byte fallback, T = 16; ids by transformers' SiglipTokenizer
    multilingual  SentencePiece unigram with byte fallback, T = 64; ids by SiglipTokenizer, and by sentencepiece alone as big_vision uses it
    gemma         BPE with byte fallback, T = 64; ids by the tokenizers library, lowered as transformers' Siglip2Tokenizer does, and not
Needs sentencepiece, protobuf, tokenizers and transformers; the ids are those of sentencepiece 0.2.0, and of any other where no two ways are equal.
"""
import argparse
import collections
import io
import json
import os
import random
import sys
import unicodedata

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

import tokenizer_texts as texts_of
from make_word_characters import ALONE, DROPPED, SYMBOLS
from tokenizer_profiles import PROFILES, ids_of

SIGLIP_CONFIG = {
    "added_tokens_decoder": {
        id: {"content": token, "lstrip": True, "normalized": False, "rstrip": True, "single_word": False, "special": True}
        for id, token in (("1", "</s>"), ("2", "<unk>"))
    },
    "additional_special_tokens": [],
    "clean_up_tokenization_spaces": True,
    "do_lower_case": True,
    "eos_token": "</s>",
    "model_input_names": ["input_ids"],
    "pad_token": "</s>",
    "processor_class": "SiglipProcessor",
    "sp_model_kwargs": {},
    "tokenizer_class": "SiglipTokenizer",
    "unk_token": "<unk>",
}


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=None if "ids" in value or isinstance(value, list) else 2)
        file.write("\n")


def train_unigram(folder, lines, context, vocab_size, byte_fallback, coverage):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="unigram", vocab_size=vocab_size, character_coverage=coverage,
        byte_fallback=byte_fallback, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, normalization_rule_name="nmt_nfkc", num_threads=2,
        input_sentence_size=100000, shuffle_input_sentence=False, minloglevel=2)
    with open(os.path.join(folder, "spiece.model"), "wb") as file:
        file.write(model.getvalue())
    write_json(os.path.join(folder, "tokenizer_config.json"), {**SIGLIP_CONFIG, "model_max_length": context})


def every_split(vocabulary, taken):
    """Every way to join two pieces to a third, as conversion from SentencePiece lists them: 580,000 for Gemma. By the id of the joined piece."""
    merges = []
    for piece in sorted(set(vocabulary) - taken, key=vocabulary.get):
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        merges += sorted((s for s in splits if s[0] in vocabulary and s[1] in vocabulary), key=lambda s: (vocabulary[s[0]], vocabulary[s[1]]))
    return merges


def alphabet_of(lines, size):
    """The most frequent characters. The trainer's own choice among equally frequent ones is another in every run."""
    counts = collections.Counter(c for line in lines for c in line.replace(" ", "\u2581"))
    return sorted(counts, key=lambda c: (-counts[c], c))[:size]


def train_gemma(folder, lines, vocab_size, alphabet, as_converted=False):
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<2mass>", "[@BOS@]"] + [f"<unused{i}>" for i in range(8)]
    special += ["<start_of_turn>", "<end_of_turn>"]
    runs = ["\n" * n for n in range(1, 32)] + ["\u2581" * n for n in range(2, 32)] + ["<table>", "</table>", "<h1>", "</h1>"]
    byte_pieces = [f"<0x{b:02X}>" for b in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")  # for training alone: words
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=alphabet_of(lines, alphabet), limit_alphabet=alphabet, special_tokens=special + runs + byte_pieces, show_progress=False))
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = [token for token in file["added_tokens"] if token["content"] not in byte_pieces]
    for token in file["added_tokens"]:
        token["special"] = token["content"] in special
    file["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    if as_converted:
        file["model"]["merges"] = every_split(file["model"]["vocab"], set(special + byte_pieces))
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", pair="$A <eos> $B:1 <eos>:1", special_tokens=[("<eos>", tokenizer.token_to_id("<eos>"))])
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "add_bos_token": False, "add_eos_token": True, "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>",
        "mask_token": "<mask>", "do_lower_case": True, "model_input_names": ["input_ids"], "model_max_length": 64, "padding_side": "right",
        "tokenizer_class": "GemmaTokenizer"})


def words_of(golden, count=600):
    """Into which words a tokenizer of learned words splits the first texts, and normal form C of letters with marks in any order."""
    cleaning = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase(), normalizers.NFC()])
    split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(DROPPED), "removed"), pre_tokenizers.Split(Regex(SYMBOLS + "|" + ALONE + r"\p{M}*"), "isolated")])
    texts = [text for text in golden if len(text) <= 60][:count]
    rng = random.Random(3)
    marks, letters = "\u0301\u0308\u0323\u0327\u0328\u0345\u0334\u031b\u05b0\u0e34\u3099\u20d0", "aeo\u00c5IJ\u03c9\u0434\u304b\u0938\u1100\u1161\u11a8\uac00\u212b\u1e9b\ufb2c\u0958"
    sources = ["".join(rng.choice(letters) + "".join(rng.choices(marks, k=rng.randrange(4))) for _ in range(3)) for _ in range(300)]
    forms = [normalizers.NFC().normalize_str(source) for source in sources]
    if forms != [unicodedata.normalize("NFC", source) for source in sources]:
        raise SystemExit("tokenizers and Python give other normal forms")
    return {"texts": texts, "words": [[word for word, _ in split.pre_tokenize_str(cleaning.normalize_str(text))] for text in texts],
            "sources": sources, "normal_forms": forms}


def write(out):
    lines = texts_of.annotations()
    folder = {name: os.path.join(out, name) for name in ("english", "multilingual", "gemma")}
    for path in folder.values():
        os.makedirs(path, exist_ok=True)
    train_unigram(folder["english"], texts_of.annotations("en*"), 16, 3000, False, 0.9995)
    train_unigram(folder["multilingual"], lines[::7], 64, 6000, True, 0.999)
    train_gemma(folder["gemma"], lines[::7], 8000, 1500)

    golden = texts_of.golden()
    write_json(os.path.join(out, "texts.json"), golden)
    for profile, of in PROFILES.items():
        write_json(os.path.join(out, profile + ".json"), {"folder": of, "ids": ids_of(profile, folder[of], golden)})
    write_json(os.path.join(out, "words.json"), words_of(golden))
    print(f"{len(golden)} texts, {len(PROFILES)} profiles")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", default="data/goldens/tokenizers")
    parser.add_argument("--large", metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.large:
        os.makedirs(arguments.large, exist_ok=True)
        train_gemma(arguments.large, texts_of.annotations(), 256000, 8000, as_converted=True)
    else:
        write(arguments.out)


if __name__ == "__main__":
    main()
