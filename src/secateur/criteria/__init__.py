"""One file a criterion: each has a `score(network, **options)`, and its docstring begins with its description."""
