"""The array API standard's functions, called as it says, eagerly and compiled: `python -m tests.array_api`."""
