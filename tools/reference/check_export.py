"""Loads checkpoints that `siglip train` made into Hugging Face transformers, and compares ids, pixels, embeddings and logits.

    make test-reference                                           # a short run on drawn shapes, and the emoji demo where it was trained
    python3 tools/reference/check_export.py runs/train/demo       # any run or checkpoint folder

Everything loads through AutoProcessor, AutoTokenizer, AutoImageProcessor and SiglipModel. Pixels are compared bit for bit where both sides name
the implementation (--profile here, backend there), and within a limit where neither does: what a user gets who says nothing. open_clip is tried too
where it is installed. Exit status 1 if anything differs by more than its limit.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import numpy
import PIL
import torch
import transformers
from PIL import Image
from safetensors.numpy import load_file

from tokenizer_texts import CASED, ODD, SPECIAL

PIL_PROFILE = "pil13" if int(PIL.__version__.split(".")[0]) >= 13 else "pil"  # Pillow 13 changed the order of its passes
EMBEDDING_LIMIT, LOGIT_LIMIT = 1e-5, 1e-4  # as in data/goldens/README.md
# By default AutoProcessor may resize otherwise: torchvision where it is installed, else the Pillow that is there. In levels of 255, and of unit rows. Measured
# against torchvision: 1 level, 9e-4.
DEFAULT_LEVELS_LIMIT, DEFAULT_EMBEDDING_LIMIT = 2, 5e-3
TEXTS = ["", " ", "a", "A Photo of TWO cats.", "punctuation: (a) [b] {c} - d_e / f \\ g; 'h' \"i\"? j! k, l", "Zürich, ŻÓŁĆ and straße",
         "naïve café", "日本語 のテキスト", "emoji 🐱‍👤 👍🏽", "tab\tand  two  blanks", "1+1=2 & 50% of $3 #tag @home ~x^y", "</s> <unk> <pad> are text",
         "no\u00a0break \u200b zero width", "word " * 100]


class Report:
    def __init__(self):
        self.failed = 0

    def line(self, ok, text):
        self.failed += ok is False
        print(f"  {'ok     ' if ok else 'FAILED ' if ok is False else 'note   '}{text}", flush=True)


def siglip(options, *arguments, check=True):
    return subprocess.run([options.siglip, *map(str, arguments)], check=check, capture_output=True, text=True)


def draw_pictures(folder, size):
    """The model's own size first, then odd ones, larger and smaller, one of a single column."""
    paths = []
    for seed, (width, height) in enumerate([(size, size), (64, 64), (37, 91), (300, 200), (17, 5), (1, 40), (640, 481)]):
        noise = numpy.random.Generator(numpy.random.PCG64(seed)).integers(0, 256, (height // 3 + 1, width // 3 + 1, 3), dtype=numpy.uint8)
        paths.append(os.path.join(folder, f"picture{seed}.png"))
        Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR).save(paths[-1])
    return paths


def checkpoint_of(path):
    for part in ("", "best", "last"):
        if os.path.exists(os.path.join(path, part, "model.safetensors")):
            return os.path.join(path, part)
    sys.exit(f"{path}: a checkpoint folder, or a run folder with best/ or last/, is expected")


# ---- transformers ------------------------------------------------------------------------------------------------------------------


def check_ids(report, options, folder, tokenizer, texts, temporary):
    path = os.path.join(temporary, "texts.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(texts, file)
    ours = json.loads(siglip(options, "tokenize", folder, "--texts", path, "--json").stdout)["ids"]
    theirs = tokenizer(texts, padding="max_length", truncation=True)["input_ids"]
    different = [text for text, a, b in zip(texts, ours, theirs) if a != b]
    report.line(not different, f"ids: {len(texts) - len(different)} of {len(texts)} texts equal" + "".join(f"; differs: {t[:40]!r}" for t in different[:3]))
    return path, torch.tensor(theirs)


def check_pixels(report, options, folder, pictures, temporary):
    """Answers the pixels of transformers' PIL backend."""
    images = [Image.open(path).convert("RGB") for path in pictures]
    out = os.path.join(temporary, "pixels.safetensors")
    answer = None
    for backend, profile in (("pil", PIL_PROFILE), ("torchvision", "torchvision")):
        theirs = transformers.AutoImageProcessor.from_pretrained(folder, backend=backend)(images=images, return_tensors="np")["pixel_values"]
        siglip(options, "preprocess", folder, *pictures, "--profile", profile, "--out", out)
        different = int((load_file(out)["pixel_values"] != theirs).sum())
        report.line(different == 0, f"pixels against {backend}, --profile {profile}: {theirs.size - different:,} of {theirs.size:,} equal bit for bit")
        answer = theirs if answer is None else answer
    return torch.from_numpy(answer)


def check_defaults(report, options, folder, processor, model, pictures, temporary):
    """No flag here, no argument there: what either side's user gets. Neither is wrong; this says how far they are apart."""
    out, embeddings = os.path.join(temporary, "default.safetensors"), os.path.join(temporary, "default.npy")
    images = [Image.open(path).convert("RGB") for path in pictures]
    theirs = processor.image_processor(images=images, return_tensors="pt")["pixel_values"]
    siglip(options, "preprocess", folder, *pictures, "--out", out)
    ours = load_file(out)["pixel_values"]
    levels = numpy.abs(ours - theirs.numpy()) * 127.5  # [-1, 1] is 255 levels wide
    name = f"pixels by default, against {type(processor.image_processor).__name__}"
    worst = int(levels.max(axis=(1, 2, 3)).argmax())
    report.line(bool(levels.max() <= DEFAULT_LEVELS_LIMIT),
                f"{name}: {(levels < 0.01).mean():.2%} equal, at most {levels.max():.2f} levels of 255 apart "
                f"({images[worst].width} x {images[worst].height}; limit {DEFAULT_LEVELS_LIMIT}), {levels.mean():.4f} on average")
    siglip(options, "embed", folder, "--images", *pictures, "--out", embeddings)
    order = sorted(range(len(pictures)), key=lambda i: pictures[i])
    with torch.no_grad():
        expected = model.get_image_features(pixel_values=theirs[order])
    expected = torch.nn.functional.normalize(getattr(expected, "pooler_output", expected)).numpy()
    got = numpy.load(embeddings)
    error, cosine = numpy.abs(got - expected).max(), (got * expected).sum(1).min()
    report.line(bool(error <= DEFAULT_EMBEDDING_LIMIT),
                f"image embeddings by default: at most {error:.1e} apart (limit {DEFAULT_EMBEDDING_LIMIT:.0e}), cosine at least {cosine:.6f}")


def check_embeddings(report, options, folder, model, pictures, texts_path, pixels, ids, temporary):
    out = os.path.join(temporary, "embeddings.npy")
    siglip(options, "embed", folder, "--images", *pictures, "--texts", texts_path, "--profile", PIL_PROFILE, "--out", out)
    ours = numpy.load(out)
    with torch.no_grad():
        theirs = model(input_ids=ids, pixel_values=pixels)
    order = sorted(range(len(pictures)), key=lambda i: pictures[i])  # embed sorts pictures by path; the first stays the first
    pairs = (("text", ours[len(pictures):], theirs.text_embeds), ("image", ours[: len(pictures)], theirs.image_embeds[order]),
             ("image (of the model's size)", ours[:1], theirs.image_embeds[:1]))
    for name, got, expected in pairs:
        error = numpy.abs(got - expected.numpy()).max()
        report.line(bool(error <= EMBEDDING_LIMIT), f"{name} embeddings: at most {error:.1e} apart (limit {EMBEDDING_LIMIT:.0e})")
    return theirs


def check_logits(report, options, folder, model, tokenizer, pictures, pixels, labels):
    results = json.loads(siglip(options, "classify", folder, "--labels", ",".join(labels), "--template", "{}", "--profile", PIL_PROFILE, "--json", *pictures).stdout)
    ids = torch.tensor(tokenizer(labels, padding="max_length", truncation=True)["input_ids"])
    with torch.no_grad():
        logits = model(input_ids=ids, pixel_values=pixels).logits_per_image.numpy()
    worst, worst_p = 0.0, 0.0
    for row, entry in zip(logits, results):
        for result in entry["results"]:
            expected = row[labels.index(result["label"])]
            worst = max(worst, abs(result["logit"] - expected))
            worst_p = max(worst_p, abs(result["probability"] - 1 / (1 + numpy.exp(-expected))))
    report.line(bool(worst <= LOGIT_LIMIT), f"logits: at most {worst:.1e} apart (limit {LOGIT_LIMIT:.0e}); probabilities {worst_p:.1e}")


# ---- open_clip ---------------------------------------------------------------------------------------------------------------------


def try_open_clip(report, folder):
    try:
        import open_clip
    except ImportError:
        report.line(None, "open_clip: not installed")
        return
    try:
        open_clip.create_model_from_pretrained(f"local-dir:{os.path.abspath(folder)}")
        report.line(None, f"open_clip {open_clip.__version__}: loads this folder")
    except Exception as error:  # whatever it is, it is what a user would see
        report.line(None, f"open_clip {open_clip.__version__}: does not load this folder: {type(error).__name__}: {str(error)[:150]}")


# ---- all -----------------------------------------------------------------------------------------------------------------------------


def check(options, path, temporary):
    folder, report = checkpoint_of(path), Report()
    print(folder)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    report.line(True, f"AutoProcessor: {type(processor).__name__}; tokenizer pads on the {processor.tokenizer.padding_side}, to {processor.tokenizer.model_max_length}")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, info = transformers.SiglipModel.from_pretrained(folder, output_loading_info=True, attn_implementation="sdpa")
    strays = {kind: sorted(names) for kind, names in info.items() if names}
    report.line(not strays, f"SiglipModel: {sum(p.numel() for p in model.parameters()):,} parameters, " + (f"but {strays}" if strays else "none missing, none left over"))
    model.eval()

    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
        words = sorted(json.load(file)["model"].get("vocab", {}))
    choose = random.Random(1)
    sentences = [" ".join(choose.choices(words, k=choose.randint(1, 24))) for _ in range(500)] if words else []
    texts_path, ids = check_ids(report, options, folder, tokenizer, TEXTS + ODD + SPECIAL + CASED + sentences, temporary)
    pictures = draw_pictures(temporary, model.config.vision_config.image_size)
    pixels = check_pixels(report, options, folder, pictures, temporary)
    check_embeddings(report, options, folder, model, pictures, texts_path, pixels, ids, temporary)
    check_defaults(report, options, folder, processor, model, pictures, temporary)
    labels = ["a cat", "two red circles", "a photo of a dog", "blue"]
    check_logits(report, options, folder, model, tokenizer, pictures, pixels, labels)
    try_open_clip(report, folder)
    return report.failed


def train_shapes(options, temporary):
    """A run too short to be good, long enough that no parameter is what it was."""
    data, run = os.path.join(temporary, "shapes"), os.path.join(temporary, "run")
    siglip(options, "data", "shapes", "--out", data, "--scenes", 300)
    siglip(options, "train", "--data", data, "--model", "nano", "--steps", 60, "--batch-size", 32, "--out", run)
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", help="run or checkpoint folders; without any, a short run on shapes is made")
    parser.add_argument("--siglip", default="build/siglip")
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="siglip_export_") as temporary:
        failed = sum(check(options, path, temporary) for path in options.runs or [train_shapes(options, temporary)])
    print("everything agrees" if not failed else f"{failed} comparisons FAILED")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
