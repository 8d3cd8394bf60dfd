#!/usr/bin/env python3
"""The sigmoid loss of siglip.cpp on a CUDA device beside PyTorch's, dense and chunked, and beside the Triton package siglip-kernel where it is
installed, in one run: forward and backward, with equal sizes and precision.

    python tools/reference/bench_cuda.py                                       # B = 4096, 16384, 65536, E = 768, bf16, tf32 and f32, as tables
    python tools/reference/bench_cuda.py --batch 65536 --precision bf16 --repeat 3
    python tools/reference/bench_cuda.py --json > bench.json                   # messages go to stderr

Both work on the very same rows, and loss and gradients must agree as far as the precision allows: otherwise nothing was compared, and the exit
status is 1. Every measurement is a process of its own; ours and theirs take turns (A B A B …), so that a device that grows slower does so for
both. The best of all rounds counts. Memory is what the device's allocator held at most above inputs and gradients. In bf16 their rows, logits and gradients
are bf16; ours are float rows, which the loss rounds itself, and float logits and gradients.
"""
import argparse
import json
import math
import os
import sys

from bench_pytorch import positive_list, rows_loss, run, take_turns

VARIANTS = ["dense", "chunked", "siglip-kernel"]
PRECISIONS = ["f32", "tf32", "bf16"]
CHUNK = 4096  # rows of the logits at a time
# How far apart loss and gradients may be, relative to the larger one or to 1. Theirs in bf16 have logits, sums and gradients of 8 bits.
ALLOWED = {"f32": 1e-4, "tf32": 2e-3, "bf16": 3e-2}
COMPARED = ["loss", "du_norm", "dv_norm", "dlog_t", "db"]


def no_device():
    """Why PyTorch cannot be measured here, or an empty text."""
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed"
    return "" if torch.cuda.is_available() else "PyTorch sees no CUDA device"


# ---- the loss, as it is written in PyTorch -----------------------------------------------------------------------------------------


def forward_and_backward(torch, variant, u, v, log_t, b):
    """The loss; the gradients of all four arguments are there afterwards."""
    n = len(u)
    if variant == "siglip-kernel":
        import siglip_kernel

        loss = siglip_kernel.fused_siglip_loss(u, v, log_t, b)
        loss.backward()
        return loss.detach()
    if variant == "dense":
        loss = rows_loss(torch, u, v, log_t, b, 0) / n
        loss.backward()
        return loss.detach()
    total = 0
    for begin in range(0, n, CHUNK):  # each chunk backward at once: its logits are forgotten then
        rows = u.detach()[begin : begin + CHUNK].requires_grad_()
        loss = rows_loss(torch, rows, v, log_t, b, begin) / n
        loss.backward()
        u.grad[begin : begin + CHUNK] += rows.grad
        total = total + loss.detach()
    return total


def rows(torch, batch, dim, stream):
    """The unit rows of `siglip bench loss` (random_rows): numbers from -1 to 1 by a hash of their place, of which 32 bits are kept."""
    h = torch.arange(batch * dim) + stream * 0x9E3779B9 & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ h >> shift) * factor & 0xFFFFFFFF
    return torch.nn.functional.normalize(((h ^ h >> 16) >> 8).float().mul(2**-23).sub(1).reshape(batch, dim), dim=1)


def measure(variant, precision, batch, dim, rounds):
    import torch

    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    u, v = (rows(torch, batch, dim, stream).to("cuda", dtype) for stream in (0, 1))
    log_t, b = torch.tensor(math.log(10.0), device="cuda"), torch.tensor(-10.0, device="cuda")
    leaves = [u, v, log_t, b]
    for leaf in leaves:
        leaf.requires_grad_()
        leaf.grad = torch.zeros_like(leaf)  # gradients belong to the caller, here as there
    for _ in range(2):
        forward_and_backward(torch, variant, *leaves)  # code is compiled and tuned before the clock starts
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    base, seconds, value = torch.cuda.memory_allocated(), math.inf, math.nan
    for _ in range(rounds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        value = forward_and_backward(torch, variant, *leaves)
        end.record()
        torch.cuda.synchronize()
        seconds = min(seconds, begin.elapsed_time(end) / 1000)
    memory = torch.cuda.max_memory_allocated() - base
    for leaf in leaves:
        leaf.grad.zero_()  # the rounds added up
    value = forward_and_backward(torch, variant, *leaves)
    du, dv = (leaf.grad.double().norm().item() for leaf in (u, v))
    results = {"loss": float(value), "du_norm": du, "dv_norm": dv, "dlog_t": log_t.grad.item(), "db": b.grad.item()}
    return {"seconds": seconds, "bytes": memory, "device": torch.cuda.get_device_name(), **results}


# ---- processes ---------------------------------------------------------------------------------------------------------------------


def theirs(variant, precision, batch, options):
    if variant == "siglip-kernel" and precision == "f32":
        return None, "it has no f32 products"  # of float rows Triton makes tf32 products unless it is told otherwise
    arguments = [variant, precision, batch, options.dim, options.rounds]
    return run([sys.executable, os.path.abspath(__file__), "--measure", *map(str, arguments)])


def ours(precision, batch, options):
    sizes = ["--batch", batch, "--dim", options.dim, "--repeat", options.rounds]
    result, reason = run([options.siglip, "bench", "loss", "--device", "cuda", "--precision", precision, *map(str, sizes), "--json"])
    if result is not None:
        result["bytes"] = result["extra_bytes"]
    return result, reason


def disagreements(ours, theirs, precision):
    """What of theirs is further from ours than the precision allows, a line each."""
    lines = []
    for name in COMPARED:
        a, b = ours[name], theirs[name]
        if not abs(a - b) <= ALLOWED[precision] * max(abs(a), abs(b), 1 if name in ("dlog_t", "db") else 0):  # NaN is no agreement
            lines.append(f"{theirs['name']}: {name} = {b:.6g}, ours {a:.6g}, within {ALLOWED[precision]:g} expected")
    return lines


def compare(precision, batch, options):
    runners = [("siglip.cpp", lambda: ours(precision, batch, options))]
    runners += [(name, lambda name=name: theirs(name, precision, batch, options)) for name in options.variants]
    title = f"Sigmoid loss, forward and backward, B = {batch}, E = {options.dim}, {precision}"
    rows = take_turns(title, runners, options.repeat)
    for row in rows:
        if "seconds" in row:
            row["tflops"] = 6 * batch**2 * options.dim / row["seconds"] / 1e12
    measured = [row for row in rows if "seconds" in row]
    apart = [line for row in measured[1:] for line in disagreements(measured[0], row, precision)] if "seconds" in rows[0] else []
    for line in apart:
        print(f"{title}: {line}", file=sys.stderr)
    return {"title": title, "batch": batch, "dim": options.dim, "precision": precision, "rows": rows, "disagreements": apart}


def print_table(table):
    print(f"\n{table['title']}")
    print(f"  {'':16}{'ms':>10}{'x ours':>9}{'TFLOP/s':>10}{'memory MiB':>13}{'x ours':>9}")
    for row in table["rows"]:
        if "skipped" in row:
            print(f"  {row['name']:16}skipped: {row['skipped'][:100]}")
            continue
        ratios = [f"{row[key]:.2f}" if key in row else "-" for key in ("time_ratio", "memory_ratio")]
        print(f"  {row['name']:16}{1000 * row['seconds']:>10.2f}{ratios[0]:>9}{row['tflops']:>10.1f}{row['bytes'] / 2**20:>13.1f}{ratios[1]:>9}")


def words_of(choices):
    def parse(text):
        words = text.split(",")
        for word in words:
            if word not in choices:
                raise argparse.ArgumentTypeError(f"some of {', '.join(choices)} are expected, got {word!r}")
        return words

    return parse


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=positive_list, default=[4096, 16384, 65536], help="batch sizes (4096,16384,65536)")
    parser.add_argument("--dim", type=int, default=768, help="embedding width (768)")
    parser.add_argument("--precision", type=words_of(PRECISIONS), default=["bf16", "tf32", "f32"], help="of the matrix products (bf16,tf32,f32)")
    parser.add_argument("--variants", type=words_of(VARIANTS), default=VARIANTS, help="those of theirs to run")
    parser.add_argument("--rounds", type=int, default=5, help="calls timed in a process, of which the best counts (5)")
    parser.add_argument("--repeat", type=int, default=2, help="processes of each (2)")
    parser.add_argument("--siglip", default="build-cuda/siglip", help="our program (build-cuda/siglip)")
    parser.add_argument("--json", action="store_true", help="JSON on stdout in place of the tables")
    parser.add_argument("--measure", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.measure:
        variant, precision, *sizes = options.measure
        print(json.dumps(measure(variant, precision, *map(int, sizes))))
        return 0
    reason = no_device()
    if reason:
        print(f"skipped: {reason}")
        return 0
    tables = [compare(precision, batch, options) for batch in options.batch for precision in options.precision]
    if options.json:
        print(json.dumps(tables, indent=2))
    else:
        for table in tables:
            print_table(table)
    return 1 if any("skipped" in table["rows"][0] or table["disagreements"] for table in tables) else 0


if __name__ == "__main__":
    sys.exit(main())
