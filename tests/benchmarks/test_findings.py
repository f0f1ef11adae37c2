"""docs/findings.md says nothing that its tables do not: sentences are written again, and read again in another way."""

import itertools
import re

import findings
import findings_opening as opening
import findings_sentences as sentences
import findings_tables as tables
import pandas as pd
import pytest
from findings_tables import Table

from secateur.config import REPOSITORY

PAGE = findings.FILE.read_text(encoding="utf-8")
RUNS = findings.sections(PAGE)
SUPERLATIVES = re.compile(
    r"\b(all|every|best|worst|most|least|highest|lowest|largest|smallest|strongest|weakest|always|never|none|nowhere|"
    r"everywhere)\b",
    re.IGNORECASE,
)


# The page as it is.


def test_the_page_is_what_its_tables_say_and_nothing_else():
    assert findings.page(RUNS) == PAGE, "python benchmarks/findings.py --write"
    assert len(RUNS) >= 4


def test_what_the_readme_quotes_is_on_the_page():
    quoted = re.findall(r"\*([A-Z][^*]{40,})\*", (REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert quoted and all(" ".join(text.split()) in PAGE for text in quoted)


def test_words_written_by_hand_have_neither_numbers_nor_superlatives():
    words = [
        findings.HEAD,
        findings.TAIL,
        *findings.PAGE,
        *(text for runs in findings.PAGE.values() for text in runs.values()),
    ]
    for text in words:
        plain = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", text, flags=re.DOTALL)
        assert not re.search(r"\d", plain), plain
        assert not SUPERLATIVES.search(plain), SUPERLATIVES.search(plain)[0]


@pytest.mark.parametrize("name", RUNS)
def test_who_is_called_highest_or_lowest_is_that_in_the_table(name):
    """Read without the code that wrote it: cells as pandas finds them, claims as a regular expression does."""
    found = frames(RUNS[name])
    means = found.get("criterion")
    said = re.findall(
        r"(not retrained|retrained), the (highest) mean is that of (.+?) \(([\d.]+) %\), the (lowest) that of (.+?) "
        r"\(([\d.]+) %\), ([\d.]+) points",
        RUNS[name],
    )
    columns = [] if means is None else [column for column in means if column.endswith("retrained")]
    assert len(said) == len(columns)
    for column, (branch, _, top, highest, _, bottom, lowest, apart) in zip(columns, said, strict=True):
        cells = means[column].dropna()
        cells = cells[~cells.index.str.startswith("_")].map(first)
        assert column.endswith(f": {branch}")
        assert (
            set(re.findall(r"`(\w+)`", top)) == set(cells.index[cells == cells.max()]) and float(highest) == cells.max()
        )
        assert set(re.findall(r"`(\w+)`", bottom)) == set(cells.index[cells == cells.min()])
        assert float(lowest) == cells.min() and float(apart) == pytest.approx(cells.max() - cells.min(), abs=1e-9)


@pytest.mark.parametrize("name", RUNS)
def test_every_number_of_a_sentence_is_one_of_the_tables_or_follows_from_two_of_them(name):
    found = frames(RUNS[name])
    numbers: set[float] = set()
    for frame in found.values():
        numbers |= set(range(len(frame.index) + 1))  # places, and of how many
        for column in frame:
            cells = frame[column].dropna().map(first)
            numbers |= {abs(value) for value in cells}
            numbers |= {round(abs(one - other), 1) for one, other in itertools.combinations(cells.dropna(), 2)}
    lines = [line for line in RUNS[name].splitlines() if line.startswith("- ")]
    assert lines
    for line in lines:
        plain = re.sub(r"`[^`]*`|\]\([^)]*\)|\w*[a-zA-Z]\w*|95 %", " ", line.replace("−", "-"))
        for text in re.findall(r"\d+(?:\.\d+)?", re.sub(r"\d+(st|nd|rd|th)\b", r" \g<0> ", plain)):
            assert float(text) in numbers, (text, line)


def frames(text: str) -> dict[str, pd.DataFrame]:
    """The tables of a section: heading of the first column → cells as they stand there."""
    found = {}
    for block in re.findall(r"(?:^\|.*\n)+", text + "\n", flags=re.MULTILINE):
        head, _, *rows = [line.strip("| \n").split(" | ") for line in block.strip().splitlines()]
        frame = pd.DataFrame(rows, columns=head).set_index(head[0])
        found[head[0]] = frame.where(frame != "–")
    return found


def first(cell: str) -> float:
    """The first number of a cell; NaN where it has none."""
    number = re.search(r"[-−]?\d+\.?\d*", cell)
    return float(number[0].replace("−", "-")) if number else float("nan")


# Sentences from tables made up here.

MEANS = Table(
    "criterion", ["lrp", "taylor_raw", "taylor", "random", "_unpruned_", "_chance_"],
    {
        "s: not retrained": {"lrp": "50.0 [48.0, 52.0]", "taylor_raw": "49.0 [47.0, 51.0]",
                             "taylor": "20.5 [19.0, 21.0]", "random": "21.0 [20.0, 22.0]", "_unpruned_": "90.0",
                             "_chance_": "10.0"},
        "s: retrained": {"lrp": "60.0", "taylor_raw": "70.0", "taylor": "70.0", "random": "55.0"},
        tables.COST: {"lrp": "1.4", "taylor": "1.0", "random": "0.1"},
    },
)  # fmt: skip


def test_ends_places_overlaps_and_differences_are_worked_out():
    ends, near, paper, raw, floor, cost = sentences.of_means(MEANS)
    assert (
        "not retrained, the highest mean is that of `lrp` (50.0 %), the lowest that of `taylor` (20.5 %), 29.5 points"
        in ends
    )
    assert "retrained, the highest mean is that of `taylor_raw` and `taylor` (70.0 %)" in ends
    assert "(before pruning 90.0 %, chance 10.0 %)" in ends
    assert "s: not retrained: `taylor_raw`;" in near
    assert "1st of 4 (s: not retrained); 3rd of 4 (s: retrained)" in paper
    assert raw.endswith("+28.5 (s: not retrained); +0.0 (s: retrained).")
    assert floor == "Below removal at random: `taylor` (s: not retrained); none (s: retrained)."
    assert "from 0.1 (`random`) to 1.4 (`lrp`)" in cost


def test_another_number_in_a_table_makes_another_sentence():
    text = findings.section(MEANS.markdown())
    other = findings.section(MEANS.markdown().replace("49.0 [47.0, 51.0]", "59.0 [57.0, 61.0]"))
    assert "highest mean is that of `lrp` (50.0 %)" in text and "highest mean is that of `taylor_raw` (59.0 %)" in other
    assert findings.section(text) == text, "a section that is written again stays as it is"


def test_choices_are_named_by_what_the_corrected_test_found():
    table = Table("criterion, choice", ["a, x", "a, y", "a, z"], {
        "s: not retrained": {"a, x": "**+5.0**", "a, y": "−0.4", "a, z": "**−7.0**"},
        "s: retrained": {"a, x": "**+1.0**", "a, y": "+0.1", "a, z": "**+2.0**"},
    })  # fmt: skip
    without, trained, everywhere, nowhere, both = sentences.of_choices(table)
    assert without.endswith("the largest gain is +5.0 points (`a, x`, s), the largest loss −7.0 (`a, z`, s).")
    assert trained.endswith("the largest gain is +2.0 points (`a, z`, s), the largest loss +0.1 (`a, y`, s).")
    assert everywhere.endswith("in every column: `a, x`, `a, z`.") and nowhere.endswith("in no column: `a, y`.")
    assert both.endswith("downwards in another: `a, z`.")


def test_a_verdict_that_changes_with_the_strongest_rival_is_named():
    table = Table("claim, criterion", ["C1, lrp", "C2, lrp", "C1s, lrp", "C2s, lrp"], {
        "s": {"C1, lrp": "supported: +3.0 [+1.0, +5.0], weight",
              "C1s, lrp": "contradicted: −2.0 [−3.0, −1.0], taylor_raw", "C2, lrp": "undecided: +0.1",
              "C2s, lrp": "undecided: +0.0"},
    })  # fmt: skip
    (text,) = sentences.of_verdicts(table)
    assert (
        "the same verdict: C2 for `lrp` (undecided); another one: C1 for `lrp` (supported, then contradicted)" in text
    )


def entries(family: str) -> list[dict]:
    found = []
    for of, absolute, normalisation in itertools.product(*tables.FACTORS.values()):
        name = f"{family}_{of}_{absolute}_{normalisation}"
        found.append({"name": name, "criterion": family, "normalisation": normalisation,
                      "options": {"of": of, "absolute": absolute}})  # fmt: skip
    found[0] = {"name": family, "criterion": family}  # loss, total, l2: the criterion as it is
    return found


def test_a_factor_is_worth_the_mean_of_its_differences():
    worth = {"logit": 4.0, "sample": 10.0, "position": -6.0, "none": 20.0}
    every = [*entries("taylor"), *entries("gradient")]
    cells = {}
    for entry in every:
        options = entry.get("options", {})
        levels = [options.get("of"), options.get("absolute"), entry.get("normalisation")]
        cells[entry["name"]] = f"{50 + sum(worth.get(level, 0) for level in levels):.1f}"
    means = Table("criterion", list(cells), {"s: not retrained": cells, tables.COST: dict.fromkeys(cells, "1.0")})
    found = tables.factors(means, every)
    assert list(found.columns) == ["s: not retrained"]
    assert found.columns["s: not retrained"]["taylor, of: logit − loss"] == "+4.0"
    assert found.columns["s: not retrained"]["gradient, absolute: position − total"] == "−6.0"
    assert found.columns["s: not retrained"]["taylor, normalisation: none − l2"] == "+20.0"
    said = list(sentences.of_factors(found))
    assert "`taylor`, s: not retrained: worth most is normalisation: none − l2, +20.0 points" in said[1]


def test_regret_names_who_is_surely_above_the_joint_oracle():
    cells = {"a": "−2.0 [−3.0, −1.0]", "b": "−0.5 [−1.5, +0.5]", "c": "+7.5 [+6.0, +9.0]"}
    table = Table("criterion", list(cells), {"s: regret": cells, "s: not retrained": dict.fromkeys(cells, "50.0")})
    (said,) = (sentence for sentence in sentences.of_means(table) if "regret" in sentence)
    assert said.endswith("least for `a` (−2.0 points) and most for `c` (+7.5). Surely above the joint oracle: `a`.")


# What README opens with.

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PUBLISHED = {
    "criterion": Table(
        "criterion", ["lrp_epsilon", "lrp", "weight", "random", "_unpruned_", "_chance_"],
        {"net: not retrained": {"lrp_epsilon": "50.0 [48.0, 52.0]", "lrp": "46.0 [45.0, 47.0]",
                                "weight": "41.0 [40.0, 42.0]", "random": "30.0 [29.0, 31.0]", "_unpruned_": "91.7",
                                "_chance_": "10.0"}},
    ),
    "claim, criterion": Table(
        "claim, criterion", ["C1, lrp", "C1s, lrp"],
        {"net": {"C1, lrp": "supported: +5.0 [+4.0, +6.0], weight",
                 "C1s, lrp": "contradicted: −4.0 [−5.0, −3.0], taylor_logit"}},
    ),
    "criterion, repaired by": Table(
        "criterion, repaired by", ["lrp_epsilon", "lrp", "weight", "random"],
        {"net: none": {"lrp_epsilon": "50.0 [48.0, 52.0]", "lrp": "46.0 [45.0, 47.0]", "weight": "41.0 [40.0, 42.0]",
                       "random": "30.0 [29.0, 31.0]"},
         "net: least_squares": {"lrp_epsilon": "72.0 [71.0, 73.0]", "lrp": "70.0 [69.0, 71.0]",
                                "weight": "60.0 [59.0, 61.0]", "random": "68.0 [67.0, 69.0]"}},
    ),
}  # fmt: skip


def test_readme_opens_with_what_the_page_says_of_the_published_networks():
    block = opening.opening(RUNS[opening.RUN], tables.read_back(RUNS[opening.RUN]))
    assert opening.with_opening(README, block) == README, "python benchmarks/findings.py --write"
    assert README.index(opening.MARKS[0]) < README.index("## Two commands")
    assert (REPOSITORY / "docs" / "finding.png").stat().st_size < 400_000


def test_the_finding_names_who_keeps_most_the_verdicts_and_what_a_repair_leaves():
    who, claim, repair = opening.sentences(PUBLISHED)
    assert who.startswith(
        "Where nothing is trained after the cut, `lrp_epsilon` keeps most accuracy: `lrp_epsilon` 50.0 ["
    )
    assert (
        "`lrp`, the paper's criterion, 46.0 % on net; `weight` 41.0 % on net; filters taken at random 30.0 % on net."
        in who
    )
    assert "supported on net (+5.0 [+4.0, +6.0] points against `weight`)" in claim
    assert "contradicted on net (−4.0 [−5.0, −3.0] points against `taylor_logit`)" in claim
    assert "at random keep 68.0 % with it, more than the best choice without (50.0)" in repair
    assert "12.0 points apart instead of 20.0" in repair


def test_criteria_whose_intervals_overlap_the_first_are_named_with_it():
    cells = PUBLISHED["criterion"].columns["net: not retrained"] | {"lrp": "49.0 [47.0, 50.0]"}
    means = Table("criterion", PUBLISHED["criterion"].rows, {"net: not retrained": cells})
    who, *_ = opening.sentences(PUBLISHED | {"criterion": means})
    assert "`lrp_epsilon` and `lrp` keep most accuracy and their intervals overlap" in who


def test_the_finding_changes_sides_with_its_numbers():
    cells = {"lrp_epsilon": "72.0 [71.0, 73.0]", "random": "49.9 [48.0, 51.0]"}
    changed = Table("criterion, repaired by", list(cells), {
        "net: none": PUBLISHED["criterion, repaired by"].columns["net: none"], "net: least_squares": cells,
    })  # fmt: skip
    *_, repair = opening.sentences(PUBLISHED | {"criterion, repaired by": changed})
    assert "keep 49.9 % with it, less than the best choice without (50.0)" in repair


def test_verdicts_stand_beside_what_the_papers_claim():
    found = opening.side_by_side({"Networks": [PUBLISHED["claim, criterion"].columns["net"]], "None": []})
    assert found.columns["Networks"]["C1"] == "1 supported; strongest rivals: 1 contradicted"
    assert "C2" not in found.columns["Networks"] and "None" not in found.columns
