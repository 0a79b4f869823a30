"""Step 1, names to pictures: files, folders, archives, arrays, decoded into pixels."""
