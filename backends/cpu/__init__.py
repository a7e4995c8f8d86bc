"""Part of weft.backends.cpu."""
