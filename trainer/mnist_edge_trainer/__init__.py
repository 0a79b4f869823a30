"""The workstation side of mnist-edge: training, evaluation, export. Needs the `train` extra."""
