"""Checks checkpoints in both directions against transformers and NumPy.

    python tools/reference/check_convert.py --siglip build/siglip        (needs torch, transformers, safetensors, numpy)

A small random SiglipModel saved by transformers, whole and in shards, in float32 and bfloat16, must load here and come out of `siglip convert`
tensor by tensor as it went in; what comes out must load in transformers. The same model written by NumPy under the names of big_vision, plain and
stacked, stored and deflated, must convert to the same tensors. Prints what was compared; exit status 1 at the first difference.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors import safe_open
from transformers import SiglipConfig, SiglipModel
from transformers.utils import logging

TEXT = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 60,
        "max_position_embeddings": 7, "projection_size": 30}
VISION = {"hidden_size": 30, "intermediate_size": 44, "num_hidden_layers": 2, "num_attention_heads": 5, "image_size": 26, "patch_size": 8}


def run(*command):
    """Runs a command that must succeed and gives its output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def tensors_of(folder):
    """Every tensor of every file of weights in a folder."""
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():
                assert name not in tensors, name
                tensors[name] = opened.get_tensor(name)
    return tensors


def compare(what, got, expected):
    """Names, shapes, types and bits must be the same."""
    assert got.keys() == expected.keys(), (what, sorted(got.keys() ^ expected.keys()))
    for name, tensor in expected.items():
        same = got[name].dtype == tensor.dtype and torch.equal(got[name].contiguous().view(torch.uint8), tensor.contiguous().view(torch.uint8))
        assert same, (what, name)
    print(f"{what}: {len(expected)} tensors equal")


def loaded(folder, dtype):
    """What transformers makes of a folder; it must not complain about missing or unexpected tensors."""
    model, said = SiglipModel.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    assert not said["missing_keys"] and not said["unexpected_keys"] and not said["mismatched_keys"], said
    return dict(model.state_dict())


def big_vision(model, stacked):
    """The arrays of a model under the authors' names."""
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    arrays = {"t": state["logit_scale"], "b": state["logit_bias"]}

    def norm(array, tensor):
        arrays[array + "/scale"], arrays[array + "/bias"] = state[tensor + ".weight"], state[tensor + ".bias"]

    def mlp(array, tensor):
        for i in (0, 1):
            arrays[f"{array}/Dense_{i}/kernel"] = state[f"{tensor}.fc{i + 1}.weight"].T
            arrays[f"{array}/Dense_{i}/bias"] = state[f"{tensor}.fc{i + 1}.bias"]

    def attention(array, weights, biases, out, heads):
        for part, weight, bias in zip(("query", "key", "value"), weights, biases):
            arrays[f"{array}/{part}/kernel"] = weight.T.reshape(len(weight), heads, -1)
            arrays[f"{array}/{part}/bias"] = bias.reshape(heads, -1)
        weight = state[out + ".weight"]
        arrays[array + "/out/kernel"] = weight.T.reshape(heads, -1, len(weight))
        arrays[array + "/out/bias"] = state[out + ".bias"]

    def tower(array, tensor, config):
        for i in range(config["num_hidden_layers"]):
            to, of = f"{array}/encoderblock_{i}", f"{tensor}.encoder.layers.{i}"
            norm(to + "/LayerNorm_0", of + ".layer_norm1")
            norm(to + "/LayerNorm_1", of + ".layer_norm2")
            parts = [f"{of}.self_attn.{letter}_proj" for letter in "qkv"]
            attention(to + "/MultiHeadDotProductAttention_0", [state[p + ".weight"] for p in parts], [state[p + ".bias"] for p in parts],
                      of + ".self_attn.out_proj", config["num_attention_heads"])
            mlp(to + "/MlpBlock_0", of + ".mlp")

    tower("txt/Encoder_0", "text_model", TEXT)
    tower("img/Transformer", "vision_model", VISION)
    norm("txt/Encoder_0/encoder_norm", "text_model.final_layer_norm")
    norm("img/Transformer/encoder_norm", "vision_model.post_layernorm")
    arrays["txt/Embed_0/embedding"] = state["text_model.embeddings.token_embedding.weight"]
    arrays["txt/pos_embedding"] = state["text_model.embeddings.position_embedding.weight"][None]
    arrays["txt/head/kernel"], arrays["txt/head/bias"] = state["text_model.head.weight"].T, state["text_model.head.bias"]
    arrays["img/embedding/kernel"] = state["vision_model.embeddings.patch_embedding.weight"].transpose(2, 3, 1, 0)
    arrays["img/embedding/bias"] = state["vision_model.embeddings.patch_embedding.bias"]
    arrays["img/pos_embedding"] = state["vision_model.embeddings.position_embedding.weight"][None]
    head = "vision_model.head."
    arrays["img/MAPHead_0/probe"] = state[head + "probe"]
    norm("img/MAPHead_0/LayerNorm_0", head + "layernorm")
    mlp("img/MAPHead_0/MlpBlock_0", head + "mlp")
    attention("img/MAPHead_0/MultiHeadDotProductAttention_0", np.split(state[head + "attention.in_proj_weight"], 3),
              np.split(state[head + "attention.in_proj_bias"], 3), head + "attention.out_proj", VISION["num_attention_heads"])
    if stacked:
        for name in [name for name in arrays if "encoderblock_0/" in name]:
            layers = VISION["num_hidden_layers"] if name.startswith("img/") else TEXT["num_hidden_layers"]
            parts = [arrays.pop(name.replace("encoderblock_0/", f"encoderblock_{i}/")) for i in range(layers)]
            arrays[name.replace("encoderblock_0/", "encoderblock/")] = np.stack(parts)
    return arrays


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--siglip", default="build/siglip", help="the program")
    siglip = parser.parse_args().siglip
    logging.disable_progress_bar()
    torch.manual_seed(0)
    model = SiglipModel(SiglipConfig(text_config=TEXT, vision_config=VISION)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    state = dict(model.state_dict())

    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        for dtype, name in ((torch.float32, "f32"), (torch.bfloat16, "bf16")):
            typed = {key: tensor.to(dtype) for key, tensor in state.items()}
            for shards in ("whole", "sharded"):
                source, copy = work / f"{name}-{shards}", work / f"{name}-{shards}-copy"
                saved = SiglipModel.from_pretrained(work / "f32-whole", dtype=dtype) if name == "bf16" else model
                saved.save_pretrained(source, max_shard_size="20KB" if shards == "sharded" else "5GB")
                files = len(list(source.glob("*.safetensors")))
                assert (files > 1) == (shards == "sharded"), files
                inspected = json.loads(run(siglip, "inspect", source, "--json"))
                assert inspected["misfit"] is None and len(inspected["files"]) == files and list(inspected["dtypes"]) == [name.upper()], inspected
                run(siglip, "convert", source, copy)
                compare(f"{name}, {files} files, converted here", tensors_of(copy), typed)
                compare(f"{name}, {files} files, loaded by transformers", loaded(copy, dtype), typed)
                if shards == "whole":
                    same = (copy / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
                    assert same, f"{name}: model.safetensors has other bytes than transformers wrote"
                    print(f"{name}: model.safetensors is byte for byte that of transformers")
        for name, dtype in (("bf16", torch.bfloat16), ("f16", torch.float16)):
            run(siglip, "convert", work / "f32-whole", work / name, "--dtype", name, "--shard-size", 20000)
            compare(f"f32 rounded to {name}, as torch rounds", tensors_of(work / name), {key: tensor.to(dtype) for key, tensor in state.items()})
            compare(f"{name} shards, loaded by transformers", loaded(work / name, dtype), {key: tensor.to(dtype) for key, tensor in state.items()})
        for stacked in (False, True):
            arrays = big_vision(model, stacked)
            for save in (np.savez, np.savez_compressed):
                for prefix in ("", "params/"):
                    name = f"{'stacked' if stacked else 'plain'}-{save.__name__}{'-params' if prefix else ''}"
                    save(work / f"{name}.npz", **{prefix + key: array for key, array in arrays.items()})
                    run(siglip, "convert", work / f"{name}.npz", work / name, "--image-size", VISION["image_size"])
                    compare(f"{name}.npz", tensors_of(work / name), state)
                    compare(f"{name}.npz, loaded by transformers", loaded(work / name, torch.float32), state)
    print("all equal")


if __name__ == "__main__":
    main()
