"""Figures as a person reads them."""


def money(micros: float) -> str:
    """US dollars, as exact as the sum is small: $12.50, $0.0125, $0.000650."""
    dollars = micros / 1e6
    size = abs(dollars)
    digits = 2 if size == 0 or size >= 1 else 4 if size >= 0.01 else 6
    return f"{'-' if dollars < 0 else ''}${size:,.{digits}f}"


def price(micros_per_mtok: int) -> str:
    """US dollars per million tokens, without needless zeros: $0.05, $1.25, $0.075."""
    text = f"{micros_per_mtok / 1e6:.6f}".rstrip("0")
    whole, _, digits = text.partition(".")
    return f"${int(whole):,}.{digits:0<2}"


def seconds(value: float) -> str:
    """Seconds: 0.31 s, 12.4 s, 45 ms."""
    if value <= 0:
        return "-"
    if value < 0.1:
        return f"{value * 1e3:.0f} ms" if value >= 0.001 else f"{value * 1e3:.1g} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def milliseconds(seconds: float) -> str:
    """A short time in milliseconds, two figures of it: 0.21 ms, 3.4 ms, 12 ms."""
    value = seconds * 1e3
    return f"{value:.2f} ms" if value < 1 else f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def rate(per_second: float | None) -> str:
    """A rate a second: 3.2, 58, 1,200."""
    if not per_second:
        return "-"
    return f"{per_second:.1f}" if per_second < 10 else f"{per_second:,.0f}"


def share(value: float) -> str:
    """A share of 1 in percent."""
    return f"{value:.0%}"


def part(value: float) -> str:
    """A share of 1 in percent, in which neither none nor all is said of what is only nearly so: -, <1%, 40%, >99%, 100%."""
    if value <= 0:
        return "-"
    return "<1%" if value < 0.01 else ">99%" if 0.99 < value < 1 - 1e-9 else f"{value:.0%}"


def size(tokens: int) -> str:
    """A count of tokens: 512, 8k, 128k, 1M."""
    if tokens >= 1_000_000:
        return f"{tokens / 1e6:.3g}M"
    return f"{tokens / 1e3:.3g}k" if tokens >= 1_000 else str(tokens)


def plain(text: str) -> str:
    """Text that a terminal shows and does not obey: control characters but for tabs and line ends are left out."""
    return text.translate(_CONTROLS)


_CONTROLS = {code: None for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if chr(code) not in "\n\t"}
