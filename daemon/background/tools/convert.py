"""Units: a spoken unit is looked up in a closed table, the arithmetic is pint's."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from daemon.background.spoken import parse_number, words_of
from daemon.background.tools.result import Result, failed, say_number

SOURCE = "convert"
_UNITS = {
    "kilogram": "kg kilo kilos kilograms kilogrammes",
    "gram": "g grams gramme grammes",
    "pound": "lb lbs pounds",
    "ounce": "oz ounces",
    "tonne": "t tonnes ton tons",
    "metre": "m metres meter meters",
    "centimetre": "cm centimetres centimeter centimeters",
    "millimetre": "mm millimetres millimeter millimeters mil mils",
    "kilometre": "km kilometres kilometer kilometers",
    "inch": "in inches",
    "foot": "ft feet",
    "yard": "yards",
    "mile": "miles",
    "newton * metre": "nm newton_metre newton_metres newton_meter newton_meters",
    "foot * force_pound": "foot_pound foot_pounds",
    "inch * force_pound": "inch_pound inch_pounds",
    "bar": "bars",
    "psi": "p_s_i pounds_per_square_inch",
    "kilopascal": "kpa kilopascals",
    "pascal": "pa pascals",
    "degC": "c celsius degree_celsius degrees_celsius centigrade",
    "degF": "f fahrenheit degree_fahrenheit degrees_fahrenheit",
    "kelvin": "k kelvins",
    "second": "s seconds",
    "minute": "min minutes",
    "hour": "h hours",
    "day": "days",
    "litre": "l litres liter liters",
    "millilitre": "ml millilitres milliliter milliliters",
    "gallon": "gallons",
    "kilometre / hour": "kph kilometres_per_hour kilometers_per_hour",
    "mile / hour": "mph miles_per_hour",
    "watt": "w watts",
    "kilowatt": "kw kilowatts",
    "horsepower": "hp",
    "joule": "j joules",
    "kilocalorie": "kcal kilocalories calories calorie",
    "kilojoule": "kj kilojoules",
}
_BY_NAME = {name: unit for unit, names in _UNITS.items() for name in [unit, *names.split()]}
_ASKED = re.compile(r"^(?:how (?:much|many) is|what is|convert)?\s*(.+?)\s+(?:in|to|into)\s+(.+)$")


@lru_cache(maxsize=1)
def load_units() -> Any:
    """pint's registry; the first call takes about a second."""
    import pint

    return pint.UnitRegistry()


def unit_of(spoken: str) -> str | None:
    """pint's name of a spoken unit, None when it is not in the table."""
    return _BY_NAME.get(re.sub(r"[\s-]+", "_", spoken.strip().lower().rstrip(".?")))


def convert(arguments: Mapping[str, int | float | str | None]) -> Result:
    """Answer {number, unit, unit2}."""
    number = arguments.get("number")
    spoken, spoken2 = str(arguments.get("unit") or ""), str(arguments.get("unit2") or "")
    if not isinstance(number, (int, float)) or not math.isfinite(number):
        return failed("I need a number to convert.", SOURCE)
    unit, unit2 = unit_of(spoken), unit_of(spoken2)
    if unit is None or unit2 is None:
        unknown = spoken if unit is None else spoken2
        return failed(f"I do not know the unit {unknown or 'you mean'}.", SOURCE)
    return _convert(float(number), unit, unit2, spoken, spoken2)


def _convert(number: float, unit: str, unit2: str, spoken: str, spoken2: str) -> Result:
    registry = load_units()
    quantity = registry.Quantity(number, registry.parse_units(unit))
    target = registry.parse_units(unit2)
    if quantity.dimensionality != registry.Quantity(1, target).dimensionality:
        return failed(f"{spoken} cannot be converted to {spoken2}.".capitalize(), SOURCE)
    value = float(quantity.to(target).magnitude)
    sentence = f"{say_number(number)} {spoken} is {say_number(round(value, 4))} {spoken2}."
    return Result((sentence,), source=SOURCE)


def convert_words(text: str) -> Result | None:
    """Answer "what is 12 inches in centimetres"; None when the text is no such line."""
    found = _ASKED.match(" ".join(words_of(text.replace("tagalong", ""))))
    if found is None or unit_of(found[2]) is None:
        return None
    words = found[1].split()
    for cut in range(len(words) - 1, 0, -1):
        number, spoken = parse_number(words[:cut]), " ".join(words[cut:])
        if number is not None and unit_of(spoken):
            return convert({"number": number, "unit": spoken, "unit2": found[2]})
    return None
