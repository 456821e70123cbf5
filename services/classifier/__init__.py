"""Says what kind of work a prompt is, and how hard."""
