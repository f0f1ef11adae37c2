"""What the workflow's rules are made of: where files lie, what a job depends on, asks for and is called with.

For `workflow/` alone: no job and no part of the library imports it, so that an edit here reruns no stage.
"""

from secateur.dag import listing
from secateur.dag.code import Code
from secateur.dag.command import COMMAND, Jobs
from secateur.dag.criteria import Criteria
from secateur.dag.inputs import JobInputs, brought
from secateur.dag.options import Options
from secateur.dag.planned import PlannedRun
from secateur.dag.resources import Resources
from secateur.dag.session import Session
from secateur.dag.settings import JobSettings
from secateur.dag.wildcards import PATTERNS

__all__ = [
    "COMMAND",
    "PATTERNS",
    "Code",
    "Criteria",
    "JobInputs",
    "JobSettings",
    "Jobs",
    "Options",
    "PlannedRun",
    "Resources",
    "Session",
    "brought",
    "listing",
]
