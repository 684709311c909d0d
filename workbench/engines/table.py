"""The table of engines: every way to run the networks, and what is known about it. A new engine is a new row.

Functions stand as "module:name" and are imported when they are called, so that a form can list the rows without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AUTO = "auto"
TORCH = "torch"
EXPORTER = ("onnx", "onnxscript")

ONNX = "onnx"

_HERE = "workbench.engines"
_ONNXRUNTIME = f"{_HERE}.onnx_runtime:open_session"


EXPORTERS = {ONNX: f"{_HERE}.export:export_part", "pnnx": f"{_HERE}.ncnn_graphs:export_part"}
"""By the package whose format it is: functions of (part, models, shapes, path) that write a graph and give the shapes
of its outputs."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One way to run the networks."""

    name: str
    about: str
    runner: str
    """a ``Runner``, made of (models, engine)"""
    session: str | None = None
    """for engines that run graphs: a function that opens one (``engines.graphs.OpenSession``)"""
    devices: tuple[str, ...]
    """types of device whose pipelines can use it"""
    dtypes: tuple[str, ...] = ("float32", "float16", "bfloat16")
    """precisions of the networks that it runs"""
    packages: tuple[str, ...] = ()
    """modules that must be installed"""
    install: str = ""
    """the command that brings them"""
    providers: tuple[str, ...] = ()
    """of ONNX Runtime (``engines.providers``): the first that is here is taken"""
    absent: str = ""
    """a function that says why what it runs on is not here; it gives "" where it is"""
    needs: str = ""
    """what else it takes: a system, a card, a driver"""
    tolerance: float = 0.0
    """largest share of the output's bytes that may differ from torch's, and then by 1 of 255; checked by tests where
    the engine runs (but for those with ``int8``, whose quality is measured: docs/ablation.md)"""
    exporter: str = ONNX
    """of its graphs (``EXPORTERS``)"""
    int8: tuple[str, ...] = ()
    """parts (``engines.parts``) of whose graphs some convolutions are int8"""
    inside: bool = False
    """whether taps inside the networks fire"""
    gain: Mapping[str, float] = field(default_factory=dict)
    """device type -> measured time of a frame, as a share of torch's (docs/engines.md); without one, ``auto`` does
    not take it"""
    opening: float = 0.0
    """measured seconds until it is ready for a size, any exported graphs being in the cache"""

    @property
    def has_graphs(self) -> bool:
        """Whether the networks must be exported first."""
        return self.session is not None


CALIBRATION = "workbench.pipeline.calibration:calibration"
"""(models, part, size (h, w)) -> the part's inputs in some calls, for ranges of int8"""

_GRAPHS: tuple[str, ...] = ("float32", "float16")
_INT8 = ("decode", "base")

ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            name=TORCH,
            about="the networks as they are",
            runner=f"{_HERE}.runner:Runner",
            devices=("cpu", "cuda", "mps"),
            inside=True,
        ),
        Engine(
            name="compile",
            about="torch.compile of the networks' blocks, in place",
            runner=f"{_HERE}.compiled:CompiledRunner",
            devices=("cpu", "cuda"),
            needs="a C++ compiler on a CPU, Triton on a GPU",
            tolerance=1e-3,
            inside=True,
        ),
        Engine(
            name="cudagraphs",
            about="the networks as they are, each recorded as a CUDA graph",
            runner=f"{_HERE}.captured:CapturedRunner",
            devices=("cuda",),
            tolerance=1e-3,
            gain={"cuda": 0.59},
            opening=0.4,
        ),
        Engine(
            name="compile-cudagraphs",
            about="the networks' blocks compiled, and each network recorded as a CUDA graph",
            runner=f"{_HERE}.captured:CompiledCapturedRunner",
            devices=("cuda",),
            tolerance=1e-3,
        ),
        Engine(
            name="onnxruntime",
            about="ONNX Runtime, on a CPU or an NVIDIA GPU",
            runner=f"{_HERE}.graphs:GraphRunner",
            session=_ONNXRUNTIME,
            devices=("cpu", "cuda"),
            dtypes=_GRAPHS,
            packages=("onnxruntime", *EXPORTER),
            install="pip install 'stream-diffvsr-workbench[onnx]' (for CUDA: onnxruntime-gpu in place of onnxruntime)",
            providers=("CPUExecutionProvider", "CUDAExecutionProvider"),
            tolerance=1e-3,
            gain={"cpu": 0.84},
            opening=0.2,
        ),
        Engine(
            name="openvino",
            about="OpenVINO, on Intel, AMD and ARM CPUs",
            runner=f"{_HERE}.graphs:GraphRunner",
            session=f"{_HERE}.open_vino:open_session",
            devices=("cpu",),
            dtypes=("float32",),
            packages=("openvino", *EXPORTER),
            install="pip install 'stream-diffvsr-workbench[openvino]'",
            tolerance=1e-3,
            gain={"cpu": 0.79},
            opening=0.6,
        ),
        Engine(
            name="onnxruntime-int8",
            about="ONNX Runtime on a CPU, the inner convolutions of the decoder in int8: quicker, and less exact",
            runner=f"{_HERE}.graphs:GraphRunner",
            session=_ONNXRUNTIME,
            devices=("cpu",),
            dtypes=("float32",),
            packages=("onnxruntime", *EXPORTER),
            install="pip install 'stream-diffvsr-workbench[onnx]'",
            providers=("CPUExecutionProvider",),
            tolerance=1.0,
            int8=_INT8,
            opening=0.2,
        ),
        Engine(
            name="openvino-int8",
            about="OpenVINO, the inner convolutions of the decoder in int8: quicker, and less exact",
            runner=f"{_HERE}.graphs:GraphRunner",
            session=f"{_HERE}.open_vino:open_session",
            devices=("cpu",),
            dtypes=("float32",),
            packages=("openvino", "onnxruntime", *EXPORTER),
            install="pip install 'stream-diffvsr-workbench[onnx,openvino]'",
            tolerance=1.0,
            int8=_INT8,
            opening=0.6,
        ),
        Engine(
            name="ncnn",
            about="ncnn, on a CPU",
            runner=f"{_HERE}.graphs:GraphRunner",
            session=f"{_HERE}.ncnn_graphs:open_on_cpu",
            devices=("cpu",),
            dtypes=("float32",),
            packages=("ncnn", "pnnx"),
            install="pip install 'stream-diffvsr-workbench[ncnn]'",
            tolerance=1e-2,
            exporter="pnnx",
        ),
        Engine(
            name="ncnn-vulkan",
            about="ncnn, on a GPU of any maker that has Vulkan",
            runner=f"{_HERE}.graphs:GraphRunner",
            session=f"{_HERE}.ncnn_graphs:open_on_vulkan",
            devices=("cpu", "mps"),
            dtypes=("float32",),
            packages=("ncnn", "pnnx"),
            install="pip install 'stream-diffvsr-workbench[ncnn]'",
            needs="a GPU with a Vulkan driver",
            absent=f"{_HERE}.ncnn_graphs:no_gpu",
            tolerance=1e-2,
            exporter="pnnx",
        ),
        Engine(
            name="tensorrt",
            about="TensorRT, on NVIDIA GPUs",
            runner=f"{_HERE}.graphs:GraphRunner",
            session=_ONNXRUNTIME,
            devices=("cuda",),
            dtypes=_GRAPHS,
            packages=("onnxruntime", *EXPORTER),
            install="pip install 'stream-diffvsr-workbench[onnx]' onnxruntime-ep-nv-tensorrt-rtx",
            providers=("NvTensorRTRTXExecutionProvider", "TensorrtExecutionProvider"),
            needs="an NVIDIA GPU (RTX 30 or later, or TensorRT 10 and onnxruntime-gpu)",
            tolerance=1e-3,
        ),
        Engine(
            name="coreml",
            about="CoreML, on Apple machines",
            runner=f"{_HERE}.graphs:GraphRunner",
            session=_ONNXRUNTIME,
            devices=("cpu", "mps"),
            dtypes=_GRAPHS,
            packages=("onnxruntime", *EXPORTER),
            install="pip install 'stream-diffvsr-workbench[onnx]'",
            providers=("CoreMLExecutionProvider",),
            needs="macOS",
            tolerance=1e-3,
        ),
        Engine(
            name="directml",
            about="DirectML, on any GPU under Windows",
            runner=f"{_HERE}.graphs:GraphRunner",
            session=_ONNXRUNTIME,
            devices=("cpu",),
            dtypes=_GRAPHS,
            packages=("onnxruntime", *EXPORTER),
            install="pip install onnx onnxscript onnxruntime-directml",
            providers=("DmlExecutionProvider",),
            needs="Windows",
            tolerance=1e-3,
        ),
    )
}
