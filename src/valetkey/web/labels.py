"""Which browser it is, in a few words of ours: `Firefox on Linux`. What it says of itself is never shown."""

_BROWSERS = (  # each also says that it is those below it
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_label(says: str) -> str:
    """Return words for what a browser sends as `User-Agent`."""
    browser = next((name for part, name in _BROWSERS if part in says), "A browser")
    system = next((name for part, name in _SYSTEMS if part in says), "")
    return f"{browser} on {system}" if system else browser
