"""What a training batch is varied by, on the training device: sound, text fed back, camera, clips.

All take a torch.Generator of the tensors' device. B batch, T micro-turns.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from kernels.dmel_ref import LEVELS, MELS
from kernels.similarity_ref import FLOOR, LAGS, REGIONS, TREND
from models import tokens
from models.scenarios.video import FPS, FRAMES_A_TURN

BAND_TOP = 58
"""Mel channel at 3.4 kHz."""
MIRRORED = (0, 2, 1, 4, 3)
"""Regions of the mirrored picture."""

Rng = torch.Generator


def _uniform(rng: Rng, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
    return torch.rand(shape, generator=rng, device=rng.device) * (high - low) + low


def _chance(rng: Rng, n: int, share: float, extra: int = 2) -> Tensor:
    """bool (n, 1, 1 ...): true for about `share` of the batch."""
    return _uniform(rng, (n, *(1,) * extra)) < share


def _whole(rng: Rng, shape: tuple[int, ...], low: int, high: int) -> Tensor:
    """Integers from low to high - 1."""
    return torch.randint(low, high, shape, generator=rng, device=rng.device)


def vary_levels(rng: Rng, levels: Tensor) -> Tensor:
    """Another size of speaker, another gain, microphone, band and background, masked channels and
    moments: (B, T, 8, 80) uint8 levels -> the same, a new tensor."""
    b = len(levels)
    x = _warp(rng, levels.reshape(b, -1, MELS).float())
    x = x + torch.where(_chance(rng, b, 0.5), _equaliser(rng, b), 0.0)
    x = x + torch.where(_chance(rng, b, 0.3), _whole(rng, (b, 1, 1), -1, 2).float(), 0.0)
    noisy = (_uniform(rng, x.shape) < 0.06) & _chance(rng, b, 0.3)
    x = x + torch.where(noisy, _whole(rng, x.shape, -1, 2).float(), 0.0)
    x = torch.where(_chance(rng, b, 0.25), torch.maximum(x, _background(rng, b, x.shape[1])), x)
    # a telephone's band: nothing above 3.4 to 6 kHz
    channel = torch.arange(MELS, device=x.device)
    top = torch.where(_chance(rng, b, 0.15), _whole(rng, (b, 1, 1), BAND_TOP, 74), MELS)
    x = x.masked_fill(channel >= top, 0.0)
    x = x.masked_fill(_stripes(rng, b, MELS, 2, 9)[:, None], 0.0)
    x = x.masked_fill(_stripes(rng, b, x.shape[1], 3, 5)[..., None], 0.0)
    return x.round().clamp(0, LEVELS - 1).to(torch.uint8).reshape(levels.shape)


def _warp(rng: Rng, x: Tensor) -> Tensor:
    """Half of (B, n, 80) with the mel axis stretched by 0.93 to 1.08: another vocal tract."""
    b = len(x)
    factor = torch.where(_chance(rng, b, 0.5), _uniform(rng, (b, 1, 1), 0.93, 1.08), 1.0)
    at = (torch.arange(MELS, device=x.device) / factor).clamp(0, MELS - 1)
    low = at.long()
    share = at - low
    high = (low + 1).clamp(max=MELS - 1)
    return (x.gather(2, low.expand(x.shape)) * (1 - share)
            + x.gather(2, high.expand(x.shape)) * share)


def _smooth(rng: Rng, b: int, scale: float) -> Tensor:
    """(B, 1, 80) smooth curves over the channels."""
    at = torch.linspace(0, torch.pi, MELS, device=rng.device)
    curve = torch.zeros((b, 1, MELS), device=rng.device)
    for k in (1, 2, 3, 5):
        weight = torch.randn((b, 1, 1), generator=rng, device=rng.device) * scale / k
        curve = curve + weight * torch.cos(k * at + _uniform(rng, (b, 1, 1), 0, 2 * torch.pi))
    return curve


def _equaliser(rng: Rng, b: int) -> Tensor:
    """(B, 1, 80) smooth offsets of up to two levels (12 dB): another mouth, another microphone."""
    return _smooth(rng, b, 0.8).clamp(-2, 2).round()


def _background(rng: Rng, b: int, n: int) -> Tensor:
    """(B, n, 80) levels of a steady noise, which covers what is fainter."""
    height = _uniform(rng, (b, 1, 1), -2.0, 4.0) + _smooth(rng, b, 1.2)
    return height + torch.randn((b, n, MELS), generator=rng, device=rng.device) * 0.6


def _stripes(rng: Rng, b: int, n: int, most: int, widest: int) -> Tensor:
    """bool (B, n): up to `most` stripes less than `widest` wide."""
    at = torch.arange(n, device=rng.device)
    begin = _whole(rng, (b, most, 1), 0, n - widest + 1)
    width = _whole(rng, (b, most, 1), 1, widest)
    used = torch.arange(most, device=rng.device)[:, None] < _whole(rng, (b, 1, 1), 0, most + 1)
    return ((at >= begin) & (at < begin + width) & used).any(1)


def feed_back(rng: Rng, batch: dict[str, Tensor], drop: float = 0.2, swap: float = 0.06) -> Tensor:
    """(B, T, 4) outputs of the micro-turn before, a quarter of the words corrupted: the network
    must not lean on its own text (the words it feeds back when it runs free are imperfect)."""
    known = torch.stack([batch["heard"][..., 0], batch["heard"][..., 1], batch["act"],
                         batch["floor"]], -1).long().clamp(min=0)
    known = known.masked_fill(_uniform(rng, known.shape) < drop, 0)
    words = known[..., :2]
    odds = torch.where(words > 0, swap, swap / 25)
    other = _whole(rng, words.shape, 1, len(tokens.HEARD))
    words = torch.where(_uniform(rng, words.shape) < odds, other, words)
    known = torch.cat([words, known[..., 2:]], -1)
    return torch.cat([torch.zeros_like(known[:, :1]), known[:, :-1]], 1)


def camera_faults(rng: Rng, clips: dict[str, Tensor]) -> dict[str, Tensor]:
    """Some cameras are off, some frames do not come: `similarity` (B, T, 3, n) and `mask` (B, T)
    of clips, the rest as it is."""
    rows, mask = clips["similarity"], clips["mask"]
    gone = (_uniform(rng, mask.shape) < 0.02) | _chance(rng, len(mask), 0.15, 1)
    single = _uniform(rng, mask.shape) < 0.03
    first = torch.where(single[..., None], rows[:, :, 1], rows[:, :, 0])
    rows = torch.cat([first[:, :, None], rows[:, :, 1:]], 2).masked_fill(gone[..., None, None], 0.0)
    return {**clips, "similarity": rows, "mask": mask.masked_fill(gone, 0.0)}


def _existing(n: int, device: torch.device) -> Tensor:
    """(n, 1, 1) lags that exist at each frame, at least 1."""
    return torch.arange(n, device=device).clamp(1, LAGS)[:, None, None]


def distances(rows: Tensor) -> Tensor:
    """(B, n, 400) rows from a clip's beginning -> (B, n, 5, 80) distances in gray levels; as
    `similarity_ref.gray_levels`."""
    x = rows.float().unflatten(-1, (REGIONS, LAGS))
    share = x.sum(-1, keepdim=True) / _existing(x.shape[1], x.device)
    return x * (FLOOR / (1 - share).clamp(min=1e-3))


def rows_of(x: Tensor) -> Tensor:
    """Inverse of `distances`; as `similarity_ref.normalise`."""
    mean = x.sum(-1, keepdim=True) / _existing(x.shape[1], x.device)
    return (x / (mean + FLOOR)).flatten(-2)


@lru_cache(maxsize=4)
def _trend_weights(n: int, device: torch.device) -> Tensor:
    """(80, n, n): share of frame s in the trend of frame t, for each lag; the moving mean of
    `similarity_ref` written as one product."""
    pushed, lag = np.arange(n)[None], np.arange(LAGS)[:, None]
    weight = np.where(lag < pushed, 1.0 / np.clip(pushed - lag, 1, TREND), 0.0)
    out, at = np.zeros((LAGS, n, n), np.float32), np.zeros((LAGS, n))
    for t in range(n):
        at *= 1 - weight[:, t, None]
        at[:, t] += weight[:, t]
        out[:, t] = at
    return torch.from_numpy(out).to(device)


def with_trend(x: Tensor) -> Tensor:
    """(B, n, 5, 80) distances -> (B, n / 2, 3, 400) rows of two frames and the trend."""
    rows = rows_of(x).unflatten(1, (-1, FRAMES_A_TURN))
    trend = rows_of(torch.einsum("lts,bsrl->btrl", _trend_weights(x.shape[1], x.device), x))
    return torch.cat([rows, trend[:, FRAMES_A_TURN - 1 :: FRAMES_A_TURN, None]], 2)


def vary_clips(rng: Rng, clips: dict[str, Tensor]) -> dict[str, Tensor]:
    """Other clips made of clips' rows and truth: mirrored, backward, slower, fainter, with trends.

    The distances between all frames of the last eight seconds are known, so that a clip can be
    played differently without its pictures. clips: similarity (B, T, 2, 400) and (B, T) active,
    phase_cos, phase_sin, rate and mask, as `turn_arrays` makes them.
    """
    rows = clips["similarity"]
    b, n = len(rows), rows.shape[1] * FRAMES_A_TURN
    x = distances(rows.flatten(1, 2))
    x = torch.where(_chance(rng, b, 0.5, 3), x[:, :, list(MIRRORED)], x)
    speed = torch.where(_chance(rng, b, 0.5, 1), _uniform(rng, (b, 1), 0.62, 1.0), 1.0)
    back = _chance(rng, b, 0.35, 1)
    first = _uniform(rng, (b, 1)) * (1 - speed) * (n - 1)
    at = first + speed * torch.arange(n, device=rows.device)
    at = torch.where(back, n - 1 - at, at)
    x = played(x, at, speed) * torch.exp(_uniform(rng, (b, 1, 1, 1), -0.7, 0.5))
    noise = torch.randn(x.shape, generator=rng, device=x.device).abs()
    x = x + noise * _uniform(rng, (b, 1, 1, 1), 0.0, 0.25) * (x > 0)
    truth = played_truth(clips, at[:, FRAMES_A_TURN - 1 :: FRAMES_A_TURN], speed, back)
    return {"similarity": with_trend(x), **truth}


def played(x: Tensor, at: Tensor, speed: Tensor) -> Tensor:
    """(B, n, 5, 80) distances when frame k shows the moment at[:, k] (frames of the old clip), at
    (B, n), speed (B, 1) old frames a frame."""
    b, n = at.shape
    k = torch.arange(n, device=x.device)[:, None]
    lags = torch.arange(1, LAGS + 1, device=x.device)[None]
    other = (k - lags).clamp(min=0)
    later = torch.maximum(at[:, :, None], at[:, other]).round().long().clamp(0, n - 1)
    old = (lags * speed).clamp(min=1.0)                     # (B, 80)
    low = old.floor().long()
    share = (old - low)[:, None, None]
    flat = x.transpose(1, 2).flatten(2)                     # (B, 5, n * 80)

    def gathered(lag: Tensor) -> Tensor:
        index = (later * LAGS + lag[:, None]).flatten(1)
        return flat.gather(2, index[:, None].expand(b, REGIONS, -1)).unflatten(2, (n, LAGS))

    made = gathered(low - 1) * (1 - share) + gathered(low.clamp(max=LAGS - 1)) * share
    return (made * (k >= lags)).transpose(1, 2)


def played_truth(clips: dict[str, Tensor], at: Tensor, speed: Tensor,
                 back: Tensor) -> dict[str, Tensor]:
    """The truth of micro-turns whose second frames show the moments `at` (B, T), old frames."""
    t = at.shape[1]
    turn = ((at - FRAMES_A_TURN + 1) / FRAMES_A_TURN).round().long().clamp(0, t - 1)
    late_s = (at - FRAMES_A_TURN + 1 - turn * FRAMES_A_TURN) / FPS
    old = {name: clips[name].float().gather(1, turn) for name in
           ("active", "phase_cos", "phase_sin", "rate", "mask")}
    angle = torch.atan2(old["phase_sin"], old["phase_cos"]) + 2 * torch.pi * old["rate"] * late_s
    sine = torch.sin(torch.where(back, -angle, angle))
    return {"active": old["active"], "phase_cos": torch.cos(angle) * old["active"],
            "phase_sin": sine * old["active"], "rate": old["rate"] * speed, "mask": old["mask"]}
