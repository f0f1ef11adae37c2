"""Fetching from a real HTTP server: resumed, retried, checked; what is wrong is one error and leaves nothing behind."""

import errno
import hashlib
import subprocess

import numpy as np
import pytest
from tests.data.hosts import serving

from secateur.data import extraction, fetching
from secateur.errors import SecateurError

BODY = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(fetching, "SECONDS_BEFORE_RETRY", 0.01)
    monkeypatch.delenv(fetching.MIRROR, raising=False)


def entry(address, **changed):
    return {"files": [{"name": "set.tar", "url": f"{address}/set.tar", "sha256": SHA256} | changed]}


def test_a_file_is_fetched_whole_and_checked(tmp_path):
    with serving({"set.tar": BODY}) as (address, server):
        (line,) = fetching.fetch("pets", entry(address), tmp_path / "archives" / "pets")
    assert (tmp_path / "archives/pets/set.tar").read_bytes() == BODY
    assert SHA256 in line and server.seen == [None]
    assert [path.name for path in (tmp_path / "archives").iterdir() if not path.name.startswith(".partial")] == ["pets"]


def test_a_broken_transfer_goes_on_where_it_was(tmp_path):
    with serving({"set.tar": BODY}, ["break", "busy", "break"]) as (address, server):
        fetching.fetch("pets", entry(address), tmp_path / "pets")
    assert (tmp_path / "pets/set.tar").read_bytes() == BODY
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in server.seen[1:]]
    assert server.seen[0] is None and 0 < starts[0] == starts[1] < starts[2] < len(BODY)


def test_the_next_run_goes_on_after_a_killed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "TRIES", 1)
    with serving({"set.tar": BODY}, ["break"]) as (address, server):
        with pytest.raises(SecateurError, match=r"could not be fetched in 1 tries.*MB are kept.*mirror"):
            fetching.fetch("pets", entry(address), tmp_path / "pets")
        assert not (tmp_path / "pets").exists()
        fetching.fetch("pets", entry(address), tmp_path / "pets")
    assert (tmp_path / "pets/set.tar").read_bytes() == BODY
    assert server.seen[1] not in (None, "bytes=0-")


@pytest.mark.parametrize("fault", ["whole", "changed", "complete"])
def test_resuming_where_the_source_does_not_play_along(tmp_path, fault):
    """It ignores ranges, it has other bytes by now, or nothing was missing any more."""
    partial = tmp_path / ".partial" / "pets"
    partial.mkdir(parents=True)
    (partial / "set.tar").write_bytes(BODY if fault == "complete" else BODY[:1000])
    tag = '"another"' if fault == "changed" else '"' + SHA256[:16] + '"'
    (partial / "set.tar.version").write_text(tag)
    with serving({"set.tar": BODY}, ["whole"] if fault == "whole" else []) as (address, server):
        fetching.fetch("pets", entry(address), tmp_path / "pets")
    assert (tmp_path / "pets/set.tar").read_bytes() == BODY and len(server.seen) == 1


def test_a_wrong_hash_is_refused_and_names_both(tmp_path):
    with serving({"set.tar": BODY}, ["wrong"]) as (address, _):
        with pytest.raises(
            SecateurError, match=f"(?s)set.tar.*{hashlib.sha256(bytes(len(BODY))).hexdigest()}.*{SHA256}"
        ):
            fetching.fetch("pets", entry(address), tmp_path / "pets")
        assert not (tmp_path / "pets").exists()
        fetching.fetch("pets", entry(address), tmp_path / "pets")  # the wrong bytes are not kept
    assert (tmp_path / "pets/set.tar").read_bytes() == BODY


def test_an_html_page_is_no_archive(tmp_path):
    page = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"
    with serving({"set.tar": page}) as (address, _), pytest.raises(SecateurError, match=r"HTML page.*login.*mirror"):
        fetching.fetch("pets", entry(address), tmp_path / "pets")
    assert not (tmp_path / "pets").exists() and not list(tmp_path.glob(".partial/pets/set.tar"))


def test_an_address_that_is_gone_is_not_asked_again(tmp_path):
    with serving({}) as (address, server), pytest.raises(SecateurError, match=r"answers 404.*correct the url"):
        fetching.fetch("pets", entry(address), tmp_path / "pets")
    assert len(server.seen) == 1


def test_a_source_that_does_not_answer_says_what_to_do_without_network(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "TRIES", 2)
    with pytest.raises(SecateurError, match=r"could not be fetched in 2 tries.*Nothing came.*Without network"):
        fetching.fetch("pets", entry("http://127.0.0.1:9"), tmp_path / "pets")


def test_no_known_hash_is_said_with_the_one_that_came(tmp_path):
    with serving({"set.tar": BODY}) as (address, _):
        (line,) = fetching.fetch("pets", entry(address, sha256=None), tmp_path / "pets")
    assert SHA256 in line and "gives no hash" in line


def test_the_mirror_comes_first_and_is_checked_too(tmp_path):
    mirror = tmp_path / "mirror"
    (mirror / "pets").mkdir(parents=True)
    (mirror / "pets" / "set.tar").write_bytes(BODY)
    with serving({"set.tar": b"other"}) as (address, server):
        fetching.fetch("pets", entry(address), tmp_path / "made" / "pets", str(mirror))
        assert (tmp_path / "made/pets/set.tar").read_bytes() == BODY and not server.seen
        (mirror / "pets" / "set.tar").unlink()
        (mirror / "set.tar").write_bytes(b"damaged")
        with pytest.raises(SecateurError, match=r"the mirror's .*set\.tar has the sha256"):
            fetching.fetch("pets", entry(address), tmp_path / "made" / "cats", str(mirror))
        assert (mirror / "set.tar").read_bytes() == b"damaged" and not (tmp_path / "made/cats").exists()
    with pytest.raises(SecateurError, match=r"mirror: there is no folder .*nowhere"):
        fetching.fetch("pets", entry(address), tmp_path / "made" / "pets", str(tmp_path / "nowhere"))


def test_what_cannot_be_fetched_says_where_and_how_to_place_it(tmp_path):
    asked = {"files": [{"name": "a.tar"}, {"name": "b.tar"}], "how": "Register at\n the source."}
    with pytest.raises(
        SecateurError, match=r"a\.tar .*placed by you; no mirror is set\. Register at the source\. Put a\.tar, b"
    ):
        fetching.fetch("pets", asked, tmp_path / "pets")
    (tmp_path / "mirror").mkdir()
    with pytest.raises(SecateurError, match=r"mirror and .*mirror/pets have none"):
        fetching.fetch("pets", asked, tmp_path / "pets", str(tmp_path / "mirror"))


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("only root may make a small file system; the test below stands in")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_error(tiny_disk):
    with (
        serving({"set.tar": BODY}) as (address, _),
        pytest.raises(SecateurError, match=r"3 MB are to be .*only 1 MB are free"),
    ):
        fetching.fetch("pets", entry(address), tiny_disk / "pets")
    assert not (tiny_disk / "pets").exists()
    mirror = tiny_disk.parent / "mirror"
    mirror.mkdir()
    (mirror / "set.tar").write_bytes(BODY)
    with pytest.raises(SecateurError, match=r"the disk is full while copying .*set\.tar"):
        fetching.fetch("pets", entry("http://127.0.0.1:9"), tiny_disk / "pets", str(mirror))
    assert not (tiny_disk / "pets").exists()


def test_a_disk_that_fills_up_meanwhile_is_one_error(tmp_path, monkeypatch):
    def full(self, count):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetching.Meter, "add", full)
    with (
        serving({"set.tar": BODY}) as (address, _),
        pytest.raises(SecateurError, match="the disk is full while downloading"),
    ):
        fetching.fetch("pets", entry(address), tmp_path / "pets")
    with pytest.raises(OSError, match="denied"), extraction.full_disk_told(tmp_path, "x"):
        raise OSError(errno.EACCES, "denied")  # other troubles stay what they are


def test_progress_is_told(tmp_path, monkeypatch, capsys):
    from secateur import progress

    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with serving({"set.tar": BODY}) as (address, _):
        fetching.fetch("pets", entry(address), tmp_path / "pets")
    assert "set.tar: 1 MB of 3 MB, about 0 s left" in capsys.readouterr().err
