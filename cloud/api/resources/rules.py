"""Rules: what is hidden from which channel. Changed at run time, versioned, checked before."""

from typing import Final

from litestar import Response, get, post, put
from litestar.params import JSONBody

from cloud.api.access import ANYONE, Allows
from cloud.api.context_store import body_of, find_document, write_document
from cloud.api.documents.context import RulesDocument, RulesVerdict
from cloud.api.fields import IfMatch, IfNoneMatch
from cloud.api.problems import ApiProblem, Fault, documented
from cloud.api.services import AskedHere, Services, ServicesHere, answered, shown
from cloud.records.document import Document
from cloud.rule_book import NO_RULES, RULES_ID
from cloud.rules import RuleSetDocument, RulesInvalid, compile_rules
from protocol.documents import timestamp

TAGS = ["rules"]
WRITERS = Allows("ops")
FAULTS_MAX: Final = 200


@get(
    "/rules",
    operation_id="get_rules",
    summary="The rules in force",
    tags=TAGS,
    guards=[ANYONE],
    responses=documented(304),
)
async def get_rules(
    services: ServicesHere, if_none_match: IfNoneMatch = None
) -> Response[RulesDocument]:
    """Return them, with their version as the ETag."""
    document = await find_document(services, "rules", RULES_ID)
    shape = _shape(document)
    return shown(shape, shape.version, if_none_match)


def _shape(document: Document | None) -> RulesDocument:
    if document is None:
        return RulesDocument(version=0, updated_at=None, document=NO_RULES)
    return RulesDocument(
        version=document.version,
        updated_at=timestamp(document.updated_at_ms),
        document=body_of(RuleSetDocument, document),
    )


@put(
    "/rules",
    operation_id="set_rules",
    summary="Put other rules in force, all at once",
    tags=TAGS,
    guards=[WRITERS],
    responses=documented(409, 412, 422, 504),
)
async def set_rules(
    services: ServicesHere,
    keyed: AskedHere,
    data: JSONBody[RuleSetDocument],
    if_match: IfMatch = None,
) -> Response[RulesDocument]:
    """Check them, and let every reservation from now on be stamped by them."""
    problem = await _problem_with(services, data)
    if problem is not None:
        raise problem
    document, done = await write_document(services, "rules", RULES_ID, data, keyed, if_match)
    return answered(_shape(document), done, document.version)


@post(
    "/rules/validate",
    operation_id="validate_rules",
    summary="Check rules and change nothing",
    tags=TAGS,
    guards=[WRITERS],
    status_code=200,
    responses=documented(),
)
async def validate_rules(services: ServicesHere, data: JSONBody[RuleSetDocument]) -> RulesVerdict:
    """Return everything that is wrong with them."""
    problem = await _problem_with(services, data)
    return RulesVerdict(valid=problem is None, errors=[] if problem is None else problem.errors)


async def _problem_with(services: Services, rules: RuleSetDocument) -> ApiProblem | None:
    # Compiling hundreds of rules takes a while, so the event loop does not do it.
    def check() -> ApiProblem | None:
        try:
            compile_rules(rules, memo_entries_max=0)
        except RulesInvalid as error:
            return rules_problem(error)
        return None

    return await services.reads.on_reader(lambda _: check())


def rules_problem(error: RulesInvalid) -> ApiProblem:
    """Return what is wrong with rules as a problem."""
    faults = [
        Fault(
            at=".".join(part for part in (problem.rule, problem.field) if part) or "rules",
            detail=f"{problem.wrong}; {problem.allowed}",
        )
        for problem in error.problems[:FAULTS_MAX]
    ]
    detail = f"{len(error.problems)} problems; errors names them"
    return ApiProblem(400, "rules-invalid", detail, reason="invalid", errors=faults)


ROUTES = [get_rules, set_rules, validate_rules]
