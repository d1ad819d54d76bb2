"""What surrounds the lab: files, text, signals, the environment of the process."""
