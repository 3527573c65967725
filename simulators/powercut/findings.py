"""What checks found wrong, counted by kind. Pure."""

from typing import Final

from msgspec import Struct, field

VIOLATIONS_NAMED_MAX: Final = 20


class Findings(Struct, kw_only=True):
    """Counts over a whole campaign. `violations` names the first of them.

    `lost` are acknowledged appends, commits, epochs or ownerships that are not there; `doubled` and
    `altered` things that are there twice, or with other content than they had; `reused` numbers
    that were used for two facts, or are about to be; `corrupt` what fails an integrity check, a
    replay, or cannot be opened.
    """

    acknowledged_appends: int = 0
    acknowledged_facts: int = 0
    acknowledged_groups: int = 0
    acknowledged_commands: int = 0
    facts_compared: int = 0
    inputs_replayed: int = 0
    lost: int = 0
    doubled: int = 0
    altered: int = 0
    reused: int = 0
    corrupt: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All violations together."""
        return self.lost + self.doubled + self.altered + self.reused + self.corrupt

    def violate(self, kind: str, text: str, times: int = 1) -> None:
        """Count a violation of a kind, and name it while there is room."""
        setattr(self, kind, getattr(self, kind) + times)
        if len(self.violations) < VIOLATIONS_NAMED_MAX:
            self.violations.append(f"{kind}: {text}")
