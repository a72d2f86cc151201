"""Weights of two checkpoints, averaged."""

import pytest
import torch

from models.average import average

pytestmark = pytest.mark.unit


def checkpoint(value: float, names=("a",), n: int = 3, dtype=torch.float32) -> dict:
    return {"weights": {"w": torch.full((n,), value, dtype=dtype)}, "position": {"steps": value},
            "names": list(names)}


@pytest.mark.parametrize("share, expected", [(0.0, 1.0), (0.75, 2.5), (1.0, 3.0)])
def test_a_share_of_the_newer_one(share: float, expected: float) -> None:
    made = average(checkpoint(1.0, dtype=torch.bfloat16), checkpoint(3.0), share)
    assert made["weights"]["w"].tolist() == [expected] * 3
    assert made["weights"]["w"].dtype == torch.float32
    assert made["position"] == {"steps": 3.0} and made["names"] == ["a"]


@pytest.mark.parametrize("new, share, told", [
    (checkpoint(1.0, ("b",)), 0.5, "two grammars"), (checkpoint(1.0, n=4), 0.5, "other sizes"),
    (checkpoint(1.0), 1.5, "expected 0 to 1")])
def test_what_cannot_be_averaged_is_told(new: dict, share: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        average(checkpoint(1.0), new, share)
