"""PyInstaller's hook for llama_cpp: ctypes loads its libraries by path and ggml its backends, so nothing finds them."""

from PyInstaller.utils.hooks import collect_dynamic_libs, copy_metadata

binaries = collect_dynamic_libs("llama_cpp", search_patterns=["*.so", "*.dll", "*.dylib"])
datas = copy_metadata("llama_cpp_python")
