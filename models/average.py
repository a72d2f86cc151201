"""Averages the weights of two checkpoints, of which one went on from the other: often better than both.

    python -m models.average OLD.pt NEW.pt --share 0.75 --to AVERAGE.pt

Source: Wortsman and others, Model soups, arXiv 2203.05482.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch


def average(old: dict[str, Any], new: dict[str, Any], share: float) -> dict[str, Any]:
    """A checkpoint of `models.train` in float32: `share` (0 to 1) of `new`, the rest of `old`.

    Raises:
        ValueError: they name other words, acts or slots, or hold weights of other sizes.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share {share}: expected 0 to 1")
    if old["names"] != new["names"]:
        raise ValueError("the checkpoints are of two grammars; next: let the newer one learn on "
                         "from the older one (models.train carries it over)")
    shapes = ({k: v.shape for k, v in part["weights"].items()} for part in (old, new))
    if next(shapes) != next(shapes):
        raise ValueError("the checkpoints hold weights of other sizes; expected two of one --size")
    weights = {name: torch.lerp(old["weights"][name].float(), value.float(), share)
               for name, value in new["weights"].items()}
    return {"weights": weights, "position": new["position"], "names": new["names"]}


def main() -> None:
    """Read two, write one."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of NEW (%(default)s)")
    parser.add_argument("--to", type=Path, required=True)
    options = parser.parse_args()
    parts = [torch.load(p, map_location="cpu", weights_only=True)
             for p in (options.old, options.new)]
    torch.save(average(*parts, options.share), options.to)


if __name__ == "__main__":
    main()
