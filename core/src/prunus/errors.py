"""Errors a user can see: one line saying what is wrong, where, and how to mend it.

Each class carries the exit code of the command line (``docs/reference/exit-codes.md``).
"""

from __future__ import annotations

from typing import ClassVar


class PrunusError(Exception):
    """Base of every error shown without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(PrunusError):
    """An option, a name or a configuration value cannot be used."""

    exit_code = 2


class MissingPluginError(UsageError):
    """A name that a distribution offers which is not installed."""

    exit_code = 5


class ModelError(PrunusError):
    """A model file is missing, broken, or does not fit another one."""

    exit_code = 3


class DataError(PrunusError):
    """Samples or labels are missing, empty, or do not fit the network."""

    exit_code = 4


class NoSamplesError(DataError):
    """There are no samples at all; some steps can go on without."""


class PluginError(PrunusError):
    """A plugin is missing, broken, or answered with something unusable."""

    exit_code = 5


class PluginCrashError(PluginError):
    """A plugin let out an error that is not for users; `prunus.third_party` writes the line."""


class PlanError(PrunusError):
    """No plan exists: nothing is prunable, or the target is out of reach."""

    exit_code = 6


class StaleError(PrunusError):
    """A stored result belongs to another network, data set or setting."""

    exit_code = 7


class ProofError(PrunusError):
    """The compact network does not equal the masked one."""

    exit_code = 8
