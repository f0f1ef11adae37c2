"""Extraction: what is in the archive comes out, and what an archive may not do is refused."""

import errno
import gzip
import io
import stat
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.hosts import pack

from secateur.data import extraction
from secateur.errors import SecateurError

FILES = {"set/train/cat/1.jpg": b"one" * 5000, "set/test/dog/2.jpg": b"two", "set/read me.txt": b""}
KINDS = ["tar", "tar.gz", "tgz", "tar.xz", "tar.bz2", "zip"]


def listed(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_archive_comes_out_as_it_went_in_whatever_its_name(tmp_path, kind):
    packed = pack(tmp_path / f"set.{kind}", FILES)
    extraction.extract(packed.rename(tmp_path / "unnamed"), tmp_path / "out")
    assert listed(tmp_path / "out") == FILES


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_archive_is_one_error(tmp_path, kind, share):
    packed = pack(tmp_path / f"set.{kind}", {f"cat/{number}.jpg": bytes(range(256)) * 40 for number in range(9)})
    packed.write_bytes(packed.read_bytes()[: int(share * packed.stat().st_size)])
    with pytest.raises(SecateurError, match=r"set\..* truncated or damaged"):
        extraction.extract(packed, tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"  <HTML><head>", "an HTML page"), (b"", "truncated or damaged"), (b"\x89PNG" * 300, "no tar or zip archive")],
)
def test_what_is_no_archive_is_one_error(tmp_path, content, words):
    (tmp_path / "set.tar.gz").write_bytes(content)
    with pytest.raises(SecateurError, match=words):
        extraction.extract(tmp_path / "set.tar.gz", tmp_path / "out")


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", ["../evil.jpg", "/tmp/evil.jpg", "cat/../../evil.jpg", "C:/evil.jpg", "..\\evil.jpg"])
def test_no_path_leaves_the_folder(tmp_path, kind, name):
    packed = pack(tmp_path / "in" / f"set.{kind}", {"cat/1.jpg": b"one", name: b"evil"})
    with pytest.raises(SecateurError, match="would leave the folder"):
        extraction.extract(packed, tmp_path / "in" / "out")
    assert not any("evil" in path.name for path in tmp_path.rglob("*"))


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "\\", "C:", "…"]), min_size=1, max_size=6))
def test_every_name_is_refused_or_stays_inside(parts):
    folder = Path("/folder")
    try:
        found = extraction._inside(Path("a.tar"), folder, "/".join(parts))
    except SecateurError:
        return
    assert found.resolve().is_relative_to(folder)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "set.tar", "w") as opened:
        member = tarfile.TarInfo("cat/1.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        opened.addfile(member)
    with pytest.raises(SecateurError, match="'cat/1.jpg' is a link or a device"):
        extraction.extract(tmp_path / "set.tar", tmp_path / "out")
    assert not listed(tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as opened:
        member = zipfile.ZipInfo("cat/1.jpg")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(member, "/etc/passwd")
    with pytest.raises(SecateurError, match="is a link"):
        extraction.extract(tmp_path / "set.zip", tmp_path / "out")


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_what_extracts_to_more_than_images_do_is_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(extraction, "SMALLEST_BOUND", 50_000)
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr("bomb.jpg", bytes(10_000_000))
    else:
        pack(tmp_path / "set.tar.gz", {"bomb.jpg": bytes(10_000_000)})
    with pytest.raises(SecateurError, match="would extract to more than"):
        extraction.extract(tmp_path / f"set.{kind}", tmp_path / "out")
    monkeypatch.setattr(extraction, "MOST_FILES", 3)
    many = pack(tmp_path / "many.tar", {f"{number}.jpg": b"" for number in range(4)})
    with pytest.raises(SecateurError, match="or 3 files"):
        extraction.extract(many, tmp_path / "out2")


def test_tars_in_a_tar_become_folders(tmp_path):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as opened:
        for name in ("n1_1.JPEG", "n1_2.JPEG"):
            member = tarfile.TarInfo(name)
            member.size = 3
            opened.addfile(member, io.BytesIO(b"abc"))
    packed = pack(tmp_path / "all.tar", {"n1.tar": held.getvalue(), "n2.JPEG": b"d"})
    extraction.extract(packed, tmp_path / "out", nested=True)
    assert listed(tmp_path / "out") == {"n1/n1_1.JPEG": b"abc", "n1/n1_2.JPEG": b"abc", "n2.JPEG": b"d"}


def test_a_full_disk_is_one_error(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    packed = pack(tmp_path / "set.zip", FILES)
    monkeypatch.setattr(extraction.shutil, "copyfileobj", full)
    with pytest.raises(SecateurError, match=r"the disk is full while extracting .*MB are free"):
        extraction.extract(packed, tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "size", "count"),
    [
        (tarfile.XHDTYPE, 400 << 20, 1),
        (tarfile.GNUTYPE_LONGNAME, 400 << 20, 1),
        (tarfile.XGLTYPE, 400 << 20, 1),
        (tarfile.XGLTYPE, 1 << 19, 40),  # these hold for all that follows, and are kept
    ],
)
def test_a_header_that_would_fill_the_memory_is_refused_before_it_is_read(tmp_path, kind, size, count):
    """A small archive whose attributes or names unpack to hundreds of megabytes."""
    packed = tmp_path / "set.tar.gz"
    with gzip.open(packed, "wb", compresslevel=1) as opened:
        for number in range(count):
            header = tarfile.TarInfo("././@PaxHeader")
            header.type, header.size = kind, size
            record = b"%d comment%d=" % (size, number)
            opened.write(header.tobuf(tarfile.USTAR_FORMAT) + record)
            for _ in range((size - len(record)) >> 16):
                opened.write(b"x" * (1 << 16))
            opened.write(b"x" * ((size - len(record)) % (1 << 16) - 1) + b"\n")
        opened.write(tarfile.TarInfo("a").tobuf() + bytes(1024))
    tracemalloc.start()
    with pytest.raises(SecateurError, match=r"set.tar.gz: has a header of \d+ MB"):
        extraction.extract(packed, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_long_names_and_many_members_come_out_and_are_not_kept(tmp_path):
    files = {f"{'deep/' * 30}{number}.jpg": b"%d" % number for number in range(300)}
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        packed = tmp_path / f"{form}.tar"
        with tarfile.open(packed, "w", format=form, pax_headers={"comment": "common"} if form == 2 else None) as opened:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                opened.addfile(member, io.BytesIO(content))
        extraction.extract(packed, tmp_path / str(form))
        assert listed(tmp_path / str(form)) == files
