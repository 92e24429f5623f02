"""The hooks of the toy format; what does the work is imported when it is needed."""

from prunus.plugin import Format, hookimpl


@hookimpl
def prunus_register():
    """Declare the format."""
    summary = "toy networks (.toy)"
    return (Format("toy", summary, detect=_is_toy, settings=_settings, files=_files),)


@hookimpl
def prunus_load(format, source):
    """Read a structure and its weights."""
    from prunus_toy.read import load

    return load(source)


@hookimpl
def prunus_compact(format, network, compact, destination):
    """Write a structure and its weights."""
    from prunus_toy.write import write

    return write(network, compact, destination)


def _is_toy(path):
    return path.suffix == ".toy" and path.is_file()


def _settings(path):
    if path.suffix != ".toyprune":
        return None
    from prunus_toy.settings import read_settings

    return read_settings(path)


def _files(source):
    return () if source.weights else (source.model.with_suffix(".weights"),)
