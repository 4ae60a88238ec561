import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from contract.errors import SettingsError
from service.access.secret_file import derived_key, read_secret
from service.settings import ServiceSettings


def test_the_secret_is_made_once_and_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    settings = ServiceSettings(data_dir=tmp_path / "data")
    secret = read_secret(settings)
    assert len(bytes.fromhex(secret.decode())) == 32
    assert read_secret(settings) == secret
    assert stat.S_IMODE((tmp_path / "data" / "secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret"]


def test_two_data_folders_have_two_secrets(tmp_path: Path) -> None:
    first, second = (read_secret(ServiceSettings(data_dir=tmp_path / name)) for name in "ab")
    assert first != second


def test_services_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    together = Barrier(8)

    def start(folder: Path) -> bytes:
        together.wait()
        return read_secret(ServiceSettings(data_dir=folder))

    with ThreadPoolExecutor(8) as threads:
        for number in range(20):
            assert len(set(threads.map(start, [tmp_path / str(number)] * 8))) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_in_the_data_folder_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    settings = ServiceSettings(data_dir=tmp_path)
    read_secret(settings)
    (tmp_path / "secret").chmod(mode)
    with pytest.raises(SettingsError, match=rf"{tmp_path}/secret can be read by others: `chmod 600` it"):
        read_secret(settings)


def test_a_file_of_the_administrators_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mounted"
    file.write_bytes(b" " + b"s" * 32 + b"\n")
    file.chmod(0o444)
    assert read_secret(ServiceSettings(data_dir=tmp_path, secret_file=file)) == b"s" * 32
    assert not (tmp_path / "secret").exists()


@pytest.mark.parametrize("content", [b"", b"s" * 31, b" " * 40])
def test_a_short_secret_is_refused_without_being_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "short"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"{file} cannot be used: it holds less than 32 bytes$"):
        read_secret(ServiceSettings(secret_file=file))


def test_a_missing_file_of_the_administrators_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"{tmp_path}/none cannot be used: No such file"):
        read_secret(ServiceSettings(secret_file=tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_a_secret_that_was_left_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(0o600)
    with pytest.raises(SettingsError, match="less than 32 bytes"):
        read_secret(ServiceSettings(data_dir=tmp_path))


def test_keys_are_derived_by_hkdf() -> None:
    # RFC 5869, test case 3: no salt and no info; the first 32 bytes of its output.
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    assert derived_key(b"\x0b" * 22, "").hex() == expected


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert len({derived_key(b"s" * 32, purpose) for purpose in ("", "a", "b")}) == 3
