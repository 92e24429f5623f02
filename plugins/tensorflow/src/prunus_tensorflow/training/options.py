"""Options of the trainer ``tensorflow`` as given on the command line."""

from __future__ import annotations

from collections.abc import Mapping

from prunus.plugin import UsageError
from prunus_tensorflow.user_code import Reference, reference

TRAINER = "tensorflow"
TRAIN_FUNCTION = "train-fn"
DECAY = "decay"
BATCHNORM = "batchnorm"


def falls(options: Mapping[str, str]) -> bool:
    """True if the learning rate shall fall to zero until the last update (``--decay cosine``).

    Raises:
        UsageError: another word.
    """
    word = options.get(DECAY)
    if word not in (None, "cosine"):
        raise UsageError(f"--{DECAY} {word}: only 'cosine' is known; without it the rate stays")
    return word is not None


def holds_statistics(options: Mapping[str, str]) -> bool:
    """True if batch norm shall use its stored moments in training (``--batchnorm frozen``).

    Raises:
        UsageError: another word.
    """
    word = options.get(BATCHNORM, "recipe")
    if word not in ("recipe", "frozen"):
        raise UsageError(f"--{BATCHNORM} {word}: give recipe or frozen")
    return word == "frozen"


def train_function(options: Mapping[str, str]) -> Reference | None:
    """The user's training function (``--train-fn``), if one was named.

    Raises:
        UsageError: it is no ``FILE.py:function`` or ``module:function``.
    """
    text = options.get(TRAIN_FUNCTION)
    if text is None:
        return None
    found = reference(text)
    if found is None:
        raise UsageError(f"--{TRAIN_FUNCTION} {text}: write FILE.py:function or module:function")
    return found
