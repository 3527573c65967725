"""A web shop that sells what stores have: it watches, reserves, is paid, and lets ship."""
