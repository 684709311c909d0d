"""From a part of a model to an ONNX file: one static shape, weights included."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from workbench.engines.parts import Call, Part, Shape, Shapes, example, input_names, output_names
from workbench.errors import EngineError
from workbench.models.models import Models, weight_bytes

GRAPH = "graph.onnx"
IN_FILE = 2**30  # bytes of weights up to which they lie in the graph's own file; protobuf ends at 2 GiB


@torch.no_grad()
def export_part(part: Part, models: Models, shapes: Shapes, path: Path) -> list[Shape]:
    """Writes one part for inputs of these shapes (``path``, and ``path.data`` where the weights are large).

    Returns the shapes of its outputs. Raises EngineError where the exporter fails.
    """
    call = Call(part, models.networks[part.network]).cpu().eval()
    inputs = example(part, shapes)
    weights = weight_bytes([call])
    try:
        with _quiet():
            program = torch.onnx.export(
                call,
                inputs,
                dynamo=True,
                verbose=False,
                input_names=input_names(part, shapes),
                external_data=weights > IN_FILE,
            )
            assert program is not None
            outputs = program.model.graph.outputs
            for value, name in zip(outputs, output_names(part, len(outputs)), strict=True):
                value.name = name
            program.save(path, external_data=weights > IN_FILE)
    except Exception as error:  # an exporter fails in as many ways as there are operators
        reason = " ".join(str(error).split())[:300]
        raise EngineError(f"{part.name} could not be exported ({type(error).__name__}: {reason}).") from error
    return [cast(Shape, tuple(value.shape or ())) for value in outputs]  # static: whole numbers


def precision_of(path: Path) -> str:
    """``int8`` where a graph has such weights; else ``float32`` or ``float16``, which most of their bytes are in. It is
    read from the file."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    held: Counter[str] = Counter()
    for tensor in model.graph.initializer:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        held[dtype.name] += dtype.itemsize * _count(tensor.dims)
    return "int8" if held["int8"] else max(("float32", "float16"), key=lambda name: held[name])


def _count(dims: Any) -> int:
    count = 1
    for length in dims:
        count *= int(length)
    return count


def weights_digest(network: nn.Module) -> str:
    """SHA-256 over a network's weights and its configuration: what its graphs depend on."""
    import hashlib
    import json

    config = {name: value for name, value in dict(getattr(network, "config", {})).items() if not name.startswith("_")}
    digest = hashlib.sha256((str(type(network)) + json.dumps(config, sort_keys=True, default=str)).encode())
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's warnings are about its own insides."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
