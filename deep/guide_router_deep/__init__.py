"""Data for ``guide-router``: ``encoder.onnx``, ``tokenizer.json`` and ``card.json`` beside this file. No code."""
