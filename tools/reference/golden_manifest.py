"""The manifest of data/goldens: every file's SHA-256, beside the versions that made them. Needs Python alone (--compare: numpy, safetensors).

    python3 tools/reference/golden_manifest.py [data/goldens]                # hashes again; versions and cases stay
    python3 tools/reference/golden_manifest.py [data/goldens] --check        # exit status 1 if a file is missing, new or another
    python3 tools/reference/golden_manifest.py [data/goldens] --compare DIR  # with goldens made elsewhere: how far are their numbers apart?
"""
import argparse
import hashlib
import json
import os
import sys

DESCRIBED_BY_HAND = ("README.md", "manifest.json")


def hashes(root):
    found = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for file in files:
            if file not in DESCRIBED_BY_HAND:
                path = os.path.join(folder, file)
                with open(path, "rb") as opened:
                    found[os.path.relpath(path, root)] = hashlib.sha256(opened.read()).hexdigest()
    return dict(sorted(found.items()))


def read(root):
    with open(os.path.join(root, "manifest.json"), encoding="utf-8") as file:
        return json.load(file)


def write(root, manifest):
    """The manifest with the hashes of what is there."""
    with open(os.path.join(root, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump({**manifest, "sha256": hashes(root)}, file, indent=2)
        file.write("\n")


def differences(expected, found):
    for path in sorted(expected.keys() | found.keys()):
        if path not in found:
            yield path, "is missing"
        elif path not in expected:
            yield path, "is new"
        elif expected[path] != found[path]:
            yield path, "is another"


def apart(a, b):
    """How far the tensors of two safetensors files are apart, relative to their norm; of other files nothing can be said."""
    if not a.endswith(".safetensors"):
        return "other bytes"
    import numpy
    from safetensors.numpy import load_file

    a, b = load_file(a), load_file(b)
    if a.keys() != b.keys() or any(a[name].shape != b[name].shape for name in a):
        return "other tensors"
    pairs = {name: (numpy.asarray(a[name], numpy.float64), numpy.asarray(b[name], numpy.float64)) for name in a}
    errors = {name: numpy.linalg.norm(x - y) / (numpy.linalg.norm(x) or 1) for name, (x, y) in pairs.items()}
    worst = max(errors, key=errors.get)
    return f"{sum(e > 0 for e in errors.values())} of {len(errors)} tensors differ, at most {errors[worst]:.1e} relative L2, {worst}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", default="data/goldens")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--compare", metavar="DIR")
    options = parser.parse_args()
    if not (options.check or options.compare):
        write(options.root, {key: value for key, value in read(options.root).items() if key != "sha256"})
        return
    found = hashes(options.root)
    expected = hashes(options.compare) if options.compare else read(options.root)["sha256"]
    different = list(differences(expected, found))
    for path, what in different:
        if options.compare and what == "is another":
            what += ": " + apart(os.path.join(options.compare, path), os.path.join(options.root, path))
        print(f"{path} {what}")
    same = sum(expected.get(path) == value for path, value in found.items())
    print(f"{same} of {len(found)} files are the same, byte for byte")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
