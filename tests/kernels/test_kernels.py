"""Every kernel on the CPU, from the source that the GPU gets, against its reference."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kernels.backend import Cpu
from kernels.bfloat16 import narrow
from kernels.dmel import Dmel
from kernels.kv_ring import KvRing
from kernels.patches import Buffer, Patches
from kernels.sample import Sample
from kernels.sample_ref import philox
from kernels.similarity import Similarity
from kernels.stream_attention import StreamAttention
from tests.kernels.cases import CASES

pytestmark = [pytest.mark.unit,
              pytest.mark.skipif(shutil.which("g++") is None, reason="no g++: kernels untested")]

RANDOM_CASES = 500


@pytest.fixture(scope="module")
def cpu() -> Cpu:
    return Cpu()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CASES)
def test_random_cases_equal_the_reference(cpu, name):
    """Budget: 15 s each."""
    for seed in range(RANDOM_CASES):
        try:
            CASES[name](cpu, np.random.default_rng([9, seed]))
        except AssertionError as error:
            raise AssertionError(f"case {seed}: {error}") from error


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_sanitizers_find_nothing(repository):
    """Addresses and undefined behaviour, in a process that loads their libraries first. Budget:
    60 s."""
    libraries = [subprocess.run(["g++", f"-print-file-name={name}"], text=True, check=True,
                                capture_output=True).stdout.strip()
                 for name in ("libasan.so", "libubsan.so")]
    done = subprocess.run([sys.executable, "-m", "tests.kernels.cases", "12"], cwd=repository,
                          text=True, capture_output=True, env={
                              **os.environ, "LD_PRELOAD": " ".join(libraries),
                              "ASAN_OPTIONS": "detect_leaks=0"})  # Python's own are none of ours
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(CASES)


@pytest.mark.parametrize("dtype", (np.float32, np.float16, np.uint16), ids=("fp32", "fp16", "bf16"))
@pytest.mark.parametrize("slots, window, dim, kv_heads", [(17, 1088, 64, 3), (5, 23, 17, 1),
                                                          (3, 64, 8, 3)])
def test_a_stream_and_a_whole_sequence_give_the_same_bits(cpu, dtype, slots, window, dim, kv_heads):
    """Micro-turn by micro-turn through a ring that goes round, and all queries at once."""
    turns, heads, rows = 12, 3, min(window, 5 * slots) + slots
    window = min(window, 5 * slots)
    rng = np.random.default_rng(3)
    n = turns * slots

    def draw(*shape):
        return narrow(rng.normal(0, 1, shape).astype(np.float32), dtype)

    q, k, v, sink = draw(heads, n, dim), draw(kv_heads, n, dim), draw(kv_heads, n, dim), draw(
        heads, dim)
    present = (rng.random(n) < 0.8).astype(np.float32)
    whole = np.zeros_like(q)
    empty = KvRing(cpu, 1, kv_heads, n, n, dim, dtype)
    StreamAttention(cpu, heads, n, window, dim, kv_heads, dtype=dtype).attend(
        q, k, v, empty, 0, present, sink, whole)
    ring = KvRing(cpu, 1, kv_heads, slots, rows, dim, dtype)
    face = StreamAttention(cpu, heads, slots, window, dim, kv_heads, dtype=dtype)
    for turn in range(turns):
        at = slice(turn * slots, (turn + 1) * slots)
        part = [np.ascontiguousarray(a[:, at]) for a in (q, k, v)]
        out = np.zeros_like(part[0])
        face.attend(*part, ring, 0, present[at], sink, out)
        assert out.tobytes() == np.ascontiguousarray(whole[:, at]).tobytes(), turn
        ring.append(*[p[None] for p in part[1:]], present[at])


def test_attention_is_that_of_the_network(cpu):
    """As `models.model.Attention.attend` computes a step: sink, empty slots, window."""
    torch = pytest.importorskip("torch", reason="torch is not installed: compared with numpy only")
    functional = torch.nn.functional
    heads, slots, dim, rows = 3, 17, 64, 17 * 9
    rng = np.random.default_rng(5)
    draw = [rng.normal(0, 1, s).astype(np.float32)
            for s in ((heads, slots, dim), (heads, slots, dim), (heads, slots, dim), (heads, dim))]
    q, k, v, sink = draw
    ring = KvRing(cpu, 1, heads, slots, rows, dim, np.float32)
    present = np.ones(slots, np.float32)
    present[4:16] = 0
    for _ in range(11):
        ring.append(*[rng.normal(0, 1, ring.shape).astype(np.float32) for _ in range(2)], present)
    out = np.zeros_like(q)
    StreamAttention(cpu, heads, slots, 8 * slots, dim, dtype=np.float32).attend(
        q, k, v, ring, 0, present, sink, out)
    back = 11 * slots + np.arange(slots)[:, None] - ring.positions[None]
    mask = np.where(back < 8 * slots, 0.0, -np.inf)
    own = np.where(np.tril(np.ones((slots, slots))) * present + np.eye(slots) > 0, 0.0, -np.inf)
    mask = torch.tensor(np.concatenate([np.zeros((slots, 1)), mask, own], 1), dtype=torch.float32)
    keys = torch.tensor(np.concatenate([sink[:, None], ring.keys[0], k], 1))
    values = torch.tensor(np.concatenate([np.zeros_like(sink[:, None]), ring.values[0], v], 1))
    expected = functional.scaled_dot_product_attention(torch.tensor(q), keys, values, mask)
    assert np.abs(out - expected.numpy()).max() < 1e-5


def test_philox_is_the_published_generator():
    """Known answers of its authors (Random123, kat_vectors), first word."""
    zero, ones = np.zeros(1, np.uint32), 0xFFFFFFFF
    assert philox(0, (zero, 0, 0, 0))[0] == 0x6627E8D5
    assert philox(ones << 32 | ones, (zero + np.uint32(ones), ones, ones, ones))[0] == 0x408F276D


def test_draws_are_those_of_the_seed_and_follow_the_logits(cpu):
    logits = np.log(np.array([1, 2, 5, 0.001], np.float32))
    counts = np.zeros(4, int)
    face, again = (Sample(cpu, (4,), temperature=1.0, k=3, seed=11) for _ in range(2))
    out = face.make_out()
    for _ in range(2000):
        drawn = int(face.choose(logits, out)[0])
        assert drawn == int(again.choose(logits, out)[0])
        counts[drawn] += 1
    assert counts[3] == 0, "not among the three best"
    assert np.abs(counts[:3] / 2000 - np.array([1, 2, 5]) / 8).max() < 0.04


# -- what is refused -----------------------------------------------------------------------------

def test_wrong_sound_is_refused(cpu):
    face = Dmel(cpu)
    with pytest.raises(ValueError, match=r"expected \(3200,\) int16, got \(3200,\) float32"):
        face.push(np.zeros(3200, np.float32), face.make_out())
    with pytest.raises(ValueError, match=r"out is \(8, 80\) uint8"):
        face.push(np.zeros(3200, np.int16), np.zeros((8, 80), np.float32))


@pytest.mark.parametrize("buffer, text", [
    (Buffer("rgb", 4, 4, 11), "does not fit into 48 bytes"),
    (Buffer("rgb", 5, 4, 12), "does not fit into 48 bytes"),
    (Buffer("rgb", 4, 4, 12, first_at=1), "does not fit into 48 bytes"),
    (Buffer("rgb", 4, 4, 12, channels=2), "3 or 4 channels"),
    (Buffer("yuyv", 4, 3, 12), "even"),
    (Buffer("nv12", 4, 4, 4, chroma_at=41, chroma_row_bytes=4), "chroma of nv12"),
    (Buffer("rgb", 4, 4, 12, crop=(0, 2, 4, 3)), "crop"),
    (Buffer("rgb", 0, 4, 12), "1 to 65,536"),
    (Buffer("gray", 4, 4, 12), "unknown layout 'gray'"),
], ids=lambda value: "" if isinstance(value, Buffer) else value)
def test_a_buffer_that_does_not_hold_the_frame_is_refused(cpu, buffer, text):
    face = Patches(cpu)
    with pytest.raises(ValueError, match=text):
        face.push(np.zeros(48, np.uint8), buffer, *face.make_out())


def test_wrong_frames_states_and_sizes_are_refused(cpu):
    similarity = Similarity(cpu)
    with pytest.raises(ValueError, match="resize the picture"):
        similarity.push(np.zeros((60, 80, 3), np.uint8), *similarity.make_out())
    with pytest.raises(ValueError, match="has ring"):
        similarity.set_state({"ring": np.zeros(3)})
    with pytest.raises(ValueError, match="cannot hold a micro-turn of 17"):
        KvRing(cpu, 1, 1, 17, 16, 8)
    with pytest.raises(ValueError, match="float32, float16 or bfloat16"):
        KvRing(cpu, 1, 1, 2, 16, 8, np.float64)
    with pytest.raises(ValueError, match="key heads must divide"):
        StreamAttention(cpu, 3, 17, 100, 64, kv_heads=2)
    with pytest.raises(ValueError, match="bytes of shared memory"):
        StreamAttention(cpu, 1, 17, 100_000, 64)
    with pytest.raises(ValueError, match="below 2"):
        Sample(cpu, (3,), seed=-1)


def test_arrays_of_another_type_are_refused(cpu):
    ring = KvRing(cpu, 1, 2, 3, 9, 4, np.float32)
    good, present = np.zeros(ring.shape, np.float32), np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"expected \(1, 2, 3, 4\) float32"):
        ring.append(good.astype(np.float16), good, present)
    with pytest.raises(ValueError, match="present is"):
        ring.append(good, good, present.astype(bool))
    face = StreamAttention(cpu, 2, 3, 5, 4, dtype=np.float32)
    with pytest.raises(ValueError, match="sink is"):
        face.attend(good[0], good[0], good[0], ring, 0, present, good[0], good[0])
    with pytest.raises(ValueError, match="logits are"):
        Sample(cpu, (3,)).choose(np.zeros(4, np.float32), np.zeros(1, np.int32))
