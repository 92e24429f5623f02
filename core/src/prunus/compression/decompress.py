"""Native files out of a container."""

from __future__ import annotations

import shutil
from pathlib import Path

from prunus.compression.container import Container, contents, opened_container
from prunus.errors import PrunusError
from prunus.memory import shown
from prunus.network import Written
from prunus.storage.files import make_directory, moved
from prunus.storage.staging import staged


def decompress(path: Path, directory: Path) -> Written:
    """Write the native files of a container, all or none.

    Needs no plugin and no framework, and runs nothing that is in the files.

    Args:
        path: The container.
        directory: Where the files go; files of the same names are replaced.

    Returns:
        The files, to be loaded by their format.

    Raises:
        ModelError: the container is missing or damaged.
        PrunusError: the files cannot be written, or are larger than the free space.
    """
    container = opened_container(path)
    make_directory(directory)
    _check_space(container, directory)
    with staged(directory) as stage:
        for file, pieces in contents(container):
            place = stage / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as out:
                for piece in pieces:
                    out.write(piece)
    header = container.header
    names = [file.name for file in header.files if file.name not in (header.model, header.weights)]
    written = Written(
        stage / header.model,
        None if header.weights is None else stage / header.weights,
        tuple(stage / name for name in names),
    )
    return moved(written, stage, directory)


def _check_space(container: Container, directory: Path) -> None:
    wanted = sum(file.size for file in container.header.files)
    free = shutil.disk_usage(directory).free
    if wanted > free:
        raise PrunusError(
            f"{container.source}: its files take {shown(wanted)}, and {directory} has "
            f"{shown(free)} left; free some, or give another --output"
        )
