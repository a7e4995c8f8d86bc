"""Python's control flow on traced values: statements as regions, joins of names, loops over sequences.

Not here: regions themselves (`region.py`), what the rewriter makes of statements (`statement.py`).
"""
