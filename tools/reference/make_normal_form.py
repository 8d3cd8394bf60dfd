"""Writes src/data/normal_form.inc: the tables of Unicode's normal form C (NFC), as the Hugging Face `tokenizers` library has it.

    python3 tools/reference/make_normal_form.py > src/data/normal_form.inc

What each character decomposes into and which class a mark has is taken from this Python, what of it the library knows is asked of the library: it
stays at the Unicode version that it was made with, and ids are to be its ids. Every single character is compared; texts of several are compared by
check_words.py.
"""
import sys
import unicodedata

from tokenizers import normalizers

from make_letter_case import CODE_POINTS, runs, table

NFC, NFD = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
HANGUL = range(0xAC00, 0xD7A4)  # decomposed by rule
VOWELS, FINALS = range(0x1161, 0x1176), range(0x11A8, 0x11C3)  # jamo that a syllable may end in


def decompositions():
    """[((code point, first, second or 0), composes)], one step each; `composes`: whether the library puts the two together again."""
    found = []
    for c in CODE_POINTS:
        parts = unicodedata.decomposition(chr(c)).split()
        if not parts or "<" in parts[0] or c in HANGUL:
            continue
        parts = [int(part, 16) for part in parts]
        composes = len(parts) == 2 and NFC("".join(map(chr, parts))) == chr(c)
        if composes or NFD(chr(c)) != chr(c):  # else it is newer than the library
            found.append(((c, *parts, 0)[:3], composes))
    return found


def classes():
    """[(first, last, class)] of the marks that the library reorders."""
    found = []
    for c in CODE_POINTS:
        order = unicodedata.combining(chr(c))
        text = "a\u0301" + chr(c) if order == 1 else "a" + chr(c) + "\u0334"  # of the classes 230 and 1
        if order == 0 or NFD(text) == text:
            continue
        if found and found[-1][1] == c - 1 and found[-1][2] == order:
            found[-1] = (found[-1][0], c, order)
        else:
            found.append((c, c, order))
    return found


def main():
    steps, marks = decompositions(), classes()
    pairs, apart = [step for step, composes in steps if composes], [step for step, composes in steps if not composes]
    unsettled = {c for first, last, _ in marks for c in range(first, last + 1)} | {c for c, _, _ in apart} | {second for _, _, second in pairs}
    for c in CODE_POINTS:
        if NFC(chr(c)) != unicodedata.normalize("NFC", chr(c)):
            sys.exit(f"U+{c:04X}: tokenizers and Python differ")
        if c not in unsettled and NFC(chr(c)) != chr(c):
            sys.exit(f"U+{c:04X}: is said to be settled, and is not")
    print("// normal_form.inc — written by tools/reference/make_normal_form.py; not to be edited.")
    print(f"// Normal form C of the tokenizers library, which knows the marks of Unicode 9; decompositions as of Unicode {unicodedata.unidata_version}.")
    print("// Classes of combining marks; characters that are two, put together again; characters that are one or two others, and stay them; and those")
    print("// without which a text is in normal form.")
    table("mark_classes", "ClassRun", marks)
    table("pairs", "Decomposition", pairs, 3)
    table("apart", "Decomposition", apart, 3)
    table("unsettled", "Run", runs(sorted(unsettled | set(VOWELS) | set(FINALS))))


if __name__ == "__main__":
    main()
