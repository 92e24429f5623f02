"""Whether an HDF5 file can be read to its end, asked before it is opened here.

libhdf5 comes to no end in some damaged files (a heap or a chunk index that points back to itself)
and crashes in others; see `prunus.formats.child`. The child follows no link to another file, and
refuses data sets that keep their numbers in other files.
"""

from __future__ import annotations

from pathlib import Path

from prunus.errors import DataError, PrunusError
from prunus.formats.child import damage_of


def check_hdf5(path: Path, error: type[PrunusError] = DataError) -> None:
    """Refuse an HDF5 file that libhdf5 cannot read, or does not come to an end with.

    h5py must be installed. A file that did not change since it was asked is not read again.

    Args:
        path: The file.
        error: Class of the error: `ModelError` for weights.

    Raises:
        PrunusError: the file is missing, damaged, or names other files; as ``error``.
    """
    try:
        damage = damage_of(path, "prunus.formats.hdf5_visit", "libhdf5")
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror})") from reason
    if damage:
        raise error(f"{path}: not a readable HDF5 file ({damage})")
