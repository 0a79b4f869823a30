"""Step 2, pictures to 28 x 28, as MNIST's images were made."""
