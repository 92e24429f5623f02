"""The hooks of the format and the engine ncnn; what does the work is imported when it is needed."""

from importlib.metadata import version

from prunus.plugin import Engine, Format, check_regular, hookimpl

FORMAT = "ncnn"
MAGIC = b"7767517"
"""The first line of a text file (ncnn's docs/developer-guide/param-and-model-file-structure.md)."""


@hookimpl
def prunus_register():
    """Declare the format and the engine."""
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
        Engine(
            FORMAT,
            "ncnn on the processor, float32",
            lambda: version("ncnn"),
            formats=(FORMAT, "onnx"),
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


@hookimpl
def prunus_convert(engine, network, files, directory):
    """Its own files, or what its converter makes of an ONNX file."""
    from prunus_ncnn.engine import convert

    return convert(network, files, directory)


@hookimpl
def prunus_open(engine, network, files, threads):
    """A net that is ready to run."""
    from prunus_ncnn.engine import load

    return load(network, files, threads)


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
