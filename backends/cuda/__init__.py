"""Part of weft.backends.cuda."""
