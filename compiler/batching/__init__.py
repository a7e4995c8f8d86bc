"""Batching: a program for one lane becomes one for a stack of lanes."""

from weft.compiler.batching.batch import Batcher

__all__ = ["Batcher"]
