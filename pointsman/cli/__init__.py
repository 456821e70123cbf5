"""The command line. `main` holds the commands' options; each command's work is a file of its own, imported when it is called."""
