"""Console script ``decent_p``: the legacy spelling of prunus' commands.

decent_p ana -config config.prototxt [-allow-code]
decent_p transform -model baseline.prototxt -weights finetuned.caffemodel [-output X]
decent_p stat -model net.prototxt
"""

from __future__ import annotations

import sys

from prunus.plugin import run

_VERBS = ("ana", "prune", "finetune", "transform", "stat")
_USAGE = (
    "usage: decent_p ana|prune|finetune -config FILE [-allow-code]\n"
    "       decent_p transform -model FILE -weights FILE [-output NAME]\n"
    "       decent_p stat -model FILE"
)


def main() -> None:
    """Entry point."""
    sys.exit(translate_and_run(sys.argv[1:]))


def translate_and_run(arguments: list[str]) -> int:
    """Run the command line of the legacy tool; gives prunus' exit code."""
    if not arguments or arguments[0] not in _VERBS:
        sys.stderr.write(_USAGE + "\n")
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    return run(translated(arguments))


def translated(arguments: list[str]) -> list[str]:
    """Single-dash options (``-config FILE``, ``-config=FILE``) to prunus' own."""
    result = arguments[:1]
    for argument in arguments[1:]:
        single = argument.startswith("-") and not argument.startswith("--")
        result.append(f"-{argument}" if single and len(argument) > 2 else argument)
    given = {argument.partition("=")[0] for argument in result}
    if arguments[0] == "stat":
        result.append("--vendor-count")
        if "--weights" not in given:  # the legacy tool counted a prototxt alone
            result += ["--option", "weights=random"]
    if arguments[0] == "prune":  # the legacy tools took the nearest plan, however far it was
        result.append("--best-effort")
    if arguments[0] == "transform" and "--output" not in given:
        result += ["--output", "."]
    return result
