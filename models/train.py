"""Trains the interaction model on a CPU or a GPU; resumable.

    python -m models.train --work DIR --hours 2            # constant rate, checkpoints in DIR
    touch DIR/decay                                         # or --decay-only: the last stage
    torchrun --nproc-per-node 4 -m models.train ...         # several processes or machines

Warm up, a constant rate for as long as data keeps coming, then a short decay as a stage of its
own (warm-up, stable, decay: arXiv 2404.06395). `models/weights/constant.pt` holds bf16 weights of
the constant stage, from which any machine goes on; the optimiser's state is warmed up anew.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from models import batches, tokens
from models.config import VIDEO_SLOTS, WEIGHTS, ModelConfig
from models.model import InteractionNet
from models.scenarios.simulation import TURN_S, TURNS
from models.scenarios.video import ShardClips
from models.tokens import SLOT_HEADS

EMPTY_WEIGHT = 0.4
"""Weight of the empty class: lower talks too much, higher stays mute (proto-speech)."""
PHONE_WEIGHT = 0.8
PHONE_LAG = 2
"""Frames of 25 ms by which a phone is told later: it is clearer with one slot of what follows."""
CONSTANT = WEIGHTS / "constant.pt"


def weighted(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean cross entropy; (N, n) logits, (N,) targets and weights."""
    loss = F.cross_entropy(logits.float(), target, reduction="none")
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)


HEAD_WEIGHTS = {"heard0": 2.0, "heard1": 1.0, "act": 2.0, "floor": 1.0}
VIDEO_WEIGHT = 2.0
"""Of all losses of counting beside those of speech; see --video-weight."""
SLOT_SHARE = 0.2
"""Slot losses are divided by this share of all micro-turns, not by the few that carry an act: one
slot then weighs a few words, and rare acts do not drown the words in noise."""


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
    if at.any():
        for i, name in enumerate(SLOT_HEADS):
            target = b["slots"][..., i].flatten()[at]
            weight = torch.where(target > 0, 1.0, 0.15)
            loss = F.cross_entropy(out[name].flatten(0, 1)[at].float(), target, reduction="none")
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


def idle_inputs(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
    """State rows (n, T, 15) and outputs fed back (n, T, 4) of sessions in which nobody speaks;
    two of three count a set."""
    rows = [tokens.encode_state({**tokens.IDLE_STATE, "task": int(rng.random() < 0.67),
                                 "count": int(rng.integers(0, 12))}) for _ in range(n)]
    return (torch.tensor(rows)[:, None].expand(-1, TURNS, -1),
            torch.zeros(n, TURNS, 4, dtype=torch.int64))


def camera_faults(rng: np.random.Generator, clips: dict[str, np.ndarray]) -> None:
    """In place: some cameras are off, some frames do not come."""
    rows, mask = clips["similarity"], clips["mask"]
    off = rng.random(len(rows)) < 0.15
    rows[off], mask[off] = 0.0, 0.0
    missing = rng.random(mask.shape) < 0.02
    rows[missing], mask[missing] = 0.0, 0.0
    single = rng.random(mask.shape) < 0.03
    rows[single, 0] = rows[single, 1]


def to_tensors(batch: dict[str, np.ndarray], device) -> dict[str, Tensor]:
    """Integer arrays as int64, the others as float32."""
    return {k: torch.from_numpy(np.ascontiguousarray(v)).to(
        device, torch.int64 if v.dtype.kind in "iu" else torch.float32)
        for k, v in batch.items() if v.dtype.kind in "iufb"}


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal (Jordan et al. 2024, kellerjordan.github.io).

    torch.optim.Muon works in bfloat16, which this CPU emulates: 4 s a step against 0.2 s here.
    """

    def __init__(self, matrices: list[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        """One update of every matrix."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                kept = state.setdefault("momentum", torch.zeros_like(p))
                kept.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonal(p.grad.lerp(kept, group["momentum"]))
                p.mul_(1 - 0.05 * group["lr"])
                p.add_(update, alpha=-group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)


def orthogonal(g: Tensor, steps: int = 5) -> Tensor:
    """Nearly the closest orthogonal matrix: a quintic Newton-Schulz iteration (same source)."""
    x = g.T if g.shape[0] > g.shape[1] else g
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if g.shape[0] > g.shape[1] else x


class Trainer:
    """Owns the network, the optimiser and the position in the data."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.rank = options, int(os.environ.get("RANK", 0))
        self.world = int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.world > 1:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        torch.manual_seed(1)
        self.config = ModelConfig()
        self.net = InteractionNet(self.config).to(self.device)
        self.position = {"steps": 0, "audio_s": 0.0, "shard": 0}
        self._resume()
        self.model = self.net if self.world == 1 else torch.nn.parallel.DistributedDataParallel(
            self.net, find_unused_parameters=True)
        inner = [p for n, p in self.net.named_parameters() if "blocks" in n and p.ndim == 2]
        known = {id(p) for p in inner}
        self.optimisers = [
            Muon(inner, options.matrix_rate),
            torch.optim.AdamW([p for p in self.net.parameters() if id(p) not in known],
                              lr=options.rate, betas=(0.9, 0.95), weight_decay=0.0)]
        self.rng = np.random.default_rng([7, self.rank, self.position["steps"]])
        self.first = self.position["shard"]
        self.streams = batches.StreamShards(options.work / "speech", self.rng, options.reuse)
        self.video = ShardClips(options.video) if options.video else None
        self.since_start = 0
        self.decay_from: int | None = 0 if options.decay_only else None

    def _resume(self) -> None:
        for path in (self.options.work / "last.pt", CONSTANT):
            if path.exists():
                stored = torch.load(path, map_location="cpu", weights_only=True)
                self.net.load_state_dict({k: v.float() for k, v in stored["weights"].items()})
                self.position = stored["position"]
                print(f"goes on from {path.name}: {self.position}", flush=True)
                return

    def save(self, path: Path, dtype=torch.bfloat16) -> None:
        """Weights and data position, written under a temporary name first."""
        self.position["shard"] = self.first + int(self.streams.drawn / self.streams.reuse
                                                  / batches.SHARD)
        weights = {k: v.detach().cpu().to(dtype) for k, v in self.net.state_dict().items()}
        unfinished = path.with_suffix(".writing")
        torch.save({"weights": weights, "position": self.position}, unfinished)
        unfinished.replace(path)

    def _rate(self) -> float:
        """Share of the full rates, 0 to 1."""
        warm = min(1.0, (self.since_start + 1) / self.options.warm_up)
        if self.decay_from is None and (self.options.work / "decay").exists():
            self.save(self.options.work / "constant.pt")
            self.decay_from = self.since_start
            print("decay begins", flush=True)
        if self.decay_from is None:
            return warm
        done = (self.since_start - self.decay_from) / self.options.decay_steps
        return warm * max(1.0 - done, 0.0)

    def _clips(self, n: int, rgb: bool = False) -> tuple[dict[str, Tensor], Tensor | None]:
        """n video clips as tensors, and normalised patches (n, T, 12, 4800) of their pictures."""
        clips, patches = self.video.batch(self.rng, n, TURNS, rgb), None
        if rgb:
            pictures = clips.pop("patches_rgb")
            shape = pictures.shape[:2]
            x = pictures.reshape(*shape, 3, 40, 4, 40, 3).transpose(0, 1, 2, 4, 3, 5, 6)
            x = np.ascontiguousarray(x.reshape(*shape, VIDEO_SLOTS, -1))
            patches = (torch.from_numpy(x).to(self.device).float() / 255 - 0.5) / 0.25
        else:
            camera_faults(self.rng, clips)
        return to_tensors(clips, self.device), patches

    def _video_losses(self, out: dict[str, Tensor], clips: dict[str, Tensor]) -> dict[str, Tensor]:
        return video_losses(out["reps"], clips, self.options.video_weight)

    def _clips_alone(self, n: int, rgb: bool) -> Tensor:
        """Loss of n clips without sound."""
        clips, patches = self._clips(n, rgb)
        rows, previous = idle_inputs(self.rng, n)
        out, _ = self._run(None, rows.to(self.device), previous.to(self.device),
                           clips["similarity"], patches)
        return sum(self._video_losses(out, clips).values())

    def _losses(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Losses of this step's streams of sound. Each also shows a clip, which costs nothing;
        now and then a batch of clips alone is added, some of them with pictures."""
        k, n, every = self.since_start, self.options.batch, self.options.clips_every
        raw = self.streams.batch(n, self.first)
        previous = torch.from_numpy(batches.feed_back(self.rng, raw)).to(self.device)
        b = to_tensors(raw, self.device)
        self.position["audio_s"] += len(b["act"]) * TURNS * TURN_S * self.world
        if self.video is None:
            out, phones = self._run(b["levels"], b["state"], previous)
            return speech_losses(out, phones.float(), b), self._accuracy(out, b)
        if k % 300 == 0:
            self.video.refresh()
        clips = self._clips(n)[0]
        out, phones = self._run(b["levels"], b["state"], previous, clips["similarity"])
        losses = speech_losses(out, phones.float(), b) | self._video_losses(out, clips)
        if every and k % every == 0:
            pictures = k % self.options.pictures_every == 0
            losses["alone"] = self._clips_alone(2 if pictures else self.options.clips, pictures)
        return losses, self._accuracy(out, b)

    def _run(self, *inputs) -> tuple[dict[str, Tensor], Tensor | None]:
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            return self.model(*inputs)

    def step(self) -> dict[str, float]:
        """One optimiser step; returns its losses."""
        share = self._rate()
        for optimiser, rate in zip(self.optimisers, (self.options.matrix_rate, self.options.rate)):
            optimiser.param_groups[0]["lr"] = share * rate
        losses, accuracy = self._losses()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.since_start += 1
        self.position["steps"] += 1
        return {k: v.item() for k, v in losses.items()} | accuracy

    def _accuracy(self, out: dict[str, Tensor], b: dict[str, Tensor]) -> dict[str, float]:
        """Teacher-forced hits on words and acts: to watch, never to judge."""
        found = {}
        for head, target in (("heard0", b["heard"][..., 0]), ("act", b["act"])):
            at = target > 0
            hit = (out[head].argmax(-1) == target) & at
            found[head + "_hit"] = (hit.sum() / at.sum().clamp(min=1)).item()
        return found

    @property
    def finished(self) -> bool:
        """True after the decay stage."""
        return (self.decay_from is not None
                and self.since_start - self.decay_from >= self.options.decay_steps)


def train(options: argparse.Namespace) -> None:
    """Run until the time is up or the decay stage is done."""
    torch.set_num_threads(options.threads)
    trainer = Trainer(options)
    if trainer.rank == 0:
        batches.start_producers(options.work / "speech", options.producers, trainer.first)
    began, mean = time.monotonic(), {}
    at_start = trainer.position["audio_s"]
    log = open(options.work / "log.jsonl", "a", buffering=1)
    while not trainer.finished and time.monotonic() - began < options.hours * 3600:
        for name, value in trainer.step().items():
            mean[name] = 0.98 * mean.get(name, value) + 0.02 * value
        if trainer.since_start % options.report == 0 and trainer.rank == 0:
            seconds = time.monotonic() - began
            speed = (trainer.position["audio_s"] - at_start) / seconds
            row = {**trainer.position, "s": round(seconds), "speed": round(speed, 1)}
            log.write(json.dumps(row | {k: round(v, 4) for k, v in mean.items()}) + "\n")
            trainer.save(options.work / "last.pt", torch.float32)
    if trainer.rank == 0:
        trainer.save(options.work / ("final.pt" if trainer.decay_from is not None else "last.pt"),
                     torch.float32)


def parse(arguments=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="shards, checkpoints, log")
    parser.add_argument("--video", type=Path, help="shards of models.scenarios.video")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=4, help="streams of 20 s")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="of AdamW: all but the blocks")
    parser.add_argument("--matrix-rate", type=float, default=0.02, help="of Muon: the blocks")
    parser.add_argument("--warm-up", type=int, default=100)
    parser.add_argument("--decay-steps", type=int, default=900)
    parser.add_argument("--decay-only", action="store_true")
    parser.add_argument("--reuse", type=float, default=3.0)
    parser.add_argument("--producers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clips", type=int, default=16, help="clips in a batch without sound")
    parser.add_argument("--clips-every", type=int, default=2, help="steps; 0: never alone")
    parser.add_argument("--pictures-every", type=int, default=60)
    parser.add_argument("--video-weight", type=float, default=VIDEO_WEIGHT,
                        help="of the losses of counting beside those of speech (%(default)s)")
    parser.add_argument("--report", type=int, default=20)
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    train(parse())
