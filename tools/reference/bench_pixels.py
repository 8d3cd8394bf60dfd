#!/usr/bin/env python3
"""Pictures per second, read, decoded and resized: `siglip bench inputs` beside Pillow, taking turns.

    python bench_pixels.py [--siglip build/siglip] [--images DIR] [--rounds 5]       needs pillow and numpy

Without --images 200 JPEG files of 640 x 480 are made. Both sides read the same files, resize to 224 x 224 with the bicubic filter and end with
floats in [-1, 1]; each turn passes over the files once after one pass that warms up. Of Pillow decoding and resizing alone are timed as well, which
is its C code without NumPy. It runs in one process, and in as many as siglip has threads."""
import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
from PIL import Image

SIZE = 224


def resized(path):
    with Image.open(path) as image:
        return image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def pillow(path):
    pixels = np.asarray(resized(path))
    return (pixels.astype(np.float32) * np.float32(1 / 255) - np.float32(0.5)) / np.float32(0.5)


def nothing_of_pillow(path):
    pillow(path)  # the result would travel between processes


def nothing_of_resized(path):
    resized(path)


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


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
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(options.images or scratch)
        if not options.images:
            make_pictures(folder)
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"))

        def siglip(threads):
            command = [options.siglip, "bench", "inputs", folder, "--threads", threads, "--rounds", 1, "--json"]
            said = json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True).stdout)
            return len(files) / said["pictures_per_second"]

        def pillow_alone(work):
            list(map(work, files))
            return timed(lambda: list(map(work, files)))

        two = max(2, os.cpu_count())
        with multiprocessing.Pool(two) as pool:

            def pillow_pool(work):
                pool.map(work, files, chunksize=8)
                return timed(lambda: pool.map(work, files, chunksize=8))

            sides = {
                "siglip, one thread": lambda: siglip(1),
                "Pillow, one process, to floats": lambda: pillow_alone(pillow),
                "Pillow, one process, resized only": lambda: pillow_alone(resized),
                f"siglip, {two} threads": lambda: siglip(two),
                f"Pillow, {two} processes, to floats": lambda: pillow_pool(nothing_of_pillow),
                f"Pillow, {two} processes, resized only": lambda: pillow_pool(nothing_of_resized),
            }
            seen = {name: [] for name in sides}
            for _ in range(options.rounds):
                for name, work in sides.items():
                    seen[name].append(work())
        print(f"{len(files)} pictures, {os.cpu_count()} processors, median of {options.rounds} rounds taking turns")
        names = list(sides)
        for name in names:
            # Turn by turn beside siglip's of as many threads: what else the machine did befell both.
            beside = seen[names[0] if names.index(name) < 3 else names[3]]
            factor = statistics.median(theirs / ours for theirs, ours in zip(seen[name], beside))
            print(f"{name:38} {len(files) / statistics.median(seen[name]):8.1f} pictures/s  {factor:5.2f}x")


if __name__ == "__main__":  # a process of the pool may import this file again
    main()
