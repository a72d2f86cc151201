"""Attention of a micro-turn to the ring and itself, in float64: reference of the kernel."""

from __future__ import annotations

import numpy as np


def stream_attention(q: np.ndarray, new_k: np.ndarray, new_v: np.ndarray, ring_k: np.ndarray,
                     ring_v: np.ndarray, positions: np.ndarray, present: np.ndarray,
                     sink: np.ndarray, begin: int, window: int) -> np.ndarray:
    """(H, S, D) float64 outputs of q (H, S, D).

    new_k, new_v (G, S, D) of the micro-turn itself, ring_k, ring_v (G, R, D) of one layer, G key
    heads for H query heads; positions (R,) absolute positions of the ring's rows; present (S,);
    sink (H, D) a key a head that all see, with a value of zero; begin: position of the first query.
    A query at p sees filled positions of (p - window, p], and itself.
    """
    heads, slots, dim = q.shape
    group = heads // len(new_k)
    own = begin + np.arange(slots)
    at = np.concatenate([positions, own])
    back = own[:, None] - at[None]
    filled = np.concatenate([(positions >= 0) & (positions < begin), present > 0])
    seen = (back >= 0) & (back < window) & filled
    seen[np.arange(slots), len(positions) + np.arange(slots)] = True
    out = np.empty(q.shape)
    for h in range(heads):
        keys = np.concatenate([ring_k[h // group], new_k[h // group]]).astype(np.float64)
        values = np.concatenate([ring_v[h // group], new_v[h // group]]).astype(np.float64)
        scale = 1 / np.sqrt(dim)
        scores = np.where(seen, q[h].astype(np.float64) @ keys.T * scale, -np.inf)
        by_sink = q[h].astype(np.float64) @ sink[h].astype(np.float64) * scale
        most = np.maximum(scores.max(1), by_sink)
        weights = np.exp(scores - most[:, None])
        out[h] = weights @ values / (weights.sum(1) + np.exp(by_sink - most))[:, None]
    return out
