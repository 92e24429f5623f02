"""``prunus darknet``: commands of vai_p_darknet that the core's steps do not name."""

from __future__ import annotations

import click

from prunus_darknet.commands.map import map_command
from prunus_darknet.commands.stat import stat_command
from prunus_darknet.commands.valid import valid_command


@click.group("darknet")
def darknet() -> None:
    """Commands of vai_p_darknet beside the four steps.

    ana, prune, finetune and transform are commands of prunus itself; --config takes a
    [pruning] cfg in all of them.
    """


for _command in (map_command, valid_command, stat_command):
    darknet.add_command(_command)
