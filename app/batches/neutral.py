"""Text that a spreadsheet would take for a formula, so that it does not."""

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def neutral(text: str) -> str:
    """The text itself, with an apostrophe before it where it begins like a formula and is no number.

    After OWASP, CSV injection (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    return f"'{text}" if text.startswith(_BEGINS_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
