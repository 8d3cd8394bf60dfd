"""The training recipe of `siglip train` in plain PyTorch: AdamW that decays kernels alone, linear warm-up then cosine, clipping by global norm."""
import math

import torch

RECIPE = {"lr": 1e-3, "warmup": 10, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "clip": 1.0}


def rate(step, warmup, total):
    """Step 0 has rate 0; step `total` would have 0 again."""
    progress = min(max((step - warmup) / (total - warmup), 0.0), 1.0)
    return 0.5 * (1 + math.cos(math.pi * progress)) * min(1.0, step / warmup)


def kernels(model):
    """The weights of products: of linear maps, of the patch convolution and the fused one of the MAP head; no table, norm, probe or bias."""
    for name, module in model.named_modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            yield f"{name}.weight"
        elif isinstance(module, torch.nn.MultiheadAttention):
            yield f"{name}.in_proj_weight"


def train(model, pixels, ids, batches, recipe):
    """One step a row of `batches`. Answers each step's loss and gradient norm; the model is left as trained."""
    decaying = set(kernels(model))
    groups = [
        {"params": [p for name, p in model.named_parameters() if name in decaying], "weight_decay": recipe["weight_decay"]},
        {"params": [p for name, p in model.named_parameters() if name not in decaying], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(recipe["beta1"], recipe["beta2"]), eps=recipe["eps"], foreach=False)
    losses, norms = [], []
    for step, rows in enumerate(batches):
        loss = model(input_ids=ids[rows], pixel_values=pixels[rows].to(model.dtype), return_loss=True).loss
        optimizer.zero_grad()
        loss.backward()
        norm = torch.sqrt(sum(p.grad.double().square().sum() for p in model.parameters())).item()
        # By hand: torch's clip_grad_norm_ divides by norm + 1e-6, which an equality in double would show.
        if norm > recipe["clip"]:
            for p in model.parameters():
                p.grad.mul_(recipe["clip"] / norm)
        for group in optimizer.param_groups:
            group["lr"] = recipe["lr"] * rate(step, recipe["warmup"], len(batches))
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm)
    return losses, norms
