"""Trains the interaction model on a CPU or GPUs; can be stopped and started at any time.

    python -m models.scenarios.video DIR/video --clips 4000                     # once, hours
    python -m models.train --work DIR --video DIR/video --hours 8               # start
    python -m models.train --work DIR --video DIR/video --hours 8               # resume: the same
    touch DIR/decay                                       # while it runs, or before the next start
    python -m models.export --weights DIR/final.pt                              # ship
    torchrun --nproc-per-node 4 -m models.train ...                             # on several GPUs

Warm up, a constant rate for as long as data keeps coming, then a short decay as a stage of its own
(warm-up, stable, decay: arXiv 2404.06395), after which it ends. The decay lasts --decay-hours; it
begins when DIR/decay is there or no more time is left. Sound is rendered meanwhile.
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
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from models import augment, batches, tokens
from models.carry import carry_over
from models.clips import ClipBank
from models.config import SIZES, WEIGHTS, ModelConfig
from models.losses import VIDEO_WEIGHT, speech_losses, video_losses
from models.model import InteractionNet
from models.muon import Muon
from models.scenarios.simulation import TURN_S, TURNS

CONSTANT = WEIGHTS / "constant.pt"


def idle_inputs(rng: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """State rows (n, T, 15) and outputs fed back (n, T, 4) of sessions in which nobody speaks;
    two of three count a set."""
    draws = torch.rand(n, 2, generator=rng, device=rng.device).tolist()
    rows = [tokens.encode_state({**tokens.IDLE_STATE, "task": int(task < 0.67),
                                 "count": int(count * 12)}) for task, count in draws]
    return (torch.tensor(rows, device=rng.device)[:, None].expand(-1, TURNS, -1),
            torch.zeros(n, TURNS, 4, dtype=torch.int64, device=rng.device))


class Stages:
    """When the decay begins and when all ends, by the clock."""

    def __init__(self, seconds: float, decay_s: float, finish: bool,
                 clock: Callable[[], float]) -> None:
        self.clock, self.decay_s, self.finish = clock, decay_s, finish
        self.ends, self.decays = clock() + seconds, False
        self.seconds_left = seconds
        """Until the end, at the last look."""

    def look(self, asked: bool) -> tuple[bool, float]:
        """Whether the decay begins now, and what is left of it, 1 to 0 = the end; before it 1 while
        there is time. asked: the decay is wanted now."""
        now = self.clock()
        begins = not self.decays and (asked or self.finish and self.ends - now <= self.decay_s)
        if begins:
            self.decays = True
            self.ends = now + self.decay_s if asked else self.ends
        self.seconds_left = left = max(self.ends - now, 0.0)
        return begins, left / self.decay_s if self.decays else float(left > 0)


class Trainer:
    """Owns the network, the optimiser and the position in the data."""

    def __init__(self, options: argparse.Namespace, config: ModelConfig | None = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.options, self.rank = options, int(os.environ.get("RANK", 0))
        self.world = int(os.environ.get("WORLD_SIZE", 1))
        self.device = self._join()
        torch.manual_seed(1)
        self.net = InteractionNet(config or SIZES[options.size]).to(self.device)
        self.position = {"steps": 0, "audio_s": 0.0, "shard": 0}
        if self.rank == 0:
            self._resume()
        self._share_start()
        if options.compile:
            for block in self.net.blocks:
                block.compile()
        inner = [p for n, p in self.net.named_parameters() if "blocks" in n and p.ndim == 2]
        known = {id(p) for p in inner}
        self.optimisers = [
            Muon(inner, options.matrix_rate),
            torch.optim.AdamW([p for p in self.net.parameters() if id(p) not in known],
                              lr=options.rate, betas=(0.9, 0.95), weight_decay=0.0)]
        # every rank draws other streams and clips
        self.rng = torch.Generator(self.device)
        self.rng.manual_seed((7 + self.rank) * 1_000_003 + self.position["steps"])
        self.first = self.position["shard"]
        # the ranks use a shard up together
        self.streams = batches.StreamBank(options.work / "speech", self.rng,
                                          options.reuse / self.world, options.keep,
                                          options.more, options.more_share)
        self.video = ClipBank(options.video, self.rng) if options.video else None
        self.since_start = 0
        self.stages = Stages(options.hours * 3600, options.decay_hours * 3600, options.finish,
                             clock)
        self.share, self.decays = 1.0, False

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
                try:
                    self.net.load_state_dict({k: v.float() for k, v in weights.items()})
                except RuntimeError as error:
                    raise ValueError(f"{path} holds weights of another size than "
                                     f"{self.net.config}; next: the --size that they have, or "
                                     "--start none and an empty --work to begin anew") from error
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
        self.position["shard"] = max(self.first, self.streams.next_shard)
        weights = {k: v.detach().cpu().to(dtype) for k, v in self.net.state_dict().items()}
        unfinished = path.with_suffix(".writing")
        torch.save({"weights": weights, "position": self.position, "names": tokens.names()},
                   unfinished)
        unfinished.replace(path)

    def goes_on(self) -> bool:
        """True while there is time; begins the decay when it is due.

        Rank 0 decides for all: a rank that stopped by a clock of its own would leave the others
        waiting for its gradients.
        """
        begins, left = self.stages.look((self.options.work / "decay").exists())
        if self.world > 1:
            told = torch.tensor([begins, left], dtype=torch.float64, device=self.device)
            dist.broadcast(told, 0)
            begins, left = bool(told[0]), float(told[1])
        if begins:
            self.save(self.options.work / "constant.pt")
            self.save(self.options.work / "last.pt", torch.float32)
            self.decays = True
            if self.rank == 0:
                print("decay begins", flush=True)
        self.share = left if self.decays else 1.0
        return left > 0

    def rate_share(self) -> float:
        """Share of the full rates at the next step, 0 to 1."""
        return self.share * min(1.0, (self.since_start + 1) / self.options.warm_up)

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

    def _video_losses(self, out: dict[str, Tensor], clips: dict[str, Tensor]) -> dict[str, Tensor]:
        return video_losses(out["reps"], clips, self.options.video_weight)

    def _clips_alone(self, n: int, rgb: bool) -> Tensor:
        """Loss of n clips without sound."""
        clips, patches = self.video.pictured(n) if rgb else (self.video.batch(n), None)
        rows, previous = idle_inputs(self.rng, n)
        out, _ = self._run(None, rows, previous, clips["similarity"], patches)
        return sum(self._video_losses(out, clips).values())

    def _losses(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Losses of this step's streams of sound. Each also shows a clip, which costs nothing;
        now and then a batch of clips alone is added, some of them with pictures."""
        k, n, every = self.since_start, self.options.batch, self.options.clips_every
        b = self.streams.batch(n, self.first)
        previous = augment.feed_back(self.rng, b)
        self.position["audio_s"] += n * TURNS * TURN_S * self.world
        if self.video is None:
            out, phones = self._run(b["levels"], b["state"], previous)
            return speech_losses(out, phones, b), self._accuracy(out, b)
        if k % 300 == 0:
            self.video.refresh()
        clips = self.video.batch(n)
        out, phones = self._run(b["levels"], b["state"], previous, clips["similarity"])
        losses = speech_losses(out, phones, b) | self._video_losses(out, clips)
        if every and k % every == 0:
            pictures = k % self.options.pictures_every == 0
            losses["alone"] = self._clips_alone(2 if pictures else self.options.clips, pictures)
        return losses, self._accuracy(out, b)

    def _run(self, *inputs) -> tuple[dict[str, Tensor], Tensor | None]:
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            return self.net(*inputs)

    def step(self) -> dict[str, Tensor]:
        """One optimiser step; returns its losses, still on the device."""
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
        return {k: v.detach() for k, v in losses.items()} | accuracy

    def _accuracy(self, out: dict[str, Tensor], b: dict[str, Tensor]) -> dict[str, Tensor]:
        """Teacher-forced hits on words and acts: to watch, never to judge."""
        found = {}
        for head, target in (("heard0", b["heard"][..., 0]), ("act", b["act"])):
            at = target > 0
            hit = (out[head].argmax(-1) == target) & at
            found[head + "_hit"] = hit.sum() / at.sum().clamp(min=1)
        return found


SHOWN = ("heard0", "act", "phone", "phase", "alone", "heard0_hit", "act_hit")
"""What a line on the terminal tells; DIR/log.jsonl has the rest."""


class Progress:
    """Smoothed losses as rows of DIR/log.jsonl and as lines on the terminal."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.mean: dict[str, Tensor] = {}   # on the device: to read one waits for the GPU
        self.began, self.audio_s = time.monotonic(), trainer.position["audio_s"]

    def add(self, values: dict[str, Tensor]) -> None:
        """Losses and hits of a step."""
        for name, value in values.items():
            self.mean[name] = torch.lerp(self.mean.get(name, value), value, 0.02)

    def write(self) -> None:
        """A row and a line. Speed: seconds of sound a second."""
        position, seconds = self.trainer.position, time.monotonic() - self.began
        speed = (position["audio_s"] - self.audio_s) / seconds
        share = self.trainer.rate_share()
        row = {**position, "s": round(seconds), "speed": round(speed, 1), "rate_share": share}
        mean = {k: round(v.item(), 4) for k, v in self.mean.items()}
        with open(self.trainer.options.work / "log.jsonl", "a") as log:
            log.write(json.dumps(row | mean) + "\n")
        left = timedelta(seconds=round(self.trainer.stages.seconds_left))
        shown = [f"{name} {mean[name]:.3f}" for name in SHOWN if name in mean]
        print(f"step {position['steps']}  sound {position['audio_s'] / 3600:.1f} h  "
              f"{speed:.0f} s/s  rate {share:.2f}  {'  '.join(shown)}  {left} left", flush=True)


def train(options: argparse.Namespace, config: ModelConfig | None = None,
          clock: Callable[[], float] = time.monotonic) -> Trainer:
    """Run until the time is up or the decay stage is done; config: other sizes, for tests."""
    torch.set_num_threads(options.threads)
    # moments of rows that are seldom touched decay into denormal numbers, which CPUs are slow at
    torch.set_flush_denormal(True)
    trainer = Trainer(options, config, clock)
    if trainer.rank == 0:
        batches.start_producers(options.work / "speech", options.producers, trainer.first)
    progress = Progress(trainer)
    while trainer.goes_on():
        progress.add(trainer.step())
        if trainer.since_start % options.report == 0 and trainer.rank == 0:
            progress.write()
            if not trainer.decays:
                trainer.save(options.work / "last.pt", torch.float32)
    trainer.save(options.work / ("final.pt" if trainer.decays else "last.pt"),
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
    parser.add_argument("--size", choices=SIZES, default="small", help="of the network")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=4, help="streams of 20 s")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="of AdamW: all but the blocks")
    parser.add_argument("--matrix-rate", type=float, default=0.02, help="of Muon: the blocks")
    parser.add_argument("--warm-up", type=int, default=100)
    parser.add_argument("--decay-hours", type=float, default=0.6, help="how long the decay takes")
    parser.add_argument("--finish", action="store_true",
                        help="begin the decay so that it ends when the time is up")
    parser.add_argument("--compile", action="store_true",
                        help="fuse the blocks' operations; twice as fast on a GPU, slower on a CPU")
    parser.add_argument("--reuse", type=float, default=3.0, help="how often a stream is drawn")
    parser.add_argument("--keep", type=int, default=3200, help="newest streams held in memory")
    parser.add_argument("--more", type=Path, metavar="DIR", help="shards rendered elsewhere")
    parser.add_argument("--more-share", type=float, default=0.1, help="of the streams of a batch")
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
