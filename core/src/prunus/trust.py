"""Python that a file names runs only on the user's word.

The command line is the user's own. A configuration or a workspace may have come from somebody
else, and to read it must not run anything. ``Settings.origins`` tells the two apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from prunus.descriptors import Format
from prunus.errors import UsageError
from prunus.settings import Settings


def names_function(metric: str) -> bool:
    """Whether a metric is the user's own ``module:function``."""
    return ":" in metric


def check_code(settings: Settings, descriptor: Format) -> None:
    """Refuse Python that only a file names.

    Raises:
        UsageError: a file names some, and the user did not allow it.
    """
    if settings.allow_code:
        return
    for name, value, option in _named(settings, descriptor):
        if name in settings.origins:
            raise UsageError(
                f"{settings.origins[name]}: {name} = '{value}' runs Python, and only a file says "
                f"so; if you trust it, give --allow-code or {option}"
            )


def _named(settings: Settings, descriptor: Format) -> Iterator[tuple[str, str, str]]:
    """Settings that name code: their name, their value, the same on the command line."""
    metric = settings.task.metric
    if metric is not None and names_function(metric):
        yield "metric", metric, f"--metric {metric}"
    for name, spec in (("data", settings.task.data), ("train_data", settings.train_data)):
        if spec is not None and descriptor.names_code("data", spec):
            yield name, spec, f"--{name.replace('_', '-')} {spec}"
    for name, value in settings.options.items():
        if descriptor.names_code(name, value):
            yield f"options.{name}", value, f"--option {name}={value}"
