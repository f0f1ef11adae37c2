"""What `import secateur` offers to a notebook: ranking, pruning, relevance, units, and loading what was pruned."""
