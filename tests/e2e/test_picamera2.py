"""The real Picamera2 on libcamera's virtual pipeline: no hardware, but every call of ours is real.

Needs the root that `sudo tests/vcam/prepare` makes (1 GB, a few minutes, once); skipped without
it. Budget: 40 s.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(os.environ.get("TAGALONG_VCAM_ROOT", "/var/cache/tagalong/vcam"))
REPOSITORY = Path(__file__).resolve().parents[2]
QUARTERS = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
"""Top left, top right, bottom left, bottom right of the picture that the camera sees."""

INSIDE = """
set -e
mount --bind "$REPOSITORY" "$ROOT/srv/tagalong"
mount --bind "$PICTURES" "$ROOT/srv/frames"
mount --rbind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
mount --rbind /sys "$ROOT/sys"
exec chroot "$ROOT" env -i PATH=/usr/bin:/bin HOME=/root PYTHONPATH=/srv/tagalong \
    PYTHONDONTWRITEBYTECODE=1 LIBCAMERA_LOG_LEVELS=*:ERROR LD_PRELOAD=/usr/lib/vcam_shim.so \
    python3 /srv/tagalong/tests/vcam/inside.py
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    """What `inside.py` saw."""
    if not (ROOT / ".ready").exists():
        pytest.skip(f"no prepared root at {ROOT}; sudo tests/vcam/prepare")
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("mounting and chroot need root and unshare")
    pictures = tmp_path_factory.mktemp("pictures")
    rgb = np.array(QUARTERS, np.uint8).reshape(2, 2, 3).repeat(240, 0).repeat(320, 1)
    for number in range(2):
        Image.fromarray(rgb).save(pictures / f"{number}.jpg", quality=95)
    (ROOT / "srv/frames").mkdir(exist_ok=True)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", INSIDE],
        env=os.environ
        | {"ROOT": str(ROOT), "REPOSITORY": str(REPOSITORY), "PICTURES": str(pictures)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_frames_come_at_10_fps_in_true_colour(seen):
    assert (seen["lost"], seen["problem"]) == (False, None)
    times = seen["times"]
    assert len(times) >= 8 and np.diff(times).min() > 0
    assert times[-1] - times[0] >= 0.1 * (len(times) - 2), "10 fps at most"
    np.testing.assert_allclose(seen["corners"][0], QUARTERS, atol=12)


def test_frames_are_placed_by_the_sensors_time_stamp(seen):
    """Loose, as the unpaced camera starves its reader on a busy machine; another clock's time
    stamps would be hours off or in the future."""
    assert 0 <= seen["age_s"] < 5.0


def test_muted_camera_is_released_and_taken_again(seen):
    assert seen["closed"] and seen["while_muted"] == 0
    assert seen["again"] and seen["again"][0] > seen["times"][-1]
    assert seen["lights"] == [True, False, True, False]


def test_the_camera_is_found_and_an_absent_one_is_refused(seen):
    assert seen["found"][0] == ["picamera2:0", "tagalong test camera"]
    assert seen["refused"].startswith("libcamera finds no camera 7")
