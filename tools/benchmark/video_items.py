"""Pictures of items: clips as the program's camera would fit them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tools.benchmark.program import FPS


def read(path: Path) -> np.ndarray:
    """Frames (n, 120, 160, 3) at 10 per second as the program's camera would fit them."""
    import av

    from daemon.senses.frames import fit

    with av.open(str(path)) as container:
        found = [(float(f.pts * f.time_base), fit(f.to_ndarray(format="rgb24")))
                 for f in container.decode(video=0)]
    times = np.array([t for t, _ in found])
    n = int(np.floor((times[-1] - times[0]) * FPS)) + 1
    picks = np.searchsorted(times - times[0], np.arange(n) / FPS - 1e-6)
    return np.stack([found[min(i, len(found) - 1)][1] for i in picks])
