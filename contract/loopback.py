"""Which hosts are this machine alone, by their name or address. Resolves nothing: a name may mean anything tomorrow."""

import ipaddress


def is_loopback(host: str) -> bool:
    """`localhost`, 127.0.0.0/8 and ::1, in any case and without brackets."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
