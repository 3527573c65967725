"""AccessSpecs on the tags of a reader in virtual time."""

from typing import Any

import pytest
from llrpkit.protocol import BitStr, messages, params
from llrpkit.protocol.enums import (
    AccessReportTriggerType,
    AccessSpecStopTriggerType,
    AirProtocols,
    C1G2BlockWriteResultType,
    C1G2ReadResultType,
    C1G2WriteResultType,
    ROReportTriggerType,
    StatusCode,
)

from simulators.devices.llrp_reader.tag_memory import (
    USER_WORDS,
    Bank,
    TagMemories,
    stored_crc,
    tid_of,
)
from tests.llrp_messages import EVERYTHING, epcs_in, report_spec, ro_spec, tags_in
from tests.llrp_world import EPCS, World, succeeded

EPC_AT_BIT = 0x20


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def read(bank: int, pointer: int = 0, count: int = 0, **more: int) -> params.C1G2Read:
    return params.C1G2Read(op_spec_id=7, mb=bank, word_pointer=pointer, word_count=count, **more)


def write(bank: int, pointer: int, *data: int) -> params.C1G2Write:
    return params.C1G2Write(op_spec_id=8, mb=bank, word_pointer=pointer, write_data=list(data))


def targets(epc: bytes, match: bool = True) -> params.C1G2TargetTag:
    whole = BitStr.from_bytes(b"\xff" * len(epc))
    return params.C1G2TargetTag(
        mb=Bank.EPC,
        match=match,
        pointer=EPC_AT_BIT,
        tag_mask=whole,
        tag_data=BitStr.from_bytes(epc),
    )


def access_spec(*ops: Any, target: Any = None, times: int = 0, **more: Any) -> params.AccessSpec:
    kind = AccessSpecStopTriggerType.Operation_Count if times else AccessSpecStopTriggerType.Null
    given: dict[str, Any] = {
        "access_spec_id": 5,
        "protocol_id": AirProtocols.EPCGlobalClass1Gen2,
        "access_spec_stop_trigger": params.AccessSpecStopTrigger(
            access_spec_stop_trigger=kind, operation_count_value=times
        ),
        "access_command": params.AccessCommand(
            air_protocol_tag_spec=params.C1G2TagSpec(
                c1_g2_target_tags=[target or params.C1G2TargetTag(mb=1, match=True)]
            ),
            access_command_op_specs=list(ops),
        ),
    }
    return params.AccessSpec(**given | more)


def reading_world(report: params.ROReportSpec | None = None) -> World:
    world = World()
    world.connect()
    world.start_inventory(ro_spec(report=report or report_spec(selector=EVERYTHING)))
    return world


def enable(world: World, spec: params.AccessSpec) -> None:
    succeeded(world.ask(messages.ADD_ACCESSSPEC(access_spec=spec)))
    succeeded(world.ask(messages.ENABLE_ACCESSSPEC(access_spec_id=spec.access_spec_id)))


def accessed(world: World, until_ms: int = 100) -> list[params.TagReportData]:
    tags = tags_in(world.pass_time(until_ms))
    return [tag for tag in tags if tag.access_command_op_spec_results]


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (read(Bank.TID), tid_of(EPCS[0])),
        (read(Bank.TID, 4, 2), tid_of(EPCS[0])[8:]),
        (read(Bank.EPC, 2, 6), EPCS[0]),
        (read(Bank.EPC, 0, 2), stored_crc(EPCS[0]).to_bytes(2, "big") + b"\x30\x00"),
        (read(Bank.USER, 0, 3), bytes(6)),
        (read(Bank.RESERVED), bytes(8)),
    ],
)
def test_reading_a_bank_tells_its_words(op: params.C1G2Read, expected: bytes) -> None:
    world = reading_world()
    enable(world, access_spec(op, target=targets(EPCS[0])))
    (tag,) = accessed(world, until_ms=50)
    assert tag.access_spec_id == params.AccessSpecID(access_spec_id=5)
    assert tag.access_command_op_spec_results == [
        params.C1G2ReadOpSpecResult(
            result=C1G2ReadResultType.Success, op_spec_id=7, read_data=words(expected)
        )
    ]
    assert epcs_in([messages.RO_ACCESS_REPORT(tag_report_datas=[tag])]) == [EPCS[0]]


@pytest.mark.parametrize(
    "op",
    [read(Bank.USER, USER_WORDS), read(Bank.USER, 0, USER_WORDS + 1), read(3, access_password=1)],
    ids=["beyond", "too-many", "password"],
)
def test_what_cannot_be_read_is_a_tag_error(op: params.C1G2Read) -> None:
    world = reading_world()
    enable(world, access_spec(op, target=targets(EPCS[0])))
    (tag,) = accessed(world, until_ms=50)
    (result,) = tag.access_command_op_spec_results
    assert result.result == C1G2ReadResultType.Nonspecific_Tag_Error


def test_what_was_written_is_read_back() -> None:
    world = reading_world()
    ops = (write(Bank.USER, 2, 0xBEEF, 0xCAFE), read(Bank.USER, 1, 4))
    enable(world, access_spec(*ops, target=targets(EPCS[1])))
    (tag,) = accessed(world, until_ms=50)
    written, found = tag.access_command_op_spec_results
    assert written == params.C1G2WriteOpSpecResult(
        result=C1G2WriteResultType.Success, op_spec_id=8, num_words_written=2
    )
    assert isinstance(found, params.C1G2ReadOpSpecResult)
    assert found.read_data == [0, 0xBEEF, 0xCAFE, 0]
    assert world.memories.bank(EPCS[0], Bank.USER) == bytes(2 * USER_WORDS)


def test_block_write_writes_too() -> None:
    world = reading_world()
    op = params.C1G2BlockWrite(op_spec_id=9, mb=Bank.USER, write_data=[1])
    enable(world, access_spec(op, target=targets(EPCS[1])))
    (tag,) = accessed(world, until_ms=50)
    assert tag.access_command_op_spec_results == [
        params.C1G2BlockWriteOpSpecResult(
            result=C1G2BlockWriteResultType.Success, op_spec_id=9, num_words_written=1
        )
    ]


@pytest.mark.parametrize(
    ("op", "problem"),
    [
        (write(Bank.EPC, 2, 1), C1G2WriteResultType.Tag_Memory_Locked_Error),
        (write(Bank.TID, 0, 1), C1G2WriteResultType.Tag_Memory_Locked_Error),
        (write(Bank.USER, USER_WORDS, 1), C1G2WriteResultType.Tag_Memory_Overrun_Error),
    ],
)
def test_operations_after_a_failed_one_are_not_executed(
    op: params.C1G2Write, problem: C1G2WriteResultType
) -> None:
    world = reading_world()
    enable(world, access_spec(op, read(Bank.TID), target=targets(EPCS[0])))
    (tag,) = accessed(world, until_ms=50)
    assert tag.access_command_op_spec_results == [
        params.C1G2WriteOpSpecResult(result=problem, op_spec_id=8)
    ]
    assert world.stats.access_operations == 1


def test_a_password_that_was_written_is_asked_for() -> None:
    memories = TagMemories(10)
    memories.write(EPCS[0], Bank.RESERVED, 2, (77).to_bytes(4, "big"))
    assert [memories.opens(EPCS[0], password) for password in (0, 77, 78)] == [True, True, False]


def test_memory_of_the_tag_written_first_is_forgotten() -> None:
    memories = TagMemories(2)
    for epc in EPCS[:3]:
        memories.write(epc, Bank.USER, 0, b"\0\1")
    assert [memories.read(epc, Bank.USER, 0, 1) for epc in EPCS[:3]] == [
        b"\0\0",
        b"\0\1",
        b"\0\1",
    ]


def test_a_spec_that_was_executed_often_enough_is_deleted() -> None:
    world = reading_world()
    enable(world, access_spec(read(Bank.TID), target=targets(EPCS[0]), times=3))
    assert len(accessed(world, until_ms=1_000)) == 3
    assert world.ask(messages.GET_ACCESSSPECS()).access_specs == []


def test_a_spec_for_all_tags_is_executed_on_each_singulation() -> None:
    world = reading_world()
    enable(world, access_spec(read(Bank.TID)))
    assert len(accessed(world, until_ms=250)) == 3 * 3


def test_targets_name_tags_by_what_they_are_or_are_not() -> None:
    world = reading_world()
    enable(world, access_spec(read(Bank.TID), target=targets(EPCS[0], match=False)))
    found = {tag.epc_parameter.epc for tag in accessed(world)}
    assert found == set(EPCS[1:3])


@pytest.mark.parametrize(("antenna", "ro_spec_id", "expected"), [(2, 1, 1), (1, 9, 0), (1, 0, 2)])
def test_a_spec_is_for_an_antenna_and_a_ro_spec(
    antenna: int, ro_spec_id: int, expected: int
) -> None:
    world = reading_world()
    enable(world, access_spec(read(Bank.TID), antenna_id=antenna, ro_spec_id=ro_spec_id))
    assert len(accessed(world, until_ms=50)) == expected


def test_a_disabled_spec_is_not_executed() -> None:
    world = reading_world()
    enable(world, access_spec(read(Bank.TID)))
    succeeded(world.ask(messages.DISABLE_ACCESSSPEC(access_spec_id=5)))
    assert accessed(world) == []


def test_plain_reads_of_an_accessed_tag_go_on_accumulating() -> None:
    world = reading_world(report_spec(trigger=ROReportTriggerType.None_))
    enable(world, access_spec(read(Bank.TID), target=targets(EPCS[0]), times=1))
    world.pass_time(250)
    tags = tags_in(world.send(messages.GET_REPORT()))
    counts = sorted(
        (bool(tag.access_command_op_spec_results), tag.tag_seen_count.tag_count)
        for tag in tags
        if tag.epc_parameter.epc == EPCS[0] and tag.tag_seen_count is not None
    )
    assert counts == [(False, 2), (True, 1)]


def test_the_end_of_a_spec_may_be_what_makes_a_report_due() -> None:
    world = reading_world(report_spec(n=100))
    due = params.AccessReportSpec(access_report_trigger=AccessReportTriggerType.End_Of_AccessSpec)
    spec = access_spec(read(Bank.TID), target=targets(EPCS[0]), times=1, access_report_spec=due)
    enable(world, spec)
    assert len(accessed(world, until_ms=50)) == 1


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (access_spec(params.C1G2Kill(op_spec_id=1)), StatusCode.P_UnsupportedParameter),
        (
            access_spec(params.C1G2Lock(c1_g2_lock_payloads=[params.C1G2LockPayload()])),
            StatusCode.P_UnsupportedParameter,
        ),
        (access_spec(params.C1G2BlockErase()), StatusCode.P_UnsupportedParameter),
        (access_spec(*[read(1)] * 9), StatusCode.P_OverflowParameter),
        (access_spec(read(1), antenna_id=3), StatusCode.P_FieldError),
        (access_spec(read(1), protocol_id=2), StatusCode.P_FieldError),
        (
            access_spec(
                read(1), target=params.C1G2TargetTag(mb=1, tag_mask=BitStr.from_bytes(b"\xff"))
            ),
            StatusCode.P_FieldError,
        ),
    ],
    ids=["kill", "lock", "erase", "operations", "antenna", "protocol", "mask"],
)
def test_impossible_access_spec_is_refused(spec: params.AccessSpec, code: StatusCode) -> None:
    world = World()
    world.connect()
    response = world.ask(messages.ADD_ACCESSSPEC(access_spec=spec))
    assert response.llrp_status.status_code == code
    assert world.ask(messages.GET_ACCESSSPECS()).access_specs == []
