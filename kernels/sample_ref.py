"""Choosing the class of every readout head, in numpy: reference of the CUDA kernel."""

from __future__ import annotations

import numpy as np


def philox(seed: int, counter: tuple[np.ndarray, int, int, int]) -> np.ndarray:
    """First word of Philox4x32-10 for each counter, uint32 (Salmon et al. 2011, table 2)."""
    c = [np.broadcast_to(np.asarray(v, np.uint64), np.shape(counter[0])) for v in counter]
    key, low = [seed & 0xFFFFFFFF, seed >> 32], np.uint64(0xFFFFFFFF)
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [second >> np.uint64(32) ^ c[1] ^ np.uint64(key[0]), second & low,
             first >> np.uint64(32) ^ c[3] ^ np.uint64(key[1]), first & low]
        key = [key[0] + 0x9E3779B9 & 0xFFFFFFFF, key[1] + 0xBB67AE85 & 0xFFFFFFFF]
    return c[0].astype(np.uint32)


def scores(logits: np.ndarray, mask: np.ndarray, bias: float, temperature: float, k: int,
           seed: int, head: int, draw: int) -> np.ndarray:
    """What the arg-max is taken of, float32, -inf for what may not come.

    logits (n,) float32, `bias` added to class 0; mask (n,), 0 for what may not come, nor may NaN;
    temperature 0: the logits; else logit / temperature + Gumbel noise among the k largest (0: all).
    """
    logits = logits.copy()
    logits[0] += np.float32(bias)
    open_ = (mask != 0) & ~np.isnan(logits)
    if temperature == 0:
        return np.where(open_, logits, -np.inf)
    if k:
        order = np.argsort(-np.where(open_, logits, -np.inf), kind="stable")
        open_[order[k:]] = False
    classes = np.arange(len(logits))
    bits = philox(seed, (classes, head, draw & 0xFFFFFFFF, draw >> 32)) >> np.uint32(9)
    uniform = (bits.astype(np.float32) + np.float32(0.5)) * np.float32(1 / 8388608)
    noisy = logits / np.float32(temperature) - np.log(-np.log(uniform))
    return np.where(open_, noisy, -np.inf)


def sample(logits: np.ndarray, mask: np.ndarray, bias: float = 0.0, temperature: float = 0.0,
           k: int = 0, seed: int = 0, head: int = 0, draw: int = 0) -> int:
    """The class, the lowest of equal ones; -1 where all are masked."""
    known = (mask != 0) & ~np.isnan(logits)
    if not known.any():
        return -1
    found = scores(logits, mask, bias, temperature, k, seed, head, draw)
    if np.isneginf(found.max()):   # minus infinity is a logit like another
        return int(np.flatnonzero(known)[0])
    return int(found.argmax())
