"""What a reader answers to requests about its specifications and configuration (pure).

Each request has a response message of its own that carries an LLRPStatus; a request that cannot
be carried out is answered with the reason and changes nothing (LLRP 1.0.1 §14.1.1).
"""

from collections.abc import Callable
from typing import Any

from llrpkit.protocol import LLRPMessage, impinj, messages
from llrpkit.protocol.enums import GetReaderCapabilitiesRequestedData, GetReaderConfigRequestedData

from simulators.devices.llrp_reader.accessspec import AccessSpecs
from simulators.devices.llrp_reader.capabilities import capabilities
from simulators.devices.llrp_reader.config import ReaderConfig
from simulators.devices.llrp_reader.octane import require_none
from simulators.devices.llrp_reader.rospec import RoSpecs
from simulators.devices.llrp_reader.rospec_rules import require_known
from simulators.devices.llrp_reader.settings import ReaderSettings
from simulators.devices.llrp_reader.statuses import RequestRefused, failure, success

_Parts = dict[str, Any]
_Handler = Callable[[Any, int], _Parts | None]
_Response = Callable[..., LLRPMessage]


class Requests:
    """The request handlers of one reader; each returns the parts of its response."""

    def __init__(
        self,
        *,
        ro_specs: RoSpecs,
        access_specs: AccessSpecs,
        config: ReaderConfig,
        antennas: int,
        settings: ReaderSettings,
        clock_us: Callable[[], int],
    ) -> None:
        self._ro_specs = ro_specs
        self._access_specs = access_specs
        self._config = config
        self._antennas = antennas
        self._settings = settings
        self._clock_us = clock_us
        self.extensions = False
        """The client has enabled Impinj's extensions on its connection."""
        m = messages
        self._table: dict[type[LLRPMessage], tuple[_Handler, _Response]] = {
            m.GET_READER_CAPABILITIES: (self._capabilities, m.GET_READER_CAPABILITIES_RESPONSE),
            m.GET_READER_CONFIG: (self._get_config, m.GET_READER_CONFIG_RESPONSE),
            m.SET_READER_CONFIG: (self._set_config, m.SET_READER_CONFIG_RESPONSE),
            m.ADD_ROSPEC: (self._add_ro_spec, m.ADD_ROSPEC_RESPONSE),
            m.DELETE_ROSPEC: (self._delete_ro_spec, m.DELETE_ROSPEC_RESPONSE),
            m.START_ROSPEC: (self._start_ro_spec, m.START_ROSPEC_RESPONSE),
            m.STOP_ROSPEC: (self._stop_ro_spec, m.STOP_ROSPEC_RESPONSE),
            m.ENABLE_ROSPEC: (self._enable_ro_spec, m.ENABLE_ROSPEC_RESPONSE),
            m.DISABLE_ROSPEC: (self._disable_ro_spec, m.DISABLE_ROSPEC_RESPONSE),
            m.GET_ROSPECS: (self._get_ro_specs, m.GET_ROSPECS_RESPONSE),
            m.ADD_ACCESSSPEC: (self._add_access_spec, m.ADD_ACCESSSPEC_RESPONSE),
            m.DELETE_ACCESSSPEC: (self._delete_access_spec, m.DELETE_ACCESSSPEC_RESPONSE),
            m.ENABLE_ACCESSSPEC: (self._enable_access_spec, m.ENABLE_ACCESSSPEC_RESPONSE),
            m.DISABLE_ACCESSSPEC: (self._disable_access_spec, m.DISABLE_ACCESSSPEC_RESPONSE),
            m.GET_ACCESSSPECS: (self._get_access_specs, m.GET_ACCESSSPECS_RESPONSE),
            impinj.IMPINJ_ENABLE_EXTENSIONS: (
                self._enable_extensions,
                impinj.IMPINJ_ENABLE_EXTENSIONS_RESPONSE,
            ),
        }

    def knows(self, message: LLRPMessage) -> bool:
        """Whether a message is a request that has a response."""
        return type(message) in self._table

    def answer(self, message: LLRPMessage, now_ms: int) -> LLRPMessage:
        """Carry a known request out and return its response."""
        handle, response = self._table[type(message)]
        try:
            parts = handle(message, now_ms) or {}
        except RequestRefused as refused:
            return response(llrp_status=failure(refused))
        return response(llrp_status=success(), **parts)

    def _capabilities(self, message: messages.GET_READER_CAPABILITIES, _now_ms: int) -> _Parts:
        require_known(message.requested_data, GetReaderCapabilitiesRequestedData)
        require_none(message.custom)
        return capabilities(message.requested_data, self._antennas, self._settings)

    def _get_config(self, message: messages.GET_READER_CONFIG, _now_ms: int) -> _Parts:
        require_known(message.requested_data, GetReaderConfigRequestedData)
        return self._config.answer(message, extensions=self.extensions)

    def _set_config(self, message: messages.SET_READER_CONFIG, _now_ms: int) -> None:
        self._config.apply(message, extensions=self.extensions)

    def _add_ro_spec(self, message: messages.ADD_ROSPEC, _now_ms: int) -> None:
        self._ro_specs.add(message.ro_spec, extensions=self.extensions)
        self._config.changed()

    def _delete_ro_spec(self, message: messages.DELETE_ROSPEC, now_ms: int) -> None:
        self._ro_specs.delete(message.ro_spec_id, now_ms)
        self._config.changed()

    def _start_ro_spec(self, message: messages.START_ROSPEC, now_ms: int) -> None:
        self._ro_specs.start(message.ro_spec_id, now_ms)

    def _stop_ro_spec(self, message: messages.STOP_ROSPEC, now_ms: int) -> None:
        self._ro_specs.stop(message.ro_spec_id, now_ms)

    def _enable_ro_spec(self, message: messages.ENABLE_ROSPEC, now_ms: int) -> None:
        self._ro_specs.enable(message.ro_spec_id, now_ms, self._clock_us() // 1_000)

    def _disable_ro_spec(self, message: messages.DISABLE_ROSPEC, now_ms: int) -> None:
        self._ro_specs.disable(message.ro_spec_id, now_ms)

    def _get_ro_specs(self, _message: messages.GET_ROSPECS, _now_ms: int) -> _Parts:
        return {"ro_specs": self._ro_specs.all()}

    def _add_access_spec(self, message: messages.ADD_ACCESSSPEC, _now_ms: int) -> None:
        self._access_specs.add(message.access_spec)
        self._config.changed()

    def _delete_access_spec(self, message: messages.DELETE_ACCESSSPEC, _now_ms: int) -> None:
        self._access_specs.delete(message.access_spec_id)
        self._config.changed()

    def _enable_access_spec(self, message: messages.ENABLE_ACCESSSPEC, _now_ms: int) -> None:
        self._access_specs.set_enabled(message.access_spec_id, enabled=True)

    def _disable_access_spec(self, message: messages.DISABLE_ACCESSSPEC, _now_ms: int) -> None:
        self._access_specs.set_enabled(message.access_spec_id, enabled=False)

    def _get_access_specs(self, _message: messages.GET_ACCESSSPECS, _now_ms: int) -> _Parts:
        return {"access_specs": self._access_specs.all()}

    def _enable_extensions(self, _message: LLRPMessage, _now_ms: int) -> None:
        self.extensions = True
