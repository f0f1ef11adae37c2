"""Collecting: what the branches measured, as one tidy table a subject (parquet, and the same as CSV)."""

from pathlib import Path
from typing import Any

import pandas as pd

from secateur import tablefile
from secateur.errors import SecateurError
from secateur.files import replacing
from secateur.layout import measurements


def collect(config: dict[str, Any], results: Path, output: Path, allow_missing: bool = False) -> list[str]:
    """Write the tables of a run to `output`.

    Args:
        config: the run's resolved config.
        results: the run's folder, results/<run>.
        output: folder of the tables.
        allow_missing: go on without files that are not there, instead of an error.

    Returns:
        The files that are missing, relative to `results` ([] unless `allow_missing`).

    Raises:
        SecateurError: a file is missing (all are listed) or cannot be read.
    """
    files = measurements(config)
    missing = [str(path) for paths in files.values() for path in paths if not (results / path).exists()]
    if missing and not allow_missing:
        raise SecateurError(f"{results}: {len(missing)} measurements are missing: {', '.join(missing)}.")
    for table, paths in files.items():
        present = [tablefile.read(results / path) for path in paths if (results / path).exists()]
        if not present:
            continue
        rows = pd.concat(present, ignore_index=True)
        tablefile.write(output / f"{table}.parquet", rows)
        with replacing(output / f"{table}.csv") as temporary:
            rows.to_csv(temporary, index=False)
    return missing
