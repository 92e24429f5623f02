"""The child process that reads an LMDB once (`prunus.formats.child`).

liblmdb trusts the pages of its file: a damaged one makes it read outside of the mapping, which
kills the process. All keys are read and looked up, and of each value its ends are read: what lies
between them is mapped where they are.
"""

from __future__ import annotations

import sys

import lmdb

from prunus.plugin import answer_as_child


def read(path: str) -> None:
    """Read the database in the order of its keys.

    Args:
        path: Its ``data.mdb``.

    Raises:
        OSError, lmdb.Error: it ends early, or holds damage that liblmdb finds itself.
    """
    with (
        lmdb.open(path, readonly=True, lock=False, subdir=False) as database,
        open(path, "rb") as file,
        database.begin(buffers=True) as transaction,
    ):
        size = database.stat()["psize"] * (database.info()["last_pgno"] + 1)
        if size > file.seek(0, 2):
            raise OSError("it ends early")  # the file is mapped: a page behind its end kills
        left = database.stat()["entries"]
        for key in transaction.cursor().iternext(values=False):
            value = transaction.get(bytes(key))
            if value is None or not left:
                raise OSError("damaged: its keys are not in order")
            bytes(value[:1]), bytes(value[-1:])
            left -= 1


if __name__ == "__main__":
    sys.exit(answer_as_child(sys.argv[1], read))
