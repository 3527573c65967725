"""What the API takes and returns, as types: they are the source of the OpenAPI document."""
