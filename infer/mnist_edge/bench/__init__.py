"""The instrument: how fast, how large, how right, and how sure that is."""
