"""Recounts: whom staff should count next, and what is made of being asked."""
