#!/usr/bin/env python3
"""Pictures per second, decoded and resized: `siglip preprocess` beside Pillow, taking turns.

    python bench_pixels.py [--siglip build/siglip] [--images DIR] [--rounds 3]       needs pillow and numpy

Without --images 200 JPEG files of 640 x 480 are made. Both sides read the same files, resize to 224 x 224 with the bicubic filter and end with
floats in [-1, 1]; siglip's time includes the start of the program and the safetensors file it writes. Pillow runs in one thread, and in one
process a processor. Processor seconds do not depend on what else the machine does."""
import argparse
import json
import multiprocessing
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

import numpy as np
from PIL import Image

SIZE = 224


def pillow(path):
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return ((pixels.astype(np.float64) * (1 / 255)).astype(np.float32) - np.float32(0.5)) / np.float32(0.5)


def measured(work):
    before, start = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)], time.perf_counter()
    work()
    wall = time.perf_counter() - start
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return wall, sum(a.ru_utime + a.ru_stime - b.ru_utime - b.ru_stime for a, b in zip(after, before))


def make_pictures(folder):
    rng = np.random.default_rng(0)
    for i in range(200):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((640, 480), Image.Resampling.BICUBIC)
        noisy = np.asarray(coarse, np.int16) + rng.integers(-12, 13, (480, 640, 1))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{i:03}.jpg", quality=85)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--siglip", default="build/siglip")
    parser.add_argument("--images")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = pathlib.Path(options.images or scratch)
        if not options.images:
            make_pictures(folder)
        (scratch / "preprocessor_config.json").write_text(json.dumps({"size": {"height": SIZE, "width": SIZE}, "resample": 3}))
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))

        def siglip(*flags):
            command = [options.siglip, "preprocess", scratch, folder, "--out", scratch / "pixels.safetensors", *flags]
            subprocess.run([str(word) for word in command], check=True, stderr=subprocess.DEVNULL)

        def pillow_processes():
            with multiprocessing.Pool() as pool:
                pool.map(pillow, files, chunksize=8)

        sides = {
            "siglip": siglip,
            "Pillow, a process a processor": pillow_processes,
            "siglip, one thread": lambda: siglip("--threads", "1"),
            "Pillow, one thread": lambda: [pillow(path) for path in files],
        }
        seen = {name: [] for name in sides}
        for _ in range(options.rounds):
            for name, work in sides.items():
                seen[name].append(measured(work))
        print(f"{len(files)} pictures, {os.cpu_count()} processors, median of {options.rounds} rounds taking turns")
        for name, times in seen.items():
            wall, cpu = (statistics.median(column) for column in zip(*times))
            print(f"{name:32} {len(files) / wall:8.1f} pictures/s  {1e3 * cpu / len(files):7.2f} ms of processor time a picture")


if __name__ == "__main__":  # a process of the pool may import this file again
    main()
