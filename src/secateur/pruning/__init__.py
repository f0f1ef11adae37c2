"""Units of a network, the choice among them, their physical removal, and what is left."""
