"""The networks: building blocks, our own shapes, classic shapes, and the registry of all."""
