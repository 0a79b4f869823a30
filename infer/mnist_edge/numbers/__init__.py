"""Every digit of a picture: its lines, and the digits on them."""
