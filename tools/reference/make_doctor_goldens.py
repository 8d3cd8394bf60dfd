"""Plants the well-known mistakes in transformers' SiglipModel and writes what it then computes: data/goldens/doctor.

    python tools/reference/make_doctor_goldens.py

Each mistake is made in PyTorch, by patching modules, weights, inputs or outputs of a copy of one small model with random parameters, so that
`siglip doctor` is tested against another implementation's mistakes and not against its own. Needs torch, transformers,
numpy, safetensors, sentencepiece, pillow, torchvision.

    model/                 the folder
    inputs.safetensors     pixel_values, input_ids (end token 1, padding 0, as SigLIP 2 has them)
    healthy.safetensors    and one MISTAKE.safetensors each
    several/               more than one mistake at once
    files/                 picture.png, and what comes of preparing it in a wrong way
    v1/                    another model with a tokenizer of SigLIP 1, padded with its end token; cases.json says which texts each case had
"""
import copy
import json
import math
import pathlib
import shutil
import string
import zlib

import numpy
import sentencepiece
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

ROOT = pathlib.Path(__file__).resolve().parents[2] / "data/goldens/doctor"
WIDTH, LAYERS, HEADS, MLP = 24, 2, 3, 40
SIZE, PATCH, VOCAB, CONTEXT = 24, 8, 40, 8
END, PAD = 1, 0


# ---- the healthy model -------------------------------------------------------------------------------------------------------------------


def make_model(vocab=VOCAB, context=CONTEXT):
    encoder = dict(hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=MLP)
    config = transformers.SiglipConfig(
        text_config=dict(encoder, vocab_size=vocab, max_position_embeddings=context, projection_size=WIDTH),
        vision_config=dict(encoder, image_size=SIZE, patch_size=PATCH),
        attn_implementation="eager",
    )
    model = transformers.SiglipModel(config).eval()
    for name, parameter in model.named_parameters():
        random = numpy.random.Generator(numpy.random.PCG64([7, zlib.crc32(name.encode())]))
        x = random.standard_normal(parameter.shape)
        if name == "logit_scale":
            x = numpy.full(parameter.shape, math.log(117.330765))
        elif name == "logit_bias":
            x = numpy.full(parameter.shape, -12.932437)
        elif "norm" in name and name.endswith("weight"):
            x = 1 + 0.3 * x
        elif "embedding" in name:
            x = 0.03 * x  # small states, so that the eps of the layer norms counts
        elif name.endswith("bias"):
            x = 0.1 * x
        elif "probe" not in name:
            x = 1.3 * x / math.sqrt(parameter[0].numel())
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(x))
    return model


def make_inputs():
    random = numpy.random.Generator(numpy.random.PCG64(11))
    pixels = random.uniform(-1, 1, (3, 3, SIZE, SIZE)).astype(numpy.float32)
    rows = []
    for length in (3, 5, 2):  # words
        words = list(random.integers(4, VOCAB, length))
        rows.append((words + [END] + [PAD] * CONTEXT)[:CONTEXT])
    return torch.from_numpy(pixels), torch.tensor(rows)


def lengths(ids):
    return [row.tolist().index(END) + 1 for row in ids]


def outputs(model, pixels, ids, hidden=True):
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=pixels, return_loss=True, output_hidden_states=hidden)
    result = {name: getattr(out, name) for name in ("image_embeds", "text_embeds", "logits_per_text", "logits_per_image")}
    result["loss"] = out.loss.reshape(1)
    if hidden:
        for tower in ("vision", "text"):
            for i, state in enumerate(getattr(out, f"{tower}_model_output").hidden_states):
                result[f"hidden.{tower}.{i}"] = state
    return result


def scores(u, v, t, b):
    by_text = v @ u.T * t + b
    return {"image_embeds": u, "text_embeds": v, "logits_per_text": by_text, "logits_per_image": by_text.T, "loss": loss(by_text)}


def loss(by_text):
    labels = 2 * torch.eye(len(by_text)) - 1
    return (-torch.nn.functional.logsigmoid(labels * by_text).sum() / len(by_text)).reshape(1)


def text_embeds(model, ids):
    with torch.no_grad():
        pooled = model.text_model(input_ids=ids).pooler_output
    return pooled / pooled.norm(dim=-1, keepdim=True)


def each_alone(model, ids):
    """Every text up to its end token, in a batch of its own."""
    return torch.cat([text_embeds(model, row[:n].view(1, -1)) for row, n in zip(ids, lengths(ids))])


# ---- mistakes in the inputs --------------------------------------------------------------------------------------------------------------


def input_mistakes(model, pixels, ids):
    ends = lengths(ids)
    brightness = (pixels + 1) / 2

    def standardized(mean, deviation):
        return (brightness - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(deviation).view(1, 3, 1, 1)

    images = {
        "bgr": pixels.flip(1),
        "pixels-0-1": brightness,
        "pixels-0-255": brightness * 255,
        "rescaled-twice": (brightness / 255 - 0.5) / 0.5,
        "imagenet-mean-std": standardized([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        "clip-mean-std": standardized([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
        "pixels-hwc": pixels.permute(0, 2, 3, 1).reshape(pixels.shape),
        "picture-transposed": pixels.transpose(2, 3),
    }
    after = torch.arange(CONTEXT) >= torch.tensor(ends).view(-1, 1)
    no_end = ids.clone()
    no_end[ids == END] = PAD
    texts = {
        "pad-to-longest": ids[:, : max(ends)],
        "padded-left": torch.stack([torch.cat([row[n:], row[:n]]) for row, n in zip(ids, ends)]),
        "no-end-token": no_end,
        "wrong-pad-id": torch.where(after, torch.tensor(1), ids),
        "begin-token": torch.cat([torch.full((len(ids), 1), 2), ids[:, :-1]], 1),
    }
    result = {name: outputs(model, x.contiguous(), ids) for name, x in images.items()}
    result.update({name: outputs(model, pixels, x) for name, x in texts.items()})

    healthy = outputs(model, pixels, ids, hidden=False)
    result["not-padded"] = scores(healthy["image_embeds"], each_alone(model, ids), model.logit_scale.detach().exp(), model.logit_bias.detach())
    return result


# ---- mistakes in the modules -------------------------------------------------------------------------------------------------------------


def layers(model):
    return [*model.vision_model.encoder.layers, *model.text_model.encoder.layers]


def attentions(model):
    return [layer.self_attn for layer in layers(model)]


def set_activation(model, f):
    for mlp in [*(layer.mlp for layer in layers(model)), model.vision_model.head.mlp]:
        mlp.activation_fn = Call(f)


def set_eps(model, eps):
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = eps


def post_norm(model):
    for layer in layers(model):

        def forward(x, attention_mask=None, layer=layer, **_):
            x = layer.layer_norm1(x + layer.self_attn(x, attention_mask=attention_mask)[0])
            return layer.layer_norm2(x + layer.mlp(x))

        layer.forward = forward


def own_attention(model, split, join):
    """Attention with another way of cutting (B, T, C) into (B, H, T, D) and of putting it together again."""
    for a in attentions(model):

        def forward(hidden_states, attention_mask=None, a=a, **_):
            q, k, v = (split(f(hidden_states)) for f in (a.q_proj, a.k_proj, a.v_proj))
            p = (q @ k.transpose(-1, -2) * a.scale).softmax(-1)
            return a.out_proj(join(p @ v)), p

        a.forward = forward


def split_heads(x):
    return x.view(*x.shape[:2], HEADS, -1).transpose(1, 2)


def heads_interleaved(model):
    own_attention(model, lambda x: x.view(*x.shape[:2], -1, HEADS).permute(0, 3, 1, 2),
                  lambda y: y.permute(0, 2, 3, 1).reshape(y.shape[0], y.shape[2], WIDTH))


def heads_not_moved_back(model):
    own_attention(model, split_heads, lambda y: y.reshape(y.shape[0], y.shape[2], WIDTH))


def exchange(model, one, other):
    for a in attentions(model):
        first, second = getattr(a, one), getattr(a, other)
        setattr(a, one, second)
        setattr(a, other, first)


def transpose(model, names):
    for a in attentions(model):
        for name in names:
            linear = getattr(a, name)
            linear.weight.data = linear.weight.data.T.contiguous()


def exchange_encoders(model):
    vision, text = model.vision_model, model.text_model
    vision.encoder, text.encoder = text.encoder, vision.encoder


def set_scale(model, factor):
    for a in attentions(model):
        a.scale *= factor


def drop_attention_bias(model):
    for a in attentions(model):
        for linear in (a.q_proj, a.k_proj, a.v_proj, a.out_proj):
            linear.bias.data.zero_()


def no_final_norm(model):
    model.vision_model.post_layernorm = torch.nn.Identity()
    model.text_model.final_layer_norm = torch.nn.Identity()


class Call(torch.nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x, *_):
        return self.f(x)


def head_forward(model, f):
    """f(head, y) in place of y + mlp(norm(y))."""
    head = model.vision_model.head

    def forward(x):
        probe = head.probe.repeat(len(x), 1, 1)
        return f(head, probe, head.attention(probe, x, x)[0])[:, 0]

    head.forward = forward


def reorder_in_proj(model, order):
    a = model.vision_model.head.attention
    for tensor in (a.in_proj_weight, a.in_proj_bias):
        thirds = tensor.data.chunk(3)
        tensor.data = torch.cat([thirds[i] for i in order])


def transpose_in_proj(model):
    a = model.vision_model.head.attention
    a.in_proj_weight.data = torch.cat([third.T for third in a.in_proj_weight.data.chunk(3)])


def transpose_data(parameter):
    parameter.data = parameter.data.T.contiguous()


def transpose_positions(model):
    table = model.vision_model.embeddings.position_embedding.weight
    grid = SIZE // PATCH
    table.data = table.data.view(grid, grid, WIDTH).transpose(0, 1).reshape(-1, WIDTH).contiguous()


class ColumnsFirst(torch.nn.Module):
    def __init__(self, convolution):
        super().__init__()
        self.convolution, self.weight = convolution, convolution.weight

    def forward(self, x):
        return self.convolution(x).transpose(2, 3)


def patches_by_column(model):
    embeddings = model.vision_model.embeddings
    embeddings.patch_embedding = ColumnsFirst(embeddings.patch_embedding)


def flatten_patches_otherwise(model):
    """The kernel's 3 P P numbers meet patches flattened as row, column, channel."""
    weight = model.vision_model.embeddings.patch_embedding.weight
    weight.data = weight.data.reshape(WIDTH, PATCH, PATCH, 3).permute(0, 3, 1, 2).contiguous()


def transpose_kernel(model):
    weight = model.vision_model.embeddings.patch_embedding.weight
    weight.data = weight.data.transpose(2, 3).contiguous()


def pool_text(model, f):
    """f(states after the final norm, ids) in place of the last position."""
    text = model.text_model
    plain = text.forward

    def forward(input_ids=None, **others):
        out = plain(input_ids=input_ids, **others)
        out.pooler_output = text.head(f(out.last_hidden_state, input_ids))
        return out

    text.forward = forward


def mask_text(model, mask):
    """mask(ids) → (B, 1, T, T), true where a query may look."""
    text = model.text_model
    plain = text.forward

    def forward(input_ids=None, **others):
        added = torch.zeros(1).expand(len(input_ids), 1, input_ids.shape[1], input_ids.shape[1]).masked_fill(~mask(input_ids), -math.inf)
        for layer in text.encoder.layers:
            a = layer.self_attn

            def attend(hidden_states, attention_mask=None, a=a, **_):
                q, k, v = (split_heads(f(hidden_states)) for f in (a.q_proj, a.k_proj, a.v_proj))
                p = (q @ k.transpose(-1, -2) * a.scale + added).softmax(-1)
                return a.out_proj((p @ v).transpose(1, 2).flatten(2)), p

            a.forward = attend
        return plain(input_ids=input_ids, **others)

    text.forward = forward


def causal(ids):
    return torch.ones(ids.shape[1], ids.shape[1]).tril().bool()


def no_padding(ids):
    return (torch.arange(ids.shape[1]) < torch.tensor(lengths(ids)).view(-1, 1)).view(len(ids), 1, 1, ids.shape[1])


def end_states(x, ids):
    return x[torch.arange(len(ids)), torch.tensor(lengths(ids)) - 1]


def scale_tokens(model):
    model.text_model.embeddings.token_embedding.weight.data *= math.sqrt(WIDTH)


def zero(parameter):
    parameter.data.zero_()


def drop_mlp(head, probe, y):
    return y


def set_map_heads(model):
    model.vision_model.head.attention.num_heads = 1
    model.vision_model.head.attention.head_dim = WIDTH


GELU = torch.nn.functional.gelu
MODULE_MISTAKES = {
    # both towers
    "erf-gelu": lambda m: set_activation(m, GELU),
    "quick-gelu": lambda m: set_activation(m, lambda x: x * torch.sigmoid(1.702 * x)),
    "layer-norm-eps": lambda m: set_eps(m, 1e-5),
    "layer-norm-eps-1e-12": lambda m: set_eps(m, 1e-12),
    "post-norm": post_norm,
    "no-final-norm": no_final_norm,
    "attention-scale-missing": lambda m: set_scale(m, math.sqrt(WIDTH // HEADS)),
    "attention-scale-width": lambda m: set_scale(m, 1 / math.sqrt(HEADS)),
    "heads-interleaved": heads_interleaved,
    "heads-not-moved-back": heads_not_moved_back,
    "query-key-exchanged": lambda m: exchange(m, "q_proj", "k_proj"),
    "query-value-exchanged": lambda m: exchange(m, "q_proj", "v_proj"),
    "key-value-exchanged": lambda m: exchange(m, "k_proj", "v_proj"),
    "attention-bias-dropped": drop_attention_bias,
    "transposed-q_proj": lambda m: transpose(m, ["q_proj"]),
    "transposed-k_proj": lambda m: transpose(m, ["k_proj"]),
    "transposed-v_proj": lambda m: transpose(m, ["v_proj"]),
    "transposed-out_proj": lambda m: transpose(m, ["out_proj"]),
    "transposed-attention": lambda m: transpose(m, ["q_proj", "k_proj", "v_proj", "out_proj"]),
    "encoders-exchanged": exchange_encoders,
    # the image tower
    "no-positions": lambda m: zero(m.vision_model.embeddings.position_embedding.weight),
    "positions-transposed": transpose_positions,
    "patch-order": patches_by_column,
    "patch-flatten-order": flatten_patches_otherwise,
    "patch-kernel-transposed": transpose_kernel,
    "patch-bias-dropped": lambda m: zero(m.vision_model.embeddings.patch_embedding.bias),
    "mean-pooling": lambda m: setattr(m.vision_model, "head", Call(lambda x: x.mean(1))),
    "first-patch": lambda m: setattr(m.vision_model, "head", Call(lambda x: x[:, 0])),
    "map-mlp-dropped": lambda m: head_forward(m, drop_mlp),
    "map-probe-residual": lambda m: head_forward(m, lambda h, q, y: (y + q) + h.mlp(h.layernorm(y + q))),
    "map-norm-before-residual": lambda m: head_forward(m, lambda h, q, y: h.layernorm(y) + h.mlp(h.layernorm(y))),
    "map-qkv-order": lambda m: reorder_in_proj(m, (1, 0, 2)),
    "map-in-proj-transposed": transpose_in_proj,
    "map-out-proj-transposed": lambda m: transpose_data(m.vision_model.head.attention.out_proj.weight),
    "map-heads-one": set_map_heads,
    # the text tower
    "causal-mask": lambda m: mask_text(m, causal),
    "padding-mask": lambda m: mask_text(m, no_padding),
    "first-token": lambda m: pool_text(m, lambda x, ids: x[:, 0]),
    "end-token-pooled": lambda m: pool_text(m, end_states),
    "text-mean-pooling": lambda m: pool_text(m, lambda x, ids: x.mean(1)),
    "token-scale": scale_tokens,
    "no-text-positions": lambda m: zero(m.text_model.embeddings.position_embedding.weight),
    "text-head-dropped": lambda m: setattr(m.text_model, "head", torch.nn.Identity()),
    "text-head-bias-dropped": lambda m: zero(m.text_model.head.bias),
    "text-head-transposed": lambda m: transpose_data(m.text_model.head.weight),
}


def mean_before_norm(model, pixels, ids):
    planted = copy.deepcopy(model)
    planted.vision_model.post_layernorm = torch.nn.Identity()
    planted.vision_model.head = Call(lambda x: x.mean(1))
    return outputs(planted, pixels, ids)


def module_mistakes(model, pixels, ids):
    result = {"mean-pooling-no-norm": mean_before_norm(model, pixels, ids)}
    for name, plant in MODULE_MISTAKES.items():
        planted = copy.deepcopy(model)
        plant(planted)
        result[name] = outputs(planted, pixels, ids)
    return result


def several_mistakes(model, pixels, ids):
    planted = copy.deepcopy(model)
    MODULE_MISTAKES["erf-gelu"](planted)
    result = {"bgr_and_erf_gelu": outputs(planted, pixels.flip(1).contiguous(), ids)}
    MODULE_MISTAKES["transposed-q_proj"](planted)
    MODULE_MISTAKES["post-norm"](planted)
    return dict(result, three=outputs(planted, pixels, ids))


# ---- mistakes in the scores --------------------------------------------------------------------------------------------------------------


def score_mistakes(model, pixels, ids):
    healthy = outputs(model, pixels, ids, hidden=False)
    u, v, by_text = healthy["image_embeds"], healthy["text_embeds"], healthy["logits_per_text"]
    log_t, b = model.logit_scale.detach(), model.logit_bias.detach()
    t, cosines = log_t.exp(), v @ u.T
    with torch.no_grad():
        long_u, long_v = model.vision_model(pixels).pooler_output, model.text_model(ids).pooler_output

    def with_logits(logits):
        return {"image_embeds": u, "text_embeds": v, "logits_per_text": logits, "logits_per_image": logits.T.contiguous()}

    def with_loss(value):
        return dict(healthy, loss=value.reshape(1))

    labels, n = 2 * torch.eye(len(by_text)) - 1, len(by_text)
    entropy = torch.nn.functional.cross_entropy
    pairs = -torch.nn.functional.logsigmoid(labels * by_text)
    return {
        "not-normalised": scores(long_u, long_v, t, b),
        "scale-without-exp": with_logits(cosines * log_t + b),
        "scale-dropped": with_logits(cosines + b),
        "scale-divides": with_logits(cosines / t + b),
        "scale-clamped": with_logits(cosines * t.clamp(max=100) + b),
        "bias-dropped": with_logits(cosines * t),
        "bias-sign": with_logits(cosines * t - b),
        "bias-before-scale": with_logits((cosines + b) * t),
        "logits-transposed": with_logits(by_text.T),
        "image-tower-twice": with_logits(u @ u.T * t + b),
        "text-tower-twice": with_logits(v @ v.T * t + b),
        "sigmoid-applied": with_logits(by_text.sigmoid()),
        "softmax-applied": with_logits(by_text.softmax(0)),
        "softmax-loss": with_loss((entropy(by_text, torch.arange(n)) + entropy(by_text.T, torch.arange(n))) / 2),
        "loss-over-pairs": with_loss(pairs.mean()),
        "loss-sum": with_loss(pairs.sum()),
        "loss-without-negatives": with_loss(pairs.diagonal().mean()),
        "embeddings-exchanged": {"image_embeds": v, "text_embeds": u},
        "one-tower-twice": scores(u, u, t, b),
    }


# ---- mistakes with picture files ---------------------------------------------------------------------------------------------------------


def make_picture():
    y, x = numpy.mgrid[0:53, 0:97]
    waves = [numpy.sin(x / 7 + c) * numpy.cos(y / (5 + c)) * 100 + 128 for c in range(3)]
    picture = numpy.stack(waves, -1)
    picture[10:25, 20:50] = (250, 30, 60)
    return Image.fromarray(picture.clip(0, 255).astype(numpy.uint8))


def to_pixels(picture):
    return (torch.from_numpy(numpy.array(picture).astype(numpy.float32)).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5


def center_crop(picture):
    scale = SIZE / min(picture.size)
    resized = picture.resize([int(edge * scale) for edge in picture.size], Image.BICUBIC)
    left, top = (resized.width - SIZE) // 2, (resized.height - SIZE) // 2
    return resized.crop((left, top, left + SIZE, top + SIZE))


def letterbox(picture, gray):
    scale = SIZE / max(picture.size)
    resized = picture.resize([int(edge * scale) for edge in picture.size], Image.BICUBIC)
    frame = Image.new("RGB", (SIZE, SIZE), (gray, gray, gray))
    frame.paste(resized, ((SIZE - resized.width) // 2, (SIZE - resized.height) // 2))
    return frame


def without_antialiasing(picture):
    x = torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)[None].double()
    y = torch.nn.functional.interpolate(x, (SIZE, SIZE), mode="bilinear", align_corners=False, antialias=False)
    return Image.fromarray(y[0].permute(1, 2, 0).to(torch.uint8).numpy())


def resized_by_torchvision(picture):
    """Another published way, and no mistake: transformers 5 resizes so where torchvision is installed."""
    x = torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)
    y = resize(x, [SIZE, SIZE], interpolation=InterpolationMode.BICUBIC, antialias=True)
    return Image.fromarray(y.permute(1, 2, 0).numpy())


def file_mistakes(model):
    picture = make_picture()
    prepared = {
        "healthy": picture.resize((SIZE, SIZE), Image.BICUBIC),
        "other-filter": picture.resize((SIZE, SIZE), Image.BILINEAR),
        "center-crop": center_crop(picture),
        "letterbox-black": letterbox(picture, 0),
        "letterbox-gray": letterbox(picture, 114),
        "no-antialiasing": without_antialiasing(picture),
        "resize-torchvision": resized_by_torchvision(picture),
    }
    result = {}
    for name, image in prepared.items():
        with torch.no_grad():
            pooled = model.vision_model(to_pixels(image)).pooler_output
        result[name] = {"image_embeds": pooled / pooled.norm(dim=-1, keepdim=True), "pixel_values": to_pixels(image)}
    return picture, result


# ---- texts, as SigLIP 1 has them ---------------------------------------------------------------------------------------------------------

V1_CONTEXT, V1_VOCAB = 16, 3000
ENGLISH = ROOT.parent / "tokenizers/english"
SHORT = ["A cat, sleeping!", "two red circles", "a dog"]
CUT = ["A small red circle left of a large blue star and a smiling face with open hands", "two red circles"]


def cleaned(text, lower=True):
    """As SiglipTokenizer does it, whose ids for these texts are the same."""
    text = text.translate(str.maketrans("", "", string.punctuation))
    return " ".join((text.lower() if lower else text).split())


def pieces_of(texts):
    """Neither cut nor ended."""
    model = sentencepiece.SentencePieceProcessor(model_file=str(ENGLISH / "spiece.model"))
    return [model.encode(text) for text in texts]


def v1_ids(texts):
    """Cut, ended with </s>, padded with it to the full length."""
    return filled([row[: V1_CONTEXT - 1] for row in pieces_of(texts)], END)


def filled(rows, pad, length=V1_CONTEXT):
    return torch.tensor([(row + [pad] * length)[:length] for row in rows])


def v1_cases(model):
    """case → (the mistake it shows, texts, ids, text_embeds)."""
    clean_short, clean_cut = ([cleaned(text) for text in texts] for texts in (SHORT, CUT))
    short, cut, pieces = v1_ids(clean_short), v1_ids(clean_cut), pieces_of(clean_short)
    ends, longest = lengths(short), max(len(row) for row in pieces)
    after = torch.arange(V1_CONTEXT) >= torch.tensor(ends).view(-1, 1)
    assert len(pieces_of(clean_cut)[0]) > V1_CONTEXT
    ids = {
        "healthy": (None, SHORT, short),
        "healthy-cut": (None, CUT, cut),
        "pad-to-longest": ("pad-to-longest", SHORT, short[:, : max(ends)]),
        "padded-left": ("padded-left", SHORT, torch.stack([torch.cat([row[n:], row[:n]]) for row, n in zip(short, ends)])),
        "wrong-pad-id": ("wrong-pad-id", SHORT, torch.where(after, torch.tensor(0), short)),
        "begin-token": ("begin-token", SHORT, torch.cat([torch.full((len(short), 1), 2), short[:, :-1]], 1)),
        "no-end-token-cut": ("no-end-token", CUT, filled(pieces_of(clean_cut), END)),
        "no-end-token-padded-with-0": ("no-end-token", SHORT, filled(pieces, 0)),
        "no-end-token-padded-to-longest": ("no-end-token", SHORT, filled(pieces, END, longest)),
        "not-lower-cased": ("not-lower-cased", SHORT, v1_ids([cleaned(text, lower=False) for text in SHORT])),
        "punctuation-kept": ("punctuation-kept", SHORT, v1_ids([text.lower() for text in SHORT])),
        "not-cleaned": ("not-cleaned", SHORT, v1_ids(SHORT)),
    }
    cases = {name: (mistake, texts, rows, text_embeds(model, rows)) for name, (mistake, texts, rows) in ids.items()}
    cases["not-padded"] = ("not-padded", SHORT, short, each_alone(model, short))
    for name in ("end-token-pooled", "padding-mask", "causal-mask"):
        planted = copy.deepcopy(model)
        MODULE_MISTAKES[name](planted)
        cases[name] = (name, SHORT, short, text_embeds(planted, short))
    return cases


def write_v1(folder):
    model = make_model(V1_VOCAB, V1_CONTEXT)
    model.save_pretrained(folder / "model")
    write_preprocessor(folder / "model")
    for name in ("spiece.model", "tokenizer_config.json"):
        shutil.copyfile(ENGLISH / name, folder / "model" / name)
    cases = v1_cases(model)
    for name, (_, _, ids, embeds) in cases.items():
        save({"input_ids": ids, "text_embeds": embeds}, folder / f"{name}.safetensors")
    listed = {name: {"mistake": mistake, "texts": texts} for name, (mistake, texts, _, _) in cases.items()}
    (folder / "cases.json").write_text(json.dumps(listed, indent=2) + "\n")
    return len(cases)


# ---- writing -----------------------------------------------------------------------------------------------------------------------------


def save(tensors, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: x.detach().clone().contiguous() for name, x in tensors.items()}, path, metadata={"format": "pt"})


def write_preprocessor(folder):
    half = [0.5, 0.5, 0.5]
    config = dict(image_processor_type="SiglipImageProcessor", do_resize=True, size=dict(height=SIZE, width=SIZE), resample=3, do_rescale=True,
                  rescale_factor=1 / 255, do_normalize=True, image_mean=half, image_std=half)
    (folder / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = make_model()
    model.save_pretrained(ROOT / "model")
    write_preprocessor(ROOT / "model")
    pixels, ids = make_inputs()
    save({"pixel_values": pixels, "input_ids": ids}, ROOT / "inputs.safetensors")
    cases = {"healthy": outputs(model, pixels, ids)}
    for mistakes in (input_mistakes, module_mistakes, score_mistakes):
        cases.update(mistakes(model, pixels, ids))
    for name, tensors in cases.items():
        save(tensors, ROOT / f"{name}.safetensors")
    for name, tensors in several_mistakes(model, pixels, ids).items():
        save(tensors, ROOT / f"several/{name}.safetensors")
    picture, prepared = file_mistakes(model)
    (ROOT / "files").mkdir(exist_ok=True)
    picture.save(ROOT / "files/picture.png")
    for name, tensors in prepared.items():
        save(tensors, ROOT / f"files/{name}.safetensors")
    v1 = write_v1(ROOT / "v1")
    print(f"{len(cases)}, {len(prepared)} and {v1} cases; torch {torch.__version__}, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
