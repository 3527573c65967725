"""Lists on a command line: `1,4,7`, `drop,reset`, `none`."""


def numbers(text: str | None) -> list[int] | None:
    """Return the numbers in a list; `None` for none given. Raises `ValueError`."""
    listed = words(text)
    if listed is None:
        return None
    try:
        return [int(word) for word in listed]
    except ValueError:
        raise ValueError(f"{text}: write numbers, as 1,4,7, or none") from None


def words(text: str | None) -> list[str] | None:
    """Return the words in a list; `None` for none given."""
    if text is None:
        return None
    return [] if text == "none" else [word.strip() for word in text.split(",") if word.strip()]
