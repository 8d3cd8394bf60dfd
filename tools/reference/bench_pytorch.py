#!/usr/bin/env python3
"""siglip.cpp beside PyTorch 2 and ONNX Runtime, in one run: the sigmoid loss, a training step, and the towers of a published shape with
random weights, with equal sizes, threads and data in memory.

    python tools/reference/bench_pytorch.py                     # all, as tables
    python tools/reference/bench_pytorch.py --only loss --batch 8192 --repeat 3
    python tools/reference/bench_pytorch.py --json > bench.json # messages go to stderr

Every measurement is a process of its own, so that its peak memory is its own; ours and theirs take turns (A B A B …), so that a
machine that grows slower does so for both. The best of --repeat counts. Memory is the peak resident size minus the resident size
before the first call: what the computation needs above its inputs; for the loss, above its gradients too.
"""
import argparse
import ctypes
import gc
import json
import math
import os
import resource
import subprocess
import sys
import time

LOSS_VARIANTS = ["dense", "chunked", "checkpointed"]
STEP_VARIANTS = ["eager", "compiled"]
TOWER_VARIANTS = ["PyTorch", "ONNX Runtime"]
CHUNK = 1024  # rows of the logits at a time


# ---- memory ------------------------------------------------------------------------------------------------------------------------


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Above:
    """Peak resident bytes above those at the start. Freed memory goes back to the system first, and where the system allows it the
    peak is reset, so that what was needed to make the inputs does not hide what the computation needs."""

    def __init__(self):
        gc.collect()
        try:
            ctypes.CDLL(None).malloc_trim(0)
        except (OSError, AttributeError):
            pass
        self.was_reset = False
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
            self.was_reset = True
        except OSError:
            pass
        self.base = resident_bytes()

    def bytes(self):
        peak = peak_bytes()
        if self.was_reset:
            with open("/proc/self/status") as file:
                peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
        return max(0, peak - self.base)


# ---- the loss, as it is written in PyTorch -----------------------------------------------------------------------------------------


def rows_loss(torch, u, v, log_t, b, begin):
    """sum over rows begin … of u and all of v of softplus(-z l)."""
    logits = torch.exp(log_t) * (u @ v.T) + b
    z = -torch.ones_like(logits)
    z.diagonal(begin).fill_(1)
    return -torch.nn.functional.logsigmoid(z * logits).sum()


def loss_forward(torch, variant, u, v, log_t, b):
    n = len(u)
    if variant == "dense":
        return rows_loss(torch, u, v, log_t, b, 0) / n
    total = 0
    for begin in range(0, n, CHUNK):
        rows = u[begin : begin + CHUNK]
        if variant == "chunked":
            total = total + rows_loss(torch, rows, v, log_t, b, begin)
        else:
            from torch.utils.checkpoint import checkpoint

            total = total + checkpoint(lambda x, y, t, c, first: rows_loss(torch, x, y, t, c, first), rows, v, log_t, b, begin, use_reentrant=False)
    return total / n


def measure_loss(variant, batch, dim, threads, warmup):
    import torch

    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    u = torch.nn.functional.normalize(torch.randn(batch, dim, generator=generator), dim=1)
    v = torch.nn.functional.normalize(torch.randn(batch, dim, generator=generator), dim=1)
    log_t, b = torch.tensor(math.log(10.0)), torch.tensor(-10.0)
    leaves = [u, v, log_t, b]
    for leaf in leaves:
        leaf.requires_grad_()
        leaf.grad = torch.zeros_like(leaf)  # gradients belong to the caller, here as there
    small = [leaf.detach()[:256].clone().requires_grad_() if leaf.dim() else leaf.detach().clone().requires_grad_() for leaf in leaves]
    loss_forward(torch, variant, *small).backward()  # thread pools and code are there before the clock starts
    above, seconds, value = Above(), math.inf, math.nan
    for round_ in range(1 + warmup):
        start = time.perf_counter()
        loss = loss_forward(torch, variant, *leaves)
        loss.backward()
        if round_ >= warmup:
            seconds, value = time.perf_counter() - start, loss.item()
        del loss
    return {"seconds": seconds, "bytes": above.bytes(), "loss": value}


# ---- the training step -------------------------------------------------------------------------------------------------------------


def make_model(torch, width=96, layers=3, heads=3, mlp=384, image=32, patch=8, tokens=16, vocab=2000):
    nn, functional = torch.nn, torch.nn.functional

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

        def forward(self, query, x):
            def split(y):
                return y.view(len(y), -1, heads, width // heads).transpose(1, 2)

            y = functional.scaled_dot_product_attention(split(self.q(query)), split(self.k(x)), split(self.v(x)))
            return self.out(y.transpose(1, 2).reshape(query.shape[0], -1, width))

    class Mlp(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(width, mlp), nn.Linear(mlp, width)

        def forward(self, x):
            return self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))

    def norm():
        return nn.LayerNorm(width, eps=1e-6)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.attention, self.norm2, self.mlp = norm(), Attention(), norm(), Mlp()

        def forward(self, x):
            y = self.norm1(x)
            x = x + self.attention(y, y)
            return x + self.mlp(self.norm2(x))

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks, self.norm = nn.ModuleList(Block() for _ in range(layers)), norm()

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return self.norm(x)

    class Vision(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, width, patch, stride=patch)
            self.position = nn.Parameter(torch.randn((image // patch) ** 2, width) / math.sqrt(width))
            self.encoder = Encoder()
            self.probe = nn.Parameter(torch.randn(1, 1, width) * 0.1)
            self.attention, self.norm, self.mlp = Attention(), norm(), Mlp()

        def forward(self, images):
            x = self.encoder(self.patches(images).flatten(2).transpose(1, 2) + self.position)
            y = self.attention(self.probe.expand(len(x), -1, -1), x)
            return (y + self.mlp(self.norm(y)))[:, 0]

    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(vocab, width)
            self.position = nn.Parameter(torch.randn(tokens, width) / math.sqrt(width))
            self.encoder, self.head = Encoder(), nn.Linear(width, width)
            nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(width))

        def forward(self, ids):
            return self.head(self.encoder(self.embedding(ids) + self.position)[:, -1])

    class Siglip(nn.Module):
        def __init__(self):
            super().__init__()
            self.vision, self.text = Vision(), Text()
            self.log_t, self.b = nn.Parameter(torch.tensor(math.log(10.0))), nn.Parameter(torch.tensor(-10.0))

        def forward(self, images, ids):
            u, v = functional.normalize(self.vision(images), dim=1), functional.normalize(self.text(ids), dim=1)
            return rows_loss(torch, u, v, self.log_t, self.b, 0) / len(u)

    return Siglip()


def measure_step(variant, batch, threads, steps):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = make_model(torch)
    kernels = [p for name, p in model.named_parameters() if p.dim() > 1 and not any(word in name for word in ("position", "probe", "embedding"))]
    chosen = {id(p) for p in kernels}
    others = [p for p in model.parameters() if id(p) not in chosen]
    optimizer = torch.optim.AdamW([{"params": kernels, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=1e-3, betas=(0.9, 0.95))
    images, ids = torch.rand(batch, 3, 32, 32) * 2 - 1, torch.randint(0, 2000, (batch, 16))
    forward = torch.compile(model) if variant == "compiled" else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = forward(images, ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    above, times, first = Above(), [], step()
    step()
    for _ in range(steps):
        start = time.perf_counter()
        value = step()
        times.append(time.perf_counter() - start)
    times.sort()
    return {"seconds": times[len(times) // 2], "bytes": above.bytes(), "parameters": sum(p.numel() for p in model.parameters()), "loss": first, "last": value}


# ---- the towers, as transformers has them ------------------------------------------------------------------------------------------


def export_onnx(torch, tower, model, inputs, path):
    name = "pixel_values" if tower == "vision" else "input_ids"
    torch.onnx.export(model, (), path, kwargs={name: inputs}, input_names=[name], output_names=["last_hidden_state", "pooler_output"], dynamo=True)


def measure_tower(variant, tower, batch, threads, rounds):
    import contextlib
    import io
    import tempfile
    import torch
    import transformers

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if tower == "vision":
        model = transformers.SiglipVisionModel(transformers.SiglipVisionConfig()).eval()
        inputs = torch.rand(batch, 3, 224, 224) * 2 - 1
    else:
        model = transformers.SiglipTextModel(transformers.SiglipTextConfig()).eval()
        inputs = torch.randint(0, 32000, (batch, 64))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        if variant == "ONNX Runtime":
            import onnxruntime

            path = os.path.join(folder, "tower.onnx")
            with contextlib.redirect_stdout(io.StringIO()):  # the exporter talks
                export_onnx(torch, tower, model, inputs, path)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            feed = {session.get_inputs()[0].name: inputs.numpy()}

            def call():
                session.run(None, feed)
        else:

            def call():
                model(inputs)

        times = []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    times = sorted(times[1:])
    return {"seconds": times[len(times) // 2]}


# ---- processes ---------------------------------------------------------------------------------------------------------------------


def run(command, environment=None):
    """The JSON object that a command prints, or None and the reason."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError as error:
        return None, f"{command[0]}: {error.strerror}"
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    try:
        return json.loads(done.stdout), ""
    except json.JSONDecodeError:
        return None, f"JSON on stdout is expected, got {done.stdout[:60]!r}"


def theirs(options, *arguments):
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), MKL_NUM_THREADS=str(options.threads))
    return run([sys.executable, os.path.abspath(__file__), "--measure", *map(str, arguments)], environment)


def ours(options, *arguments):
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    result, reason = run([options.siglip, "bench", *map(str, arguments), "--threads", str(options.threads), "--json"], environment)
    if result is not None:
        result["bytes"] = result.get("resident_extra_bytes", result.get("extra_bytes"))  # as the system sees it, like theirs
    return result, reason


def take_turns(title, runners, repeat):
    """Rows of one table, of (name, function) pairs, ours first: the best time of all rounds and the memory that went with it."""
    best, skipped = {}, {}
    for round_ in range(repeat):
        for name, measure in runners:
            if name in skipped:
                continue
            print(f"{title}: {name}, {round_ + 1} of {repeat}", file=sys.stderr, flush=True)
            result, reason = measure()
            if result is None:
                skipped[name] = reason
            elif name not in best or result["seconds"] < best[name]["seconds"]:
                best[name] = result
    reference = best.get("siglip.cpp")
    rows = []
    for name, _ in runners:
        row = {"name": name}
        if name in best:
            row.update(best[name])
            if reference:
                row["time_ratio"] = row["seconds"] / reference["seconds"]
                if row.get("bytes") is not None and reference.get("bytes"):
                    row["memory_ratio"] = row["bytes"] / reference["bytes"]
        else:
            row["skipped"] = skipped.get(name, "not run")
        rows.append(row)
    return rows


def compare(options, title, our_arguments, their_arguments):
    runners = [("siglip.cpp", lambda: ours(options, *our_arguments))]
    runners += [(name, lambda arguments=arguments: theirs(options, *arguments)) for name, arguments in their_arguments]
    return {"title": title, "rows": take_turns(title, runners, options.repeat)}


def print_table(table):
    print(f"\n{table['title']}")
    print(f"  {'':24}{'seconds':>10}{'x ours':>9}{'memory MiB':>13}{'x ours':>9}")
    for row in table["rows"]:
        if "skipped" in row:
            print(f"  {row['name']:24}skipped: {row['skipped'][:100]}")
            continue
        memory = f"{row['bytes'] / 2**20:.1f}" if row.get("bytes") is not None else "-"
        ratios = [f"{row[key]:.2f}" if key in row else "-" for key in ("time_ratio", "memory_ratio")]
        print(f"  {row['name']:24}{row['seconds']:>10.3f}{ratios[0]:>9}{memory:>13}{ratios[1]:>9}")


def positive_list(text):
    values = [int(part) for part in text.split(",")]
    if not values or min(values) < 1:
        raise argparse.ArgumentTypeError(f"positive whole numbers separated by commas are expected, got {text!r}")
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["loss", "step", "tower"], help="one of the three comparisons")
    parser.add_argument("--batch", type=positive_list, default=[8192, 16384], help="batch sizes of the loss (8192,16384)")
    parser.add_argument("--dim", type=int, default=768, help="embedding width of the loss (768)")
    parser.add_argument("--step-batch", type=int, default=256, help="batch size of the training step (256)")
    parser.add_argument("--tower-batch", type=positive_list, default=[1, 8], help="pictures or texts at once (1,8)")
    parser.add_argument("--steps", type=int, default=20, help="steps timed in a process, of which the median counts (20)")
    parser.add_argument("--rounds", type=int, default=5, help="calls of a tower timed in a process, of which the median counts (5)")
    parser.add_argument("--warmup", type=int, default=0, help="full-size rounds before the loss is timed (0)")
    parser.add_argument("--repeat", type=int, default=2, help="rounds of all variants (2)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of both sides (all)")
    parser.add_argument("--variants", type=lambda text: text.split(","), default=LOSS_VARIANTS + STEP_VARIANTS + TOWER_VARIANTS, help="those of theirs to run")
    parser.add_argument("--siglip", default="build/siglip", help="our program (build/siglip)")
    parser.add_argument("--json", action="store_true", help="JSON on stdout in place of the tables")
    parser.add_argument("--measure", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.measure:
        kind, variant, *sizes = options.measure
        if kind == "tower":
            print(json.dumps(measure_tower(variant, sizes[0], *map(int, sizes[1:]))))
        else:
            print(json.dumps((measure_loss if kind == "loss" else measure_step)(variant, *map(int, sizes))))
        return 0

    tables = []
    if options.only in (None, "loss"):
        for batch in options.batch:
            variants = [(f"PyTorch {name}", ["loss", name, batch, options.dim, options.threads, options.warmup]) for name in LOSS_VARIANTS if name in options.variants]
            title = f"Sigmoid loss, forward and backward, B = {batch}, E = {options.dim}, {options.threads} threads"
            tables.append(compare(options, title, ["loss", "--batch", batch, "--dim", options.dim], variants))
    if options.only in (None, "step"):
        variants = [(f"PyTorch {name}", ["step", name, options.step_batch, options.threads, options.steps]) for name in STEP_VARIANTS if name in options.variants]
        title = f"Training step, two 96-wide 3-block towers, B = {options.step_batch}, {options.threads} threads"
        tables.append(compare(options, title, ["step", "--model", "tiny", "--batch", options.step_batch], variants))
    if options.only in (None, "tower"):
        for tower in ("vision", "text"):
            for batch in options.tower_batch:
                variants = [(name, ["tower", name, tower, batch, options.threads, options.rounds]) for name in TOWER_VARIANTS if name in options.variants]
                title = f"B/16-224 {tower} tower, batch {batch}, {options.threads} threads"
                arguments = ["tower", "--tower", tower, "--batch", batch, "--repeat", options.rounds]
                tables.append(compare(options, title, arguments, variants))
    if options.json:
        print(json.dumps(tables, indent=2))
    else:
        for table in tables:
            print_table(table)
    return 1 if any("skipped" in table["rows"][0] for table in tables) else 0


if __name__ == "__main__":
    sys.exit(main())
