"""The version of Weft, for modules that `weft` itself loads. Not here: anything else."""

VERSION = "0.1.0"
