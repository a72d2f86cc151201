"""What a step of the training minimises: losses of speech and of counting."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.tokens import SLOT_HEADS

EMPTY_WEIGHT = 0.4
"""Weight of the empty class: lower talks too much, higher stays mute (proto-speech)."""
PHONE_WEIGHT = 0.8
PHONE_LAG = 2
"""Frames of 25 ms by which a phone is told later: it is clearer with one slot of what follows."""
HEAD_WEIGHTS = {"heard0": 2.0, "heard1": 1.0, "act": 2.0, "floor": 1.0}
VIDEO_WEIGHT = 2.0
"""Of all losses of counting beside those of speech; see --video-weight."""
SLOT_SHARE = 0.14
"""Slot losses are divided by this share of all micro-turns, not by the few that carry an act: one
slot then weighs a few words, and rare acts do not drown the words in noise."""


def weighted(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean cross entropy; (N, n) logits, (N,) targets and weights."""
    loss = F.cross_entropy(logits.float(), target, reduction="none")
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)


def speech_losses(out: dict[str, Tensor], phones: Tensor,
                  b: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the words, acts, slots, floor and phones."""
    losses = {}
    for i in range(2):
        target = b["heard"][..., i].flatten()
        weight = torch.where(target > 0, b["heard_weight"][..., i].flatten(), EMPTY_WEIGHT)
        name = f"heard{i}"
        losses[name] = HEAD_WEIGHTS[name] * weighted(
            out[name].flatten(0, 1), target.clamp(min=0), weight * (target >= 0))
    for name in ("act", "floor"):
        target = b[name].flatten()
        weight = torch.where(target > 0, 1.0, EMPTY_WEIGHT)
        losses[name] = HEAD_WEIGHTS[name] * weighted(out[name].flatten(0, 1), target, weight)
    at = (b["act"] > 0).flatten()
    for i, name in enumerate(SLOT_HEADS):
        # micro-turns without an act weigh nothing: to pick the others would wait for the GPU
        target = b["slots"][..., i].flatten()
        weight = torch.where(target > 0, 1.0, 0.15) * at
        loss = F.cross_entropy(out[name].flatten(0, 1).float(), target, reduction="none")
        losses[name] = (loss * weight).sum() / (SLOT_SHARE * len(at))
    late = b["phones"].roll(PHONE_LAG, 1)
    late[:, :PHONE_LAG] = 255
    target = late.flatten()
    losses["phone"] = PHONE_WEIGHT * F.cross_entropy(
        phones.flatten(0, 3).float(), target, ignore_index=255)
    return losses


def video_losses(reps: Tensor, v: dict[str, Tensor],
                 weight: float = VIDEO_WEIGHT) -> dict[str, Tensor]:
    """Losses of active, phase and log rate, each times weight; reps (B, T, 4)."""
    active, mask = v["active"], v["mask"]
    phase = torch.stack([v["phase_cos"], v["phase_sin"]], -1)
    off = ((reps[..., 1:3].float() - phase) ** 2).sum(-1)
    rate = torch.log(v["rate"].clamp(min=0.05))
    losses = {
        "active": F.binary_cross_entropy_with_logits(reps[..., 0].float(), active, mask),
        "phase": (off * active).sum() / active.sum().clamp(min=1),
        "rate": ((reps[..., 3].float() - rate) ** 2 * active).sum() / active.sum().clamp(min=1),
    }
    return {name: weight * loss for name, loss in losses.items()}
