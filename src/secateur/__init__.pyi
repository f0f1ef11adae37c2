from secateur.errors import InputError as InputError
from secateur.errors import SecateurError as SecateurError
from secateur.library.asking import PruneSettings as PruneSettings
from secateur.library.asking import RankSettings as RankSettings
from secateur.library.attribution import relevance as relevance
from secateur.library.folder import load as load
from secateur.library.folder import save as save
from secateur.library.pruning import prune as prune
from secateur.library.pruning import rank as rank
from secateur.library.pruning import units as units
from secateur.library.results import Ranking as Ranking
from secateur.library.results import Units as Units
from secateur.own.reports import Report as Report

__version__: str
__all__: list[str]
