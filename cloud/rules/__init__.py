"""Channel buffers: rules that hide stock from a channel, and why they did. Pure."""

from cloud.rules.context import VARIABLES, Context, Contexts, Variable
from cloud.rules.documents import Rule, RuleSetDocument, decode_json, decode_toml
from cloud.rules.errors import Problem, RulesInvalid
from cloud.rules.explanations import HIDDEN_ALL, Buffer, Explanation, Verdict
from cloud.rules.facts import LocationFacts, Moment, SkuFacts
from cloud.rules.rule_set import RuleSet, compile_rules

__all__ = [
    "HIDDEN_ALL",
    "VARIABLES",
    "Buffer",
    "Context",
    "Contexts",
    "Explanation",
    "LocationFacts",
    "Moment",
    "Problem",
    "Rule",
    "RuleSet",
    "RuleSetDocument",
    "RulesInvalid",
    "SkuFacts",
    "Variable",
    "Verdict",
    "compile_rules",
    "decode_json",
    "decode_toml",
]
