"""A lean MQTT 5 client for asyncio: what the edge and the cloud use of the standard, in batches.

It stands in for `aiomqtt.Client`, with that library's messages and errors and paho's properties,
and beside `publish` has `post`, which costs a twentieth (docs/decisions/0015).
"""

from mqtt5.client import Client as Client
