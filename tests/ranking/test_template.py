"""A new criterion begins with a file and a test of its own, and never in the place of another."""

import pytest

from secateur.errors import SecateurError
from secateur.ranking import registry, template


def test_a_new_criterion_is_found_and_its_test_speaks_of_it(tmp_path):
    made = template.write("mine", tmp_path)
    assert [path.name for path in made] == ["mine.py", "test_mine.py"]
    assert registry.find([tmp_path])["mine"].path == made[0]
    assert all("_template" not in path.read_text(encoding="utf-8") for path in made)
    assert "mine" in made[1].read_text(encoding="utf-8")


def test_nothing_is_written_over(tmp_path):
    for name in ("lrp", "test_mine", "Mine", "9", ""):
        with pytest.raises(SecateurError, match="is there already" if name == "lrp" else "is no name for a criterion"):
            template.write(name, tmp_path)
    (tmp_path / "test_mine.py").write_text("mine\n")
    with pytest.raises(SecateurError, match="test_mine.py is there already"):
        template.write("mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]
    template.write("other", tmp_path)
    with pytest.raises(SecateurError, match="'other' is there already"):
        template.write("other", tmp_path)
