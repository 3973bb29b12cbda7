"""What machines watch a line by: figures for Prometheus, and whether it is healthy; in a process of its own."""
