"""Small training runs to watch: settings, folders, the process that trains, and who minds it."""
