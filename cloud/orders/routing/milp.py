"""The mixed-integer program, solved by HiGHS: which locations to open.

Binary `y` opens a location; continuous columns say which fraction of a line comes from its spare
stock and which from what it needs itself. Only `y` is taken from the solver: with the locations
fixed, `allocation` finds the whole units and grams exactly, so fractions need not be integral.
Fractions keep every coefficient between 0 and 1, whatever the quantities. One thread, fixed seed.
"""

from typing import Final, NamedTuple

import highspy
import numpy as np

from cloud.orders.routing.allocation import Allocation
from cloud.orders.routing.instance import MILLI_CENTS, PROVEN_MC, Floats, Instance, Ints

_OPTIONS: Final[dict[str, bool | int | float | str]] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "random_seed": 0,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": PROVEN_MC / MILLI_CENTS / 2,
    "mip_detect_symmetry": False,
    "mip_allow_restart": False,
    "mip_heuristic_effort": 0.0,
}


class MilpAnswer(NamedTuple):
    """What HiGHS said: the rows it opened, if any, and a lower bound (`inf`: no plan at all).

    The bound holds for plans with two locations or more.
    """

    rows: tuple[int, ...] | None
    lower_mc: float


class _Highs(highspy.Highs):
    """HiGHS without its Python callbacks: subscribing to them prints a banner on stdout."""

    def __init__(self) -> None:
        super(highspy.Highs, self).__init__()


class _Columns(NamedTuple):
    """One column per (location, line, from need or spare) with anything in it."""

    row: Ints
    line: Ints
    upper: Floats
    cost: Floats


class _Matrix:
    """Rows of a constraint matrix, appended block by block in coordinates."""

    def __init__(self) -> None:
        self._coordinates: list[tuple[Ints, Ints, Floats]] = []
        self._lower: list[Floats] = []
        self._upper: list[Floats] = []
        self.height = 0

    def add(self, block: tuple[Ints, Ints, Floats], lower: Floats, upper: Floats) -> None:
        """Append rows; the block's row numbers count from its own first row."""
        rows, columns, entries = block
        self._coordinates.append((rows + self.height, columns, entries))
        self._lower.append(lower)
        self._upper.append(upper)
        self.height += lower.size

    def into(self, program: highspy.HighsLp) -> None:
        """Hand the matrix over, row by row."""
        rows = np.concatenate([block[0] for block in self._coordinates])
        columns = np.concatenate([block[1] for block in self._coordinates])
        entries = np.concatenate([block[2] for block in self._coordinates])
        order = np.argsort(rows, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.height))])
        program.num_row_ = self.height
        program.row_lower_ = np.concatenate(self._lower)
        program.row_upper_ = np.concatenate(self._upper)
        program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        program.a_matrix_.start_ = starts.astype(np.int32)
        program.a_matrix_.index_ = columns[order].astype(np.int32)
        program.a_matrix_.value_ = entries[order]


def solve_milp(instance: Instance, start: Allocation | None, time_limit_ms: float) -> MilpAnswer:
    """Choose two locations or more; `start` is a plan to begin with, in this instance's rows."""
    columns = _columns(instance)
    solver = _Highs()
    for name, setting in _OPTIONS.items():
        solver.setOptionValue(name, setting)
    solver.setOptionValue("time_limit", time_limit_ms / 1_000)
    solver.passModel(_program(instance, columns))
    if start is not None and len(start.rows) > 1:
        solution = highspy.HighsSolution()
        solution.col_value = _start_values(instance, columns, start).tolist()
        solver.setSolution(solution)
    solver.run()
    return _answer(instance, solver)


def _answer(instance: Instance, solver: highspy.Highs) -> MilpAnswer:
    if solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return MilpAnswer(None, np.inf)
    info = solver.getInfo()
    lower_mc = float(info.mip_dual_bound) * MILLI_CENTS
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return MilpAnswer(None, lower_mc)
    opened = np.asarray(solver.getSolution().col_value[: instance.size]) > 0.5
    return MilpAnswer(tuple(np.flatnonzero(opened).tolist()), lower_mc)


def _columns(instance: Instance) -> _Columns:
    quantity = instance.quantity
    whole = quantity * instance.weight / MILLI_CENTS
    amounts = np.stack([instance.spare, instance.available - instance.spare])
    from_need, row, line = np.nonzero(amounts)
    rate = instance.rate_cents[row] + from_need * instance.need_cents
    return _Columns(
        row=row.astype(np.int64),
        line=line.astype(np.int64),
        upper=amounts[from_need, row, line] / quantity[line],
        cost=(rate * whole[line]).astype(np.float64),
    )


def _program(instance: Instance, columns: _Columns) -> highspy.HighsLp:
    size, lines = instance.size, instance.quantity.size
    partial = instance.unfilled_cents is not None
    flows = columns.row.size
    unfilled = np.zeros(0)
    if instance.unfilled_cents is not None:
        unfilled = instance.quantity * instance.weight / MILLI_CENTS * instance.unfilled_cents
    program = highspy.HighsLp()
    program.num_col_ = size + flows + unfilled.size
    opening = (instance.fixed_mc + instance.extra_mc) / MILLI_CENTS
    program.col_cost_ = np.concatenate([opening, columns.cost, unfilled])
    program.col_lower_ = np.zeros(program.num_col_)
    program.col_upper_ = np.concatenate([np.ones(size), columns.upper, np.ones(unfilled.size)])
    program.offset_ = -instance.extra_mc / MILLI_CENTS
    integer, continuous = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
    program.integrality_ = [integer] * size + [continuous] * (flows + unfilled.size)
    matrix = _Matrix()
    _add_demand(matrix, columns, size, lines, partial)
    _add_links(matrix, columns, size)
    _add_rooms(matrix, instance, columns)
    _add_limits(matrix, instance)
    matrix.into(program)
    return program


def _add_demand(matrix: _Matrix, columns: _Columns, size: int, lines: int, partial: bool) -> None:
    """Every line is filled, by locations or by nothing."""
    flows = columns.row.size
    rows, cols = columns.line, np.arange(flows) + size
    if partial:
        rows = np.concatenate([rows, np.arange(lines)])
        cols = np.concatenate([cols, np.arange(lines) + size + flows])
    matrix.add((rows, cols, np.ones(rows.size)), np.ones(lines), np.ones(lines))


def _add_links(matrix: _Matrix, columns: _Columns, size: int) -> None:
    """A flow needs an open location: flow - upper * y <= 0."""
    flows = np.arange(columns.row.size)
    rows = np.concatenate([flows, flows])
    cols = np.concatenate([flows + size, columns.row])
    entries = np.concatenate([np.ones(flows.size), -columns.upper])
    matrix.add((rows, cols, entries), np.full(flows.size, -np.inf), np.zeros(flows.size))


def _add_rooms(matrix: _Matrix, instance: Instance, columns: _Columns) -> None:
    """A location gives no more of a measure than its day has room for, where that can bind."""
    for measure, of_measure in enumerate((~instance.is_weighed, instance.is_weighed)):
        room = instance.room[measure]
        binding = instance.available[:, of_measure].sum(axis=1) > room
        tight = np.flatnonzero(binding & (room > 0))
        if not tight.size:
            continue
        number = np.full(instance.size, -1)
        number[tight] = np.arange(tight.size)
        flows = np.flatnonzero(of_measure[columns.line] & (number[columns.row] >= 0))
        rows = np.concatenate([number[columns.row[flows]], np.arange(tight.size)])
        cols = np.concatenate([flows + instance.size, tight])
        share = instance.quantity[columns.line[flows]] / room[columns.row[flows]]
        entries = np.concatenate([share, -np.ones(tight.size)])
        matrix.add((rows, cols, entries), np.full(tight.size, -np.inf), np.zeros(tight.size))


def _add_limits(matrix: _Matrix, instance: Instance) -> None:
    """Two locations or more (single ones were all compared), and not too many."""
    every = np.arange(instance.size)
    block = (np.zeros(every.size, dtype=np.int64), every, np.ones(every.size))
    matrix.add(block, np.array([2.0]), np.array([float(instance.locations_max)]))
    parcels = np.flatnonzero(instance.is_parcel)
    if parcels.size > instance.parcels_max:
        block = (np.zeros(parcels.size, dtype=np.int64), parcels, np.ones(parcels.size))
        matrix.add(block, np.array([0.0]), np.array([float(instance.parcels_max)]))


def _start_values(instance: Instance, columns: _Columns, start: Allocation) -> Floats:
    taken = np.zeros((instance.size, instance.quantity.size), dtype=np.int64)
    taken[list(start.rows)] = start.taken
    from_spare = np.minimum(taken, instance.spare)
    parts = np.stack([from_spare, taken - from_spare])
    amounts = np.stack([instance.spare, instance.available - instance.spare])
    flows = parts[np.nonzero(amounts)] / instance.quantity[columns.line]
    opened = np.zeros(instance.size)
    opened[list(start.rows)] = 1.0
    left = start.unfilled / instance.quantity
    if instance.unfilled_cents is None:
        left = np.zeros(0)
    return np.concatenate([opened, flows, left])
