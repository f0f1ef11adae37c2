"""What a criterion sees of a network, where criteria are found, and the checked ranking of units."""
