"""Parquet tables: whole or absent, and one clear error for those that are not what was written.

A checksum of all columns (CRC-32 over pandas' hash of every row) stands in the file's own metadata, for other programs
to ignore. Parquet knows checksums of pages, but none of the footer, where one bit can drop rows or move them.
"""

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from secateur.errors import SecateurError
from secateur.files import replacing

if TYPE_CHECKING:
    from pandas import DataFrame

KEY = b"secateur"
"""Of the file's metadata."""


def write(path: str | Path, table: "DataFrame", durable: bool = True) -> None:
    """Write `table` without its index to `path`, whole or not at all; the same table gives the same bytes.

    `durable` as of `files.replacing`.
    """
    import pyarrow as arrow
    from pyarrow import parquet

    stored = arrow.Table.from_pandas(table, preserve_index=False)
    known = (stored.schema.metadata or {}) | {KEY: _checksum(stored.to_pandas())}
    with replacing(path, durable) as temporary:
        parquet.write_table(stored.replace_schema_metadata(known), temporary)


def read(path: str | Path, advice: str = "Remove it and run again.") -> "DataFrame":
    """The table in `path`.

    Args:
        path: a parquet file; one that another program wrote, without a checksum, is read as it is.
        advice: what to do about a file that cannot be used: the end of the message.

    Raises:
        SecateurError: no such file, no parquet file, cut short or damaged.
    """
    from pyarrow import parquet

    try:
        stored = parquet.read_table(path)
        table = stored.to_pandas()
        damaged = _checksum(table) != (stored.schema.metadata or {}).get(KEY, _checksum(table))
    except Exception as error:  # damaged metadata can make pyarrow and pandas say anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise SecateurError(f"{path}: not a readable table ({reason}). {advice}") from None
    if damaged:
        raise SecateurError(f"{path}: damaged, the table is not what was written. {advice}")
    return table


def _checksum(table: "DataFrame") -> bytes:
    from pandas.util import hash_pandas_object

    columns = repr([(str(name), str(kind)) for name, kind in table.dtypes.items()])
    return b"%d" % zlib.crc32(hash_pandas_object(table, index=False).to_numpy().tobytes(), zlib.crc32(columns.encode()))
