"""1  Names -> pictures: files, folders, archives, arrays, decoded into pixels."""
