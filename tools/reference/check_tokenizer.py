"""Compares our token ids with those of the Hugging Face `tokenizers` library.

    python3 tools/reference/check_tokenizer.py FOLDER TEXTS [--siglip build/siglip | --ids IDS.json]

FOLDER is a checkpoint folder with a tokenizer.json. TEXTS has one text a line, or is a .json array of strings (which may hold any character).
Our ids come from `siglip tokenize FOLDER --texts TEXTS --json`, or from a file of what that printed. Prints "N of N texts equal".
"""
import argparse
import json
import subprocess
import sys

from tokenizers import Tokenizer


def read_texts(path):
    with open(path, encoding="utf-8", newline="") as file:
        if path.endswith(".json"):
            return json.load(file)
        lines = file.read().split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("texts")
    parser.add_argument("--siglip", default="build/siglip", help="the program that gives our ids")
    parser.add_argument("--ids", help="a file with them instead: {\"ids\": [[...], ...]}")
    arguments = parser.parse_args()

    texts = read_texts(arguments.texts)
    if arguments.ids:
        with open(arguments.ids, encoding="utf-8") as file:
            ours = json.load(file)["ids"]
    else:
        command = [arguments.siglip, "tokenize", arguments.folder, "--texts", arguments.texts, "--json"]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["ids"]
    if len(ours) != len(texts):
        sys.exit(f"{len(texts)} texts, but {len(ours)} rows of ids")

    tokenizer = Tokenizer.from_file(arguments.folder + "/tokenizer.json")
    equal = 0
    for text, row in zip(texts, ours):
        theirs = tokenizer.encode(text).ids
        equal += theirs == row
        if theirs != row and len(text) < 200:
            print(f"{text!r}\n  tokenizers {theirs}\n  siglip     {row}", file=sys.stderr)
    print(f"{equal} of {len(texts)} texts equal")
    sys.exit(equal != len(texts))


if __name__ == "__main__":
    main()
