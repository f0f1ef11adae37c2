"""The experiments themselves: few-shot, prune-retrain, the 2-D study and the cost of each criterion."""
