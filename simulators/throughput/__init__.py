"""How many tag reads a second one simulated reader sends, and one edge agent takes."""
