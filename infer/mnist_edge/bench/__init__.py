"""Benchmark of digit classifiers: latency, throughput, start-up, memory, size and accuracy."""
