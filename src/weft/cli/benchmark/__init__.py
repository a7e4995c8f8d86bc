"""What `weft bench` needs beside the command: rows, the process of one peer, the machine's limits, drawings."""
