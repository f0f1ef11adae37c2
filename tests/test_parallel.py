"""Pieces of a job on several cores give what they give one after the other."""

import os

import pytest

from secateur import parallel, usage
from secateur.errors import SecateurError
from secateur.files import read_json


def _burnt(seconds: float) -> float:
    began = sum(os.times()[:2])
    while sum(os.times()[:2]) - began < seconds:
        pass
    return seconds


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_the_results_come_in_the_order_of_the_pieces_whoever_ends_first(jobs):
    pieces = [lambda seconds=seconds: _burnt(seconds) for seconds in (0.2, 0.0, 0.1, 0.0)]

    assert list(parallel.results(pieces, jobs)) == [0.2, 0.0, 0.1, 0.0]
    assert list(parallel.results([], jobs)) == []


def test_several_jobs_are_several_processes_and_one_is_this_one():
    pieces = [os.getpid] * 4

    assert set(parallel.results(pieces, 1)) == {os.getpid()}
    assert os.getpid() not in set(parallel.results(pieces, 2))


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_error_of_a_piece_is_that_of_all(jobs):
    def wrong() -> None:
        raise SecateurError("measures.csv: has no rows.")

    with pytest.raises(SecateurError, match="has no rows"):
        list(parallel.results([wrong, os.getpid], jobs))


def test_what_pieces_take_counts_as_the_time_of_the_job(tmp_path):
    def seconds() -> float:
        usage.write(tmp_path / "usage.json", 0)
        return read_json(tmp_path / "usage.json")["cpu_seconds"]

    before = seconds()
    list(parallel.results([lambda: _burnt(0.3)] * 2, 2))

    assert seconds() - before > 0.5
