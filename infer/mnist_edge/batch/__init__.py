"""Step 3, many pictures: batches, processes, and the one visible loop."""
