#!/usr/bin/env python3
"""Goldens of the image side, from the published implementations: data/goldens/pixels, described in data/goldens/README.md.

    make goldens                                     runs the first two, each in its virtual environment (requirements.txt, requirements-older.txt)
    python make_pixel_goldens.py [--out FOLDER]      needs pillow 13, numpy, safetensors, torch, torchvision, transformers 5, scipy
    python make_pixel_goldens.py --pil               needs pillow 11, numpy: the cases of the profile pil (12.2 and 13 change the order of passes)
    python make_pixel_goldens.py --check-tensorflow  needs numpy, tensorflow: the big_vision cases, against TensorFlow itself
"""
import argparse
import io
import json
import pathlib
import struct
import zlib

import numpy as np


# ---- resize ------------------------------------------------------------------------------------------------------------------------------


def pattern(seed, width, height):
    """Noise from a hash of the byte's index; for odd seeds black and white only, which clips wherever a filter overshoots."""
    h = (np.arange(3 * width * height, dtype=np.uint64) + np.uint64(7919 * seed)) * np.uint64(2654435761) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(15)
    h = h * np.uint64(2246822519) & np.uint64(0xFFFFFFFF)
    values = (h >> np.uint64(31)) * np.uint64(255) if seed % 2 else h >> np.uint64(24)
    return values.astype(np.uint8).reshape(height, width, 3)


def fnv(data):
    h = 14695981039346656037
    for byte in bytes(data):
        h = (h ^ byte) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def two_taps(image, width, height):
    """big_vision's resize in float32: TensorFlow's bilinear with half-pixel centres and no anti-aliasing, then truncated."""
    f = np.float32

    def neighbours(n, out):
        x = (np.arange(out).astype(f) + f(0.5)) * (f(n) / f(out)) - f(0.5)
        low = np.floor(x)
        return np.maximum(low, 0).astype(int), np.minimum(np.ceil(x), n - 1).astype(int), x - low

    (l, r, dx), (t, b, dy) = neighbours(image.shape[1], width), neighbours(image.shape[0], height)
    a, dx, dy = image.astype(f), dx[None, :, None], dy[:, None, None]
    top = a[t][:, l] + (a[t][:, r] - a[t][:, l]) * dx
    bottom = a[b][:, l] + (a[b][:, r] - a[b][:, l]) * dx
    return np.clip(top + (bottom - top) * dy, 0, 255).astype(np.uint8)


def tensorflow_resize(image, width, height):
    import tensorflow as tf

    resized = tf.image.resize(image, (height, width), method="bilinear", antialias=False)
    return tf.cast(tf.clip_by_value(resized, 0, 255), tf.uint8).numpy()


def resized(profile, image, width, height, resample):
    if profile == "big_vision":
        return two_taps(image, width, height)
    if profile.startswith("pil"):
        from PIL import Image

        return np.asarray(Image.fromarray(image).resize((width, height), resample))
    import torch
    from torchvision.transforms.v2 import InterpolationMode, functional

    mode = InterpolationMode.BILINEAR if resample == 2 else InterpolationMode.BICUBIC
    picture = torch.from_numpy(image.copy()).permute(2, 0, 1).contiguous()
    return functional.resize(picture, [height, width], interpolation=mode, antialias=True).permute(1, 2, 0).numpy()


def cases(counts):
    rng = np.random.default_rng(4)
    for profile, count in counts.items():
        for seed in range(count):
            most = (9, 40, 90, 300)[0 if seed % 8 < 3 else 1 if seed % 8 < 5 else 2 if seed % 8 < 7 else 3]
            w, h, out_w, out_h = (int(n) for n in rng.integers(1, most, 4))
            if seed % 16 == 0:
                w = 1  # one column
            if seed % 16 == 1:
                h = 1
            if seed % 16 == 2:
                out_w, out_h = 1, 1
            if seed % 16 == 3:
                out_w = w  # one pass is left out
            if seed % 16 == 4:
                out_h = h
            if seed == 5:
                w, h, out_w, out_h = 640, 480, 224, 224
            if seed == 7:
                w, h, out_w, out_h = 4000, 3, 17, 5
            yield profile, seed, w, h, out_w, out_h, 2 if profile == "big_vision" else 2 + seed // 2 % 2


def write_resize(out, name, **counts):
    lines = []
    for profile, seed, w, h, out_w, out_h, resample in cases(counts):
        try:
            result = resized(profile, pattern(seed, w, h), out_w, out_h, resample)
        except RuntimeError as error:  # PyTorch 2.15 asserts on some pictures of one column
            print(f"left out: {profile} {w}x{h} -> {out_w}x{out_h}: {str(error)[:60]}")
            continue
        case = {"seed": seed, "in": [w, h], "out": [out_w, out_h], "resample": resample, "profile": profile, "hash": fnv(result.tobytes())}
        lines.append(json.dumps(case))
    (out / name).write_text("\n".join(lines) + "\n")


def check_tensorflow(out):
    checked = 0
    for line in (out / "resize.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case["profile"] == "big_vision":
            got = tensorflow_resize(pattern(case["seed"], *case["in"]), *case["out"])
            assert fnv(got.tobytes()) == case["hash"], case
            checked += 1
    import tensorflow

    print(f"{checked} cases equal TensorFlow {tensorflow.__version__}")


# The largest difference of stb_image from libjpeg-turbo where it is not 2, measured. Its 4:2:2 mixes colours in the last column but one.
STB_IMAGE = {"gray.jpg": 1, "cmyk.jpg": 1, "422.jpg": 4, "ycck.jpg": 3, "wide-422.jpg": 7, "wide-420.jpg": 3, "wide-411.jpg": 3, "wide-progressive.jpg": 3}


# ---- pictures ----------------------------------------------------------------------------------------------------------------------------


def png(width, height, depth, color, rows, extra=b"", interlaced=0):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    data = b"".join(b"\0" + row for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def png_files(rng):
    def rows(count, n):
        return [rng.integers(0, 256, n, dtype=np.uint8).tobytes() for _ in range(count)]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    palette = chunk(b"PLTE", rng.integers(0, 256, 768, dtype=np.uint8).tobytes())
    some = chunk(b"tRNS", rng.integers(0, 256, 200, dtype=np.uint8).tobytes())
    yield "gray1.png", png(13, 5, 1, 0, rows(5, 2))
    yield "gray2.png", png(13, 5, 2, 0, rows(5, 4))
    yield "gray4.png", png(13, 5, 4, 0, rows(5, 7))
    yield "gray8.png", png(13, 5, 8, 0, rows(5, 13))
    yield "gray-alpha.png", png(13, 5, 8, 4, rows(5, 26))
    yield "rgb.png", png(13, 5, 8, 2, rows(5, 39))
    yield "rgb-key.png", png(2, 1, 8, 2, [bytes([1, 2, 3, 4, 5, 6])], chunk(b"tRNS", bytes([0, 4, 0, 5, 0, 6])))
    yield "rgba.png", png(13, 5, 8, 6, rows(5, 52))
    yield "rgb16.png", png(13, 5, 16, 2, rows(5, 78))
    yield "rgba16.png", png(13, 5, 16, 6, rows(5, 104))
    yield "palette.png", png(13, 5, 8, 3, rows(5, 13), palette)
    yield "palette4.png", png(13, 5, 4, 3, rows(5, 7), palette[:8] + palette[8:])
    yield "palette-alpha.png", png(13, 5, 8, 3, rows(5, 13), palette + some)
    # Two columns by two rows, in Adam7's passes 1, 6 and 7.
    yield "interlaced.png", png(2, 2, 8, 2, [bytes([1, 2, 3]), bytes([4, 5, 6]), bytes([7, 8, 9, 10, 11, 12])], interlaced=1)


def gray16_files():
    """16-bit gray: the borders first, then anything. Both are read alike by their upper 8 bits; PIL does so where there is transparency only."""
    rng, borders = np.random.default_rng(16), np.array([0, 1, 127, 128, 254, 255, 256, 257, 511, 512, 32767, 65534, 65535], np.uint16)
    gray = np.concatenate([borders[None], rng.integers(0, 65536, (4, 13), dtype=np.uint16)])
    yield "gray16.png", png(13, 5, 16, 0, [row.astype(">u2").tobytes() for row in gray])
    alpha = rng.integers(0, 65536, (5, 13), dtype=np.uint16)
    yield "gray-alpha16.png", png(13, 5, 16, 4, [row.astype(">u2").tobytes() for row in np.stack([gray, alpha], -1)])


def orientation(n, little=False):
    order = "<" if little else ">"
    return (b"II" if little else b"MM") + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x112, 3, 1, n, 0, 0)


def jpeg_files(rng):
    from PIL import Image

    def save(image, **options):
        data = io.BytesIO()
        image.save(data, "JPEG", **options)
        return data.getvalue()

    small = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    scene = Image.fromarray(small).resize((43, 29), Image.Resampling.BICUBIC)
    for n in range(1, 9):
        yield f"exif{n}.jpg", save(scene, quality=95, subsampling=0, exif=b"Exif\0\0" + orientation(n, n % 2 == 0))
    yield "444.jpg", save(scene, quality=90, subsampling=0)
    yield "422.jpg", save(scene, quality=90, subsampling=1)
    yield "420.jpg", save(scene, quality=90, subsampling=2)
    yield "420-coarse.jpg", save(scene, quality=40, subsampling=2)
    yield "progressive.jpg", save(scene, quality=90, progressive=True)
    yield "gray.jpg", save(scene.convert("L"), quality=90)
    yield "cmyk.jpg", save(scene.convert("CMYK"), quality=95)
    ycck = bytearray(save(scene.convert("CMYK"), quality=95))
    ycck[ycck.index(b"Adobe") + 11] = 2  # the same numbers, read as YCCK
    yield "ycck.jpg", bytes(ycck)
    turned = io.BytesIO()
    scene.save(turned, "PNG", exif=b"Exif\0\0" + orientation(6))
    yield "exif6.png", turned.getvalue()


def decoder_files(rng):
    """What a JPEG decoder can do otherwise than libjpeg-turbo, and the other formats that are read."""
    from PIL import Image

    def save(image, kind, **options):
        data = io.BytesIO()
        image.save(data, kind, **options)
        return data.getvalue()

    coarse = Image.fromarray(rng.integers(0, 256, (6, 10, 3), dtype=np.uint8))
    wide = coarse.resize((90, 18), Image.Resampling.BICUBIC)
    for sampling, name in ((1, "422"), (2, "420"), ("4:1:1", "411")):
        yield f"wide-{name}.jpg", save(wide, "JPEG", quality=75, subsampling=sampling)
    yield "wide-progressive.jpg", save(wide, "JPEG", quality=75, progressive=True, restart_marker_rows=1)
    turned = bytearray(save(wide.resize((20, 26)), "JPEG", quality=75, subsampling=1))
    frame = turned.index(b"\xff\xc0")
    turned[frame + 11] = 0x12  # 4:4:0: chroma halved downwards; as many blocks as before
    turned[frame + 5 : frame + 9] = struct.pack(">HH", 29, 27)
    yield "tall-440.jpg", bytes(turned)
    # Without Adobe's note libjpeg takes four colours for CMYK; with one that names no YCCK it takes them for that.
    cmyk = save(coarse.convert("CMYK"), "JPEG", quality=95)
    note = cmyk.index(b"\xff\xee")
    yield "cmyk-plain.jpg", cmyk[:note] + cmyk[note + 16 :]
    odd = bytearray(cmyk)
    odd[odd.index(b"Adobe") + 11] = 1
    yield "ycck-odd.jpg", bytes(odd)
    yield "xmp6.jpg", save(coarse, "JPEG", xmp=b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>')

    alpha = Image.fromarray(rng.integers(0, 256, (7, 11, 4), dtype=np.uint8))
    yield "lossy.webp", save(wide, "WEBP", quality=60)
    yield "lossy-alpha.webp", save(alpha.resize((30, 20)), "WEBP", quality=60, exact=True)
    yield "lossless.webp", save(coarse, "WEBP", lossless=True)
    yield "lossless-alpha.webp", save(alpha, "WEBP", lossless=True, exact=True)
    yield "exif6.webp", save(coarse, "WEBP", lossless=True, exif=b"Exif\0\0" + orientation(6))
    yield "xmp6.webp", save(coarse, "WEBP", lossless=True, xmp=b"<tiff:Orientation>6</tiff:Orientation>")
    second = Image.fromarray(rng.integers(0, 256, (7, 11, 4), dtype=np.uint8))
    yield "animation.webp", save(alpha, "WEBP", save_all=True, append_images=[second], lossless=True, exact=True)
    # The first frame is smaller than the canvas.
    part = bytearray(save(alpha, "WEBP", save_all=True, append_images=[second], lossless=True, exact=True))
    canvas = part.index(b"VP8X") + 12
    part[canvas : canvas + 6] = (16 - 1).to_bytes(3, "little") + (9 - 1).to_bytes(3, "little")
    part[part.index(b"ANMF") + 8] = 2  # in units of two pixels
    yield "animation-part.webp", bytes(part)

    colors = wide.resize((31, 17)).quantize(16)
    yield "palette.gif", save(colors, "GIF")
    yield "interlaced.gif", save(wide.resize((31, 17)).quantize(256), "GIF", interlace=1)
    yield "transparent.gif", save(colors, "GIF", transparency=3)
    yield "gray.gif", save(wide.convert("L"), "GIF")
    yield "animation.gif", save(colors, "GIF", save_all=True, append_images=[colors.rotate(180)], transparency=3)
    large = bytearray(save(colors, "GIF"))
    large[6:10] = struct.pack("<HH", 40, 20)  # a screen larger than the frame
    frame = large.index(b"," + struct.pack("<HHHH", 0, 0, 31, 17))
    large[frame + 1 : frame + 5] = struct.pack("<HH", 5, 2)
    yield "screen.gif", bytes(large)

    small = wide.resize((13, 5))
    yield "rgb.bmp", save(small, "BMP")
    yield "palette.bmp", save(small.quantize(16), "BMP")
    yield "gray.bmp", save(small.convert("L"), "BMP")
    yield "one-bit.bmp", save(small.convert("1"), "BMP")
    plain = save(alpha, "BMP")
    yield "rgbx.bmp", plain  # the fourth byte means nothing where no mask names it
    masked = struct.pack("<IIIIiiHHIIIIII", 122 + 308, 0, 122, 108, 11, 7, 1, 32, 3, 308, 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    yield "rgba.bmp", b"BM" + masked + masks + bytes(52) + plain[54:]
    yield "top-down.bmp", b"BM" + struct.pack("<IIIIiiHHIIIIII", 54 + 40 * 5, 0, 54, 40, 13, -5, 1, 24, 0, 40 * 5, 0, 0, 0, 0) + b"".join(
        row.tobytes() + b"\0" for row in np.asarray(small)[..., ::-1]
    )
    values = rng.integers(0, 65536, (5, 14), dtype=np.uint16).tobytes()
    yield "rgb555.bmp", b"BM" + struct.pack("<IIIIiiHHIIIIII", 54 + len(values), 0, 54, 40, 14, 5, 1, 16, 0, len(values), 0, 0, 0, 0) + values


def write_pictures(out):
    from PIL import Image, ImageOps
    from safetensors.numpy import save_file
    from transformers.image_transforms import convert_to_rgb

    folder, rng = out / "pictures", np.random.default_rng(8)
    folder.mkdir(parents=True, exist_ok=True)
    expected, tolerance = {}, {}
    for name, data in [*png_files(rng), *jpeg_files(rng), *gray16_files(), *decoder_files(np.random.default_rng(9))]:
        (folder / name).write_bytes(data)
        stored = Image.open(io.BytesIO(data))
        upright = ImageOps.exif_transpose(stored)
        expected[name] = convert_to_rgb(upright, return_numpy=True)
        expected[name + "|drop"] = np.asarray(upright.convert("RGB"))
        if stored.mode == "I;16":  # PIL cuts at 255, which leaves a picture white; ours is the upper 8 bits, as PIL has it with transparency
            expected[name + "|PIL"] = expected[name]
            expected[name] = expected[name + "|drop"] = np.repeat((np.asarray(stored) >> 8)[..., None], 3, axis=2)
        if upright.size != stored.size or "exif" in name:
            expected[name + "|stored"] = np.asarray(stored.convert("RGB"))
        tolerance[name] = STB_IMAGE.get(name, 2) if name.endswith(".jpg") else 1 if name == "rgb555.bmp" else 0
    for name in ("wide-420.jpg", "wide-422.jpg", "cmyk.jpg"):
        for enough in (2, 4, 9, 12):
            smaller = Image.open(folder / name)
            smaller.draft(None, (enough, enough))
            expected[f"{name}|draft{enough}"] = np.asarray(smaller.convert("RGB"))
    save_file({k: np.ascontiguousarray(v, dtype=np.float32) for k, v in expected.items()}, folder / "expected.safetensors")
    (folder / "pictures.json").write_text(json.dumps(tolerance, indent=1) + "\n")


# ---- values ------------------------------------------------------------------------------------------------------------------------------


def write_values(out):
    from PIL import Image
    from safetensors.numpy import save_file
    from transformers import SiglipImageProcessor
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    folder = out / "values"
    folder.mkdir(parents=True, exist_ok=True)
    values = np.arange(256, dtype=np.uint8)
    Image.fromarray(np.stack([values, values[::-1], np.roll(values, 77)], 1).reshape(16, 16, 3)).save(folder / "ramp.png")
    rng = np.random.default_rng(5)
    scene = Image.fromarray(rng.integers(0, 256, (9, 7, 4), dtype=np.uint8)).resize((61, 43), Image.Resampling.BILINEAR)
    scene.save(folder / "scene.png")

    clip = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
    settings = {
        "default": {},
        "bilinear": {"resample": 2},
        "clip": clip,
        "scalar": {"image_mean": 0.45, "image_std": 0.225},
        "no-normalize": {"do_normalize": False},
        "no-rescale": {"do_rescale": False, **clip},
        "bytes": {"do_rescale": False, "do_normalize": False},
        "other-scale": {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
    }
    for backend, make, name in (("pil", SiglipImageProcessorPil, "SiglipImageProcessor"), ("torchvision", SiglipImageProcessor, "SiglipImageProcessorFast")):
        for case, options in settings.items():
            given = dict(options)
            for key in ("image_mean", "image_std"):  # the processors themselves take one number only where nothing is scaled
                if isinstance(given.get(key), float):
                    given[key] = [given[key]] * 3
            processor = make(size={"height": 16, "width": 16}, **given)
            pixels = [np.asarray(processor(Image.open(folder / f), return_tensors="np")["pixel_values"], np.float32)[0] for f in ("ramp.png", "scene.png")]
            target = folder / f"{backend}-{case}"
            target.mkdir(exist_ok=True)
            config = json.loads(processor.to_json_string())
            config.update({"image_processor_type": name, **options})
            (target / "preprocessor_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
            save_file({"pixel_values": np.ascontiguousarray(np.stack(pixels))}, target / "expected.safetensors")


def write_positions(out):
    """table.g: positions (g * g, 3); bicubic.g.G as transformers' interpolate_pos_encoding, bilinear.g.G as big_vision's scipy zoom."""
    import scipy.ndimage
    import torch
    from safetensors.numpy import save_file

    rng, tensors = np.random.default_rng(6), {}
    for g in (1, 2, 5, 14):
        table = rng.standard_normal((g, g, 3)).astype(np.float32)
        tensors[f"table.{g}"] = table.reshape(-1, 3)
        for to in (3, 8, 16):
            maps = torch.from_numpy(table).permute(2, 0, 1)[None]
            cubic = torch.nn.functional.interpolate(maps, size=(to, to), mode="bicubic", align_corners=False)
            tensors[f"bicubic.{g}.{to}"] = cubic[0].permute(1, 2, 0).reshape(-1, 3).numpy()
            tensors[f"bilinear.{g}.{to}"] = scipy.ndimage.zoom(table, (to / g, to / g, 1), order=1).reshape(-1, 3)
    save_file({k: np.ascontiguousarray(v, dtype=np.float32) for k, v in tensors.items()}, out / "positions.safetensors")


def write(out):
    """All but the cases of Pillow 11."""
    write_resize(out, "resize.jsonl", pil13=400, torchvision=200, big_vision=150)
    write_pictures(out)
    write_values(out)
    write_positions(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("data/goldens/pixels"))
    parser.add_argument("--check-tensorflow", action="store_true")
    parser.add_argument("--pil", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.check_tensorflow:
        check_tensorflow(options.out)
    elif options.pil:
        import PIL

        assert PIL.__version__.startswith("11."), f"Pillow 11 is expected, got {PIL.__version__}"
        write_resize(options.out, "resize-pil.jsonl", pil=400)
    else:
        write(options.out)


if __name__ == "__main__":
    main()
