"""Partial stubs of scikit-learn: what the demo calls."""
