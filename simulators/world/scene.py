"""What everybody in a noisy store shares: its goods, its agenda, and who is told what. Pure."""

from typing import NamedTuple

from simulators.world.agenda import Agenda
from simulators.world.assortment import Families
from simulators.world.demand import Demand
from simulators.world.noisy_goods import Goods
from simulators.world.noisy_settings import NoisySettings
from simulators.world.planogram import Planogram
from simulators.world.reader_reports import Show
from simulators.world.truth_events import TruthEvents


class Scene(NamedTuple):
    """`show` is given what is observable, now or later; `truth` is for the judge alone."""

    settings: NoisySettings
    goods: Goods
    demand: Demand
    families: Families
    planogram: Planogram
    agenda: Agenda
    truth: TruthEvents
    show: Show
