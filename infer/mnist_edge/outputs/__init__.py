"""4  Predictions -> text, files, folders and the screen."""
