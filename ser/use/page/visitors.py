"""Who is counted as one visitor."""

import ipaddress

_NETWORK = 64  # bits: of IPv6, one connection to the internet has at least 2**64 addresses


def visitor_of(client: tuple[str, int] | None) -> str:
    """Return the visitor that a client's address and port belong to.

    >>> visitor_of(("192.0.2.7", 5000)), visitor_of(("::ffff:192.0.2.7", 5000))
    ('192.0.2.7', '192.0.2.7')
    >>> visitor_of(("2001:db8::7", 5000)), visitor_of(("2001:db8::8:7", 5000))
    ('2001:db8::/64', '2001:db8::/64')
    """
    host = client[0] if client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a proxy may send any word
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), _NETWORK), strict=False))
