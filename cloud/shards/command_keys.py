"""Commands that were accepted under a key, with what they were answered. Pure."""

import msgspec

from cloud.commands import AnyCommand
from cloud.journal.rows import CommandKeyRow
from cloud.records import Record, decode_any_record, encode_record
from cloud.shards.desk import Stamp


def command_key(stamp: Stamp, command: AnyCommand, answer: Record | None) -> CommandKeyRow:
    """Return what is kept, so that whoever sends the same again gets the same answer."""
    encoded = None if answer is None else (answer.KIND, encode_record(answer))
    return CommandKeyRow(
        key=command.key,
        position=stamp.position,
        stamped_at_ms=stamp.now_ms,
        digest=command.digest,
        answer=msgspec.msgpack.encode(encoded),
    )


def answer_in(row: CommandKeyRow) -> Record | None:
    """Return the record that a command was answered with when it was accepted."""
    decoded = msgspec.msgpack.decode(row.answer, type=tuple[str, bytes] | None)
    return None if decoded is None else decode_any_record(*decoded)
