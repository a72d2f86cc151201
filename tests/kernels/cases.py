"""A random case of every kernel against its reference; run plainly and under the sanitizers.

`python -m tests.kernels.cases N` runs N of each with AddressSanitizer and UBSan, which must be
loaded already (LD_PRELOAD).
"""

from __future__ import annotations

import sys

import numpy as np

from kernels import dmel as dmel_face
from kernels import dmel_ref, patches_ref, sample_ref, similarity_ref
from kernels import similarity as similarity_face
from kernels.backend import Backend, Cpu
from kernels.bfloat16 import narrow, widen
from kernels.dmel import Dmel
from kernels.kv_ring import KvRing
from kernels.kv_ring_ref import KvRing as RingRef
from kernels.patches import Buffer, Patches
from kernels.sample import Sample
from kernels.similarity import Similarity
from kernels.stream_attention import TOLERANCE, StreamAttention
from kernels.stream_attention_ref import stream_attention

TYPES = (np.float32, np.float16, np.uint16)


# -- dmel --------------------------------------------------------------------------------------

def pcm_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """Noise of any loudness, tones, clicks, silence or clipping."""
    kind, t = rng.integers(5), np.arange(n) / dmel_ref.SAMPLE_RATE
    if kind == 0:
        wave = rng.normal(0, 10 ** rng.uniform(0, 4.5), n)
    elif kind == 1:
        wave = 10 ** rng.uniform(1, 4.5) * np.sin(2 * np.pi * rng.uniform(20, 8000) * t)
    elif kind == 2:
        wave = (rng.random(n) < 0.002) * rng.uniform(-32768, 32767)
    elif kind == 3:
        wave = np.full(n, rng.choice([0, 1, -1, 32767, -32768]))
    else:
        wave = rng.choice([-32768, 32767], n)
    return np.clip(wave, -32768, 32767).astype(np.int16)


def dmel_case(backend: Backend, rng: np.random.Generator) -> None:
    """A stream of three pushes; levels equal but at the edge of two."""
    hops = int(rng.integers(1, 10))
    face, reference = Dmel(backend, hops), dmel_ref.Dmel()
    out = face.make_out()
    for _ in range(3):
        pcm = pcm_of(rng, hops * dmel_ref.HOP)
        joined = np.concatenate([reference.get_state(), pcm])
        reference.push(pcm)
        found = backend.host(face.push(pcm, out))
        frames = np.lib.stride_tricks.sliding_window_view(joined, dmel_ref.WINDOW)[::dmel_ref.HOP]
        mel = dmel_ref.mel_bands(frames)
        loudest = np.abs(frames.astype(np.float32)).max(1, keepdims=True) / 32768
        error = dmel_face.TOLERANCE * loudest * dmel_ref.WINDOW * dmel_ref.mel_filters().sum(1)
        assert (found >= dmel_ref.quantise(mel - error)).all()
        assert (found <= dmel_ref.quantise(mel + error)).all()
        assert (face.get_state() == reference.get_state()).all()


# -- patches -----------------------------------------------------------------------------------

def patches_case(backend: Backend, rng: np.random.Generator) -> None:
    """A buffer of any layout, size, padding, offset and crop; equal bit for bit."""
    layout = ("rgb", "bgr", "nv12", "yuyv")[rng.integers(4)]
    height, width = (int(v) for v in rng.integers(1, 90, 2))
    width += width % 2 if layout == "yuyv" else 0
    channels, pad, at = int(rng.integers(3, 5)), int(rng.integers(0, 9)), int(rng.integers(0, 7))
    pixel = {"nv12": 1, "yuyv": 2}.get(layout, channels)
    row, end = width * pixel + pad, at + height * (width * pixel + pad)
    chroma_at, chroma_row = end + int(rng.integers(0, 5)), (width + 1) // 2 * 2 + pad
    size = chroma_at + (height + 1) // 2 * chroma_row if layout == "nv12" else end
    data = rng.integers(0, 256, size, dtype=np.uint8)
    crop = None
    if rng.random() < 0.5:
        top, left = int(rng.integers(height)), int(rng.integers(width))
        crop = (top, left, int(rng.integers(1, height - top + 1)),
                int(rng.integers(1, width - left + 1)))
    source = data[at:end].reshape(height, row)[:, : width * pixel].reshape(height, width, pixel)
    if layout == "nv12":
        chroma = data[chroma_at:].reshape(-1, chroma_row)[:, : (width + 1) // 2 * 2]
        source = (source[:, :, 0], chroma.reshape(len(chroma), -1, 2))
    expected = patches_ref.resize_area(source, layout=layout, crop=crop)
    dtype = (np.float16, np.float32)[rng.integers(2)]
    face = Patches(backend, dtype)
    buffer = Buffer(layout, height, width, row, channels, at, chroma_at, chroma_row, crop)
    frame, patch = face.push(backend.array(data), buffer, *face.make_out())
    assert (backend.host(frame) == expected).all(), buffer
    assert (backend.host(patch) == patches_ref.patches(expected).astype(dtype)).all()


# -- similarity --------------------------------------------------------------------------------

def similarity_case(backend: Backend, rng: np.random.Generator) -> None:
    """Some frames on top of a state of any age: noise, equal frames, black and white."""
    face, reference = Similarity(backend), similarity_ref.Similarity()
    row, trend = face.make_out()
    age = int(rng.choice([0, 1, 2, 29, 30, 31, 79, 80, 81, 100_000]))
    reference.set_state({"ring": rng.normal(0, 40, (80, 4, 100)), "pushed": np.array(age),
                         "trend": rng.uniform(0, 40, (5, 80))})
    face.set_state(reference.get_state())
    picture = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    for kind in rng.integers(4, size=3):
        if kind == 0:
            picture = rng.integers(0, 256, picture.shape, dtype=np.uint8)
        elif kind == 1:
            picture = np.full_like(picture, rng.choice([0, 255]))
        elif kind == 2:
            picture = np.roll(picture, int(rng.integers(1, 9)), 1)
        expected = reference.push(picture)
        face.push(backend.array(picture), row, trend)
        for found, wanted in ((row, expected), (trend, reference.trend)):
            worst = np.abs(backend.host(found) - wanted).max()
            assert worst <= similarity_face.TOLERANCE, (age, kind, worst)
    state, wanted = face.get_state(), reference.get_state()
    assert state["pushed"] == wanted["pushed"]
    assert np.abs(state["ring"] - wanted["ring"]).max() < 1e-3


# -- the ring and attention --------------------------------------------------------------------

def kv_ring_case(backend: Backend, rng: np.random.Generator) -> None:
    """Some micro-turns into a ring of any size, slots missing at random; equal bit for bit."""
    layers, heads, slots, dim = (int(v) for v in rng.integers(1, [4, 4, 20, 70]))
    rows, dtype = slots + int(rng.integers(0, 50)), TYPES[rng.integers(3)]
    face = KvRing(backend, layers, heads, slots, rows, dim, dtype)
    reference = RingRef(layers, heads, slots, rows, dim, dtype)
    for _ in range(int(rng.integers(1, 6))):
        keys, values = (narrow(rng.normal(0, 10, face.shape).astype(np.float32), dtype)
                        for _ in range(2))
        present = (rng.random(slots) < 0.7).astype(np.float32)
        reference.append(keys, values, present)
        face.append(*(backend.array(a) for a in (keys, values, present)))
    state = face.get_state()
    assert (state["keys"] == reference.keys).all() and (state["values"] == reference.values).all()
    assert (state["positions"] == reference.positions).all()
    assert state["turn"] == reference.turn


def stream_attention_case(backend: Backend, rng: np.random.Generator) -> None:
    """A micro-turn against a ring of any age; now and then with huge scores."""
    kv_heads, group, slots = (int(v) for v in rng.integers(1, [4, 4, 20]))
    heads, dim, dtype = kv_heads * group, int(rng.integers(1, 81)), TYPES[rng.integers(3)]
    rows, window = slots + int(rng.integers(0, 200)), int(rng.integers(1, 220))
    ring = KvRing(backend, 1, kv_heads, slots, rows, dim, dtype)
    loud = 30.0 if rng.random() < 0.1 else 1.0

    def draw(*shape: int, scale: float = 1.0) -> np.ndarray:
        return narrow(rng.normal(0, scale, shape).astype(np.float32), dtype)

    present = (rng.random(slots) < 0.8).astype(np.float32)
    turn = int(rng.choice([0, 1, 2, 7, 1000, 10**7]))
    positions = np.full(rows, -(1 << 40), np.int64)
    for p in range(max(turn * slots - rows, 0), turn * slots):
        if rng.random() < 0.85:
            positions[p % rows] = p
    ring.set_state({"keys": draw(1, kv_heads, rows, dim), "values": draw(1, kv_heads, rows, dim),
                    "positions": positions, "turn": np.array(turn)})
    q, k, v = (draw(heads, slots, dim, scale=loud), draw(kv_heads, slots, dim),
               draw(kv_heads, slots, dim))
    sink = draw(heads, dim)
    face = StreamAttention(backend, heads, slots, window, dim, kv_heads, dtype=dtype)
    out = backend.array(np.zeros_like(q))
    face.attend(*(backend.array(a) for a in (q, k, v)), ring, 0, backend.array(present),
                backend.array(sink), out)
    state = ring.get_state()
    expected = stream_attention(*(widen(a) for a in (
        q, k, v, state["keys"][0], state["values"][0])), positions, present, widen(sink),
        turn * slots, window)
    worst = np.abs(widen(backend.host(out)) - expected).max()
    assert worst <= TOLERANCE[np.dtype(dtype)] * (10 if loud > 1 else 1), (worst, dtype, turn)


# -- sample ------------------------------------------------------------------------------------

def sample_case(backend: Backend, rng: np.random.Generator) -> None:
    """Heads of any size, ties, masks, NaN and infinities; three draws each."""
    classes = tuple(int(v) for v in rng.integers(1, 300, rng.integers(1, 6)))
    temperature = float(rng.choice([0.0, 0.7, 2.0]))
    k, seed = int(rng.choice([0, 1, 5])), int(rng.integers(1 << 63))
    face = Sample(backend, classes, temperature=temperature, k=k, seed=seed)
    logits = rng.normal(0, 4, face.size).astype(np.float32)
    if rng.random() < 0.5:
        logits = np.round(logits)   # ties
    odd = rng.random(face.size)
    logits[odd < 0.02], logits[odd > 0.98] = np.nan, -np.inf
    mask = (rng.random(face.size) < rng.choice([0.0, 0.5, 1.0], p=[0.1, 0.3, 0.6]))
    bias = rng.normal(0, 2, len(classes)).astype(np.float32)
    backend.put(face.mask, mask.astype(np.uint8))
    backend.put(face.bias, bias)
    out, at = face.make_out(), np.cumsum((0, *classes))
    for draw in range(3):
        found = backend.host(face.choose(backend.array(logits), out)).copy()
        for head, (a, b) in enumerate(zip(at, at[1:])):
            how = (logits[a:b], mask[a:b], bias[head], temperature, k, seed, head, draw)
            expected = sample_ref.sample(*how)
            if found[head] != expected:   # logarithms of two libraries differ in their last bit
                scores = sample_ref.scores(*how)
                assert temperature and scores[expected] - scores[found[head]] < 1e-5, (head, how)


CASES = {"dmel": dmel_case, "patches": patches_case, "similarity": similarity_case,
         "kv_ring": kv_ring_case, "stream_attention": stream_attention_case,
         "sample": sample_case}


def main() -> None:
    """N cases of every kernel with the sanitizers."""
    backend = Cpu(sanitize=True)
    for name, case in CASES.items():
        for seed in range(int(sys.argv[1])):
            case(backend, np.random.default_rng([9, seed]))
        print(name, "clean", flush=True)


if __name__ == "__main__":
    main()
