"""3  Many pictures: batches, processes, and the one visible loop."""
