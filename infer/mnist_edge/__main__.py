"""`python -m mnist_edge` is the program `mnist-edge`."""

from mnist_edge.program import main

main()
