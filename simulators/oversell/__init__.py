"""Many clients at once want what few can have, and an audit sees who was promised what."""
