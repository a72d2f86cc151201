"""Trains the interaction model on a CPU or GPUs; can be stopped and started at any time.

    python -m models.scenarios.video DIR/video --clips 4000                     # once, hours
    python -m models.train --work DIR --video DIR/video --hours 8               # start
    python -m models.train --work DIR --video DIR/video --hours 8               # resume: the same
    touch DIR/decay                                       # while it runs, or before the next start
    python -m models.export --weights DIR/final.pt                              # ship
    torchrun --nproc-per-node 4 -m models.train ...                             # on several GPUs

Warm up, a constant rate for as long as data keeps coming, then a short decay as a stage of its own
(warm-up, stable, decay: arXiv 2404.06395), after which it ends. Sound is rendered meanwhile.
Progress goes to the terminal and to DIR/log.jsonl. Checkpoints hold weights and data position; the
optimiser is warmed up anew:

- DIR/last.pt: the constant stage, float32, written at every report; a start goes on from it, else
  from --start. A decay that was interrupted begins again from it. To go on after a decay, remove
  DIR/decay first.
- DIR/constant.pt: the same in bfloat16, written when the decay begins; copied to
  models/weights/constant.pt, any machine goes on from it.
- DIR/final.pt: after the decay, for the export alone.

Ranks on several machines must share DIR. They follow rank 0, which alone writes checkpoints.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from models import batches, tokens
from models.carry import carry_over
from models.config import VIDEO_SLOTS, WEIGHTS, ModelConfig
from models.losses import VIDEO_WEIGHT, speech_losses, video_losses
from models.model import InteractionNet
from models.muon import Muon
from models.scenarios.simulation import TURN_S, TURNS
from models.scenarios.video import ShardClips

CONSTANT = WEIGHTS / "constant.pt"


def idle_inputs(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
    """State rows (n, T, 15) and outputs fed back (n, T, 4) of sessions in which nobody speaks;
    two of three count a set."""
    rows = [tokens.encode_state({**tokens.IDLE_STATE, "task": int(rng.random() < 0.67),
                                 "count": int(rng.integers(0, 12))}) for _ in range(n)]
    return (torch.tensor(rows)[:, None].expand(-1, TURNS, -1),
            torch.zeros(n, TURNS, 4, dtype=torch.int64))


def to_tensors(batch: dict[str, np.ndarray], device) -> dict[str, Tensor]:
    """Integer arrays as int64, the others as float32."""
    return {k: torch.from_numpy(np.ascontiguousarray(v)).to(
        device, torch.int64 if v.dtype.kind in "iu" else torch.float32)
        for k, v in batch.items() if v.dtype.kind in "iufb"}


class Trainer:
    """Owns the network, the optimiser and the position in the data."""

    def __init__(self, options: argparse.Namespace, config: ModelConfig | None = None) -> None:
        self.options, self.rank = options, int(os.environ.get("RANK", 0))
        self.world = int(os.environ.get("WORLD_SIZE", 1))
        self.device = self._join()
        torch.manual_seed(1)
        self.net = InteractionNet(config or ModelConfig()).to(self.device)
        self.position = {"steps": 0, "audio_s": 0.0, "shard": 0}
        if self.rank == 0:
            self._resume()
        self._share_start()
        inner = [p for n, p in self.net.named_parameters() if "blocks" in n and p.ndim == 2]
        known = {id(p) for p in inner}
        self.optimisers = [
            Muon(inner, options.matrix_rate),
            torch.optim.AdamW([p for p in self.net.parameters() if id(p) not in known],
                              lr=options.rate, betas=(0.9, 0.95), weight_decay=0.0)]
        # every rank draws other streams and clips
        self.rng = np.random.default_rng([7, self.rank, self.position["steps"]])
        self.first = self.position["shard"]
        # the ranks use a shard up together
        self.streams = batches.StreamShards(options.work / "speech", self.rng,
                                            options.reuse / self.world)
        self.video = ShardClips(options.video) if options.video else None
        self.since_start = 0
        self.decay_from: int | None = 0 if options.decay_only else None

    def _join(self) -> torch.device:
        """Device of this process, which has met the other ranks when there are any."""
        device = torch.device("cpu")
        if torch.cuda.is_available():
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(device)
        if self.world > 1:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return device

    def _resume(self) -> None:
        """Weights and position of DIR/last.pt, else of --start; anew without either."""
        for path in (self.options.work / "last.pt", self.options.start):
            if path.exists():
                stored = torch.load(path, map_location="cpu", weights_only=True)
                weights = carry_over(stored["weights"], stored["names"])
                self.net.load_state_dict({k: v.float() for k, v in weights.items()})
                self.position = stored["position"]
                print(f"goes on from {path}: {self.position}", flush=True)
                return
        print(f"begins anew: neither {self.options.work / 'last.pt'} nor {self.options.start}",
              flush=True)

    def _share_start(self) -> None:
        """Rank 0's weights and position for all."""
        if self.world == 1:
            return
        for tensor in self.net.state_dict().values():
            dist.broadcast(tensor, 0)
        told = [self.position]
        dist.broadcast_object_list(told, 0)
        self.position = told[0]

    def save(self, path: Path, dtype=torch.bfloat16) -> None:
        """Weights and data position, by rank 0, written under a temporary name first."""
        if self.rank != 0:
            return
        self.position["shard"] = self.first + int(self.streams.drawn / self.streams.reuse
                                                  / batches.SHARD)
        weights = {k: v.detach().cpu().to(dtype) for k, v in self.net.state_dict().items()}
        unfinished = path.with_suffix(".writing")
        torch.save({"weights": weights, "position": self.position, "names": tokens.names()},
                   unfinished)
        unfinished.replace(path)

    def goes_on(self, seconds_left: float) -> bool:
        """True while there is time and the decay is not done; begins it when DIR/decay is there.

        Rank 0 decides for all: a rank that stopped by a clock of its own would leave the others
        waiting for its gradients.
        """
        begins = self.decay_from is None and (self.options.work / "decay").exists()
        decided = [begins, seconds_left > 0 and not self.finished]
        if self.world > 1:
            told = torch.tensor(decided, dtype=torch.int32, device=self.device)
            dist.broadcast(told, 0)
            decided = told.tolist()
        if decided[0]:
            self.save(self.options.work / "constant.pt")
            self.save(self.options.work / "last.pt", torch.float32)
            self.decay_from = self.since_start
            if self.rank == 0:
                print("decay begins", flush=True)
        return bool(decided[1])

    def rate_share(self) -> float:
        """Share of the full rates at the next step, 0 to 1."""
        warm = min(1.0, (self.since_start + 1) / self.options.warm_up)
        if self.decay_from is None:
            return warm
        done = (self.since_start - self.decay_from) / self.options.decay_steps
        return warm * max(1.0 - done, 0.0)

    def _average_gradients(self) -> None:
        """Mean over the ranks, in one message.

        Which parts of the network have a gradient depends on the number of the step alone, so all
        ranks send the same. (DistributedDataParallel fails here: a step may run the network twice,
        once with clips alone.)
        """
        if self.world == 1:
            return
        found = [p.grad for p in self.net.parameters() if p.grad is not None]
        joined = torch.cat([g.flatten() for g in found])
        dist.all_reduce(joined)
        for gradient, mean in zip(found, (joined / self.world).split([g.numel() for g in found])):
            gradient.copy_(mean.view_as(gradient))

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
            batches.camera_faults(self.rng, clips)
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
            return self.net(*inputs)

    def step(self) -> dict[str, float]:
        """One optimiser step; returns its losses."""
        share = self.rate_share()
        for optimiser, rate in zip(self.optimisers, (self.options.matrix_rate, self.options.rate)):
            optimiser.param_groups[0]["lr"] = share * rate
        losses, accuracy = self._losses()
        sum(losses.values()).backward()
        self._average_gradients()
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


SHOWN = ("heard0", "act", "phone", "phase", "alone", "heard0_hit", "act_hit")
"""What a line on the terminal tells; DIR/log.jsonl has the rest."""


class Progress:
    """Smoothed losses as rows of DIR/log.jsonl and as lines on the terminal."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.mean = trainer, {}
        self.began, self.audio_s = time.monotonic(), trainer.position["audio_s"]

    def add(self, values: dict[str, float]) -> None:
        """Losses and hits of a step."""
        for name, value in values.items():
            self.mean[name] = 0.98 * self.mean.get(name, value) + 0.02 * value

    def seconds_left(self) -> float:
        """Until the time is up."""
        return self.began + self.trainer.options.hours * 3600 - time.monotonic()

    def _steps_left_s(self) -> float:
        """Until the decay is done, at the speed so far; endless before it."""
        t = self.trainer
        if t.decay_from is None:
            return float("inf")
        steps = t.decay_from + t.options.decay_steps - t.since_start
        return steps * (time.monotonic() - self.began) / max(t.since_start, 1)

    def write(self) -> None:
        """A row and a line. Speed: seconds of sound a second."""
        position, seconds = self.trainer.position, time.monotonic() - self.began
        speed = (position["audio_s"] - self.audio_s) / seconds
        share = self.trainer.rate_share()
        row = {**position, "s": round(seconds), "speed": round(speed, 1), "rate_share": share}
        with open(self.trainer.options.work / "log.jsonl", "a") as log:
            log.write(json.dumps(row | {k: round(v, 4) for k, v in self.mean.items()}) + "\n")
        left = timedelta(seconds=round(max(0.0, min(self.seconds_left(), self._steps_left_s()))))
        shown = [f"{name} {self.mean[name]:.3f}" for name in SHOWN if name in self.mean]
        print(f"step {position['steps']}  sound {position['audio_s'] / 3600:.1f} h  "
              f"{speed:.0f} s/s  rate {share:.2f}  {'  '.join(shown)}  {left} left", flush=True)


def train(options: argparse.Namespace, config: ModelConfig | None = None) -> Trainer:
    """Run until the time is up or the decay stage is done; config: other sizes, for tests."""
    torch.set_num_threads(options.threads)
    # moments of rows that are seldom touched decay into denormal numbers, which CPUs are slow at
    torch.set_flush_denormal(True)
    trainer = Trainer(options, config)
    if trainer.rank == 0:
        batches.start_producers(options.work / "speech", options.producers, trainer.first)
    progress = Progress(trainer)
    while trainer.goes_on(progress.seconds_left()):
        progress.add(trainer.step())
        if trainer.since_start % options.report == 0 and trainer.rank == 0:
            progress.write()
            if trainer.decay_from is None:
                trainer.save(options.work / "last.pt", torch.float32)
    trainer.save(options.work / ("last.pt" if trainer.decay_from is None else "final.pt"),
                 torch.float32)
    if trainer.world > 1:
        dist.destroy_process_group()
    return trainer


def parse(arguments=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="shards, checkpoints, log")
    parser.add_argument("--video", type=Path, help="shards of models.scenarios.video")
    parser.add_argument("--start", type=Path, default=CONSTANT, metavar="FILE",
                        help="weights to go on from while DIR has no last.pt (%(default)s); a "
                        "name that does not exist begins anew")
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
