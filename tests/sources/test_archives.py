import gzip
import io
import random
import tarfile
import zipfile
from functools import partial
from pathlib import PurePosixPath

import pytest

from ser.core.errors import UserError
from ser.corpora import select_files
from ser.sources import archives

SELECT = partial(select_files, "own")
MODES = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}
FORMS = ["zip", *MODES]
# As dense as audio is: none of the forms makes it smaller.
NOISE = random.Random(0).randbytes(20_000)
AUDIO = {
    "angry/a01 (1).wav": NOISE[:6000],
    "angry/deep er/100% #1?.WAV": NOISE[6000:13_000],
    "happy/ä.flac": NOISE[13_000:],
}
OTHERS = {
    "README.md": b"not a recording",
    "angry/a01 (1).wav.txt": b"x",
    "angry/.hidden.wav": b"x",
    "__MACOSX/angry/._a01 (1).wav": b"x",
}
MIB = 2**20


def pack(path, members, **options):
    """Write an archive of the form that its name ends in; keys are names or ready-made members."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return path
    with tarfile.open(path, MODES[path.name.partition(".")[2]], **options) as archive:
        for name, content in members.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    }


def refused(archive, folder):
    """Why an archive is refused; nothing may be written anywhere, half or whole."""
    around = files(folder.parent)
    with pytest.raises(UserError) as error:
        archives.unpack(archive, folder, SELECT)
    assert files(folder.parent) == around
    assert str(archive) in str(error.value)
    return str(error.value)


@pytest.fixture
def folder(tmp_path):
    """Where archives are unpacked to; it is not there yet."""
    return tmp_path / "raw" / "own"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_brings_the_same_files(tmp_path, folder, form):
    archive = pack(tmp_path / f"a.{form}", AUDIO)
    assert archives.unpack(archive, folder, SELECT) == (sorted(AUDIO), 0)
    assert files(folder) == AUDIO


@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_recording_is_counted_and_left(tmp_path, folder, form):
    archive = pack(tmp_path / f"a.{form}", OTHERS | AUDIO)
    assert archives.unpack(archive, folder, SELECT) == (sorted(AUDIO), len(OTHERS))
    assert files(folder) == AUDIO


@pytest.mark.parametrize("form", FORMS)
def test_contents_not_names_tell_the_form(tmp_path, folder, form):
    archive = pack(tmp_path / f"a.{form}", AUDIO).rename(tmp_path / "download")
    archives.unpack(archive, folder, SELECT)
    assert files(folder) == AUDIO


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_names_may_begin_with_the_folder_and_folders_may_be_members(tmp_path, folder, form):
    (tmp_path / "given").mkdir()
    for path, content in AUDIO.items():
        (tmp_path / "given" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "given" / path).write_bytes(content)
    archive = tmp_path / f"a.{form}"
    if form == "tar":
        with tarfile.open(archive, "w") as opened:
            opened.add(tmp_path / "given", "./")
    else:
        with zipfile.ZipFile(archive, "w") as opened:
            for path in sorted((tmp_path / "given").rglob("*")):
                opened.write(path, f"./{path.relative_to(tmp_path / 'given')}")
    assert archives.unpack(archive, folder, SELECT) == (sorted(AUDIO), 0)
    assert files(folder) == AUDIO


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_dialects_of_tar(tmp_path, folder, format):
    long = f"{'x' * 90}/{'y' * 90}.wav"
    archive = pack(tmp_path / "a.tar.gz", AUDIO | {long: b"RIFF"}, format=format)
    archives.unpack(archive, folder, SELECT)
    assert files(folder) == AUDIO | {long: b"RIFF"}


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path, folder):
    notes = pack(tmp_path / "notes.zip", {"other.wav": b"of the zip within"})
    archive = pack(tmp_path / "a.tar", AUDIO | {"notes.zip": notes.read_bytes()})
    assert archives.unpack(archive, folder, SELECT) == (sorted(AUDIO), 1)
    assert files(folder) == AUDIO


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_without_recordings_says_what_it_has(tmp_path, folder, form):
    archive = pack(tmp_path / f"a.{form}", {"a.pdf": b"x", "b/c.txt": b"x"})
    text = refused(archive, folder)
    assert "has no audio files" in text
    assert "2 files seen, for example a.pdf, b/c.txt" in text
    assert "0 files seen" in refused(pack(tmp_path / f"empty.{form}", {}), folder)


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize(
    "name", ["../x.wav", "/x.wav", "//x.wav", "a/../../x.wav", "a/../x.wav", "../x.txt"]
)
def test_a_member_that_leaves_the_folder_is_refused(tmp_path, folder, form, name):
    archive = pack(tmp_path / f"a.{form}", AUDIO | {name: b"RIFF"})
    expected = PurePosixPath(name).as_posix()
    assert f"{expected!r} outside of its own folders" in refused(archive, folder)


@pytest.mark.parametrize("form", ["tar", "tar.gz"])
@pytest.mark.parametrize(
    ("type", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "../../outside.wav"),
        (tarfile.SYMTYPE, "a01 (1).wav"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "angry/a01 (1).wav"),
        (tarfile.FIFOTYPE, ""),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
    ],
)
@pytest.mark.parametrize("name", ["angry/x.wav", "notes"])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, folder, form, type, target, name):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = type, target
    archive = pack(tmp_path / f"a.{form}", {**AUDIO, member: b""})
    assert f"{name!r} is a link or a device: refused" in refused(archive, folder)


def test_a_tar_cannot_write_through_its_own_link(tmp_path, folder):
    link = tarfile.TarInfo("angry")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    archive = pack(tmp_path / "a.tar", {link: b"", "angry/x.wav": b"RIFF"})
    assert "'angry' is a link" in refused(archive, folder)


@pytest.mark.parametrize("name", ["angry/x.wav", "notes"])
def test_links_in_a_zip_are_refused(tmp_path, folder, name):
    link = zipfile.ZipInfo(name)
    link.external_attr = 0o120777 << 16
    archive = pack(tmp_path / "a.zip", {**AUDIO, link: b"/etc/passwd"})
    assert f"{name!r} is a link: refused" in refused(archive, folder)


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_a_link_in_the_folder_is_not_followed(tmp_path, folder, form):
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.mkdir(parents=True)
    (folder / "angry").symlink_to(outside)
    archive = pack(tmp_path / f"a.{form}", AUDIO)
    with pytest.raises(UserError, match="angry is a link that leaves"):
        archives.unpack(archive, folder, SELECT)
    assert files(outside) == {}


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_names_that_no_table_can_hold_are_refused(tmp_path, folder, form):
    name = "angry/line\nbreak.wav"
    if form == "tar":
        name = "angry/\udce4.wav"  # the byte E4 is how Latin-1 writes ä
    archive = pack(tmp_path / f"a.{form}", AUDIO | {name: b"RIFF"})
    assert repr(name) in refused(archive, folder)


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
@pytest.mark.parametrize("sizes", [[70], [30, 30, 10]])
def test_an_archive_that_grows_too_much_is_refused(tmp_path, folder, form, sizes):
    zeros = {f"angry/{i}.wav": bytes(size * MIB) for i, size in enumerate(sizes)}
    archive = pack(tmp_path / f"a.{form}", AUDIO | zeros)
    text = refused(archive, folder)
    assert "would grow from 0.1 MB to more than 73 MB, more than 20 times: refused" in text


def test_what_follows_the_end_of_a_tar_is_not_unpacked_without_end(tmp_path, folder):
    archive = pack(tmp_path / "a.tar", AUDIO)
    archive.write_bytes(gzip.compress(archive.read_bytes() + bytes(80 * MIB)))
    assert "more than 20 times: refused" in refused(archive, folder)


@pytest.mark.parametrize("form", MODES)
def test_a_long_header_is_not_read_into_memory(tmp_path, folder, form):
    archive = tmp_path / f"a.{form}"
    with tarfile.open(archive, MODES[form], format=tarfile.PAX_FORMAT) as opened:
        member = tarfile.TarInfo("angry/a01 (1).wav")
        member.pax_headers = {"comment": "a" * 4 * MIB}
        opened.addfile(member)
    assert "a header is longer than a megabyte" in refused(archive, folder)


def test_a_file_that_is_mostly_a_hole_is_refused(tmp_path, folder):
    member = tarfile.TarInfo("angry/x.wav")
    member.type = tarfile.GNUTYPE_SPARSE
    archive = pack(tmp_path / "a.tar", {member: b""})
    content = bytearray(archive.read_bytes())
    header = content[: tarfile.BLOCKSIZE]
    header[386:398] = header[398:410] = header[410:422] = b"00000000000\0"
    header[483:495] = b"%011o\0" % (70 * MIB)  # its size once it is unpacked
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive.write_bytes(bytes(header) + bytes(content[tarfile.BLOCKSIZE :]))
    assert "more than 20 times: refused" in refused(archive, folder)


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_a_small_archive_may_grow(tmp_path, folder, form):
    zeros = {"angry/0.wav": bytes(10 * MIB)}
    archive = pack(tmp_path / f"a.{form}", zeros)
    archives.unpack(archive, folder, SELECT)
    assert files(folder) == zeros


def test_a_large_archive_may_be_unpacked(tmp_path, folder):
    archive = pack(tmp_path / "a.tar", {"angry/0.wav": bytes(70 * MIB)})
    archives.unpack(archive, folder, SELECT)
    assert (folder / "angry/0.wav").stat().st_size == 70 * MIB


@pytest.mark.parametrize("form", FORMS)
def test_what_is_cut_off_is_refused(tmp_path, folder, form):
    whole = pack(tmp_path / f"a.{form}", AUDIO).read_bytes()
    end = len(whole)
    if form == "tar":  # what follows is nothing but zeros
        end = whole.rindex(NOISE[-100:]) + 100
    archive = tmp_path / f"part.{form}"
    for n in (0, 1, 10, 300, 600, end // 4, end // 2, end * 3 // 4, end - 500):
        archive.write_bytes(whole[:n])
        assert "cut off" in refused(archive, folder), n


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_what_lacks_only_its_last_byte_is_refused(tmp_path, folder, form):
    archive = pack(tmp_path / f"a.{form}", AUDIO)
    archive.write_bytes(archive.read_bytes()[:-1])
    assert "cut off" in refused(archive, folder)


def test_a_tar_that_is_cut_off_between_two_members_is_refused(tmp_path, folder):
    archive = pack(tmp_path / "a.tar", AUDIO)
    whole = archive.read_bytes()
    with tarfile.open(archive) as opened:
        members = opened.getmembers()
    last = members[-1]
    data = last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    for n in (*(member.offset for member in members[1:]), data):
        archive.write_bytes(whole[:n])
        assert "damaged or was cut off" in refused(archive, folder), n
        archive.write_bytes(gzip.compress(whole[:n]))
        assert "damaged or was cut off" in refused(archive, folder), n


def test_a_tar_with_a_damaged_header_is_refused(tmp_path, folder):
    archive = pack(tmp_path / "a.tar", AUDIO)
    content = archive.read_bytes()
    with tarfile.open(archive) as opened:
        members = opened.getmembers()
    for member in members:
        damaged = bytearray(content)
        damaged[member.offset + 1] ^= 0xFF
        archive.write_bytes(damaged)
        assert "cut off" in refused(archive, folder)


def test_a_zip_that_says_less_than_it_holds_is_refused(tmp_path, folder):
    archive = pack(tmp_path / "a.zip", {"angry/x.wav": bytes(1_000_000)})
    size, less = ((n).to_bytes(4, "little") for n in (1_000_000, 10))
    archive.write_bytes(archive.read_bytes().replace(size, less))
    assert "damaged" in refused(archive, folder)


def test_a_zip_that_says_less_to_grow_more_is_refused(tmp_path, folder):
    archive = pack(tmp_path / "a.zip", {"angry/x.wav": bytes(70 * MIB)})
    size, less = ((n).to_bytes(4, "little") for n in (70 * MIB, 10 * MIB))
    archive.write_bytes(archive.read_bytes().replace(size, less))
    assert "damaged" in refused(archive, folder)


# A plain tar has no checksums of its contents.
@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("size", [6000, 300_000, 1_000_000])
@pytest.mark.parametrize("place", [0.5, 0.9])  # within the second and the last of three files
def test_damaged_contents_are_refused(tmp_path, folder, form, size, place):
    members = {f"angry/{i}.wav": random.Random(i).randbytes(size) for i in range(3)}
    archive = pack(tmp_path / f"a.{form}", members)
    content = bytearray(archive.read_bytes())
    content[int(len(content) * place)] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(UserError, match="was cut off") as error:
        archives.unpack(archive, folder, SELECT)
    assert str(archive) in str(error.value)
    # What came before is whole and may stay; nothing else is there, nor a part of it.
    before = ["angry/0.wav", "angry/1.wav"][: 1 if place == 0.5 else 2]
    assert files(folder).items() <= {path: members[path] for path in before}.items()


@pytest.mark.parametrize(("flag", "what"), [(0x1, "is encrypted"), (0x41, "strong encryption")])
def test_an_encrypted_zip_is_refused(tmp_path, folder, flag, what):
    archive = pack(tmp_path / "a.zip", AUDIO)
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        local = [info.header_offset for info in opened.infolist()]
        central = opened.start_dir
    for offset in local:
        content[offset + 6] |= flag
    while content[central : central + 4] == b"PK\1\2":
        content[central + 8] |= flag
        central = content.find(b"PK\1\2", central + 4)
        if central < 0:
            break
    archive.write_bytes(content)
    assert what in refused(archive, folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        b"RIFF\x24\0\0\0WAVEfmt " + bytes(1000),
        b"%PDF-1.7\n" + NOISE,
        b"<!DOCTYPE html><html>Sign in</html>",
        b"Rar!\x1a\x07\x01\x00" + NOISE,
        b"7z\xbc\xaf\x27\x1c" + NOISE,
        gzip.compress(NOISE),
        gzip.compress(b""),
        NOISE,
    ],
    ids=["nothing", "text", "wav", "pdf", "page", "rar", "7z", "gz", "empty gz", "noise"],
)
def test_what_is_no_archive_is_refused(tmp_path, folder, content):
    archive = tmp_path / "a.zip"
    archive.write_bytes(content)
    text = refused(archive, folder)
    assert "is neither a zip nor a tar, or was cut off" in text
    assert "give the folder" in text


@pytest.mark.parametrize("form", FORMS)
def test_running_again_completes_what_is_there(tmp_path, folder, form):
    archive = pack(tmp_path / f"a.{form}", OTHERS | AUDIO)
    first = archives.unpack(archive, folder, SELECT)
    gone, damaged, kept = AUDIO
    (folder / gone).unlink()
    (folder / f"{gone}.part").write_bytes(AUDIO[gone][:100])
    (folder / damaged).write_bytes(bytes(len(AUDIO[damaged])))
    (folder / kept).write_bytes(AUDIO[kept][:-1])
    assert archives.unpack(archive, folder, SELECT) == first
    assert files(folder) == AUDIO


@pytest.mark.parametrize("form", FORMS)
def test_a_failure_leaves_no_part_and_the_files_that_were_there(tmp_path, folder, form):
    archive = pack(tmp_path / f"a.{form}", AUDIO)
    archives.unpack(archive, folder, SELECT)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError):
        archives.unpack(archive, folder, SELECT)
    assert files(folder) == AUDIO
