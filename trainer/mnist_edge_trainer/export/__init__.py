"""A trained network -> ONNX, int8, and the export gate."""
