"""Writes data/goldens: what PyTorch and Hugging Face transformers compute, for siglip parity and for anyone's implementation.

    make goldens                                              # in two virtual environments of its own
    make goldens GOLDENS=/tmp/goldens                         # elsewhere; golden_manifest.py --compare tells how far they are apart
    python3 tools/reference/make_goldens.py --out data/goldens --older .venv-reference-older/bin/python

Models, losses and the training are made here; pixels/, tokenizers/ and doctor/ by make_pixel_goldens.py, make_tokenizers.py and
make_doctor_goldens.py, which this calls. --older is a Python with requirements-older.txt. Every number follows from the seeds below. Made again on one machine, the files have the same bytes; on another processor, the last bits
of some may differ. The format is described in data/goldens/README.md.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import version

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import numpy
import torch
import transformers

import golden_manifest
import make_doctor_goldens
import make_pixel_goldens
import make_tokenizers
import reference_model as reference
from reference_train import RECIPE, train

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ("models", "loss", "train", "pixels", "tokenizers", "doctor")


# ---- models ------------------------------------------------------------------------------------------------------------------------


def model_case(about, vision, text, image_size, patch_size, vocab_size, context, images=3, texts=None, dtype=torch.float32, shard=None,
               pixels=None, **scales):
    return dict(about=about, sizes=(vision, text, image_size, patch_size, vocab_size, context), images=images, texts=texts or images,
                dtype=dtype, shard=shard, pixels=pixels, scales=scales)


RELEASED = {"t": reference.RELEASED_SCALE, "b": reference.RELEASED_BIAS}
# Towers are (width, layers, heads, mlp).
MODELS = {
    "odd_widths": model_case("widths of 15 and 10, heads of 5, a pixel left over, projection_size unequal to the text width",
                             (15, 2, 3, 22), (10, 2, 2, 17), 9, 4, 13, 7, images=5),
    "one_patch": model_case("a picture of a single patch", (21, 1, 3, 13), (14, 2, 2, 19), 6, 6, 11, 5),
    "one_token": model_case("a context of a single token", (12, 2, 4, 11), (18, 1, 2, 25), 10, 5, 9, 1),
    "one_pair": model_case("a batch of one", (11, 1, 1, 7), (13, 1, 13, 9), 8, 4, 10, 6, images=1),
    "more_texts": model_case("2 pictures, 7 texts: logits, but no loss", (20, 1, 4, 30), (20, 1, 5, 30), 12, 4, 17, 8, images=2, texts=7),
    "long": model_case("121 patches, 67 tokens", (18, 1, 2, 23), (12, 1, 3, 29), 33, 3, 101, 67, images=2),
    "deep": model_case("6 and 5 blocks", (16, 6, 2, 32), (24, 5, 3, 20), 14, 7, 19, 9, images=4),
    "wide_heads": model_case("heads of 72 and 96, as in So400m and g-opt", (72, 1, 1, 67), (96, 1, 1, 50), 12, 6, 23, 6),
    "many_pairs": model_case("a batch of 33, more than one tile of the loss", (14, 1, 2, 15), (9, 1, 3, 12), 8, 4, 50, 4, images=33),
    "large_weights": model_case("weights three times as large: saturated attention, hidden states up to 59", (25, 2, 5, 37), (15, 2, 3, 31), 9, 3, 21, 6, gain=3.0),
    "released_scale": model_case("t = 117.33, b = -12.93, as in the published B/16-224", (35, 2, 5, 41), (28, 1, 4, 33), 15, 5, 29, 10, images=6, **RELEASED),
    "bf16_shards": model_case("weights stored as BF16, in shards", (22, 2, 2, 31), (26, 1, 2, 18), 12, 4, 15, 5, dtype=torch.bfloat16, shard="8KB"),
    "larger_pictures": model_case("pictures of 23 pixels for a model of 13, interpolate_pos_encoding=True: positions of 3 x 3 patches on 5 x 5",
                                  (18, 2, 3, 25), (16, 1, 2, 21), 13, 4, 14, 5, images=4, pixels=23),
    "smaller_pictures": model_case("pictures of 11 pixels for a model of 20, interpolate_pos_encoding=True: positions of 5 x 5 patches on 2 x 2",
                                   (16, 1, 4, 23), (12, 1, 2, 17), 20, 4, 12, 4, pixels=11),
}


def save_model(model, folder, shard=None):
    model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    for name in os.listdir(folder):
        os.chmod(os.path.join(folder, name), 0o644)


def relative(a, b):
    a, b = a.double(), b.double()
    return float((a - b).norm() / b.norm()) if b.norm() > 0 else float((a - b).norm())


def make_model_case(name, case, seed, folder):
    configuration = reference.config(*case["sizes"])
    model = reference.make_model(configuration, seed, **case["scales"]).to(case["dtype"])
    save_model(model, f"{folder}/model", case["shard"])
    inputs = reference.make_inputs(configuration, seed, case["images"], case["texts"], case["pixels"])
    if case["pixels"]:
        write_json(f"{folder}/model.json", {"interpolate_pos_encoding": True})
    reference.save(inputs, f"{folder}/inputs.safetensors")
    single, double = (reference.expected_of(reference.load(f"{folder}/model", dtype), inputs) for dtype in (torch.float32, torch.float64))
    reference.save(single, f"{folder}/expected.safetensors")
    reference.save(double, f"{folder}/expected_f64.safetensors")
    compared = [n for n in double if not n.endswith("k_proj.bias")]  # whose gradient is zero by construction
    return {"about": case["about"], "seed": seed, "scales": case["scales"],
            "float32_against_float64": max(relative(single[n], double[n]) for n in compared if double[n].norm() > 1e-12)}


# ---- the loss alone ----------------------------------------------------------------------------------------------------------------

# name: (B, E, ids?, reduction, t, b)
LOSSES = {f"B{B}": (B, E, False, "per_image", 10.0, -10.0) for B, E in ((1, 3), (2, 1), (3, 2), (5, 7), (17, 11), (127, 5), (128, 3), (129, 13), (513, 3))}
LOSSES.update({
    "mean": (65, 6, False, "mean", 10.0, -10.0),
    "released_scale": (31, 9, False, "per_image", reference.RELEASED_SCALE, reference.RELEASED_BIAS),
    "matching_ids": (70, 5, True, "per_image", 20.0, -4.0),
    "matching_ids_mean": (33, 4, True, "mean", 20.0, -4.0),
})


def make_loss_case(name, case, seed, folder):
    B, E, has_ids, reduction, t, b = case
    random = numpy.random.Generator(numpy.random.PCG64([seed, 0]))

    def unit_rows():
        x = random.standard_normal((B, E))
        return torch.from_numpy((x / numpy.linalg.norm(x, axis=1, keepdims=True)).astype(numpy.float32))  # exact in both widths

    inputs = {"image_embeds": unit_rows(), "text_embeds": unit_rows(),
              "logit_scale": torch.tensor([numpy.log(t)], dtype=torch.float32), "logit_bias": torch.tensor([b], dtype=torch.float32)}
    leaves = {name: x.double().requires_grad_() for name, x in inputs.items()}
    matches = torch.eye(B, dtype=torch.float64)
    if has_ids:
        inputs["image_ids"], inputs["text_ids"] = (torch.from_numpy(random.integers(0, B // 3, B)) for _ in range(2))
        matches = (inputs["image_ids"][:, None] == inputs["text_ids"][None, :]).double()
    logits = leaves["logit_scale"].exp() * (leaves["image_embeds"] @ leaves["text_embeds"].T) + leaves["logit_bias"]
    total = torch.nn.functional.softplus(-(2 * matches - 1) * logits, threshold=1e9).sum()
    loss = total / (B * B if reduction == "mean" else B)
    loss.backward()
    expected = {"loss": loss.detach().reshape(1)} | {f"grad.{name}": x.grad for name, x in leaves.items()}
    reference.save(inputs, f"{folder}/inputs.safetensors")
    reference.save(expected, f"{folder}/expected.safetensors")
    write_json(f"{folder}/loss.json", {"reduction": reduction})
    return {"about": f"B = {B}, E = {E}, {reduction}, t = {t}, b = {b}" + (", matches by ids" if has_ids else ""), "seed": seed}


# ---- training ----------------------------------------------------------------------------------------------------------------------


def make_train_case(seed, folder, pairs=48, batch=16, steps=100):
    configuration = reference.config((24, 2, 3, 40), (20, 1, 4, 36), 12, 4, 31, 6)
    save_model(reference.make_model(configuration, seed, t=10.0, b=-10.0), f"{folder}/model")
    inputs = reference.make_inputs(configuration, seed, pairs, pairs)
    random = numpy.random.Generator(numpy.random.PCG64([seed, 1]))
    inputs["batches"] = torch.from_numpy(numpy.stack([random.permutation(pairs)[:batch] for _ in range(steps)]))
    reference.save(inputs, f"{folder}/inputs.safetensors")
    write_json(f"{folder}/train.json", RECIPE)
    ends = []
    for dtype, file in ((torch.float32, "expected"), (torch.float64, "expected_f64")):
        model = reference.load(f"{folder}/model", dtype)
        losses, norms = train(model, inputs["pixel_values"], inputs["input_ids"], inputs["batches"], RECIPE)
        expected = {"losses": torch.tensor(losses, dtype=dtype), "grad_norms": torch.tensor(norms, dtype=dtype)}
        expected.update({f"weight.{name}": p.detach() for name, p in model.named_parameters()})
        reference.save(expected, f"{folder}/{file}.safetensors")
        ends.append(expected)
    single, double = ends
    return {"about": f"{steps} steps of {batch} out of {pairs} pairs", "seed": seed, "first_loss": float(double["losses"][0]), "last_loss": float(double["losses"][-1]),
            "float32_against_float64": max(relative(single[n], double[n]) for n in double)}


# ---- files -------------------------------------------------------------------------------------------------------------------------


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=2) + "\n")


def requirements(file):
    """The versions that a list of requirements pins."""
    with open(os.path.join(HERE, file), encoding="utf-8") as lines:
        return dict(line.strip().split("==") for line in lines if "==" in line)


def unicode_cldr():
    with open(os.path.join(make_tokenizers.texts_of.ANNOTATIONS, "../dtd/ldml.dtd"), encoding="utf-8") as file:
        return re.search(r'cldrVersion CDATA #FIXED "([^"]+)"', file.read()).group(1)


def check_versions():
    """What requirements.txt pins is what runs: the manifest says so."""
    pinned = requirements("requirements.txt")
    wrong = [f"{name} {version(name)}, not {wanted}" for name, wanted in pinned.items() if version(name) != wanted]
    if wrong:
        sys.exit("requirements.txt: the pinned versions are expected, got " + ", ".join(wrong))
    return pinned


def make_others(out, older):
    make_pixel_goldens.write(out / "pixels")
    subprocess.run([older, os.path.join(HERE, "make_pixel_goldens.py"), "--pil", "--out", out / "pixels"], check=True)
    make_tokenizers.write(out / "tokenizers")
    make_doctor_goldens.ROOT = out / "doctor"
    make_doctor_goldens.main()


def clean(folder):
    """Removes what was made, and leaves what is written by hand."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in golden_manifest.DESCRIBED_BY_HAND:
            path.unlink()
    folder.mkdir(parents=True, exist_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="data/goldens")
    parser.add_argument("--older", required=True, metavar="PYTHON", help="a Python with requirements-older.txt")
    options = parser.parse_args()
    out, packages = pathlib.Path(options.out), check_versions()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    for part in PARTS:
        clean(out / part)
    cases = {}
    for seed, (name, case) in enumerate(MODELS.items(), 100):
        cases[f"models/{name}"] = make_model_case(name, case, seed, f"{out}/models/{name}")
    for seed, (name, case) in enumerate(LOSSES.items(), 200):
        cases[f"loss/{name}"] = make_loss_case(name, case, seed, f"{out}/loss/{name}")
    cases["train"] = make_train_case(300, f"{out}/train")
    make_others(out, options.older)
    golden_manifest.write(out, {
        "made_by": "tools/reference/make_goldens.py", "python": platform.python_version(), "packages": packages,
        "packages_of_pixels/resize-pil.jsonl": {"pillow": requirements("requirements-older.txt")["pillow"], "numpy": packages["numpy"]},
        "unicode_cldr_of_tokenizers": unicode_cldr(), "cases": cases})
    paths = golden_manifest.hashes(out)
    print(f"{out}: {len(cases)} cases, {len(paths)} files, {sum(os.path.getsize(out / path) for path in paths) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
