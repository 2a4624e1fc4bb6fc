"""What a connection to a broker needs."""

from __future__ import annotations

import pytest

from overflight_contract.errors import InputError
from overflight_ground.ingest.address import tls_context


def test_a_tls_file_that_is_missing_or_no_certificate_is_named(tmp_path) -> None:
    absent, garbage = str(tmp_path / "absent.pem"), str(tmp_path / "garbage.pem")
    (tmp_path / "garbage.pem").write_text("not a certificate")
    for files in ((absent, None, None), (None, absent, None), (None, garbage, absent)):
        with pytest.raises(InputError, match=r"absent\.pem: No such file"):
            tls_context(*files)
    for files in ((garbage, None, None), (None, garbage, None)):
        with pytest.raises(InputError, match=r"garbage\.pem: "):
            tls_context(*files)
