"""Public holidays, as a calendar of var `vigil_calendars` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dbt_vigil.project import VigilError

__all__ = ["public_holidays"]


def public_holidays(country: str, years: Sequence[int], subdivision: str | None = None) -> dict[date, str]:
    """The public holidays of a country, or of a part of it, in order.

    Args:
        country: Its ISO 3166-1 code, such as `US`.
        years: Calendar years.
        subdivision: The ISO 3166-2 code of a part of it without the country's, such as `NY`.

    Raises:
        VigilError: The package `holidays` is not installed, or does not know the country or the subdivision.
    """
    try:
        import holidays
    except ImportError as error:
        raise VigilError("the holidays come from a package that is not installed: pip install holidays") from error
    try:
        found = holidays.country_holidays(country, subdiv=subdivision, years=years, language="en_US")
    except NotImplementedError as error:
        raise VigilError(str(error)) from error
    return dict(sorted(found.items()))
