"""The AccessSpecs that a client configured (LLRP 1.0.1 §11; pure).

Their life cycle is complete, but this reader executes no access operation: its tags have no
memory besides their EPC.
"""

from llrpkit.protocol import params
from llrpkit.protocol.enums import StatusCode

from simulators.devices.llrp_reader.statuses import RequestRefused


class AccessSpecs:
    """All AccessSpecs by id, in the order of their creation, which GET_ACCESSSPECS keeps."""

    def __init__(self, access_specs_max: int) -> None:
        self._access_specs_max = access_specs_max
        self._specs: dict[int, params.AccessSpec] = {}

    def all(self) -> list[params.AccessSpec]:
        """Every AccessSpec with its current state."""
        return list(self._specs.values())

    def add(self, spec: params.AccessSpec) -> None:
        """Take a new, disabled AccessSpec. Raises `RequestRefused`."""
        if spec.access_spec_id == 0:
            raise RequestRefused(StatusCode.P_FieldError, "AccessSpecID 0 means all AccessSpecs")
        if spec.current_state:
            raise RequestRefused(StatusCode.P_FieldError, "a new AccessSpec has to be disabled")
        if spec.access_spec_id in self._specs:
            text = f"AccessSpec {spec.access_spec_id} exists"
            raise RequestRefused(StatusCode.P_FieldError, text)
        if len(self._specs) >= self._access_specs_max:
            text = f"there are {len(self._specs)} AccessSpecs already"
            raise RequestRefused(StatusCode.M_OverflowParameter, text)
        self._specs[spec.access_spec_id] = spec

    def set_enabled(self, spec_id: int, enabled: bool) -> None:
        """Enable or disable one AccessSpec, or all with id 0. Raises `RequestRefused`."""
        for each in self._chosen(spec_id):
            self._specs[each].current_state = enabled

    def delete(self, spec_id: int) -> None:
        """Delete one AccessSpec, or all with id 0. Raises `RequestRefused`."""
        for each in self._chosen(spec_id):
            del self._specs[each]

    def _chosen(self, spec_id: int) -> list[int]:
        if spec_id == 0:
            return list(self._specs)
        if spec_id not in self._specs:
            raise RequestRefused(StatusCode.M_FieldError, f"there is no AccessSpec {spec_id}")
        return [spec_id]
