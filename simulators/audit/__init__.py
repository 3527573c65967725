"""An auditor of the journal who does his own sums and believes nobody's state."""
