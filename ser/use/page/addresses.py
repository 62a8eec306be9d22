"""The addresses that a page is called by."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

ANY = "*"
_NAME = re.compile(r"[\w.:-]+")  # of a host, or its address
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Addresses:
    """The addresses that a page is called by.

    Attributes:
        hosts: host names that requests may have, at any port; ANY: all.
        public: the page's URL at a proxy, without a slash at its end; "": there is none.
    """

    hosts: Collection[str]
    public: str = ""

    def is_own(self, url: str) -> bool:
        """Return whether a URL, or the origin that begins one, is of this page.

        >>> Addresses(["localhost"], "https://example.org/voice").is_own("https://example.org")
        True
        """
        parts = split(url)
        if parts is None:
            return False
        if self.public and _origin(parts) == _origin(urlsplit(self.public)):
            return True
        return parts.scheme in _PORTS and self._is_host(parts.hostname or "")

    def all_hosts(self) -> list[str]:
        """Return the host names that requests may have.

        >>> Addresses(["localhost"], "https://example.org/voice").all_hosts()
        ['localhost', 'example.org']
        """
        parts = split(self.public)
        return [*self.hosts, *([_bracketed(parts.hostname or "")] if parts else [])]

    def _is_host(self, name: str) -> bool:
        return ANY in self.hosts or _bracketed(name) in self.hosts


def split(url: str) -> SplitResult | None:
    """Split a URL into its parts; None if it cannot be one.

    >>> split("http://localhost:port") is None
    True
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError if it is none
    except ValueError:
        return None
    return parts if _NAME.fullmatch(parts.hostname or "") and "@" not in parts.netloc else None


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", port


def _bracketed(name: str) -> str:
    """Return a host name as it stands in a URL, where an address of IPv6 is in brackets."""
    return f"[{name}]" if ":" in name else name
