"""Some of a graph's convolutions in int8: weights, and what they read, in steps of a range seen in a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from workbench.errors import EngineError

WIDE = 0.5  # of the most channels on both sides of a convolution: where a decoder's time goes
Rows = Sequence[Sequence[Tensor]]
"""Of each of some calls, the inputs in the graph's order."""


def quantize(graph: Path, path: Path, rows: Rows, grid: tuple[int, int]) -> None:
    """Writes the graph anew with its wide convolutions on ``grid`` (h, w) in int8, but for the first and the last one.

    The narrow ones, those that make pixels, and all on other grids stay float32: an error made in features is smoothed
    by the layers after it, one made in the picture is seen. Weights have seven bits, since processors without
    VNNI add two products in sixteen. Raises EngineError where ONNX Runtime's quantizer fails.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self, names: Sequence[str]) -> None:
            self._rows = ({n: v.numpy() for n, v in zip(names, row, strict=True)} for row in rows)

        def get_next(self) -> dict:  # type: ignore[type-arg]
            return next(self._rows, None)  # type: ignore[return-value]

    model = onnx.load(graph)
    try:
        with _quiet():
            quantize_static(
                graph,
                path,
                Reader([value.name for value in model.graph.input]),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                nodes_to_quantize=_inner(model, grid),
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
    except Exception as error:  # of onnx, of ONNX Runtime, or of numpy
        reason = " ".join(str(error).split())[:300]
        raise EngineError(f"{graph} could not be made int8 ({type(error).__name__}: {reason}).") from error


def _inner(model: object, grid: tuple[int, int]) -> list[str]:
    """Names of the convolutions (B, C, h, w) on this grid that are wide and make no pixels, without the graph's first
    and last."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model).graph  # type: ignore[arg-type]
    shapes = {value.name: [n.dim_value for n in value.type.tensor_type.shape.dim] for value in inferred.value_info}
    kernels = {value.name: min(value.dims[:2]) for value in inferred.initializer if len(value.dims) == 4}
    shuffled = {node.input[0] for node in inferred.node if node.op_type == "DepthToSpace"}
    layers = [node for node in inferred.node if node.op_type == "Conv"][1:-1]
    return [
        node.name
        for node in layers
        if shapes.get(node.output[0], [])[2:] == list(grid)
        and kernels[node.input[1]] >= WIDE * max(kernels.values())
        and node.output[0] not in shuffled
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """It advises, at the root logger, to optimise the graph first; the runtime that opens it does that."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
