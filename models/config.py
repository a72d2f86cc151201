"""Sizes of the interaction model: the shipped one, a larger one, and a tiny one for tests."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"

AUDIO_SLOTS, VIDEO_SLOTS = 4, 12
SLOTS = AUDIO_SLOTS + VIDEO_SLOTS + 1
"""Slots of a micro-turn: audio, video and last the readout, which also takes in the daemon's state
and the self-similarity of the pictures."""
CONTEXT_FRAMES = 4
"""Audio frames before a slot that it also sees, 100 ms: phones are clear sooner (measured)."""
SLOT_TIMES = (0.0, 1.0, 2.0, 3.0) + (2.0,) * VIDEO_SLOTS + (3.5,)
"""When each slot is, in audio slots of 50 ms from the beginning of its micro-turn: what RoPE turns
by. Sound that follows sound is then always one step apart, also across micro-turns."""
SIMILARITY_ROWS, SIMILARITY = 3, 400
"""Rows of self-similarity of a micro-turn, one for each of its two frames and the trend, and their
length."""
PATCH = 40 * 40 * 3


@dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes the network's shape and the stream's geometry."""

    layers: int = 6
    width: int = 192
    heads: int = 3
    mlp: int = 4
    """Hidden width of the feed-forward block, in multiples of `width`."""
    window_turns: int = 64
    """Micro-turns that a query sees, 12.8 s."""
    rope_theta: float = 2_000.0
    phone_layer: int = 3
    """Layers below the auxiliary phone head (training only)."""
    pictures: bool = True
    """Feed the patches of video frames; off while the network has hardly seen any."""
    counter: str = "phase"
    """What counts: `phase`, the network's heads alone, or `gated`, the counter that learned nothing
    while the network sees a set, until the heads count better."""
    heard_bias: float = 0.0
    """Added to the empty logit of the heard heads, chosen on development voices."""
    act_bias: float = 0.0
    """Added to the empty logit of the act head, chosen on development voices."""
    floor_bias: float = 0.0
    """Added to the keep logit of the floor head, chosen on development voices: below zero it ducks
    sooner."""
    ducked_bias: float = 0.0
    """The same while the voice is ducked: above `floor_bias` it comes back more readily."""

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads

    @property
    def ring_rows(self) -> int:
        """Rows of the key-value ring: the window and one spare micro-turn."""
        return (self.window_turns + 1) * SLOTS

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "ModelConfig":
        """Read what `save` wrote."""
        return cls(**json.loads(path.read_text()))


SIZES = {
    "small": ModelConfig(),
    "large": ModelConfig(layers=10, width=320, heads=5, phone_layer=5),
}
"""Sizes to train: 5.1 million weights (of which the export leaves out the phone head), and 16.4."""
TINY = ModelConfig(layers=2, width=32, heads=2, window_turns=6, phone_layer=1)
"""For tests."""
