"""Examples that an author gives of the optional parts of a format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from prunus.network import Source


@attrs.frozen
class Examples:
    """Material for the fields of `Format` that not every format has.

    Attributes:
        settings: Configuration files that ``Format.settings`` reads.
        data: Networks, each with a data specification that ``Format.data`` opens for it.
        models: Makers of small live models, for ``Format.in_memory``.
        example_inputs: What each of these is called with, in their order, where
            ``Format.takes_inputs``.
        code: Names of options (or ``data``) with values that make the format run Python, for
            ``Format.names_code``.
    """

    settings: tuple[Path, ...] = ()
    data: tuple[tuple[Source, str], ...] = ()
    models: tuple[Callable[[], object], ...] = ()
    code: tuple[tuple[str, str], ...] = ()
    example_inputs: tuple[object, ...] = attrs.field(default=(), kw_only=True)


NONE = Examples()
