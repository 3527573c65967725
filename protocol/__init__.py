"""What crosses a wire between edge, cloud and third parties.

Facts go up, acknowledgements and states come down, documents go to everybody else. Nothing here
performs I/O, reads a clock or imports another of our packages.
"""
