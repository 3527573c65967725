"""The headless HTTP API: what sales channels, stores, warehouses and operators ask and tell.

It runs on the cloud's event loop. Reads come from the journal, on threads of their own; a command
goes to the shard's inbox and is answered after its commit.
"""
