"""The optimiser of the blocks' matrices."""

from __future__ import annotations

import torch
from torch import Tensor


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal (Jordan et al. 2024, kellerjordan.github.io).

    torch.optim.Muon works in bfloat16, which CPUs without it emulate: 4 s a step against 0.2 s
    here. Matrices of one shape are made orthogonal together: a GPU waits for launches otherwise.
    """

    def __init__(self, matrices: list[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        """One update of every matrix."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(p.shape, []).append(p)
            for shape, matrices in shapes.items():
                self._update(matrices, group, max(1.0, shape[0] / shape[1]) ** 0.5)

    def _update(self, matrices: list[Tensor], group: dict, scale: float) -> None:
        """All matrices of one shape."""
        gradients = torch.stack([p.grad for p in matrices])
        state = self.state[matrices[0]]
        kept = state.setdefault("momentum", torch.zeros_like(gradients))
        kept.lerp_(gradients, 1 - group["momentum"])
        update = orthogonal(gradients.lerp(kept, group["momentum"]))
        torch._foreach_mul_(matrices, 1 - 0.05 * group["lr"])
        torch._foreach_add_(matrices, list(update.unbind()), alpha=-group["lr"] * scale)


def orthogonal(g: Tensor, steps: int = 5) -> Tensor:
    """Nearly the closest orthogonal matrices of (..., m, n): a quintic Newton-Schulz iteration
    (same source)."""
    x = g.mT if g.shape[-2] > g.shape[-1] else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.mT if g.shape[-2] > g.shape[-1] else x
