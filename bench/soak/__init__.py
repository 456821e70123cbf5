"""Mixed faults at load, for as long as it is told: is every answer whole or a typed error, and is nothing left behind?"""
