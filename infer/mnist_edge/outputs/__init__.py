"""Step 4, predictions to text, files, folders and the screen."""
