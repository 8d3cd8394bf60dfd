"""Writes src/data/letter_case.inc: the lower case of every letter, and which characters stand around a capital sigma.

    python3 tools/reference/make_letter_case.py > src/data/letter_case.inc

The lower case is that of the Hugging Face `tokenizers` library, compared with this Python's str.lower() on every code point: they may differ only
where this Python's Unicode has no character yet. How final sigma is decided is asked of str.lower() itself, one character at a time.
"""
import sys
import unicodedata

from tokenizers import normalizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def lower_case():
    """[(code point, lower case)] of all characters whose lower case is one other character."""
    lowercase = normalizers.Lowercase()
    pairs = []
    for c in CODE_POINTS:
        theirs, python = lowercase.normalize_str(chr(c)), chr(c).lower()
        if theirs != python and unicodedata.category(chr(c)) != "Cn":
            sys.exit(f"U+{c:04X}: tokenizers {theirs!r}, Python {python!r}")
        if len(theirs) > 1:
            if (c, theirs) != (0x130, "i\u0307"):
                sys.exit(f"U+{c:04X}: only U+0130 is expected to become two characters")
        elif ord(theirs) != c:
            pairs.append((c, ord(theirs)))
    return pairs


def runs_of_pairs(pairs):
    """[(first, last, step, difference)]: runs of equal difference whose members are 1 or 2 apart."""
    runs = []
    for c, lower in pairs:
        if runs:
            first, last, step, difference = runs[-1]
            if lower - c == difference and c - last in (1, 2) and step in (0, c - last):
                runs[-1] = (first, c, c - last, difference)
                continue
        runs.append((c, c, 0, lower - c))
    return [(first, last, step or 1, difference) for first, last, step, difference in runs]


def runs(code_points):
    """[(first, last)] of consecutive code points."""
    found = []
    for c in code_points:
        if found and c == found[-1][1] + 1:
            found[-1] = (found[-1][0], c)
        else:
            found.append((c, c))
    return found


def final(text):
    return text.lower().endswith("\u03c2")


def table(name, type_name, rows, code_points=2):
    """The rows as a C++ array; their first numbers are code points."""
    print(f"constexpr {type_name} {name}[] = {{")
    line = "   "
    for row in rows:
        cell = " {" + ", ".join(hex(v) if i < code_points else str(v) for i, v in enumerate(row)) + "},"
        if len(line) + len(cell) > 150:
            print(line)
            line = "   "
        line += cell
    print(line)
    print("};")


def main():
    print("// letter_case.inc — written by tools/reference/make_letter_case.py; not to be edited.")
    print(f"// Lower case as of Unicode 17; final sigma as of Unicode {unicodedata.unidata_version}.")
    table("lower_case", "CaseRun", runs_of_pairs(lower_case()))
    # A letter makes a sigma after it final; a mark is looked through.
    table("letters", "Run", runs([c for c in CODE_POINTS if final(chr(c) + "\u03a3")]))
    table("marks", "Run", runs([c for c in CODE_POINTS if final("a" + chr(c) + "\u03a3") and not final(chr(c) + "\u03a3")]))


if __name__ == "__main__":
    main()
