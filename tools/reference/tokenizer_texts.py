"""Texts to compare tokenizers on: real ones of 140 languages, and the kinds that break tokenizers."""
import glob
import os
import random
import xml.etree.ElementTree

ANNOTATIONS = "/usr/share/unicode/cldr/common/annotations"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f\u202e\u2066\u034f"
BLANKS = " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"
SPECIAL = ["</s>", "<unk>", "<pad>", "<s>", "<eos>", "<bos>", "<mask>", "<unused3>", "<0x41>", "<0xE2>", "\u2581", "\u2581\u2581\u2581", "\n\n\n",
           "<table>", "<TABLE>", "<EOS>", "</S>", "<", ">", "\ufffd", "\0"]
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
CASED = ["\u0130stanbul I\u0131", "\u039f\u0394\u039f\u03a3", "\u039f\u0394\u039f\u03a3.", "\u03a3", "\u0391\u03a3\u0391 \u0391\u03a3", "\u0391'\u03a3 \u0391\u03a3\u0301 a\u03a3\u00ad",
         "STRASSE \u1e9e", "\u01c5\u01c4 \u01c8", "\u216b \u24b6", "\U00010400 \U0001e900", "\ufb01 \ufb03 \u2460 \u337f", "\u212b \u2126 \u212a", "\u13a0 \uab70 \u1c90 \u10a0"]
ODD = ["", " ", "\u2581", "\n", "a", "A", "\u00e9", "e\u0301", "a" * 10000, "ab" * 5000, " a" * 5000, "\u2581" * 1000, "." * 10000, PUNCTUATION, "-" * 100,
       "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea", "\u0645\u0631\u062d\u0628\u0627 \u202eabc\u202c", "\u6771" * 3000,
       "A long paragraph for summarization.", "Summary of the text.", "the real mountain view", "Z\u00fcrich", "San Francisco", "a photo of 2 cats"]


def annotations(pattern="*"):
    """Every annotation once: its keywords, and its symbol with the keywords; in the order of the files."""
    lines = {}
    files = sorted(glob.glob(os.path.join(ANNOTATIONS, pattern + ".xml")))
    if not files:
        raise SystemExit(f"{ANNOTATIONS} is expected (Debian: unicode-cldr-core)")
    for path in files:
        for node in xml.etree.ElementTree.parse(path).getroot().iter("annotation"):
            words = " ".join((node.text or "").replace(" | ", " ").split())
            lines[words] = lines[node.get("cp") + " " + words] = True
    lines.pop("", None)
    return list(lines)


def any_character(rng):
    """Any code point but surrogates: half of them below U+3000, so that assigned ones are common."""
    while True:
        c = rng.randrange(0x3000) if rng.random() < 0.5 else rng.randrange(0x110000)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def mixed(rng, lines):
    """A text of several kinds of parts."""
    parts = []
    for _ in range(rng.randrange(1, 8)):
        kind = rng.randrange(10)
        if kind < 4:
            line = rng.choice(lines)
            begin = rng.randrange(len(line))
            parts.append(line[begin:begin + rng.randrange(1, 60)])
        elif kind == 4:
            parts.append(rng.choice(SPECIAL))
        elif kind == 5:
            parts.append("".join(rng.choice(BLANKS) for _ in range(rng.randrange(1, 4))))
        elif kind == 6:
            parts.append("".join(any_character(rng) for _ in range(rng.randrange(1, 10))))
        elif kind == 7:
            parts.append("".join(rng.choice(PUNCTUATION) for _ in range(rng.randrange(1, 5))))
        elif kind == 8:
            parts.append(rng.choice(INVISIBLE) + rng.choice(CASED) + rng.choice(INVISIBLE))
        else:
            parts.append(rng.choice(lines).upper())
    return rng.choice(["", " "]).join(parts)


def broken(rng, text):
    """The bytes of a text with one to five broken in, none of them ASCII."""
    data = bytearray(text.encode())
    for _ in range(rng.randrange(1, 6)):
        data.insert(rng.randrange(len(data) + 1), rng.randrange(128, 256))
    return bytes(data)


def golden(count=1200):
    """A few thousand short texts."""
    rng = random.Random(1)
    lines = annotations()
    texts = ODD + SPECIAL + CASED + [rng.choice(lines) for _ in range(count)] + [mixed(rng, lines) for _ in range(count)]
    return [text[:400] for text in texts]
