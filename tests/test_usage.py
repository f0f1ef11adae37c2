"""What a job writes of itself: its times, and the most memory that it held."""

import subprocess
import sys

from secateur.files import read_json

JOB = """
import sys, time
from secateur import usage
started = time.time()
with usage.work():
    held = bytearray(int(sys.argv[2]))  # pages of zeros count once they are written
    held[::4096] = b"x" * len(held[::4096])
del held
usage.write(sys.argv[1], started)
"""


def test_the_most_memory_is_that_of_the_job_not_of_its_end_or_its_parent(tmp_path):
    ours = bytearray(400_000_000)
    ours[::4096] = b"x" * len(ours[::4096])  # what a parent holds is no job's
    peaks = []
    for size in (10_000_000, 200_000_000):
        subprocess.run([sys.executable, "-c", JOB, str(tmp_path / "usage.json"), str(size)], check=True, timeout=60)
        peaks.append(read_json(tmp_path / "usage.json")["peak_bytes"])
    assert 180e6 < peaks[1] - peaks[0] < 220e6 and peaks[0] < 150e6
    assert read_json(tmp_path / "usage.json")["work_cpu_seconds"] > 0
