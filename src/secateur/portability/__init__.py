"""A pruned network outside: loaded without Secateur, exported, described by a model card, on the hub."""
