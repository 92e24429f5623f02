"""One named check, and the ones that are known to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from prunus.errors import PluginError, PrunusError


@attrs.frozen
class ExpectedFailure:
    """The one way in which a check is known to fail.

    Attributes:
        reason: Why it cannot pass: "it draws by position".
        says: Part of the failure's text; a failure without it is another one, and not excused.
    """

    reason: str
    says: str


ExpectedFailures = Mapping[str, ExpectedFailure]
"""Short name of a check -> its expected failure."""


@attrs.frozen
class Check:
    """A callable that raises where a plugin breaks its contract.

    Attributes:
        name: ``<plugin name>-<what is checked>``, used as the test's id.
        body: The check itself.
        expected: How it is known to fail; then passing is the failure, so that stale excuses are
            found.
    """

    name: str
    body: Callable[[], None]
    expected: ExpectedFailure | None = None

    def __call__(self) -> None:
        """Run it.

        Raises:
            AssertionError: the contract is broken, or no longer broken as excused.
        """
        try:
            self.body()
        except (AssertionError, PrunusError) as error:
            if self.expected is None:
                if isinstance(error, PluginError):
                    raise AssertionError(f"{self.name}: {error}") from error
                raise
            if self.expected.says not in str(error):
                raise AssertionError(
                    f"{self.name} fails in another way than expected: {error}; the expected "
                    f"failure says '{self.expected.says}', because {self.expected.reason}"
                ) from error
            return
        if self.expected is not None:
            raise AssertionError(
                f"{self.name} passes, although it should fail because {self.expected.reason}; "
                "take it out of expected_failures"
            )

    def __str__(self) -> str:
        """The name."""
        return self.name


def named_checks(
    owner: str,
    bodies: Sequence[tuple[str, Callable[[], None]]],
    expected_failures: ExpectedFailures | None,
) -> list[Check]:
    """Checks of one plugin.

    Args:
        owner: What the plugin calls itself.
        bodies: Short names and checks.
        expected_failures: Short name -> reason and text.

    Raises:
        ValueError: an expected failure names no check.
    """
    excused = dict(expected_failures or {})
    checks = [Check(f"{owner}-{name}", body, excused.pop(name, None)) for name, body in bodies]
    if excused:
        known = ", ".join(name for name, _ in bodies)
        raise ValueError(f"no check is called {', '.join(excused)}; there are: {known}")
    return checks
