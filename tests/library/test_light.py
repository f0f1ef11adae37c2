"""What the library imports: nothing until it is asked, and then torch, timm and little else."""

import pytest

import secateur
from environment import LIBRARY, NOT_THE_LIBRARYS, Environment, build_wheel

USED = """
    import torch, timm
    import secateur

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model("resnet18", channels=[8, 8, 16, 16], num_classes=3).eval()
    images, labels = torch.randn(6, 3, 32, 32), torch.arange(6) % 3
    assert len(secateur.rank(model, images, labels)) > 5
    assert secateur.relevance(model, images, labels).shape == images.shape
    assert secateur.units(model, images[0]).total > 100
    pruned = secateur.prune(model, images, labels, rate=0.3, samples_per_class=2)
    assert pruned.report.counts.after.params < pruned.report.counts.before.params
    secateur.save(pruned, "pruned")
    with torch.no_grad():
        assert torch.equal(secateur.load("pruned")(images), pruned(images))
    print("done")
"""


def test_importing_it_takes_no_time_and_imports_no_torch(without):
    found = without("""
        import sys, time
        began = time.perf_counter()
        import secateur
        print(time.perf_counter() - began, "torch" in sys.modules, "numpy" in sys.modules)
    """)
    seconds, torch, numpy = found.split()
    assert float(seconds) < 0.3 and (torch, numpy) == ("False", "False")


def test_everything_it_offers_is_there_and_listed():
    for name in secateur.__all__:
        assert getattr(secateur, name) is not None and name in dir(secateur)
    with pytest.raises(AttributeError, match="no attribute 'purne'"):
        _ = secateur.purne


@pytest.mark.slow
def test_it_works_where_the_pipelines_packages_are_not(without):
    assert without(USED, *NOT_THE_LIBRARYS) == "done\n"


def test_the_block_blocks(without):
    with pytest.raises(AssertionError, match="No module named 'pandas'"):
        without("import secateur.analysis.tables", *NOT_THE_LIBRARYS)


@pytest.mark.slow
def test_the_wheel_alone_in_an_environment_of_five_packages(tmp_path):
    """Installed without dependencies beside torch, timm, numpy, safetensors and torch-pruning: five lines work."""
    environment = Environment(tmp_path / "environment", build_wheel(tmp_path), LIBRARY)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "try.py").write_text("\n".join(line.removeprefix("    ") for line in USED.splitlines()))
    done = environment.run(str(environment.python), "try.py", cwd=empty)
    assert done.stdout == "done\n", done.stderr
    absent = environment.run(str(environment.python), "-c", "import pandas", cwd=empty)
    assert "No module named 'pandas'" in absent.stderr
    commands = environment.run("secateur", "--help", cwd=empty)
    assert commands.returncode == 2 and "pip install secateur" in commands.stderr
