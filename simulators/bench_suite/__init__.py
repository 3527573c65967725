"""All benches in one run: tables, pictures, and what a change cost."""
