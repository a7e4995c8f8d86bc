"""What `weft bench` needs beside the command: rows, a peer's process, limits, drawings."""
