"""Reading and checking a vault: every kind of tampering is named, a bare folder can be read."""

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract.errors import InputError
from overflight_contract.exif import NOTHING, is_whole_jpeg, read_facts
from overflight_contract.vault import (
    GENESIS,
    MANIFEST,
    VaultEntry,
    chain_value,
    encode_entry,
    read_manifest,
    read_vault,
    verify_vault,
)


@pytest.fixture
def vault(tmp_path):
    """Four pictures, kept as the format says, by hand."""
    chain, lines = GENESIS, []
    for n in range(1, 5):
        data = b"\xff\xd8\xff" + bytes([n]) * 50 + b"\xff\xd9"
        name = hashlib.sha256(data).hexdigest()
        file = f"2023/02/0{n}/{name}.jpg"
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_bytes(data)
        entry = VaultEntry(
            n=n, taken_at_ns=n, file=file, sha256=name, bytes=len(data), lat_deg=1.5, serial=n
        )
        entry, line = encode_entry(entry, chain)
        chain = chain_value(entry)
        lines.append(line)
    (tmp_path / MANIFEST).write_bytes(b"".join(lines))
    return tmp_path


def lines_of(vault):
    return (vault / MANIFEST).read_bytes().splitlines(keepends=True)


def put(vault, lines):
    (vault / MANIFEST).write_bytes(b"".join(lines))


def test_a_whole_vault_is_ok_also_from_the_data_folder(vault):
    report = verify_vault(vault)
    assert report.ok
    assert [entry.serial for entry in report.entries] == [1, 2, 3, 4]
    data = vault.parent / "data"
    data.mkdir()
    vault.rename(data / "vault")
    assert verify_vault(data).ok


def test_the_line_is_as_the_format_says(vault):
    line = lines_of(vault)[0]
    body, _, tail = line.rpartition(b',"chain":')
    assert body.startswith(b'{"n":1,"taken_at_ns":1,"file":"2023/02/01/')
    assert tail == b'"' + hashlib.sha256(bytes(32) + body).hexdigest().encode() + b'"}\n'


def test_a_removed_picture_is_missing(vault):
    entry = read_vault(vault)[1]
    (vault / entry.file).unlink()
    report = verify_vault(vault)
    assert report.missing == (entry,)
    assert not (report.changed)
    assert not (report.extra)
    assert not (report.damage)


def test_an_altered_picture_is_changed(vault):
    entry = read_vault(vault)[2]
    data = bytearray((vault / entry.file).read_bytes())
    data[10] ^= 1
    (vault / entry.file).write_bytes(data)
    assert verify_vault(vault).changed == (entry,)


def test_two_swapped_pictures_are_named(vault):
    first, second = read_vault(vault)[:2]
    a, b = vault / first.file, vault / second.file
    one, two = a.read_bytes(), b.read_bytes()
    a.write_bytes(two)
    b.write_bytes(one)
    assert verify_vault(vault).swapped == ((first, second), (second, first))


def test_an_added_picture_is_extra(vault):
    (vault / "2023" / "more.jpg").write_bytes(b"new")
    assert verify_vault(vault).extra == ("2023/more.jpg",)


def test_unfinished_files_are_not_extra(vault):
    (vault / ".x.part").write_bytes(b"new")
    assert verify_vault(vault).ok


def test_swapped_and_dropped_lines_break_the_chain(vault):
    lines = lines_of(vault)
    put(vault, [lines[0], lines[2], lines[1], lines[3]])
    assert verify_vault(vault).damage
    put(vault, lines[:1] + lines[2:])
    report = verify_vault(vault)
    assert report.damage
    assert len(report.extra) == 1


def test_a_cut_off_tail_shows_as_extra_pictures(vault):
    put(vault, lines_of(vault)[:3])
    report = verify_vault(vault)
    assert len(report.extra) == 1
    assert not report.ok


@given(data=st.data())
def test_any_changed_byte_of_the_manifest_is_noticed(tmp_path_factory, data):
    entry = VaultEntry(n=1, taken_at_ns=5, file="a.jpg", sha256="0" * 64, bytes=3)
    first, line = encode_entry(entry, GENESIS)
    _, second = encode_entry(
        VaultEntry(n=2, taken_at_ns=6, file="b.jpg", sha256="1" * 64, bytes=3), chain_value(first)
    )
    block = bytearray(line + second)
    at = data.draw(st.integers(0, len(block) - 1))
    block[at] ^= data.draw(st.integers(1, 255))
    folder = tmp_path_factory.mktemp("vault")
    (folder / MANIFEST).write_bytes(block)
    items = list(read_manifest(folder))
    assert any(not isinstance(item, VaultEntry) for item in items)


def test_a_file_outside_the_vault_is_never_read(tmp_path):
    entry = VaultEntry(n=1, taken_at_ns=5, file="../secret", sha256="0" * 64, bytes=3)
    (tmp_path / MANIFEST).write_bytes(encode_entry(entry, GENESIS)[1])
    report = verify_vault(tmp_path)
    assert not report.entries
    assert "outside the vault" in report.damage[0]


def test_a_bare_folder_can_be_read_and_never_verified(tmp_path):
    (tmp_path / "IMG_1.JPG").write_bytes(b"\xff\xd8\xff\xd9")
    (tmp_path / "notes.txt").write_text("no picture")
    (entry,) = read_vault(tmp_path)
    assert (entry.n, entry.file, entry.taken_at_ns) == (0, "IMG_1.JPG", None)
    report = verify_vault(tmp_path)
    assert report.bare
    assert not report.ok


def test_no_folder_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        verify_vault(tmp_path / "none")


def jpeg_with(tiff):
    body = b"Exif\0\0" + tiff
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(body) + 2) + body + b"\xff\xda\xff\xd9"


def test_exif_in_both_byte_orders():
    for order, mark in (("<", b"II"), (">", b"MM")):
        taken = b"2023:02:01 12:00:00\0"
        tiff = mark + struct.pack(order + "HI", 42, 8)
        tiff += struct.pack(order + "HHHII", 1, 0x8769, 4, 1, 26) + bytes(4)
        tiff += struct.pack(order + "HHHII", 1, 0x9003, 2, len(taken), 44) + bytes(4) + taken
        facts = read_facts(jpeg_with(tiff))
        assert facts.taken_at_ns == 1_675_252_800_000_000_000
        assert not facts.by_gps


@given(st.binary(max_size=300))
def test_any_exif_bytes_give_facts_and_no_exception(block):
    read_facts(block)
    read_facts(jpeg_with(b"II*\0\x08\0\0\0" + block))
    read_facts(jpeg_with(b"MM\0*\0\0\0\x08" + block))


def test_not_a_jpeg():
    assert read_facts(b"\x89PNG") == NOTHING
    assert not is_whole_jpeg(b"\xff\xd8\xff\xe0 cut off")
    assert is_whole_jpeg(b"\xff\xd8\xff\xe0..\xff\xd9\0\0")
