"""Writes src/data/word_characters.inc: which characters end a word, which are words of their own, and which marks go with them.

    python3 tools/reference/make_word_characters.py > src/data/word_characters.inc

The patterns are those of src/data/words.cpp, which a tokenizer.json written by siglip holds: the Hugging Face `tokenizers` library answers for every
character what they match.
"""
from tokenizers import Regex, pre_tokenizers

from make_letter_case import CODE_POINTS, runs, table

DROPPED = r"(?:(?![#%&*@])[\s\p{Cc}\p{P}])+"
SYMBOLS = r"[#$%&*+<=>@\^`|~]"
ALONE = (r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}"
         r"\p{Javanese}\p{Balinese}]")


def members(pattern):
    """The characters that a pattern matches."""
    split, block = pre_tokenizers.Split(Regex(pattern), "removed"), 4096
    for begin in range(0, len(CODE_POINTS), block):
        characters = CODE_POINTS[begin:begin + block]
        left = {i for _, (first, last) in split.pre_tokenize_str("".join(map(chr, characters))) for i in range(first, last)}
        yield from (c for i, c in enumerate(characters) if i not in left)


def main():
    print("// word_characters.inc — written by tools/reference/make_word_characters.py; not to be edited.")
    print("// As of Unicode 17. What ends a word and is dropped: blanks, control characters, punctuation. Characters of scripts that set no blanks between")
    print("// words. Combining marks.")
    table("dropped_runs", "Run", runs(members(DROPPED)))
    table("alone_runs", "Run", runs(members(ALONE)))
    table("mark_runs", "Run", runs(members(r"\p{M}")))


if __name__ == "__main__":
    main()
