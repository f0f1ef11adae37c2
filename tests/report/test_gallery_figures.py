"""The gallery's figures: every criterion with its number of mistakes, fewest first; relevance in two colours."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthetic
from secateur.errors import SecateurError
from secateur.report import gallery_figures, style
from secateur.report.drawing import read_arrays


def test_mistakes_are_counted_and_the_best_criterion_comes_first(run):
    svg = (run / "figures/wrong_scene15-resnet18.svg").read_text()
    words = re.findall(r">([^<]+)</text>", svg)
    names = [word for word in words if word in synthetic.CRITERIA]
    assert names == list(synthetic.CRITERIA)  # criterion number i gets 10 i wrong
    counts = [word for word in words if word.endswith(" wrong")]
    assert counts == [f"{10 * number} wrong" for number in range(len(names))] and "2.5 %" in words
    assert words.count("none") == 1, "the criterion that gets none wrong has no pictures"
    assert svg.count("<image") == 4 * (len(names) - 1) and "bedr… → stre…" in words


def test_every_reference_image_has_a_map_of_each_lrp_criterion(run):
    svg = (run / "figures/maps_scene15-resnet18.svg").read_text()
    assert svg.count("<image") == 3 * 3 and ">lrp_epsilon<" in svg and ">forest<" in svg
    entries = json.loads((run / "figures/captions.json").read_text())
    (note,) = (entry["note"] for entry in entries if entry["section"] == "maps")
    assert "n = 1 network (seed 0)" in note


def test_relevance_is_orange_for_and_blue_against_over_the_faded_image():
    image = np.zeros((1, 4, 4, 1), np.uint8)
    maps = np.zeros((1, 2, 2), np.float32)
    maps[0, 0] = 1, -1
    drawn = gallery_figures.overlaid(image, maps)
    assert drawn.shape == (1, 2, 2, 3)
    assert tuple(drawn[0, 0, 0]) == gallery_figures.FOR and tuple(drawn[0, 0, 1]) == gallery_figures.AGAINST
    assert tuple(drawn[0, 1, 1]) == (255, 255, 255)


@pytest.mark.parametrize(("name", "most", "expected"), [("street", 12, "street"), ("a long name", 6, "a lon…")])
def test_names_are_cut_to_their_place(name, most, expected):
    assert gallery_figures.short(name, most) == expected


@given(place=st.integers(0), cut=st.booleans())
def test_a_damaged_archive_is_an_error_or_read_as_it_was_written(tmp_path_factory, place, cut):
    path = tmp_path_factory.mktemp("damaged") / "study.npz"
    np.savez_compressed(path, image=np.arange(200))
    content = bytearray(path.read_bytes())
    place %= len(content)
    content[place] ^= 16
    path.write_bytes(content[:place] if cut else content)
    try:
        found = read_arrays(path, "pictures")
    except SecateurError as error:
        assert str(error).endswith("Remove it and run again.")
    else:  # a byte that nothing rests on, or one of a name
        assert not cut and len(found) == 1 and (next(iter(found.values())) == np.arange(200)).all()


def test_an_archive_of_something_else_is_an_error(tmp_path):
    np.savez(tmp_path / "study.npz", nothing=np.zeros(1))
    with pytest.raises(SecateurError, match=r"study\.npz: not an archive of pictures"):
        list(gallery_figures.drawings(tmp_path, style.read("report/style.yaml", ["lrp"])))
