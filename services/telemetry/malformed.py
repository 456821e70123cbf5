"""What is raised for a record that breaks the contract."""


class Malformed(Exception):
    """`field` is its path (`attempts[1].model.provider`); texts of a record are never quoted: they may be a caller's."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
