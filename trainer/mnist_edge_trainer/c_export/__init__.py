"""Quantized networks as C99: read, written, and verified against onnxruntime."""
