"""Structure files: GraphDef and MetaGraphDef, text and binary.

Sources: tensorflow/core/framework/graph.proto, tensorflow/core/protobuf/meta_graph.proto.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import ModelError
from prunus_tensorflow.error_text import first_line, shortened
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.signatures import check_nodes
from prunus_tensorflow.runtime import tensorflow

_META_TEXT = re.compile(rb"\A(\s|#[^\n]*\n)*(meta_info_def|graph_def)\s*:?\s*\{")
_TEXT_ERROR = re.compile(r"^(\d+):(\d+) : (.*)$", re.DOTALL)


@attrs.frozen(eq=False)
class Structure:
    """A structure file as read.

    Attributes:
        path: The file.
        kind: ``text`` or ``binary`` GraphDef, ``meta`` or ``metatext`` MetaGraphDef.
        content: Its bytes; ``None`` once they are not needed any more.
        message: The parsed GraphDef or MetaGraphDef protobuf.
    """

    path: Path
    kind: str
    content: bytes | None
    message: Any

    @property
    def graph(self) -> Any:
        """The GraphDef inside."""
        return self.message.graph_def if self.kind.startswith("meta") else self.message


def read_structure(path: Path) -> Structure:
    """Read and parse a structure file.

    Raises:
        ModelError: the file is missing, empty, cut, or something else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if not content.strip():
        raise ModelError(f"{path}: the file is empty, a GraphDef was expected")
    kind = _kind(path, content)
    message = parse(path, kind, content)
    structure = Structure(path, kind, content, message)
    if not structure.graph.node:
        raise ModelError(f"{path}: no node in it, so it is not a TensorFlow graph")
    check_nodes(path, structure.graph)
    return structure


def parse(path: Path, kind: str, content: bytes) -> Any:
    """Parse ``content`` as a graph of ``kind``; ``path`` is for messages.

    Raises:
        ModelError: broken text (with its line) or broken binary.
    """
    tensorflow()
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import graph_pb2
    from tensorflow.core.protobuf import meta_graph_pb2

    message = meta_graph_pb2.MetaGraphDef() if "meta" in kind else graph_pb2.GraphDef()
    if kind in ("meta", "binary"):
        try:
            message.ParseFromString(content)
        except (DecodeError, RuntimeError) as error:
            raise ModelError(
                f"{path}: not a complete {type(message).__name__}: the file is cut or damaged, "
                "or of another kind"
            ) from error
        return message
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ModelError(f"{path}, line {line}: not UTF-8 text, so no pbtxt") from error
    try:
        text_format.Parse(text, message, allow_unknown_field=True)
    except text_format.ParseError as error:
        raise ModelError(_text_message(path, text, str(error))) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not a pbtxt graph ({first_line(error)})") from error
    return message


def content_of(origin: GraphOrigin) -> bytes:
    """The structure file, read again where it was too large to keep.

    Raises:
        ModelError: it is gone or another one.
    """
    if origin.content is not None:
        return origin.content
    try:
        content = origin.model.read_bytes()
    except OSError as error:
        raise ModelError(f"{origin.model}: cannot be read again ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != origin.digest:
        raise ModelError(f"{origin.model}: changed since it was read: run the step again")
    return content


def graph_of(origin: GraphOrigin) -> Any:
    """The GraphDef of a network that was read.

    Raises:
        ModelError: the file is gone or another one.
    """
    content = content_of(origin)
    return Structure(
        origin.model, origin.kind, content, parse(origin.model, origin.kind, content)
    ).graph


def _text_message(path: Path, text: str, error: str) -> str:
    match = _TEXT_ERROR.match(error)
    if match is None:
        return f"{path}: {shortened(' '.join(error.split()), 200)}"
    line = int(match.group(1))
    lines = text.count("\n") + (not text.endswith("\n"))
    reason = shortened(" ".join(match.group(3).split()), 120)
    if line >= lines:
        return f"{path}, line {line}: the text ends inside a message ({reason}): the file is cut"
    return f"{path}, line {line}: {reason}"


def _kind(path: Path, content: bytes) -> str:
    head = content[:65536]
    control = sum(byte < 9 or 13 < byte < 32 for byte in head)
    if path.suffix == ".meta" and control:
        return "meta"
    if _META_TEXT.match(head):
        return "metatext"
    return "text" if not control else "binary"
