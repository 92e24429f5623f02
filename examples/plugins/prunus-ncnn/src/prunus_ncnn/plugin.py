"""The hooks of the ncnn format; what does the work is imported when it is needed."""

from prunus.plugin import Format, check_regular, hookimpl

FORMAT = "ncnn"
MAGIC = b"7767517"
"""The first line of a text file (ncnn's docs/developer-guide/param-and-model-file-structure.md)."""


@hookimpl
def prunus_register():
    """Declare the format."""
    return (
        Format(
            FORMAT,
            "ncnn networks (.param and .bin)",
            detect=_is_ncnn,
            files=_files,
            options={
                "input-shape": "sizes of an input that the file leaves open: 3x224x224 "
                "(channels, height, width), or for several inputs in0:3x224x224,in1:10"
            },
        ),
    )


@hookimpl
def prunus_load(format, source):
    """Read a structure and its weights."""
    from prunus_ncnn.read import load

    return load(source)


@hookimpl
def prunus_compact(format, network, compact, destination):
    """Write a structure and its weights."""
    from prunus_ncnn.write import write

    return write(network, compact, destination)


def _is_ncnn(path):
    try:
        check_regular(path)
        with path.open("rb") as stream:
            words = stream.read(64).split()
    except (OSError, ValueError):
        return False
    return words[:1] == [MAGIC]


def _files(source):
    return () if source.weights else (source.model.with_suffix(".bin"),)
