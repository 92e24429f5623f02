"""One named check, and the ones that are known to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from prunus.errors import PrunusError


@attrs.frozen
class Check:
    """A callable that raises where a plugin breaks its contract.

    Attributes:
        name: ``<plugin name>-<what is checked>``, used as the test's id.
        body: The check itself.
        expected_failure: Why it is known to fail; then passing is the failure, so that
            stale excuses are found.
    """

    name: str
    body: Callable[[], None]
    expected_failure: str | None = None

    def __call__(self) -> None:
        """Run it.

        Raises:
            AssertionError: the contract is broken, or no longer broken as excused.
        """
        if self.expected_failure is None:
            self.body()
            return
        try:
            self.body()
        except (AssertionError, PrunusError):
            return
        raise AssertionError(
            f"{self.name} passes, although it should fail because {self.expected_failure}; "
            "take it out of expected_failures"
        )

    def __str__(self) -> str:
        """The name."""
        return self.name


def named_checks(
    owner: str,
    bodies: Sequence[tuple[str, Callable[[], None]]],
    expected_failures: Mapping[str, str] | None,
) -> list[Check]:
    """Checks of one plugin.

    Args:
        owner: What the plugin calls itself.
        bodies: Short names and checks.
        expected_failures: Short name -> reason.

    Raises:
        ValueError: an expected failure names no check.
    """
    excused = dict(expected_failures or {})
    checks = [Check(f"{owner}-{name}", body, excused.pop(name, None)) for name, body in bodies]
    if excused:
        known = ", ".join(name for name, _ in bodies)
        raise ValueError(f"no check is called {', '.join(excused)}; there are: {known}")
    return checks
