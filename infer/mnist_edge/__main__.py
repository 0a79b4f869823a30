"""`python -m mnist_edge` is the program `mnist-edge`."""

from mnist_edge.cli.main import main

main()
