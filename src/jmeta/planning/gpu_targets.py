"""What XLA must know of a GPU to compile for it where there is none: its limits, as CUDA reports them on such a device."""

from typing import NamedTuple


class GPUTarget(NamedTuple):
    """A GPU's compute capability, cores and memories."""

    capability: tuple[int, int]
    cores: int  # streaming multiprocessors
    units: int  # float32 units of a core
    shared_of_core: int  # bytes
    shared_of_block: int  # bytes, at most
    cache: int  # bytes of the second level
    gigahertz: float

    def config(self, name: str, memory: float, bandwidth: float) -> str:
        """Returns XLA's description of the device, a text of its protocol buffer ``GpuTargetConfigProto``."""
        return f"""
            gpu_device_info {{
              threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
              shared_memory_per_block: 49152 shared_memory_per_core: {self.shared_of_core}
              shared_memory_per_block_optin: {self.shared_of_block}
              core_count: {self.cores} fpus_per_core: {self.units} clock_rate_ghz: {self.gigahertz}
              block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
              memory_bandwidth: {int(bandwidth)} l2_cache_size: {self.cache} device_memory_size: {int(memory)}
              cuda_compute_capability {{ major: {self.capability[0]} minor: {self.capability[1]} }}
              registers_per_core_limit: 65536 registers_per_block_limit: 65536
            }}
            platform_name: "CUDA"
            dnn_version_info {{ major: 9 minor: 7 }}
            runtime_version {{ major: 13 minor: 0 patch: 0 }}
            device_description_str: "{name}"
        """


GPU_TARGETS = {
    "a100": GPUTarget((8, 0), 108, 64, 167936, 166912, 41943040, 1.41),
    "h100": GPUTarget((9, 0), 132, 128, 233472, 232448, 52428800, 1.98),
    "h200": GPUTarget((9, 0), 132, 128, 233472, 232448, 62914560, 1.98),
}
GPU_OPTIONS = {"xla_gpu_autotune_level": 0, "xla_gpu_enable_triton_gemm": False}
"""Options of a compilation without a device: there is none to try kernels on."""
GPU_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")
