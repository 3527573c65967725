"""A simulated LLRP 1.0.1 reader: `LlrpReader` is its front, the other modules are its parts."""

from simulators.devices.llrp_reader.drive import AntennaDrive, ReadModel
from simulators.devices.llrp_reader.server import LlrpReader
from simulators.devices.llrp_reader.settings import ReaderSettings, ReaderStats, TagInField

__all__ = [
    "AntennaDrive",
    "LlrpReader",
    "ReadModel",
    "ReaderSettings",
    "ReaderStats",
    "TagInField",
]
