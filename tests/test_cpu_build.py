"""The locked requirements without PyTorch's builds for cards and their libraries: for `make TORCH_INDEX=…`."""

import re
import subprocess

from secateur.config import REPOSITORY

LOCKED = (REPOSITORY / "envs" / "requirements.txt").read_text(encoding="utf-8")


def entries(text: str) -> dict[str, str]:
    return {part.partition("==")[0]: part for part in re.split(r"^(?=[^ \n])", text, flags=re.MULTILINE) if part}


def test_everything_else_is_there_with_its_hashes():
    command = ["awk", "-f", "envs/without_cuda.awk", "envs/requirements.txt"]
    left = entries(subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout)
    whole = entries(LOCKED)
    out = whole.keys() - left.keys()
    assert {"torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit"} <= out
    assert all(name.startswith(("nvidia-", "cuda-")) for name in out - {"torch", "torchvision", "triton"})
    assert {"torch-pruning", "timm", "numpy", "snakemake"} <= left.keys()
    assert all(left[name] == whole[name] and "--hash=sha256:" in left[name] for name in left)
