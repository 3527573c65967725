"""The kinds of numbers that settings of a noisy store are, each with its unit and bounds. Pure."""

from typing import Annotated

from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1, extra={"unit": "share, 0 to 1"})]
Number = Annotated[int, Meta(ge=0, le=100_000, extra={"unit": "number"})]
AtLeastOne = Annotated[int, Meta(ge=1, le=100_000, extra={"unit": "number"})]
Units = Annotated[int, Meta(ge=0, le=100_000, extra={"unit": "units"})]
Factor = Annotated[float, Meta(ge=0, le=1_000, extra={"unit": "factor"})]
Hour = Annotated[float, Meta(ge=0, le=24, extra={"unit": "hour of the day"})]
Hours = Annotated[float, Meta(gt=0, le=24, extra={"unit": "hours"})]
Minutes = Annotated[float, Meta(ge=0, le=1_440, extra={"unit": "minutes"})]
Seconds = Annotated[float, Meta(ge=0, le=3_600, extra={"unit": "seconds"})]
Days = Annotated[float, Meta(ge=0, le=365, extra={"unit": "days"})]
WholeDays = Annotated[int, Meta(ge=0, le=365, extra={"unit": "days"})]
Milliseconds = Annotated[float, Meta(ge=0, le=86_400_000, extra={"unit": "milliseconds"})]
PerYear = Annotated[float, Meta(ge=0, le=400, extra={"unit": "per year"})]
PerMonth = Annotated[float, Meta(ge=0, le=1_000, extra={"unit": "per month"})]
PerDay = Annotated[float, Meta(ge=0, le=100_000, extra={"unit": "per day"})]
Grams = Annotated[int, Meta(ge=1, le=100_000, extra={"unit": "grams"})]
Metres = Annotated[float, Meta(gt=0, le=500, extra={"unit": "metres"})]
Decibels = Annotated[float, Meta(ge=0, le=60, extra={"unit": "dB"})]
PowerDbm = Annotated[float, Meta(ge=-120, le=60, extra={"unit": "dBm"})]
Ppm = Annotated[float, Meta(ge=0, le=1_000, extra={"unit": "parts per million"})]
Spread = Annotated[float, Meta(ge=0, le=3, extra={"unit": "standard deviations"})]
"""Of a normal variable that decides whether something is read when it is above zero."""
