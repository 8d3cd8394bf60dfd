"""SigLIP by Hugging Face transformers: models of any shape with every parameter random, and all that is expected of them.

Used by make_goldens.py (small and odd) and full_size.py (as published).
"""
import os
import zlib

import numpy
import torch
import transformers
from safetensors.torch import save_file

RELEASED_SCALE, RELEASED_BIAS = 117.330765, -12.932437  # t and b of the published B/16-224


def config(vision, text, image_size, patch_size, vocab_size, context):
    """vision and text: (width, layers, heads, mlp). The text tower is projected to the image tower's width."""

    def encoder(sizes):
        return dict(zip(("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"), sizes))

    return transformers.SiglipConfig(
        text_config=dict(encoder(text), vocab_size=vocab_size, max_position_embeddings=context, projection_size=vision[0]),
        vision_config=dict(encoder(vision), image_size=image_size, patch_size=patch_size),
    )


def randomize(model, seed, gain=1.0, t=10.0, b=-2.0):
    """Fills every parameter, none of them left at an initial value where a forgotten bias or scale would not show.

    A parameter's numbers are a function of the seed and its name alone.
    """
    for name, parameter in model.named_parameters():
        random = numpy.random.Generator(numpy.random.PCG64([seed, zlib.crc32(name.encode())]))
        x = random.standard_normal(parameter.shape)
        if name == "logit_scale":
            x = numpy.full(parameter.shape, numpy.log(t))
        elif name == "logit_bias":
            x = numpy.full(parameter.shape, b)
        elif "norm" in name and name.endswith("weight"):
            x = 1 + 0.3 * x
        elif name.endswith("bias"):
            x = 0.2 * x
        elif "embedding.weight" in name and "patch" not in name:
            x = 0.5 * x
        elif "probe" not in name:
            x = gain * x / numpy.sqrt(parameter[0].numel())
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(x))


def make_model(configuration, seed, **scales):
    model = transformers.SiglipModel(configuration)
    randomize(model, seed, **scales)
    return model


def make_inputs(configuration, seed, images, texts, size=None):
    """Pixels in [-1, 1], of the model's size or another, and ids that begin with the smallest and end with the largest of the vocabulary."""
    random = numpy.random.Generator(numpy.random.PCG64([seed, 0]))
    size, text = size or configuration.vision_config.image_size, configuration.text_config
    pixels = random.uniform(-1, 1, (images, 3, size, size)).astype(numpy.float32)
    ids = random.integers(0, text.vocab_size, (texts, text.max_position_embeddings))
    ids.flat[0], ids.flat[-1] = 0, text.vocab_size - 1
    return {"pixel_values": torch.from_numpy(pixels), "input_ids": torch.from_numpy(ids)}


def load(folder, dtype):
    # The eager attention of transformers takes its softmax in float32, also in a double model; sdpa does not.
    return transformers.SiglipModel.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").eval()


def expected_of(model, inputs):
    """Everything that siglip parity compares. A loss needs as many images as texts. Pictures of another size than the model's have its positions
    interpolated; the gradient of the table they come from is left out."""
    pixels, ids = inputs["pixel_values"].to(model.dtype), inputs["input_ids"]
    square, interpolate = len(pixels) == len(ids), pixels.shape[-1] != model.config.vision_config.image_size
    with torch.set_grad_enabled(square):
        out = model(input_ids=ids, pixel_values=pixels, return_loss=square, output_hidden_states=True, interpolate_pos_encoding=interpolate)
    expected = {name: getattr(out, name) for name in ("image_embeds", "text_embeds", "logits_per_text", "logits_per_image")}
    for tower in ("vision", "text"):
        states = getattr(out, f"{tower}_model_output").hidden_states
        expected.update({f"hidden.{tower}.{i}": state for i, state in enumerate(states)})
    expected = {name: x.detach().clone().contiguous() for name, x in expected.items()}
    if square:
        expected["loss"] = out.loss.detach().reshape(1)
        out.loss.backward()
        expected.update({f"grad.{name}": parameter.grad.contiguous() for name, parameter in model.named_parameters()
                         if not (interpolate and name == "vision_model.embeddings.position_embedding.weight")})
    return expected


def save(tensors, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file(tensors, path, metadata={"format": "pt"})
