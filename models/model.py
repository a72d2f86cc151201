"""The interaction model: one causal transformer over the interleaved stream of micro-turns.

Departures from the textbook: a fixed stride of S slots a micro-turn, of which the last carries the
daemon's state and the network's own last outputs in and all outputs out; empty slots are masked as
keys; one learned key with a zero value per head is never evicted (attention sink); QK-norm; RoPE
turns by the slot's time, not by its number. Self-similarity rows enter the readout slot: a clip
then costs one slot a micro-turn, and counting trains five times faster. A training sequence holds
only the slots that its modality fills, at their true times. Letters: B batch, T micro-turns, N slots
kept of a micro-turn, L layers, H heads, D head channels, C width, R ring rows, S slots of a
micro-turn.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.dmel_ref import LEVELS, LOG_LOW, LOG_STEP, MELS
from models import tokens
from models.config import (AUDIO_SLOTS, CONTEXT_FRAMES, PATCH, SIMILARITY, SIMILARITY_ROWS,
                           SLOT_TIMES, SLOTS, VIDEO_SLOTS, ModelConfig)
from models.scenarios.phones import PHONES

OUTPUT_HEADS: dict[str, int] = {
    "heard0": len(tokens.HEARD), "heard1": len(tokens.HEARD), "act": len(tokens.ACTS),
    "floor": len(tokens.FLOORS), **tokens.SLOT_HEADS, "reps": 4,
}
"""Head -> classes; `reps` is active logit, phase cosine, phase sine, log rate."""
KEYS_A_TILE = 8
"""Fast attention on a GPU takes masks of multiples of this many keys."""
FED_BACK = ("heard0", "heard1", "act", "floor")
"""Outputs of the last micro-turn that enter the state slot."""


def rope(turns: np.ndarray, slots: np.ndarray, head_dim: int, theta: float,
         ) -> tuple[np.ndarray, np.ndarray]:
    """cos, sin (n, D/2) float32 of slots by their time, computed in float64 (arXiv 2104.09864)."""
    times = np.asarray(turns, np.float64) * AUDIO_SLOTS + np.asarray(SLOT_TIMES)[slots]
    inverse = theta ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    angles = times[:, None] * inverse
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate channel pairs (i, i + D/2) of x (..., n, D)."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def norm(x: Tensor, weight: Tensor) -> Tensor:
    """RMS norm in plain operators, so that every exporter knows it (arXiv 1910.07467)."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight


class Attention(nn.Module):
    """Multi-head attention with QK-norm and a sink."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.dim = config.heads, config.head_dim
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)
        self.q_scale = nn.Parameter(torch.ones(self.dim))
        self.k_scale = nn.Parameter(torch.ones(self.dim))
        self.sink = nn.Parameter(torch.randn(self.heads, 1, self.dim) * 0.02)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, n, C) -> rotated q, rotated k, v, each (B, H, n, D)."""
        b, n, _ = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, self.dim).permute(2, 0, 3, 1, 4)
        q = rotate(norm(q, self.q_scale), cos, sin)
        return q, rotate(norm(k, self.k_scale), cos, sin), v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, spare: int = 0) -> Tensor:
        """Additive mask (..., n, keys) for keys; the sink is always visible. spare: keys that
        nobody sees, which make the number of keys one that fast attention on a GPU takes."""
        b, h, n, d = q.shape
        sink = self.sink.expand(b, h, 1, d)
        if spare:
            mask = F.pad(mask, (spare, 0), value=-1e9)
        k = torch.cat([sink, *[torch.zeros_like(sink)] * spare, k], 2)
        v = torch.cat([torch.zeros_like(sink)] * (1 + spare) + [v], 2)
        y = F.scaled_dot_product_attention(q, k, v, F.pad(mask, (1, 0)))
        return self.out(y.transpose(1, 2).reshape(b, n, h * d))


class Block(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.up = nn.Linear(config.width, config.mlp * config.width, bias=False)
        self.down = nn.Linear(config.mlp * config.width, config.width, bias=False)
        self.norm_a = nn.Parameter(torch.ones(config.width))
        self.norm_m = nn.Parameter(torch.ones(config.width))

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor, spare: int) -> Tensor:
        """A whole sequence x (B, n, C)."""
        q, k, v = self.attention.project(norm(x, self.norm_a), cos, sin)
        return self.feed_forward(x + self.attention.attend(q, k, v, mask, spare))

    def feed_forward(self, x: Tensor) -> Tensor:
        """Residual feed-forward of x (B, n, C)."""
        return x + self.down(F.gelu(self.up(norm(x, self.norm_m)), approximate="tanh"))


class PatchStem(nn.Module):
    """hMLP stem for 40x40 patches: three strided products, no mixing of patches
    (arXiv 2203.09795)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Linear(4 * 4 * 3, 48)
        self.two = nn.Linear(2 * 2 * 48, 96)
        self.three = nn.Linear(5 * 5 * 96, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., 4800) normalised pixels of a patch, row-major HWC -> (..., C)."""
        lead = x.shape[:-1]
        x = x.reshape(-1, 10, 4, 10, 4, 3).permute(0, 1, 3, 2, 4, 5).reshape(-1, 10, 10, 48)
        x = F.gelu(self.one(x), approximate="tanh")
        x = x.reshape(-1, 5, 2, 5, 2, 48).permute(0, 1, 3, 2, 4, 5).reshape(-1, 5, 5, 192)
        x = F.gelu(self.two(x), approximate="tanh")
        return self.three(x.reshape(-1, 25 * 96)).reshape(*lead, -1)


class InteractionNet(nn.Module):
    """Embeds a micro-turn's inputs, runs the transformer, reads all heads off the last slot."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        c = config.width
        self.audio = nn.Parameter(_level_table(c))
        self.context = nn.Linear(CONTEXT_FRAMES * MELS, c, bias=False)
        self.similarity = nn.Sequential(nn.Linear(SIMILARITY_ROWS * SIMILARITY, 2 * c),
                                        nn.GELU("tanh"), nn.Linear(2 * c, c))
        self.patches = PatchStem(c)
        self.slot = nn.Parameter(torch.randn(SLOTS, c) * 0.02)
        self.state = nn.Embedding(tokens.STATE_ROWS, c)
        self.previous = nn.Embedding(sum(OUTPUT_HEADS[h] for h in FED_BACK), c)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.Parameter(torch.ones(c))
        self.heads = nn.Linear(c, sum(OUTPUT_HEADS.values()))
        self.phone = nn.Linear(c, 2 * len(PHONES))
        offsets = np.cumsum([0] + [OUTPUT_HEADS[h] for h in FED_BACK])[:-1]
        self.register_buffer("previous_offsets", torch.tensor(offsets), persistent=False)
        for table in (self.state, self.previous):
            nn.init.normal_(table.weight, std=0.05)
        for block in self.blocks:
            for linear in (block.attention.out, block.down):
                nn.init.normal_(linear.weight, std=0.5 * c**-0.5 / len(self.blocks) ** 0.5)
        nn.init.normal_(self.heads.weight, std=0.02)

    def embed_audio(self, levels: Tensor) -> Tensor:
        """levels (B, 4 + 8 T, 80) int64, the first 4 from before -> (B, T, 4, C).

        A slot is the bag of its two frames' level embeddings, written as one product with a
        one-hot row (faster on a CPU than 160 gathers), and a projection of the 4 frames before.
        """
        b, n = len(levels), levels.shape[1] - CONTEXT_FRAMES
        one_hot = F.one_hot(levels[:, CONTEXT_FRAMES:].reshape(b, n // 2, -1), LEVELS)
        now = one_hot.to(self.audio.dtype).reshape(b, n // 2, -1) @ self.audio
        values = levels.to(self.audio.dtype) / 4 - 2
        before = torch.cat([values[:, k : k + n : 2] for k in range(CONTEXT_FRAMES)], -1)
        return (now + self.context(before)).reshape(b, n // 8, AUDIO_SLOTS, -1)

    def embed_state(self, state: Tensor, previous: Tensor, similarity: Tensor | None) -> Tensor:
        """state rows (B, T, 15), previous outputs (B, T, 4), similarity (B, T, 3, 400), all zero
        where no frame was seen, or None -> (B, T, 1, C)."""
        bag = self.state(state).sum(-2) + self.previous(previous + self.previous_offsets).sum(-2)
        if similarity is not None:
            rows = similarity.flatten(-2)
            seen = (rows.amax(-1, keepdim=True) > 0).to(bag.dtype)
            # rows are divided by their own mean, so what tells is how far from 1 they are
            bag = bag + seen * self.similarity(rows - 1)
        return bag.unsqueeze(-2)

    def read(self, x: Tensor) -> dict[str, Tensor]:
        """Hidden state of readout slots (..., C) -> logits of each head."""
        parts = self.heads(norm(x, self.norm)).split(list(OUTPUT_HEADS.values()), -1)
        return dict(zip(OUTPUT_HEADS, parts))

    def forward(self, levels: Tensor | None, state: Tensor, previous: Tensor,
                similarity: Tensor | None = None, patches: Tensor | None = None,
                patch_mask: Tensor | None = None) -> tuple[dict[str, Tensor], Tensor | None]:
        """A whole training sequence.

        levels (B, T, 8, 80) of any integers or None, state (B, T, 15), previous (B, T, 4), similarity
        (B, T, 3, 400) or None, patches (B, T, 12, 4800) or None, patch_mask (B, T) bool, False = no
        frame. Returns the logits (B, T, n) of each head and phone logits (B, T, 4, 2, phones), None
        without sound.
        """
        parts = []
        if levels is not None:
            levels = levels.flatten(1, 2).long()
            silence = torch.zeros_like(levels[:, :CONTEXT_FRAMES])
            parts.append((self.embed_audio(torch.cat([silence, levels], 1)), 0))
        if patches is not None:
            parts.append((self.patches(patches), AUDIO_SLOTS))
        parts.append((self.embed_state(state, previous, similarity), SLOTS - 1))
        slots = tuple(first + i for p, first in parts for i in range(p.shape[2]))
        x = torch.cat([p for p, _ in parts], 2)
        b, t, n, c = x.shape
        index, visible, cos, sin = _geometry(self.config, t, slots, x.device)
        x = (x + self.slot[index]).reshape(b, t * n, c)
        mask = _mask(visible, index, patch_mask)
        phones = None
        for i, block in enumerate(self.blocks):
            if i == self.config.phone_layer and levels is not None:
                phones = self.phone(x.view(b, t, n, c)[:, :, :AUDIO_SLOTS]).view(
                    b, t, AUDIO_SLOTS, 2, -1)
            x = block(x, mask, cos, sin, -(t * n + 1) % KEYS_A_TILE)
        out = self.read(x.view(b, t, n, c)[:, :, -1])
        return out, phones

    def step(self, levels, patches, similarity, state, previous, present, ring_k, ring_v, mask,
             cos, sin) -> tuple[Tensor, ...]:
        """One micro-turn against the ring; nothing is written in place.

        levels (1, 4 + 8, 80), patches (1, 12, 4800), similarity (1, 3, 400), zero without a frame,
        state (1, 15), previous (1, 4), present (1, S) with 1 for filled slots, ring_k and ring_v
        (L, 1, H, R, D), mask (S, R) additive for ring rows, cos and sin (S, D/2). Returns each
        head's logits (1, n) and the new keys and values (L, 1, H, S, D), keys rotated at their
        absolute position.
        """
        x = torch.cat([
            self.embed_audio(levels).squeeze(1), self.patches(patches),
            self.embed_state(state, previous, similarity),
        ], 1) + self.slot
        inside = torch.full((SLOTS, SLOTS), -1e9, device=x.device).triu(1).to(x)
        # an empty slot is no key; it still sees itself, so that its row stays finite
        hidden = (1.0 - present).unsqueeze(1) * -1e9 * (1.0 - torch.eye(SLOTS).to(x))
        full = torch.cat([mask.expand(1, -1, -1), inside + hidden], 2).unsqueeze(1)
        keys, values = [], []
        for i, block in enumerate(self.blocks):
            q, k, v = block.attention.project(norm(x, block.norm_a), cos, sin)
            keys.append(k)
            values.append(v)
            x = x + block.attention.attend(q, torch.cat([ring_k[i], k], 2),
                                           torch.cat([ring_v[i], v], 2), full)
            x = block.feed_forward(x)
        out = self.read(x[:, -1])
        return (*out.values(), torch.stack(keys), torch.stack(values))


@lru_cache(maxsize=8)
def _geometry(config: ModelConfig, turns: int, slots: tuple[int, ...], device: torch.device,
              ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of a sequence that fills the same slots of each micro-turn: their numbers (N,), which keys a
    query may see (T N, T N) bool, and cos, sin (T N, D/2)."""
    index = np.array(slots)
    positions = (np.arange(turns)[:, None] * SLOTS + index).reshape(-1)
    back = positions[:, None] - positions[None, :]
    visible = (back >= 0) & (back < config.window_turns * SLOTS)
    angles = rope(np.repeat(np.arange(turns), len(slots)), np.tile(index, turns), config.head_dim,
                  config.rope_theta)
    index, visible, cos, sin = (torch.from_numpy(a).to(device) for a in (index, visible, *angles))
    return index, visible, cos, sin


def _mask(visible: Tensor, index: Tensor, patch_mask: Tensor | None) -> Tensor:
    """Additive (n, n) or (B, 1, n, n): what may be seen, filled slots only."""
    mask = torch.zeros(visible.shape, device=visible.device).masked_fill(~visible, -1e9)
    if patch_mask is None:
        return mask
    is_video = (index >= AUDIO_SLOTS) & (index < AUDIO_SLOTS + VIDEO_SLOTS)
    empty = (~patch_mask[:, :, None] & is_video).reshape(len(patch_mask), 1, 1, -1)
    return mask.masked_fill(empty.expand(-1, 1, len(visible), -1), -1e9)


def _level_table(width: int) -> Tensor:
    """(2 * 80 * 16, C), linear in the level at first: an ordinary log-mel projection."""
    projection = torch.randn(2 * MELS, 1, width) * (2 * MELS) ** -0.5
    level = (LOG_LOW + LOG_STEP * torch.arange(LEVELS) + 3.0) / 2.0
    table = projection * level[:, None] + torch.randn(2 * MELS, LEVELS, width) * 0.002
    return table.reshape(-1, width)


__all__ = ["InteractionNet", "OUTPUT_HEADS", "FED_BACK", "PATCH", "rope"]
