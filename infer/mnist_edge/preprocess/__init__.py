"""2  Pictures -> 28 x 28, as MNIST's images were made."""
