"""Networks that read whole numbers: their data, training, export and evaluation."""
