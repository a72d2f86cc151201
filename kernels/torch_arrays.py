"""Arrays of the kernels as torch tensors, so that torch's products and the kernels share memory.

Wraps a backend: on a GPU the kernels are launched by pycuda, in the same primary context and on the
same stream as torch's own work; on the CPU they run through the shim.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kernels.backend import Cpu, Gpu, GpuError, Kernel


@dataclass(frozen=True)
class TorchArray:
    """A tensor as the kernels' faces know arrays: shape, size and dtype are numpy's."""

    tensor: torch.Tensor
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def size(self) -> int:
        return self.tensor.numel()

    @property
    def nbytes(self) -> int:
        return self.tensor.nbytes

    def __getitem__(self, index: Any) -> TorchArray:
        return TorchArray(self.tensor[index], self.dtype)


class TorchArrays:
    """See `kernels.backend.Backend`."""

    def __init__(self, inner: Cpu | Gpu) -> None:
        """Raises GpuError: torch was built without CUDA, or for another one."""
        self.name = inner.name
        self._inner = inner
        self.device = torch.device("cpu" if isinstance(inner, Cpu) else "cuda")
        self._stream = None
        if self.on_gpu:
            if not torch.cuda.is_available():
                raise GpuError(f"torch {torch.__version__} sees no GPU; next: install torch for "
                               "CUDA, on a Jetson the one of JetPack")
            self._stream = torch.cuda.ExternalStream(inner.stream.handle)

    @property
    def on_gpu(self) -> bool:
        """Whether arrays are in a GPU's memory."""
        return self.device.type == "cuda"

    def stream(self) -> AbstractContextManager:
        """Torch's work inside it is queued where the kernels are."""
        return torch.cuda.stream(self._stream) if self.on_gpu else nullcontext()

    def kernel(self, file: str, entry: str) -> Kernel:
        """See `Backend`. Raises BuildError, GpuError."""
        launch = self._inner.kernel(file, entry)

        def launched(grid: Sequence[int], block: Sequence[int], arguments: Sequence[Any],
                     shared: int = 0) -> None:
            launch(grid, block, [self._argument(a) for a in arguments], shared=shared)

        return launched

    def _argument(self, value: Any) -> Any:
        if not isinstance(value, TorchArray):
            return value
        # pycuda takes an address as the number that it is
        return np.uint64(value.tensor.data_ptr()) if self.on_gpu else value.tensor.numpy()

    def array(self, values: np.ndarray) -> TorchArray:
        """See `Backend`."""
        made = torch.from_numpy(np.array(values, order="C"))
        with self.stream():
            return TorchArray(made.to(self.device), np.dtype(values.dtype))

    def host(self, array: TorchArray) -> np.ndarray:
        """See `Backend`."""
        with self.stream():
            return array.tensor.cpu().numpy()

    def put(self, array: TorchArray, values: np.ndarray) -> None:
        """See `Backend`."""
        new = torch.from_numpy(np.ascontiguousarray(values, array.dtype))
        with self.stream():
            array.tensor.copy_(new.view(array.shape))
