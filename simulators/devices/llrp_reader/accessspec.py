"""The AccessSpecs that a client configured, and their execution (LLRP 1.0.1 §11; pure).

Whenever an antenna singulates a tag, the first enabled AccessSpec that fits antenna, ROSpec and
tag is executed on it: its operations in their order, until one fails. Reading and writing work as
the tag's memory allows; a request to kill, lock or erase is refused when it is added.
"""

from typing import Final, NamedTuple

from llrpkit.protocol import BitStr, LLRPParameter, params
from llrpkit.protocol.enums import (
    AccessReportTriggerType,
    AccessSpecStopTriggerType,
    AirProtocols,
    C1G2BlockWriteResultType,
    C1G2ReadResultType,
    C1G2WriteResultType,
    StatusCode,
)

from simulators.devices.llrp_reader.capabilities import (
    OP_SPECS_PER_ACCESS_SPEC_MAX,
    TARGET_TAGS_MAX,
)
from simulators.devices.llrp_reader.octane import require_none
from simulators.devices.llrp_reader.rospec_rules import (
    require,
    require_antenna,
    require_known,
)
from simulators.devices.llrp_reader.statuses import RequestRefused
from simulators.devices.llrp_reader.tag_memory import TagMemories

ALL: Final = 0
"""Stands for every antenna, every ROSpec, or every AccessSpec."""

_Write = params.C1G2Write | params.C1G2BlockWrite
_Result = (
    params.C1G2ReadOpSpecResult | params.C1G2WriteOpSpecResult | params.C1G2BlockWriteOpSpecResult
)
_SUCCESS: Final = 0  # In each of the three enumerations.
_WRITE_PROBLEMS: Final = {
    "": C1G2WriteResultType.Success,
    "locked": C1G2WriteResultType.Tag_Memory_Locked_Error,
    "overrun": C1G2WriteResultType.Tag_Memory_Overrun_Error,
}


class Accessed(NamedTuple):
    """An AccessSpec was executed on a tag; `results` are the operations' results, encoded."""

    spec_id: int
    results: bytes


class AccessSpecs:
    """All AccessSpecs by id, in the order of their creation, which GET_ACCESSSPECS keeps."""

    def __init__(self, access_specs_max: int, antennas: int, memories: TagMemories) -> None:
        self._access_specs_max = access_specs_max
        self._antennas = antennas
        self._memories = memories
        self._specs: dict[int, params.AccessSpec] = {}
        self._executions: dict[int, int] = {}
        self.operations = 0
        self.report_is_due = False
        """An AccessSpec that is to be reported at its end has ended."""

    @property
    def any_enabled(self) -> bool:
        """Whether singulated tags have to be shown to `execute`."""
        return any(spec.current_state for spec in self._specs.values())

    def all(self) -> list[params.AccessSpec]:
        """Every AccessSpec with its current state."""
        return list(self._specs.values())

    def restore(self, specs: list[params.AccessSpec]) -> None:
        """Have the AccessSpecs of an earlier life."""
        self._specs = {spec.access_spec_id: spec for spec in specs}

    def add(self, spec: params.AccessSpec) -> None:
        """Take a new, disabled AccessSpec. Raises `RequestRefused`."""
        if spec.access_spec_id == ALL:
            raise RequestRefused(StatusCode.P_FieldError, "AccessSpecID 0 means all AccessSpecs")
        if spec.current_state:
            raise RequestRefused(StatusCode.P_FieldError, "a new AccessSpec has to be disabled")
        if spec.access_spec_id in self._specs:
            text = f"AccessSpec {spec.access_spec_id} exists"
            raise RequestRefused(StatusCode.P_FieldError, text)
        if len(self._specs) >= self._access_specs_max:
            text = f"there are {len(self._specs)} AccessSpecs already"
            raise RequestRefused(StatusCode.M_OverflowParameter, text)
        _require_usable(spec, self._antennas)
        self._specs[spec.access_spec_id] = spec

    def set_enabled(self, spec_id: int, enabled: bool) -> None:
        """Enable or disable one AccessSpec, or all with id 0. Raises `RequestRefused`."""
        for each in self._chosen(spec_id):
            self._specs[each].current_state = enabled

    def delete(self, spec_id: int) -> None:
        """Delete one AccessSpec, or all with id 0. Raises `RequestRefused`."""
        for each in self._chosen(spec_id):
            self._forget(each)

    def execute(self, antenna: int, ro_spec_id: int, epc: bytes) -> Accessed | None:
        """Execute what is to be executed on a tag that was singulated just now."""
        for spec in self._specs.values():
            if (
                spec.current_state
                and spec.antenna_id in (ALL, antenna)
                and spec.ro_spec_id in (ALL, ro_spec_id)
                and self._targets(spec, epc)
            ):
                results = self._run(spec, epc)
                self._count(spec)
                return Accessed(spec.access_spec_id, b"".join(each.encode() for each in results))
        return None

    def _targets(self, spec: params.AccessSpec, epc: bytes) -> bool:
        return all(
            self._memories.matches(
                epc, target.mb, target.pointer, _bits(target.tag_mask), _bits(target.tag_data)
            )
            == target.match
            for target in spec.access_command.air_protocol_tag_spec.c1_g2_target_tags
        )

    def _run(self, spec: params.AccessSpec, epc: bytes) -> list[LLRPParameter]:
        results: list[LLRPParameter] = []
        for op in spec.access_command.access_command_op_specs:
            self.operations += 1
            if isinstance(op, params.C1G2Read):
                result: _Result = self._read(op, epc)
            else:
                assert isinstance(op, _Write)  # noqa: S101 # Others were refused.
                result = self._write(op, epc)
            results.append(result)
            if result.result != _SUCCESS:
                break
        return results

    def _read(self, op: params.C1G2Read, epc: bytes) -> params.C1G2ReadOpSpecResult:
        data = None
        if self._memories.opens(epc, op.access_password):
            data = self._memories.read(epc, op.mb, op.word_pointer, op.word_count)
        if data is None:
            error = C1G2ReadResultType.Nonspecific_Tag_Error
            return params.C1G2ReadOpSpecResult(result=error, op_spec_id=op.op_spec_id)
        words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        return params.C1G2ReadOpSpecResult(
            result=C1G2ReadResultType.Success, op_spec_id=op.op_spec_id, read_data=words
        )

    def _write(
        self, op: _Write, epc: bytes
    ) -> params.C1G2WriteOpSpecResult | params.C1G2BlockWriteOpSpecResult:
        result, words = C1G2WriteResultType.Nonspecific_Tag_Error, 0
        if self._memories.opens(epc, op.access_password):
            data = b"".join(word.to_bytes(2, "big") for word in op.write_data)
            words, problem = self._memories.write(epc, op.mb, op.word_pointer, data)
            result = _WRITE_PROBLEMS[problem]
        if isinstance(op, params.C1G2Write):
            return params.C1G2WriteOpSpecResult(
                result=result, op_spec_id=op.op_spec_id, num_words_written=words
            )
        return params.C1G2BlockWriteOpSpecResult(
            result=C1G2BlockWriteResultType(int(result)),
            op_spec_id=op.op_spec_id,
            num_words_written=words,
        )

    def _count(self, spec: params.AccessSpec) -> None:
        """An AccessSpec that was executed as often as it should is deleted (§11.2.1.1)."""
        stop = spec.access_spec_stop_trigger
        counts = stop.access_spec_stop_trigger == AccessSpecStopTriggerType.Operation_Count
        if not counts or stop.operation_count_value == 0:
            return
        done = self._executions.get(spec.access_spec_id, 0) + 1
        self._executions[spec.access_spec_id] = done
        if done >= stop.operation_count_value:
            self._forget(spec.access_spec_id)
            report = spec.access_report_spec
            at_end = AccessReportTriggerType.End_Of_AccessSpec
            if report is not None and report.access_report_trigger == at_end:
                self.report_is_due = True

    def _forget(self, spec_id: int) -> None:
        del self._specs[spec_id]
        self._executions.pop(spec_id, None)

    def _chosen(self, spec_id: int) -> list[int]:
        if spec_id == ALL:
            return list(self._specs)
        if spec_id not in self._specs:
            raise RequestRefused(StatusCode.M_FieldError, f"there is no AccessSpec {spec_id}")
        return [spec_id]


def _require_usable(spec: params.AccessSpec, antennas: int) -> None:
    require_antenna(spec.antenna_id, antennas)
    gen2 = spec.protocol_id == AirProtocols.EPCGlobalClass1Gen2
    require(gen2, f"air protocol {spec.protocol_id}: there is only Class 1 Gen 2")
    require_known(spec.access_spec_stop_trigger.access_spec_stop_trigger, AccessSpecStopTriggerType)
    if spec.access_report_spec is not None:
        require_known(spec.access_report_spec.access_report_trigger, AccessReportTriggerType)
    command = spec.access_command
    require_none([*spec.custom, *command.custom])
    _require_targets(command.air_protocol_tag_spec.c1_g2_target_tags)
    ops = command.access_command_op_specs
    text = f"{len(ops)} operations: the most is {OP_SPECS_PER_ACCESS_SPEC_MAX}"
    require(len(ops) <= OP_SPECS_PER_ACCESS_SPEC_MAX, text, StatusCode.P_OverflowParameter)
    for op in ops:
        if not isinstance(op, params.C1G2Read | _Write):
            text = f"{type(op).__name__} is not supported"
            raise RequestRefused(StatusCode.P_UnsupportedParameter, text)


def _require_targets(targets: list[params.C1G2TargetTag]) -> None:
    text = f"{len(targets)} target tags: the most is {TARGET_TAGS_MAX}"
    require(len(targets) <= TARGET_TAGS_MAX, text, StatusCode.P_OverflowParameter)
    for target in targets:
        same = target.tag_mask.bit_len == target.tag_data.bit_len
        require(same, "a target's mask and data differ in length")


def _bits(value: BitStr) -> str:
    """Return a bit string as digits, the first bit first."""
    if not value.bit_len:
        return ""
    return f"{int.from_bytes(value.data, 'big'):0{8 * len(value.data)}b}"[: value.bit_len]
