#!/usr/bin/env bash
# Runs in the new conda environment, from the repository: the locked requirements, then Secateur itself.
set -euo pipefail
python -m pip install --require-hashes --requirement envs/requirements.txt
python -m pip install --no-deps --no-build-isolation --editable .
