"""Stand-ins for TensorRT 10 and CUDA's runtime: the functions that their documentation names.

"GPU memory" is the computer's, and an "engine" is the ONNX file in ONNX Runtime.
"""
# ruff: noqa: N802, N815, ARG002, ARG005 - names and arguments are TensorRT's and CUDA's

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

OK, TOO_OLD = "success", "too old"


class FakeCuda(SimpleNamespace):
    cudaError_t = SimpleNamespace(cudaSuccess=OK)
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def __init__(self) -> None:
        super().__init__()
        self.blocks: dict[int, Any] = {}
        self.state = OK

    def cudaGetErrorString(self, code: str) -> tuple[str, bytes]:
        return OK, code.encode()

    def cudaGetDeviceProperties(self, gpu: int) -> tuple[str, Any]:
        return self.state, SimpleNamespace(name=b"Orin Nano\0\0")

    def cudaStreamCreate(self) -> tuple[str, int]:
        return OK, 7

    def cudaStreamSynchronize(self, stream: int) -> tuple[str]:
        return (OK,)

    def cudaMalloc(self, size: int) -> tuple[str, int]:
        block = ctypes.create_string_buffer(size)
        self.blocks[ctypes.addressof(block)] = block
        return OK, ctypes.addressof(block)

    def cudaFree(self, address: int) -> tuple[str]:
        del self.blocks[address]
        return (OK,)

    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: int, stream: int) -> tuple[str]:
        assert (kind == 1) == (target in self.blocks)
        ctypes.memmove(target, source, size)
        return (OK,)


class FakeContext:
    def __init__(self, plan: bytes) -> None:
        self.session = onnxruntime.InferenceSession(plan, providers=["CPUExecutionProvider"])
        self.addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.name, self.shape = name, shape
        return shape[0] <= 32

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        (value,) = self.session.run([name], {self.name: np.zeros(self.shape, np.uint8)})
        return value.shape

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, stream_handle: int) -> bool:
        size = int(np.prod(self.shape))
        given = np.frombuffer(ctypes.string_at(self.addresses[self.name], size), np.uint8)
        for output in self.session.get_outputs():
            (value,) = self.session.run([output.name], {self.name: given.reshape(self.shape)})
            ctypes.memmove(self.addresses[output.name], value.tobytes(), value.nbytes)
        return stream_handle == 7


class FakeTensorrt(SimpleNamespace):
    __version__ = "10.3.0"
    BuilderFlag = SimpleNamespace(FP16="fp16", INT8="int8")
    MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")

    class ILogger:
        Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)

    def __init__(self) -> None:
        super().__init__()
        self.settings = self.content = self.refusal = None
        self.built = 0

    def Builder(self, log: Any) -> Any:
        log.log(2, "a warning")
        return SimpleNamespace(
            create_network=SimpleNamespace,
            create_builder_config=self._new_settings,
            create_optimization_profile=lambda: SimpleNamespace(set_shape=self._keep_profile),
            build_serialized_network=self._build,
        )

    def OnnxParser(self, network: Any, log: Any) -> Any:
        error = SimpleNamespace(desc=lambda: f"{self.refusal}\nIn node 3")
        return SimpleNamespace(parse=self._parse, num_errors=1, get_error=lambda i: error)

    def Runtime(self, log: Any) -> Any:
        def engine(plan: bytes) -> Any:
            return SimpleNamespace(create_execution_context=lambda: FakeContext(plan)) if plan else None

        return SimpleNamespace(deserialize_cuda_engine=engine)

    def _new_settings(self) -> Any:
        self.flags: list[str] = []
        self.caches: list[bytes] = []
        return SimpleNamespace(
            set_flag=self.flags.append,
            set_memory_pool_limit=lambda pool, size: None,
            add_optimization_profile=lambda shapes: None,
            create_timing_cache=lambda known: known,
            set_timing_cache=lambda known, ignore_mismatch: self.caches.append(known),
            get_timing_cache=lambda: SimpleNamespace(serialize=lambda: memoryview(b"timings")),
        )

    def _keep_profile(self, name: str, *shapes: Any) -> None:
        self.profile = (name, *shapes)

    def _parse(self, content: bytes) -> bool:
        self.content = content
        return self.refusal is None

    def _build(self, network: Any, settings: Any) -> Any:
        self.built += 1
        return memoryview(self.content)
