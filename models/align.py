"""Where the ordered things are said in the recordings of orders that may be trained on.

`barista_commands` tells what was ordered and not the words. A part of an order ("light roast") must
be somewhere in its recording, so the network itself finds the micro-turns at which these words are
likeliest; parts that it finds unlikely everywhere stay unknown. It learns from the places that it
found (Lee 2013, pseudo-labels, here held to what the label allows).

    python -m models.align models/weights/constant.pt
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kernels.dmel_ref import dmel
from models import tokens
from models.config import ModelConfig
from models.model import FED_BACK, InteractionNet
from models.scenarios import recordings
from models.scenarios.simulation import TURN_S, WORD_DELAY_S

FOUND = recordings.FOUND
GAP = 4
"""Micro-turns from one word of a part to the next, at most."""
LEAST, MEAN = 0.01, 0.08
"""Probability that each word of a part must have, and their geometric mean."""
ROUNDS = 4
"""How often the network's outputs are fed back until they hardly change."""
HEADROOM_S = 0.4
"""Silence after a recording: words are told late."""


def main() -> None:
    """Write the ends of the words that were found."""
    told = torch.load(sys.argv[1], weights_only=True)
    net = InteractionNet(ModelConfig()).eval()
    net.load_state_dict(told["weights"])
    rows, parts, words = [], 0, 0
    for row in recordings.rows("barista_commands", trained=True):
        pcm = recordings.decode(recordings.DATA / "barista_commands" / row["path"])
        likely = _likely(net, pcm)
        ends = []
        for value in json.loads(row["slots_json"]).values():
            found = find(likely, [tokens.encode_word(w)[0] for w in value.split()])
            parts, words = parts + 1, words + len(found)
            ends += zip(value.split(), found)
        ends.sort(key=lambda pair: pair[1])
        rows.append((row["path"], " ".join(f"{word} {end_s:.2f}" for word, end_s in ends)))
    with open(FOUND, "w", newline="", encoding="utf-8") as f:
        csv.writer(f, lineterminator="\n").writerows([("path", "word_ends_s"), *rows])
    print(f"{words} words of {parts} parts in {len(rows)} recordings: {FOUND}")


@torch.no_grad()
def _likely(net: InteractionNet, pcm: np.ndarray) -> np.ndarray:
    """int16 (n,) -> probability of every word in every micro-turn, (T, words)."""
    turns = int(np.ceil((len(pcm) / recordings.RATE + HEADROOM_S) / TURN_S))
    padded = np.zeros(int(turns * TURN_S * recordings.RATE), np.int16)
    padded[: len(pcm)] = pcm
    levels = torch.from_numpy(dmel(padded).reshape(1, turns, 8, 80))
    state = torch.tensor(tokens.encode_state(tokens.IDLE_STATE)).expand(1, turns, -1).long()
    previous = torch.zeros(1, turns, len(FED_BACK), dtype=torch.long)
    for _ in range(ROUNDS):
        out, _ = net(levels, state, previous)
        previous[:, 1:] = torch.stack([out[h].argmax(-1) for h in FED_BACK], -1)[:, :-1]
    return np.asarray(Tensor.maximum(out["heard0"].softmax(-1), out["heard1"].softmax(-1))[0])


def find(likely: np.ndarray, ids: list[int]) -> list[float]:
    """Ends of the words of a part, seconds, one after the other where their probabilities multiply
    to the most; none if they are too unlikely. likely (T, words)."""
    score = np.log(likely[:, ids].T + 1e-9)
    best, came = score[0], []
    for row in score[1:]:
        # a word may be told in the micro-turn of the word before, there are two places
        shifted = np.stack([np.concatenate([np.full(g, -np.inf), best[: len(best) - g]])
                            for g in range(GAP + 1)])
        came.append(shifted.argmax(0))
        best = shifted.max(0) + row
    at = [int(best.argmax())]
    for gaps in reversed(came):
        at.insert(0, at[0] - int(gaps[at[0]]))
    found = [score[i, k] for i, k in enumerate(at)]
    if min(found) < np.log(LEAST) or np.mean(found) < np.log(MEAN):
        return []
    return [(k + 1) * TURN_S - WORD_DELAY_S - TURN_S / 2 for k in at]


if __name__ == "__main__":
    main()
