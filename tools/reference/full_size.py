"""Whole published sizes, with random weights: outputs, hidden states and every gradient of ours against transformers.

    make test-full                                   # both models
    python3 tools/reference/full_size.py --only b16  # 203,155,970 parameters, four pairs; 4 GB of memory, 2 GB in a temporary folder
    python3 tools/reference/full_size.py --only so400m  # 877,960,498 parameters, one pair; 8 GB of disk, and in memory, on either side,
                                                        # 3.5 GB each of weights and gradients beside the activations

Prints peak memory and time of either side, and the tensor nearest to its limit. Exit status 1 unless every tensor is within it.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# name: (vision and text (width, layers, heads, mlp), image_size, patch_size, vocab_size, context, parameters, pairs)
BASE, SO400M = (768, 12, 12, 3072), (1152, 27, 16, 4304)
MODELS = {"b16": (BASE, BASE, 224, 16, 32000, 64, 203_155_970, 4),
          "so400m": (SO400M, SO400M, 384, 14, 32000, 64, 877_960_498, 1)}


def make(name, folder, threads):
    """One case in `folder`. Weights as transformers initialises them, so that activations are of a usual size; norms and biases random on top."""
    import torch
    import transformers

    import reference_model as reference

    torch.set_num_threads(threads)
    torch.manual_seed(7)
    *sizes, parameters, pairs = MODELS[name]
    configuration = reference.config(*sizes)
    model = transformers.SiglipModel(configuration).eval()
    assert sum(p.numel() for p in model.parameters()) == parameters
    with torch.no_grad():
        for parameter_name, p in model.named_parameters():
            if parameter_name == "logit_scale":
                p.fill_(torch.tensor(reference.RELEASED_SCALE).log())
            elif parameter_name == "logit_bias":
                p.fill_(reference.RELEASED_BIAS)
            elif p.dim() == 1:  # norms and biases
                p.add_(0.02 * torch.randn_like(p))
    model.save_pretrained(f"{folder}/model", max_shard_size="100GB")
    inputs = reference.make_inputs(configuration, 7, pairs, pairs)
    reference.save(inputs, f"{folder}/inputs.safetensors")
    start = time.perf_counter()
    expected = reference.expected_of(model, inputs)
    seconds = time.perf_counter() - start
    reference.save(expected, f"{folder}/expected.safetensors")
    print(json.dumps({"seconds": seconds}))


def run(command):
    """Output, errors, exit status, seconds and peak bytes of a program."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        out.seek(0), err.seek(0)
        return out.read(), err.read(), os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss * 1024


def check(name, options):
    with tempfile.TemporaryDirectory(prefix="siglip_full_", dir=options.temporary) as folder:
        out, err, status, seconds, peak = run([sys.executable, os.path.abspath(__file__), "--make", name, folder, "--threads", str(options.threads)])
        if status != 0:
            sys.exit(f"{name}: transformers: {err}")
        print(f"{name}: transformers: {json.loads(out.splitlines()[-1])['seconds']:.1f} s for the numbers, {seconds:.1f} s in all, peak {peak / 2**30:.2f} GiB")
        out, err, status, seconds, peak = run([options.siglip, "parity", folder, "--json", "--threads", str(options.threads)])
        if status not in (0, 1) or not out:
            sys.exit(f"{name}: {err}")
    print(f"{name}: siglip parity: {seconds:.1f} s in all, peak {peak / 2**30:.2f} GiB")
    cases = json.loads(out)["cases"]
    for kind in ("image_embeds", "text_embeds", "logits_per_image", "loss", "hidden.vision", "hidden.text", "grad"):
        rows = [row for row in cases if row["tensor"].startswith(kind)]
        if rows:
            judged = rows[0]["judged"]
            worst = max(rows, key=lambda row: row[judged] if row[judged] is not None else float("inf"))
            print(f"  {kind:18}{len(rows):5} tensors, worst {judged} {worst[judged]:.1e} (at most {worst['limit']:.0e}), {worst['tensor']}")
    failed = [row["tensor"] for row in cases if not row["ok"]]
    print(f"{name}: {len(cases) - len(failed)} of {len(cases)} tensors agree" + ("".join(f"\n  FAILED {tensor}" for tensor in failed)))
    return not failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(MODELS))
    parser.add_argument("--siglip", default="build/siglip")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of both sides (all)")
    parser.add_argument("--temporary", help="where the files may lie for a while (the system's temporary folder)")
    parser.add_argument("--make", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(*options.make, options.threads)
        return
    sys.stdout.reconfigure(line_buffering=True)
    agree = [check(name, options) for name in MODELS if options.only in (None, name)]
    sys.exit(0 if all(agree) else 1)


if __name__ == "__main__":
    main()
